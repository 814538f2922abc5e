"""The conditional flow: from noise to the latents of a face, given attributes.

Flow matching on straight paths (Lipman 2023; Liu 2023): at time t in 0..1 the sample is
x_t = (1 - t) noise + t latents, and the network predicts the velocity latents - noise. Latents are six
planes of 32x32 (`models.latents`), so all convolutions run at 32x32 and below.
"""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from facedial.training.models.latents import CHANNELS, SIDE
from facedial.training.precision import exact

GROUPS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """`width`: channels at 32x32, twice as many at 16x16, four times at 8x8; `middle`: blocks at 8x8.

    `condition`: size of the embedding of time and attributes; `heads` of the attention at 8x8.
    """

    width: int = 64
    middle: int = 3
    condition: int = 256
    heads: int = 4

    def __post_init__(self) -> None:
        if self.width % GROUPS or self.width < GROUPS:
            raise ValueError(f"width must be a multiple of {GROUPS}, got {self.width}")
        if 4 * self.width % self.heads:
            raise ValueError(f"heads must divide {4 * self.width} channels, got {self.heads}")


def group_norm(norm: nn.GroupNorm, x: Tensor) -> Tensor:
    """The norm in the precision of `x`; torch accumulates its sums in float32 in any case.

    Autocast would convert everything around it to float32, which takes half of a step's time.
    """
    with exact(x):
        if x.device.type == "cpu" or norm.weight.dtype == x.dtype:
            y: Tensor = norm(x)
            return y
        # On other devices weights must have the precision of the input.
        weight, bias = norm.weight.to(x.dtype), norm.bias.to(x.dtype)
        return F.group_norm(x, norm.num_groups, weight, bias, norm.eps)


class Block(nn.Module):
    """x + conv(act(norm(conv(act(norm(x))))) scaled and shifted by the condition).

    The last convolution is zero-initialised.
    """

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
        return self.modulated(x, self.modulate(condition))

    def modulated(self, x: Tensor, modulation: Tensor) -> Tensor:
        """The same, given scale and shift [N, 2 * outputs]."""
        h = self.first(F.silu(group_norm(self.norm1, x)))
        scale, shift = modulation[:, :, None, None].chunk(2, 1)
        y: Tensor = self.skip(x) + self.last(
            F.silu(group_norm(self.norm2, h) * (1 + scale) + shift)
        )
        return y


class Attention(nn.Module):
    """x + self-attention over all positions; last layer zero-initialised."""

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
        parts = self.ask(group_norm(self.norm, x)).view(n, 3, self.heads, c // self.heads, h * w)
        query, key, value = parts.unbind(1)  # each [N, heads, c, positions]
        # With so few positions, a product and a softmax are faster than fused attention.
        weights = (query.mT @ key * (c // self.heads) ** -0.5).softmax(-1)
        mixed = value @ weights.mT
        y: Tensor = x + self.answer(mixed.reshape(n, c, h, w))
        return y


class Flow(nn.Module):
    """Latents [N, 6, 32, 32], time [N] in 0..1, condition [N, 40] in -1..1 (0: unknown) -> velocity."""

    frequencies: Tensor

    def __init__(self, config: Config, attributes: int = 40) -> None:
        super().__init__()
        c, k = config.width, config.condition
        self.register_buffer(
            "frequencies", torch.exp(torch.linspace(0, math.log(1000), 32)), persistent=False
        )
        self.time = nn.Sequential(nn.Linear(64, k), nn.SiLU(), nn.Linear(k, k))
        # Two layers: the appearance of grey hair depends on sex and age.
        self.wish = nn.Sequential(nn.Linear(attributes, k), nn.SiLU(), nn.Linear(k, k))
        self.enter = nn.Conv2d(CHANNELS, c, 3, padding=1)
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
        self.leave = nn.Conv2d(c, CHANNELS, 3, padding=1)
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.leave.bias)  # type: ignore[arg-type]

    def forward(self, latents: Tensor, time: Tensor, attributes: Tensor) -> Tensor:
        """Velocity [N, 6, 32, 32]."""
        with exact(latents):
            angle = time.float()[:, None] * self.frequencies
            waves = torch.cat([angle.sin(), angle.cos()], 1)
        condition = F.silu(self.time(waves) + self.wish(attributes))
        entered = self.enter(latents)
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
        velocity: Tensor = self.leave(F.silu(group_norm(self.norm, y)))
        return velocity.float()
