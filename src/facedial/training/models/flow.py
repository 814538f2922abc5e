"""The conditional flow: from noise to the small picture of a face, given attributes.

Flow matching on straight paths (Lipman 2023; Liu 2023): at time t in 0..1 the picture is
x_t = (1 - t) noise + t face, and the network predicts the velocity face - noise. It works on six white
planes of 32x32, the four Haar planes of the 64x64 luma and two of chroma, which is what a code's
linear map spans; so all convolutions run at 32x32 and below.
"""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from facedial.training.models.small_picture import CHROMA_WEIGHT, LUMA_WEIGHT, LinearMap
from facedial.training.precision import exact

PLANES = 6
SIDE = 32
GROUPS = 8
# Fine planes are kept small against the coarse ones, so that noise hides them last.
SPREAD = (1.0, 0.5, 0.5, 0.5, 1.0, 1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """Channels at 32x32 (twice at 16x16, four times at 8x8), blocks at 8x8, numbers of the condition."""

    width: int = 64
    middle: int = 3
    condition: int = 256
    heads: int = 4

    def __post_init__(self) -> None:
        if self.width % GROUPS or self.width < GROUPS:
            raise ValueError(f"width must be a multiple of {GROUPS}, got {self.width}")
        if 4 * self.width % self.heads:
            raise ValueError(f"heads must divide {4 * self.width} channels, got {self.heads}")


def mirror(planes: Tensor) -> Tensor:
    """Planes of the mirrored face: turned round, and the two that hold left-right steps negated."""
    signs = planes.new_tensor([1, -1, 1, -1, 1, 1])[:, None, None]
    return planes.flip(3) * signs


def normal(norm: nn.GroupNorm, x: Tensor) -> Tensor:
    """The norm in the precision of `x`; its sums are taken in single precision all the same.

    Autocast would turn everything around it into single precision, which is the slower half of a step.
    """
    with exact(x):
        if x.device.type == "cpu" or norm.weight.dtype == x.dtype:
            y: Tensor = norm(x)
            return y
        # Elsewhere a norm takes no weights of another precision than what it is given.
        weight, bias = norm.weight.to(x.dtype), norm.bias.to(x.dtype)
        return F.group_norm(x, norm.num_groups, weight, bias, norm.eps)


class Block(nn.Module):
    """x + conv(act(norm(conv(act(norm(x))))) scaled and shifted by the condition); zero at first."""

    def __init__(self, inputs: int, outputs: int, condition: int) -> None:
        super().__init__()
        self.norm1 = nn.GroupNorm(GROUPS, inputs)
        self.first = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.modulate = nn.Linear(condition, 2 * outputs)
        self.norm2 = nn.GroupNorm(GROUPS, outputs)
        self.last = nn.Conv2d(outputs, outputs, 3, padding=1)
        self.skip = nn.Conv2d(inputs, outputs, 1) if inputs != outputs else nn.Identity()
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """[N, inputs, H, W] and [N, C] -> [N, outputs, H, W]."""
        return self.turned(x, self.modulate(condition))

    def turned(self, x: Tensor, told: Tensor) -> Tensor:
        """The same, with scale and shift [N, 2 * outputs]."""
        h = self.first(F.silu(normal(self.norm1, x)))
        scale, shift = told[:, :, None, None].chunk(2, 1)
        y: Tensor = self.skip(x) + self.last(F.silu(normal(self.norm2, h) * (1 + scale) + shift))
        return y


class Attention(nn.Module):
    """x + attention over all places; zero at first."""

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.GroupNorm(GROUPS, channels)
        self.ask = nn.Conv2d(channels, 3 * channels, 1)
        self.answer = nn.Conv2d(channels, channels, 1)
        nn.init.zeros_(self.answer.weight)
        nn.init.zeros_(self.answer.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, H, W] -> the same."""
        n, c, h, w = x.shape
        parts = self.ask(normal(self.norm, x)).view(n, 3, self.heads, c // self.heads, h * w)
        query, key, value = parts.unbind(1)  # each [N, heads, c, places]
        # So few places that a product and a softmax are faster here than a fused attention.
        share = (query.mT @ key * (c // self.heads) ** -0.5).softmax(-1)
        mixed = value @ share.mT
        y: Tensor = x + self.answer(mixed.reshape(n, c, h, w))
        return y


class Flow(nn.Module):
    """Planes [N, 6, 32, 32], time [N] in 0..1, wanted [N, 40] in -1..1 (0 = open) -> velocity."""

    frequencies: Tensor

    def __init__(self, config: Config, attributes: int = 40) -> None:
        super().__init__()
        c, k = config.width, config.condition
        self.register_buffer(
            "frequencies", torch.exp(torch.linspace(0, math.log(1000), 32)), persistent=False
        )
        self.time = nn.Sequential(nn.Linear(64, k), nn.SiLU(), nn.Linear(k, k))
        # Two layers: what grey hair looks like depends on sex and age.
        self.wish = nn.Sequential(nn.Linear(attributes, k), nn.SiLU(), nn.Linear(k, k))
        self.enter = nn.Conv2d(PLANES, c, 3, padding=1)
        self.position = nn.Parameter(torch.zeros(1, c, SIDE, SIDE))
        self.down1 = Block(c, c, k)
        self.shrink1 = nn.Conv2d(c, 2 * c, 3, stride=2, padding=1)
        self.down2 = nn.ModuleList([Block(2 * c, 2 * c, k), Block(2 * c, 2 * c, k)])
        self.shrink2 = nn.Conv2d(2 * c, 4 * c, 3, stride=2, padding=1)
        self.middle = nn.ModuleList([Block(4 * c, 4 * c, k) for _ in range(config.middle)])
        self.attend = nn.ModuleList(
            [Attention(4 * c, config.heads) for _ in range(config.middle - 1)]
        )
        self.grow2 = nn.Conv2d(4 * c, 2 * c, 1)
        self.up2 = nn.ModuleList([Block(4 * c, 2 * c, k), Block(2 * c, 2 * c, k)])
        self.grow1 = nn.Conv2d(2 * c, c, 1)
        self.up1 = nn.ModuleList([Block(2 * c, c, k), Block(c, c, k)])
        self.norm = nn.GroupNorm(GROUPS, c)
        self.leave = nn.Conv2d(c, PLANES, 3, padding=1)
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.leave.bias)  # type: ignore[arg-type]

    def forward(self, planes: Tensor, time: Tensor, wanted: Tensor) -> Tensor:
        """Velocity [N, 6, 32, 32]."""
        with exact(planes):
            angle = time.float()[:, None] * self.frequencies
            waves = torch.cat([angle.sin(), angle.cos()], 1)
        condition = F.silu(self.time(waves) + self.wish(wanted))
        entered = self.enter(planes)
        fine = self.down1(entered + self.position.to(entered.dtype), condition)
        half = self.shrink1(fine)
        for block in self.down2:
            half = block(half, condition)
        deep = self.shrink2(half)
        for number, block in enumerate(self.middle):
            deep = block(deep, condition)
            if number < len(self.attend):
                deep = self.attend[number](deep)
        y = torch.cat([F.interpolate(self.grow2(deep), scale_factor=2.0, mode="nearest"), half], 1)
        for block in self.up2:
            y = block(y, condition)
        y = torch.cat([F.interpolate(self.grow1(y), scale_factor=2.0, mode="nearest"), fine], 1)
        for block in self.up1:
            y = block(y, condition)
        velocity: Tensor = self.leave(F.silu(normal(self.norm, y)))
        return velocity.float()


class Planes(nn.Module):
    """Codes to white planes and back, by a model's linear map.

    Buffers: `mean` and `deviation` [6, 1, 1] of the planes over training people.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, linear: LinearMap) -> None:
        super().__init__()
        self.linear = linear
        self.register_buffer("mean", torch.zeros(PLANES, 1, 1))
        self.register_buffer("deviation", torch.ones(PLANES, 1, 1))

    def raw(self, codes: Tensor) -> Tensor:
        """Codes [N, D] -> planes [N, 6, 32, 32] in units of luma and chroma."""
        luma, chroma = self.linear.planes(codes)
        a, b, c, d = (luma[:, :, y::2, x::2] for y in (0, 1) for x in (0, 1))
        haar = torch.cat([a + b + c + d, a - b + c - d, a + b - c - d, a - b - c + d], 1) / 2
        return torch.cat([haar, chroma], 1)

    def fit(self, codes: Tensor) -> None:
        """Take mean and deviation from codes of training people [N, D]."""
        planes = self.raw(codes)
        spread = planes.new_tensor(SPREAD)[:, None, None]
        self.mean.copy_(planes.mean((0, 2, 3))[:, None, None])
        self.deviation.copy_(planes.std((0, 2, 3))[:, None, None] / spread)

    def white(self, codes: Tensor) -> Tensor:
        """Codes [N, D] -> white planes [N, 6, 32, 32]."""
        return (self.raw(codes) - self.mean) / self.deviation

    def forward(self, planes: Tensor) -> Tensor:
        """White planes [N, 6, 32, 32] -> codes [N, D]; exact for planes that came from codes."""
        raw = planes * self.deviation + self.mean
        s, h, v, d = (raw[:, k : k + 1] / 2 for k in range(4))
        cells = torch.cat([s + h + v + d, s - h + v - d, s + h - v - d, s - h - v + d], 1)
        luma = F.pixel_shuffle(cells, 2) * LUMA_WEIGHT
        chroma = raw[:, 4:] * raw.new_tensor(CHROMA_WEIGHT)[:, None, None]
        flat = torch.cat([luma.flatten(1), chroma.flatten(1)], 1)
        return self.linear.project(flat - self.linear.mean)
