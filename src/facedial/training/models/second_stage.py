"""The detector's second stage: is this patch a face? A small residual network."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from facedial.faces.second_stage import PATCH
from facedial.training.models.landmarks import Block

CELLS = 6  # a side of the last feature map


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """Channels at 48x48, 24x24, 12x12 and 6x6; share of features dropped in training."""

    widths: tuple[int, int, int, int] = (16, 32, 64, 96)
    dropout: float = 0.2


class SecondStage(nn.Module):
    """Patches [N, 3, 96, 96] in 0..1 -> log-odds of a face [N], float32."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        a, b, c, d = config.widths
        self.body = nn.Sequential(
            _halve(3, a),
            _halve(a, b),
            Block(b),
            _halve(b, c),
            Block(c),
            Block(c),
            _halve(c, d),
            Block(d),
        )
        self.head = nn.Sequential(
            nn.Linear(d * CELLS * CELLS, d), nn.ReLU(), nn.Dropout(config.dropout), nn.Linear(d, 1)
        )

    def forward(self, patches: Tensor) -> Tensor:
        """Log-odds of each patch."""
        features = self.body((patches - 0.45) / 0.25)
        odds: Tensor = self.head(features.flatten(1))[:, 0].float()
        return odds


class Look(nn.Module):
    """The graph `second_stage`: bytes [N, 96, 96, 3] -> log-odds [N].

    The mean of those of a patch and of its mirror image.
    """

    def __init__(self, network: SecondStage) -> None:
        super().__init__()
        self.network = network

    def forward(self, patches: Tensor) -> Tensor:
        """Log-odds of a face."""
        pictures = patches.permute(0, 3, 1, 2).float() / 255
        mean: Tensor = (self.network(pictures) + self.network(torch.flip(pictures, (3,)))) / 2
        return mean


def _halve(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, 2, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()
    )


assert PATCH == 16 * CELLS
