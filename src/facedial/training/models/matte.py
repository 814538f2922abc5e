"""The matte: the person in a head crop, separated from the background."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from facedial.training.models.unet import SIDE as GRID
from facedial.training.models.unet import Config, UNet

__all__ = ["SIDE", "Config", "Matte", "Person"]

SIDE = 2 * GRID
CELL = 4  # pixels along the side of a cell of the crop, one position of 32x32


class Matte(UNet):
    """Crops [N, 3, 128, 128] in 0..1 -> logits of the person [N, 64, 64]; zero at initialisation."""

    def __init__(self, config: Config) -> None:
        super().__init__(3 * CELL**2, (SIDE // GRID) ** 2, config)

    def forward(self, pictures: Tensor) -> Tensor:
        """Logits."""
        planes = self.through(F.pixel_unshuffle(pictures - 0.5, CELL))
        return F.pixel_shuffle(planes, SIDE // GRID)[:, 0]


class Person(nn.Module):
    """The graph `matte`: bytes [N, 128, 128, 3] -> probabilities of the person [N, 64, 64]."""

    def __init__(self, network: Matte) -> None:
        super().__init__()
        self.network = network

    def forward(self, pixels: Tensor) -> Tensor:
        """Probabilities."""
        return torch.sigmoid(self.network(pixels.permute(0, 3, 1, 2).float() / 255))
