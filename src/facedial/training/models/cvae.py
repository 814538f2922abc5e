"""Our conditional VAE: a linear encoder in closed form, attributes in every block of the decoder.

The optimum of a linear conditional VAE is fitted, not trained: regression of the 4:2:0 picture on the
attributes, and principal components of its residual (Lucas 2019; Tipping 1999). Code and attributes give
the base picture; a U-Net, conditioned on both in every block, adds the residual. It works on Haar planes
of 32x32, an orthonormal change of coordinates, so squared errors of planes are the picture's.
"""

from dataclasses import dataclass
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from facedial.codes.attributes import NAMES
from facedial.training.models.decoder import haar_kernel
from facedial.training.models.flow import Block
from facedial.training.models.latents import (
    CHROMA_WEIGHT,
    LUMA_WEIGHT,
    NUMBERS,
    TO_RGB,
    upsampling,
    ycc420,
)
from facedial.training.precision import exact

COARSE = 32  # pixels along the side of a plane
LUMA = 64
SIDES = (64, 128)
INITIAL_LOG_VARIANCE = -4.0
ATTRIBUTE_SCALE = 2.0  # attributes are 0..1: this brings their differences to the scale of codes


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """Numbers in a code besides the attributes; pixels along the side; channels at 32x32.

    Twice as many at 16x16, four times at 8x8. `condition`: size of the
    embedding of the code.
    """

    latent: int = 256
    side: int = 128
    width: int = 40
    condition: int = 128

    def __post_init__(self) -> None:
        if self.side not in SIDES:
            raise ValueError(f"side must be one of {SIDES}, got {self.side}")
        if self.latent < 1 or self.width % 8:
            raise ValueError(f"latent must be positive and width a multiple of 8, got {self}")


class Linear(nn.Module):
    """The 4:2:0 picture given attributes, by regression and principal components of the residual.

    Buffers: `mean` [6144], `slope` [40, 6144] (of attributes about their mean `usual` [40]), `basis`
    [6144, L] with orthonormal columns, `deviation` [L].
    """

    mean: Tensor
    usual: Tensor
    slope: Tensor
    basis: Tensor
    deviation: Tensor
    luma_up: Tensor
    chroma_up: Tensor

    def __init__(self, latent: int, side: int) -> None:
        super().__init__()
        self.side = side
        self.register_buffer("mean", torch.zeros(NUMBERS))
        self.register_buffer("usual", torch.full((len(NAMES),), 0.5))
        self.register_buffer("slope", torch.zeros(len(NAMES), NUMBERS))
        self.register_buffer("basis", torch.zeros(NUMBERS, latent))
        self.register_buffer("deviation", torch.ones(latent))
        factors = (("luma_up", side // LUMA, LUMA), ("chroma_up", side // COARSE, COARSE))
        for name, factor, small in factors:
            self.register_buffer(name, upsampling(factor, small), persistent=False)

    def encode(self, pictures: Tensor, features: Tensor) -> Tensor:
        """RGB [N, 3, S, S] in 0..1 and attributes [N, 40] -> code [N, L], of unit variance in people."""
        with exact(pictures):
            rest = ycc420(pictures) - self.mean - (features - self.usual) @ self.slope
            return rest @ self.basis / self.deviation

    def base(self, latent: Tensor, features: Tensor) -> Tensor:
        """Code and attributes -> RGB [N, 3, S, S], about 0..1."""
        with exact(latent):
            # The basis is the left factor, not transposed, so that both graphs can share its bytes.
            flat = (self.basis @ (latent * self.deviation).T).T + self.mean
            flat = flat + (features - self.usual) @ self.slope
            luma = flat[:, : LUMA * LUMA].reshape(-1, 1, LUMA, LUMA) / LUMA_WEIGHT
            weight = flat.new_tensor(CHROMA_WEIGHT)[:, None, None]
            chroma = flat[:, LUMA * LUMA :].reshape(-1, 2, COARSE, COARSE) / weight
            luma = self.luma_up @ luma @ self.luma_up.T
            chroma = self.chroma_up @ chroma @ self.chroma_up.T
            return torch.einsum("kc,nchw->nkhw", TO_RGB.to(luma), torch.cat([luma, chroma], 1))

    @torch.no_grad()
    def fit(self, pictures: Tensor, features: Tensor) -> None:
        """From 4:2:0 pictures [N, 6144] (`ycc420`) and their attributes [N, 40] in 0..1."""
        self.mean.copy_(pictures.mean(0))
        self.usual.copy_(features.mean(0))
        y, rest = features - self.usual, pictures - self.mean
        gram = y.T @ y / len(y) + 1e-3 * torch.eye(len(NAMES))
        self.slope.copy_(torch.linalg.solve(gram, y.T @ rest / len(y)))
        rest = rest - y @ self.slope
        latent = self.basis.shape[1]
        generator = torch.Generator().manual_seed(0)
        # Subspace iteration (Halko 2011, algorithm 4.4): a few products instead of 6144 eigenvectors.
        probe = torch.randn(NUMBERS, min(latent + 32, len(rest)), generator=generator)
        for _ in range(3):
            probe, _ = torch.linalg.qr(rest.T @ (rest @ probe))
        _, spread, axes = torch.linalg.svd(rest @ probe, full_matrices=False)
        self.basis.copy_((probe @ axes.T)[:, :latent])
        self.deviation.copy_((spread[:latent] / len(rest) ** 0.5).clamp_min(1e-6))


class ConditionalBlock(Block):
    """A block of the flow, to whose scale and shift `own` is added, [N, 2 * outputs]."""

    def forward(self, x: Tensor, condition: Tensor, own: Tensor | None = None) -> Tensor:
        """[N, inputs, H, W] and [N, C] -> [N, outputs, H, W]."""
        modulation = self.modulate(condition)
        return self.modulated(x, modulation if own is None else modulation + own)


class Residual(nn.Module):
    """The residual of a base picture: a U-Net conditioned in every block; zero at initialisation.

    Attributes enter as differences from their mean, by maps without a bias: faces of mean attributes
    depend on the shared weights alone.
    """

    def __init__(self, planes: int, config: Config) -> None:
        super().__init__()
        c, k = config.width, config.condition
        widths = (
            (c, c), (2 * c, 2 * c), (4 * c, 4 * c), (4 * c, 4 * c), (4 * c, 2 * c), (2 * c, 2 * c),
            (2 * c, c), (c, c),
        )  # fmt: skip
        self.blocks = nn.ModuleList(
            ConditionalBlock(inputs, outputs, k) for inputs, outputs in widths
        )
        self.sizes = [2 * outputs for _, outputs in widths]
        # Each attribute's own scale and shift of every block, and its own linear map of the last
        # features' channels.
        self.wish = nn.Linear(len(NAMES), sum(self.sizes), bias=False)
        self.turn = nn.Parameter(torch.zeros(len(NAMES), c * c))
        self.code = nn.Linear(config.latent, k)
        self.enter = nn.Conv2d(2 * planes, c, 3, padding=1)
        self.position = nn.Parameter(torch.zeros(1, c, COARSE, COARSE))
        self.shrink1 = nn.Conv2d(c, 2 * c, 3, stride=2, padding=1)
        self.shrink2 = nn.Conv2d(2 * c, 4 * c, 3, stride=2, padding=1)
        self.grow2 = nn.Conv2d(4 * c, 2 * c, 1)
        self.grow1 = nn.Conv2d(2 * c, c, 1)
        self.norm = nn.GroupNorm(8, c)
        self.leave = nn.Conv2d(c, planes, 3, padding=1)
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.leave.bias)  # type: ignore[arg-type]

    def forward(self, planes: Tensor, latent: Tensor, centred: Tensor) -> Tensor:
        """Standardised planes [N, 2 P, 32, 32] -> planes of the residual [N, P, 32, 32].

        Input planes are those of the base picture, and of the base picture of the attributes with a
        code of zeros. `latent` [N, L]; `centred` [N, 40]: attributes less their mean.
        """
        condition = F.silu(self.code(latent))
        own = self.wish(ATTRIBUTE_SCALE * centred).split(self.sizes, 1)
        steps = [
            partial(b, condition=condition, own=o) for b, o in zip(self.blocks, own, strict=True)
        ]
        fine = steps[0](self.enter(planes) + self.position)
        half = steps[1](self.shrink1(fine))
        deep = self.grow2(steps[3](steps[2](self.shrink2(half))))
        y = torch.cat([F.interpolate(deep, scale_factor=2.0, mode="nearest"), half], 1)
        y = self.grow1(steps[5](steps[4](y)))
        y = torch.cat([F.interpolate(y, scale_factor=2.0, mode="nearest"), fine], 1)
        y = F.silu(self.norm(steps[7](steps[6](y))))
        n, c = y.shape[:2]
        mapped = (centred.to(y) @ self.turn.to(y)).view(n, c, c) @ y.reshape(n, c, COARSE * COARSE)
        rest: Tensor = self.leave(y + mapped.view(n, c, COARSE, COARSE)).float()
        return rest


class Cvae(nn.Module):
    """Pictures RGB [N, 3, S, S] in 0..1 and attributes [N, 40] in 0..1 (0.5: unknown), codes [N, L].

    Buffers `plane_mean`, `plane_deviation`, `rest_deviation` [P, 1, 1]: of the base picture's planes,
    and of its residual, over training people.
    """

    attributes = NAMES
    kernel: Tensor
    plane_mean: Tensor
    plane_deviation: Tensor
    rest_deviation: Tensor

    def __init__(self, config: Config) -> None:
        super().__init__()
        planes = 3 * (config.side // COARSE) ** 2
        self.linear = Linear(config.latent, config.side)
        self.log_variance = nn.Parameter(torch.full((config.latent,), INITIAL_LOG_VARIANCE))
        kernel = haar_kernel() if config.side == 128 else _one_level()
        self.register_buffer("kernel", kernel, persistent=False)
        self.register_buffer("plane_mean", torch.zeros(planes, 1, 1))
        self.register_buffer("plane_deviation", torch.ones(planes, 1, 1))
        self.register_buffer("rest_deviation", torch.ones(planes, 1, 1))
        self.drawing = Residual(planes, config)

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
        mean = self.linear.encode(pictures, features)
        return mean, self.log_variance.expand_as(mean)

    def draw(self, latent: Tensor, features: Tensor) -> Tensor:
        """Codes [N, L] and attributes [N, 40] -> pictures [N, 3, S, S], about 0..1."""
        base, given = self._conditioned(latent, features)
        return self.unpack(base + self.drawing(*given) * self.rest_deviation)

    def forward(
        self, mean: Tensor, own: Tensor, target: Tensor, noise: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Planes of the reconstructions [N, ...] and of M edited pictures; log-variance [N, L].

        `mean` [N, L]: codes. `own` [N, 40], `target` [M, 40]: attributes before and after the edit of the
        first M. `noise` [N, L] is added to codes, times their deviation. An edited picture equals
        `draw`'s, but its gradient is that of its difference from the reconstruction: trained on the
        picture itself, the decoder would add a little of every requested attribute to everyone.
        """
        latent = mean + (0.5 * self.log_variance).exp() * noise
        m = len(target)
        base, given = self._conditioned(latent, own)
        rest = self.drawing(*given)
        reconstruction = base + rest * self.rest_deviation
        base, given = self._conditioned(latent[:m], target)
        before = rest[:m]
        after = before.detach() + (self.drawing(*given) - before)
        edited = base + after * self.rest_deviation
        return reconstruction, edited, self.log_variance.expand_as(mean)

    def _conditioned(self, latent: Tensor, features: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Planes of the base picture, and the arguments of `drawing`."""
        base = self.pack(self.linear.base(latent, features))
        # The attributes' own share shows where in the picture they are.
        alone = self.pack(self.linear.base(torch.zeros_like(latent), features))
        both = torch.cat([base, alone], 1)
        planes = (both - self.plane_mean.repeat(2, 1, 1)) / self.plane_deviation.repeat(2, 1, 1)
        return base, (planes, latent, features - self.linear.usual)


def _one_level() -> Tensor:
    """float32 [12, 3, 2, 2]: one Haar level of RGB as an orthonormal convolution of stride 2."""
    pair = torch.tensor([[1.0, 1.0], [1.0, -1.0]]) / 2**0.5
    block = torch.einsum("ai,bj->abij", pair, pair).reshape(4, 2, 2)
    kernel = torch.zeros(4, 3, 3, 2, 2)
    for channel in range(3):
        kernel[:, channel, channel] = block
    return kernel.reshape(12, 3, 2, 2)
