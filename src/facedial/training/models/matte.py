"""The matte: what of a head crop is person, what is background."""

import torch.nn.functional as F
from torch import Tensor

from facedial.training.models.unet import SIDE as PLACES
from facedial.training.models.unet import Config, UNet

__all__ = ["SIDE", "Config", "Matte"]

SIDE = 2 * PLACES
SEEN = 4  # pixels along the side of what one place of 32x32 sees of a crop


class Matte(UNet):
    """Crops [N, 3, 128, 128] in 0..1 -> log-odds of the person [N, 64, 64]; zero at first."""

    def __init__(self, config: Config) -> None:
        super().__init__(3 * SEEN**2, (SIDE // PLACES) ** 2, config)

    def forward(self, pictures: Tensor) -> Tensor:
        """All places at once."""
        planes = self.through(F.pixel_unshuffle(pictures - 0.5, SEEN))
        return F.pixel_shuffle(planes, SIDE // PLACES)[:, 0]
