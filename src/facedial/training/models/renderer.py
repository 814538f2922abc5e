"""The renderer: draws a 128-px picture over the base picture of a code, in Haar planes.

The picture is packed into 48 planes of 32x32 (two Haar levels, an orthonormal change of
coordinates), so all convolutions run at 32x32 and below. A small U-Net of pre-activation residual
blocks, no normalisation, predicts the residual to the base picture; it starts at zero, that is, at PCA.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

PLANES = 48


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """Sizes: `width` channels at 32x32, twice as many at 16x16; blocks going down, below, going up."""

    width: int = 48
    down: int = 2
    below: int = 2
    up: int = 3

    def __post_init__(self) -> None:
        if min(self.width, self.down, self.below, self.up) < 1:
            raise ValueError(f"every size of the renderer must be at least 1, got {self}")


def haar_kernel() -> Tensor:
    """float32 [48, 3, 4, 4]: two Haar levels of RGB as one orthonormal 4x4 convolution of stride 4."""
    pair = torch.tensor([[1.0, 1.0], [1.0, -1.0]]) / 2**0.5
    # Walsh functions of a block of four, in Haar's order of levels: outer pair first, then inner.
    axis = torch.einsum("ai,bj->abij", pair, pair).reshape(4, 4)
    block = torch.einsum("ai,bj->abij", axis, axis).reshape(16, 4, 4)
    kernel = torch.zeros(16, 3, 3, 4, 4)
    for channel in range(3):
        kernel[:, channel, channel] = block
    return kernel.reshape(PLANES, 3, 4, 4)


class Block(nn.Module):
    """x + conv(act(conv(act(x)))), the last convolution starting at zero; a 1x1 where widths differ."""

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


class Renderer(nn.Module):
    """Base picture [N, 3, 128, 128] -> picture of the same shape, both about 0..1."""

    kernel: Tensor
    plane_mean: Tensor
    plane_deviation: Tensor
    residual_deviation: Tensor

    def __init__(self, config: Config) -> None:
        super().__init__()
        c = config.width
        self.register_buffer("kernel", haar_kernel(), persistent=False)
        self.register_buffer("plane_mean", torch.zeros(PLANES, 1, 1))
        self.register_buffer("plane_deviation", torch.ones(PLANES, 1, 1))
        self.register_buffer("residual_deviation", torch.ones(PLANES, 1, 1))
        self.enter = nn.Conv2d(PLANES, c, 3, padding=1)
        self.position = nn.Parameter(torch.zeros(1, c, 32, 32))
        self.down = nn.Sequential(*[Block(c, c) for _ in range(config.down)])
        self.shrink = nn.Conv2d(c, 2 * c, 3, stride=2, padding=1)
        self.below = nn.Sequential(*[Block(2 * c, 2 * c) for _ in range(config.below)])
        self.grow = nn.Conv2d(2 * c, c, 1)
        self.up = nn.Sequential(Block(2 * c, c), *[Block(c, c) for _ in range(config.up - 1)])
        self.leave = nn.Conv2d(c, PLANES, 3, padding=1)
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.leave.bias)  # type: ignore[arg-type]

    def pack(self, pictures: Tensor) -> Tensor:
        """[N, 3, 128, 128] -> Haar planes [N, 48, 32, 32]; orthonormal."""
        return F.conv2d(pictures, self.kernel, stride=4)

    def unpack(self, planes: Tensor) -> Tensor:
        """Inverse of `pack`."""
        return F.conv_transpose2d(planes, self.kernel, stride=4)

    def residual(self, packed: Tensor) -> Tensor:
        """Planes of the base picture -> planes of the wanted residual, in units of its deviation."""
        x = (packed - self.plane_mean) / self.plane_deviation
        across = self.down(self.enter(x) + self.position)
        deep = self.grow(self.below(self.shrink(across)))
        deep = F.interpolate(deep, scale_factor=2.0, mode="nearest")
        y: Tensor = self.leave(F.silu(self.up(torch.cat([deep, across], 1))))
        return y

    def forward(self, base: Tensor) -> Tensor:
        """Base picture -> picture."""
        residual = self.residual(self.pack(base)).float() * self.residual_deviation
        return base + self.unpack(residual)
