"""The parser: a U-Net that computes classes and a soft hair matte of a head crop.

It starts at a quarter of the resolution by pixel unshuffle and ends by pixel shuffle (Shi et al. 2016):
convolutions of few channels at full resolution cost more than they gain.
"""

from dataclasses import dataclass
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from facedial.faces.parse import CLASSES
from facedial.training.models.unet import Levels

FACTOR = 4
OUTPUTS = len(CLASSES) + 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Config(Levels):
    """Sizes of the network (`Levels`)."""

    levels: tuple[tuple[int, int, int], ...] = ((48, 0, 1), (96, 1, 1), (128, 2, 1), (160, 1, 0))


class Block(nn.Module):
    """Residual block of two 3x3 convolutions with batch norm; the identity at initialisation."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = _convolution(width, width, 3)
        self.last = _convolution(width, width, 3)
        nn.init.zeros_(self.last[1].weight)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        """[N, width, H, W] -> the same."""
        return F.relu(x + self.last(F.relu(self.first(x))))


class Parser(nn.Module):
    """Crops [N, 3, 256, 256] in 0..1 -> logits [N, 13, 256, 256]: 12 classes, then the hair matte."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        widths = [width for width, _, _ in config.levels]
        self.enter = _convolution(3 * FACTOR**2, widths[0], 3)
        self.down = nn.ModuleList()
        for level, (_, count, _) in enumerate(config.levels):
            shrink = [_convolution(widths[level - 1], widths[level], 2), nn.ReLU()] if level else []
            self.down.append(nn.Sequential(*shrink, *(Block(widths[level]) for _ in range(count))))
        self.across = nn.ModuleList(nn.Conv2d(below, above, 1) for above, below in pairwise(widths))
        self.up = nn.ModuleList(
            nn.Sequential(*(Block(width) for _ in range(count)))
            for width, _, count in config.levels[:-1]
        )
        self.leave = nn.Conv2d(widths[0], OUTPUTS * FACTOR**2, 1)
        with torch.no_grad():  # the same weights for all pixels of a cell: no checkerboard at first
            for values in (self.leave.weight, self.leave.bias):
                assert values is not None
                cells = values.view(OUTPUTS, FACTOR**2, -1)
                cells.copy_(cells[:, :1].expand_as(cells).clone())

    def forward(self, pictures: Tensor, phase: tuple[int, int] | None = None) -> Tensor:
        """All pixels, or with `phase` (i, j) pixels [i::2, j::2] only, at a quarter of the last cost."""
        x = self._features(self.enter(F.pixel_unshuffle(2 * pictures - 1, FACTOR)))
        if phase is None:
            return F.pixel_shuffle(self.leave(x).float(), FACTOR)
        rows, columns = (torch.arange(i, FACTOR, 2) for i in phase)
        places = (rows[:, None] * FACTOR + columns).reshape(-1)
        every = torch.arange(OUTPUTS)[:, None] * FACTOR**2 + places
        chosen = every.reshape(-1).to(x.device)
        weight, bias = self.leave.weight[chosen], self.leave.bias
        assert bias is not None
        return F.pixel_shuffle(F.conv2d(x, weight, bias[chosen]).float(), FACTOR // 2)

    def outputs(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """Logits of `forward`, classes and hair [N, 256, 256] apart, in the form that exports fastest.

        Pixel unshuffle and 3x3 convolution are one 12x12 convolution of stride 4; no tensor is split.
        """
        convolution, norm = self.enter
        assert isinstance(convolution, nn.Conv2d)
        cells = convolution.weight.view(-1, 3, FACTOR, FACTOR, 3, 3)
        kernel = cells.permute(0, 1, 4, 2, 5, 3).reshape(-1, 3, 3 * FACTOR, 3 * FACTOR)
        x = self._features(norm(F.conv2d(2 * pictures - 1, kernel, None, FACTOR, FACTOR)))
        first = len(CLASSES) * FACTOR**2
        weight, bias = self.leave.weight, self.leave.bias
        assert bias is not None
        classes = F.conv2d(x, weight[:first], bias[:first])
        hair = F.conv2d(x, weight[first:], bias[first:])
        return F.pixel_shuffle(classes, FACTOR), F.pixel_shuffle(hair, FACTOR)[:, 0]

    def _features(self, entered: Tensor) -> Tensor:
        """[N, width, 64, 64] -> the same."""
        x = F.relu(entered)
        kept = []
        for part in self.down:
            x = part(x)
            kept.append(x)
        for level in reversed(range(len(self.up))):
            deep = F.interpolate(self.across[level](x), scale_factor=2.0, mode="nearest")
            x = self.up[level](F.relu(deep + kept[level]))
        return x


class Parse(nn.Module):
    """What is exported: crops uint8 [N, 256, 256, 3] -> logits of the classes, and the hair matte.

    Logits, since a softmax over channels takes a runtime as long as the network.
    """

    def __init__(self, network: Parser) -> None:
        super().__init__()
        self.network = network

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """[N, 12, 256, 256] and [N, 256, 256] in 0..1."""
        classes, hair = self.network.outputs(pixels.permute(0, 3, 1, 2).float() / 255)
        return classes, torch.sigmoid(hair)


def _convolution(inputs: int, outputs: int, size: int) -> nn.Sequential:
    """A 3x3 convolution, or a 2x2 of stride 2, and batch norm."""
    stride, padding = (2, 0) if size == 2 else (1, 1)
    convolution = nn.Conv2d(inputs, outputs, size, stride, padding, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(outputs))
