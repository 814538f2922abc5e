"""The detector: one fully convolutional pass that computes faces' scores, boxes and landmarks.

Anchor-free, a cell of four strides predicting one face (FCOS: Tian et al. 2019, arXiv 1904.01355; YuNet:
Wu et al. 2023), features joined from coarse to fine (FPN: Lin et al. 2017, arXiv 1612.03144). Narrow
ordinary convolutions: on a CPU they reach several times the operations per second of depthwise ones.
"""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from facedial.faces.detector import STRIDES
from facedial.training.models.landmarks import Block

OUTPUTS = 15  # of a cell: logit of the score, box (4), landmarks (10)
FIRST_SCORE = 0.02  # of every cell, before training


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """Channels at strides 2 and 4, and at each of `STRIDES`; blocks there; channels of the features."""

    stem: tuple[int, int] = (16, 24)
    widths: tuple[int, ...] = (40, 64, 96, 96)
    blocks: tuple[int, ...] = (1, 2, 2, 1)
    features: int = 40


class Detector(nn.Module):
    """Pictures [N, 3, H, W] in 0..1, sides multiples of 64 -> predictions of all cells [N, A, 15].

    Cells are those of `STRIDES`, row by row. A prediction is the score's logit; the box's middle from
    the cell's, and the logarithms of its sides, and the landmarks from the cell's middle, in `UNIT`
    cells.
    """

    def __init__(self, config: Config) -> None:
        super().__init__()
        first, second = config.stem
        self.stem = nn.Sequential(_halve(3, first), _halve(first, second))
        before = (second, *config.widths[:-1])
        self.down = nn.ModuleList(
            nn.Sequential(_halve(inputs, width), *(Block(width) for _ in range(count)))
            for inputs, width, count in zip(before, config.widths, config.blocks, strict=True)
        )
        self.across = nn.ModuleList(nn.Conv2d(w, config.features, 1) for w in config.widths)
        self.heads = nn.ModuleList(
            nn.Sequential(_convolution(config.features, config.features), _last(config.features))
            for _ in config.widths
        )

    def forward(self, pictures: Tensor) -> Tensor:
        """Predictions of all cells, float32."""
        return torch.cat([m.flatten(2) for m in self.maps(pictures)], 2).transpose(1, 2)

    def maps(self, pictures: Tensor) -> list[Tensor]:
        """Predictions [N, 15, H / stride, W / stride] of each stride."""
        x = self.stem((pictures - 0.45) / 0.25)
        kept = []
        for part in self.down:
            x = part(x)
            kept.append(x)
        found, above = [], None
        for level in reversed(range(len(kept))):
            x = self.across[level](kept[level])
            if above is not None:
                x = x + F.interpolate(above, scale_factor=2.0, mode="nearest")
            above = F.relu(x)
            found.append(self.heads[level](above).float())
        return found[::-1]


class Detect(nn.Module):
    """The graph `detector`: bytes [N, H, W, 3] -> cells [N, A, 15], scores as probabilities."""

    def __init__(self, network: Detector) -> None:
        super().__init__()
        self.network = network

    def forward(self, pixels: Tensor) -> Tensor:
        """The cells of all strides, row by row, those of the smallest stride first."""
        maps = self.network.maps(pixels.permute(0, 3, 1, 2).float() / 255)
        found = torch.cat([one.flatten(2) for one in maps], 2).transpose(1, 2)
        return torch.cat([torch.sigmoid(found[..., :1]), found[..., 1:]], 2)


def cells(side: tuple[int, int], like: Tensor) -> tuple[Tensor, Tensor]:
    """Middles [A, 2] of all cells of a picture (height, width), in its pixels, and strides [A]."""
    middles, strides = [], []
    for stride in STRIDES:
        y, x = ((torch.arange(length // stride).to(like) + 0.5) * stride - 0.5 for length in side)
        grid = torch.stack(torch.meshgrid(x, y, indexing="xy"), -1).reshape(-1, 2)
        middles.append(grid)
        strides.append(torch.full((len(grid),), float(stride)).to(like))
    return torch.cat(middles), torch.cat(strides)


def _last(inputs: int) -> nn.Conv2d:
    """The outputs of a cell, at first the same everywhere."""
    last = nn.Conv2d(inputs, OUTPUTS, 1)
    nn.init.normal_(last.weight, std=0.01)
    bias = torch.zeros(OUTPUTS)
    bias[0] = math.log(FIRST_SCORE / (1 - FIRST_SCORE))
    last.bias = nn.Parameter(bias)
    return last


def _convolution(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()
    )


def _halve(inputs: int, outputs: int) -> nn.Sequential:
    return _convolution(inputs, outputs, 2)
