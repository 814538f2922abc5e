"""Five landmarks in a 64-px patch: a small residual network with heat maps and a soft argmax."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

PATCH = 64
CELLS = 16
SWAPPED = [1, 0, 2, 4, 3]  # the points' order in a mirrored face


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """Channels at 32x32, 16x16, 8x8 and 4x4."""

    widths: tuple[int, int, int, int] = (24, 48, 96, 128)


class Block(nn.Module):
    """Residual block with batch norm: x + bn(conv(relu(bn(conv(x)))))."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.Conv2d(width, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
        )

    def forward(self, x: Tensor) -> Tensor:
        """[N, width, H, W] -> the same."""
        return F.relu(x + self.body(x))


def _halve(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(),
    )


class Landmarks(nn.Module):
    """RGB patch [N, 3, 64, 64] in 0..1 -> points [N, 5, 2], (x, y) in patch pixels, and heat maps.

    A point is the mean over cells, weighted by its heat map, of the cell's position and a predicted
    offset (soft argmax). A correction from the whole patch lets points lie beyond the outermost cells.
    Heat maps are logits [N, 5, 256] over 16x16 cells.
    """

    cells: Tensor

    def __init__(self, config: Config) -> None:
        super().__init__()
        a, b, c, d = config.widths
        self.at32 = _halve(3, a)
        self.at16 = nn.Sequential(_halve(a, b), Block(b))
        self.at8 = nn.Sequential(_halve(b, c), Block(c))
        self.at4 = nn.Sequential(_halve(c, d), Block(d))
        self.up8 = nn.Conv2d(d, c, 1)
        self.up16 = nn.Conv2d(c, b, 1)
        self.merge8 = Block(c)
        self.merge16 = Block(b)
        self.heat = nn.Conv2d(b, 5, 1)
        self.offset = nn.Conv2d(b, 10, 1)
        self.correction = nn.Linear(d, 10)
        nn.init.zeros_(self.offset.weight)
        nn.init.zeros_(self.offset.bias)  # type: ignore[arg-type]
        nn.init.zeros_(self.correction.weight)
        nn.init.zeros_(self.correction.bias)
        line = (torch.arange(CELLS) + 0.5) * (PATCH / CELLS) - 0.5
        grid = torch.stack(torch.meshgrid(line, line, indexing="xy"), -1).reshape(-1, 2)
        self.register_buffer("cells", grid, persistent=False)

    def forward(self, patches: Tensor) -> tuple[Tensor, Tensor]:
        """Points and heat maps of each patch."""
        x16 = self.at16(self.at32((patches - 0.45) / 0.25))
        x8 = self.at8(x16)
        x4 = self.at4(x8)
        up8 = F.interpolate(self.up8(x4), scale_factor=2.0, mode="nearest")
        y8 = self.merge8(F.relu(x8 + up8))
        up16 = F.interpolate(self.up16(y8), scale_factor=2.0, mode="nearest")
        y16 = self.merge16(F.relu(x16 + up16))
        heat: Tensor = self.heat(y16).float().flatten(2)
        shift = self.correction(x4.mean((2, 3))).float().view(-1, 5, 2)
        place = self.offset(y16).float().view(-1, 5, 2, CELLS * CELLS) + self.cells.T
        return (place * heat.softmax(-1)[:, :, None]).sum(-1) + shift, heat


def heat_of(points: Tensor) -> Tensor:
    """Heat maps [N, 5, 256] whose centre of mass is the point: bilinear weights of four cells.

    `points`: [N, 5, 2] in patch pixels; those beyond the outermost cells are moved onto them.
    """
    cell = (points + 0.5) / (PATCH / CELLS) - 0.5
    line = torch.arange(CELLS).to(points)
    # A tent of one cell's width on each axis; their product sums to one.
    tent = (1 - (cell.clamp(0, CELLS - 1)[..., None] - line).abs()).clamp_min(0)
    return (tent[..., 1, :, None] * tent[..., 0, None, :]).flatten(-2)


class Locate(nn.Module):
    """The graph `landmarks`: bytes [N, 64, 64, 3] -> points [N, 5, 2].

    The mean of the predictions for a patch and for its mirror image.
    """

    def __init__(self, network: Landmarks) -> None:
        super().__init__()
        self.network = network

    def forward(self, patches: Tensor) -> Tensor:
        """Points, (x, y) in patch pixels."""
        pictures = patches.permute(0, 3, 1, 2).float() / 255
        points = self.network(pictures)[0]
        mirrored = self.network(pictures.flip(3))[0][:, SWAPPED]
        unmirrored = torch.stack([PATCH - 1 - mirrored[..., 0], mirrored[..., 1]], -1)
        mean: Tensor = (points + unmirrored) / 2
        return mean
