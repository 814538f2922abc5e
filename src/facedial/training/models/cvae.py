"""Our conditional VAE: Haar planes in and out, attributes in every block of the decoder.

All convolutions run at 32x32 and below: a picture of 64 or 128 px is packed into Haar planes of 32x32,
an orthonormal change of coordinates, so that squared errors of planes are the picture's.
"""

import itertools
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from facedial.codes.attributes import NAMES
from facedial.training.models.flow import Block
from facedial.training.models.renderer import haar_kernel
from facedial.training.precision import exact

COARSE = 32  # pixels along the side of a plane
SIDES = (64, 128)
# Log-variances beyond these are of no use, and exp of them is dangerous.
LOWEST, HIGHEST = -8.0, 4.0
FIRST = -4.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """Numbers in a code besides the attributes; pixels along the side; channels at 32x32.

    Twice as many at 16x16, four times at 8x8 and 4x4. `condition`: numbers that attributes and code are
    mixed into before they enter a block.
    """

    latent: int = 256
    side: int = 128
    width: int = 48
    condition: int = 128

    def __post_init__(self) -> None:
        if self.side not in SIDES:
            raise ValueError(f"side must be one of {SIDES}, got {self.side}")
        if self.latent < 1 or self.width % 8:
            raise ValueError(f"latent must be positive and width a multiple of 8, got {self}")


class Cvae(nn.Module):
    """Pictures RGB [N, 3, S, S] in 0..1 and attributes [N, 40] in 0..1 (0.5 unknown), by way of [N, L].

    Buffers `plane_mean` and `plane_deviation` [P, 32, 32] and [P, 1, 1] of the planes over training
    people: the network speaks of white planes.
    """

    attributes = NAMES
    kernel: Tensor
    plane_mean: Tensor
    plane_deviation: Tensor

    def __init__(self, config: Config) -> None:
        super().__init__()
        c, k = config.width, config.condition
        planes = 3 * (config.side // COARSE) ** 2
        kernel = haar_kernel() if config.side == 128 else _one_level()
        self.register_buffer("kernel", kernel, persistent=False)
        self.register_buffer("plane_mean", torch.zeros(planes, COARSE, COARSE))
        self.register_buffer("plane_deviation", torch.ones(planes, 1, 1))
        # The encoder is told what the picture has, so that its code need not say it.
        self.own = nn.Sequential(nn.Linear(len(NAMES), k), nn.SiLU(), nn.Linear(k, k))
        self.enter = nn.Conv2d(planes, c, 3, padding=1)
        self.position = nn.Parameter(torch.zeros(1, c, COARSE, COARSE))
        widths = (c, 2 * c, 4 * c, 4 * c)
        self.down = nn.ModuleList(Block(width, width, k) for width in widths)
        self.shrink = nn.ModuleList(
            nn.Conv2d(a, b, 3, stride=2, padding=1) for a, b in itertools.pairwise(widths)
        )
        self.shape = (4 * c, 4, 4)
        flat = 4 * c * 16
        self.mean = nn.Linear(flat, config.latent)
        self.log_variance = nn.Linear(flat, config.latent)
        # Narrow at first: with a deviation of one, noise drowns the code and the divergence wins.
        nn.init.zeros_(self.log_variance.weight)
        nn.init.constant_(self.log_variance.bias, FIRST)
        self.mix = nn.Sequential(
            nn.Linear(len(NAMES) + config.latent, k), nn.SiLU(), nn.Linear(k, k)
        )
        self.begin = nn.Linear(config.latent, flat)
        up = tuple(reversed(widths))
        self.up = nn.ModuleList(
            nn.ModuleList([Block(width, width, k) for _ in range(1 + (width < 4 * c))])
            for width in up
        )
        self.grow = nn.ModuleList(nn.Conv2d(a, b, 3, padding=1) for a, b in itertools.pairwise(up))
        self.norm = nn.GroupNorm(8, c)
        self.leave = nn.Conv2d(c, planes, 3, padding=1)
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.leave.bias)  # type: ignore[arg-type]

    def pack(self, pictures: Tensor) -> Tensor:
        """RGB [N, 3, S, S] -> Haar planes [N, P, 32, 32]; orthonormal."""
        with exact(pictures):
            return F.conv2d(pictures, self.kernel, stride=self.kernel.shape[-1])

    def unpack(self, planes: Tensor) -> Tensor:
        """Inverse of `pack`."""
        with exact(planes):
            return F.conv_transpose2d(planes, self.kernel, stride=self.kernel.shape[-1])

    def posterior(self, pictures: Tensor, features: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log-variance [N, L] of the code of each picture, given its own attributes."""
        return self._posterior(self.pack(pictures), features)

    def _posterior(self, packed: Tensor, features: Tensor) -> tuple[Tensor, Tensor]:
        condition = self.own(2 * features - 1)
        x = self.enter((packed - self.plane_mean) / self.plane_deviation) + self.position
        for number, block in enumerate(self.down):
            x = block(x, condition)
            if number < len(self.shrink):
                x = self.shrink[number](x)
        flat = F.silu(x.flatten(1))
        mean, log_variance = self.mean(flat).float(), self.log_variance(flat).float()
        return mean, log_variance.clamp(LOWEST, HIGHEST)

    def planes(self, latent: Tensor, features: Tensor) -> Tensor:
        """Codes [N, L] and attributes [N, 40] -> Haar planes [N, P, 32, 32]."""
        condition = self.mix(torch.cat([2 * features - 1, latent], 1))
        x = self.begin(latent).reshape(-1, *self.shape)
        for number, blocks in enumerate(self.up):
            for block in blocks:  # type: ignore[attr-defined]
                x = block(x, condition)
            if number < len(self.grow):
                x = self.grow[number](F.interpolate(x, scale_factor=2.0, mode="nearest"))
        white: Tensor = self.leave(F.silu(self.norm(x))).float()
        return white * self.plane_deviation + self.plane_mean

    def draw(self, latent: Tensor, features: Tensor) -> Tensor:
        """The pictures [N, 3, S, S], about 0..1."""
        return self.unpack(self.planes(latent, features))

    def forward(
        self, packed: Tensor, own: Tensor, wanted: Tensor, noise: Tensor, fresh: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Planes of the reconstructions [N, ...] and of M changed pictures, mean and log-variance.

        `own` [N, 40], `wanted` [M, 40]: attributes before and after, of the first M. `noise` [N, L]:
        what is added to codes. `fresh` bool [M]: where the changed picture is a new one, drawn from
        `noise` alone.
        """
        mean, log_variance = self._posterior(packed, own)
        latent = mean + (0.5 * log_variance).exp() * noise
        m = len(wanted)
        other = torch.where(fresh[:, None], noise[:m], latent[:m])
        both = self.planes(torch.cat([latent, other]), torch.cat([own, wanted]))
        return both[: len(own)], both[len(own) :], mean, log_variance


def _one_level() -> Tensor:
    """float32 [12, 3, 2, 2]: one Haar level of RGB as an orthonormal convolution of stride 2."""
    pair = torch.tensor([[1.0, 1.0], [1.0, -1.0]]) / 2**0.5
    block = torch.einsum("ai,bj->abij", pair, pair).reshape(4, 2, 2)
    kernel = torch.zeros(4, 3, 3, 2, 2)
    for channel in range(3):
        kernel[:, channel, channel] = block
    return kernel.reshape(12, 3, 2, 2)
