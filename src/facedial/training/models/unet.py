"""A small U-Net on planes of 32x32, of residual blocks whose last layers are zero-initialised."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from facedial.errors import BadRequest

SIDE = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Levels:
    """`levels`: (channels, residual blocks of the encoder, of the decoder) at 1/4, 1/8, ... of the side.

    Sizes of a U-Net that starts by pixel unshuffle by 4. The decoder's number of the last level has no
    effect.
    """

    levels: tuple[tuple[int, int, int], ...]

    def __post_init__(self) -> None:
        good = [len(own) == 3 and own[0] >= 1 and min(own) >= 0 for own in self.levels]
        if not 1 <= len(good) <= 5 or not all(good):
            raise BadRequest(
                "model.levels must be one to five of [channels, encoder blocks, decoder blocks], "
                f"got {self.levels}"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """Sizes: `width` channels at 32x32, twice as many at 16x16; blocks going down, below, going up."""

    width: int = 48
    down: int = 2
    below: int = 2
    up: int = 3

    def __post_init__(self) -> None:
        if min(self.width, self.down, self.below, self.up) < 1:
            raise ValueError(f"every size of a U-Net must be at least 1, got {self}")


class Block(nn.Module):
    """x + conv(act(conv(act(x)))), the last convolution zero-initialised; a 1x1 where widths differ."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.last = nn.Conv2d(outputs, outputs, 3, padding=1)
        self.skip = nn.Conv2d(inputs, outputs, 1) if inputs != outputs else nn.Identity()
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        """[N, inputs, H, W] -> [N, outputs, H, W]."""
        y: Tensor = self.skip(x) + self.last(F.silu(self.first(F.silu(x))))
        return y


class UNet(nn.Module):
    """Planes [N, inputs, 32, 32] -> planes [N, outputs, 32, 32], zero at initialisation.

    Pre-activation residual blocks at two sizes, no normalisation, and a learned map of positions.
    """

    def __init__(self, inputs: int, outputs: int, config: Config) -> None:
        super().__init__()
        c = config.width
        self.enter = nn.Conv2d(inputs, c, 3, padding=1)
        self.position = nn.Parameter(torch.zeros(1, c, SIDE, SIDE))
        self.down = nn.Sequential(*[Block(c, c) for _ in range(config.down)])
        self.shrink = nn.Conv2d(c, 2 * c, 3, stride=2, padding=1)
        self.below = nn.Sequential(*[Block(2 * c, 2 * c) for _ in range(config.below)])
        self.grow = nn.Conv2d(2 * c, c, 1)
        self.up = nn.Sequential(Block(2 * c, c), *[Block(c, c) for _ in range(config.up - 1)])
        self.leave = nn.Conv2d(c, outputs, 3, padding=1)
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.leave.bias)  # type: ignore[arg-type]

    def through(self, planes: Tensor) -> Tensor:
        """The network itself."""
        skip = self.down(self.enter(planes) + self.position)
        deep = self.grow(self.below(self.shrink(skip)))
        deep = F.interpolate(deep, scale_factor=2.0, mode="nearest")
        y: Tensor = self.leave(F.silu(self.up(torch.cat([deep, skip], 1))))
        return y.float()
