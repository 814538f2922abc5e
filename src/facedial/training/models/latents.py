"""From pictures to codes and to the latents of the flow, and back: fixed and linear maps.

A 128-px crop is downsampled to YCbCr 4:2:0 as in JPEG: 64x64 luma and two 32x32 chroma planes, 6,144
numbers, weighted so that their squared error is the squared error of the RGB picture. Codes are
their principal components, whitened; the same matrix serves both ways. The latents are the same numbers
as six planes of 32x32, the four Haar planes of the luma and two of chroma, standardised.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from facedial.errors import BadRun
from facedial.training.precision import exact

PICTURE_SIDE = 128
NUMBERS = 64 * 64 + 2 * 32 * 32
CHANNELS, SIDE = 6, 32  # of the latents
# Standard deviation of each latent plane: fine Haar planes are scaled to less than the coarse one, so
# that noise covers them first.
DEVIATIONS = (1.0, 0.5, 0.5, 0.5, 1.0, 1.0)

# ITU-R BT.601 full range, as in JPEG: rows Y, Cb, Cr; columns R, G, B.
TO_YCC = torch.tensor(
    [[0.299, 0.587, 0.114], [-0.168736, -0.331264, 0.5], [0.5, -0.418688, -0.081312]]
)
TO_RGB = torch.linalg.inv(TO_YCC.double()).float()

# A unit error in Y, Cb or Cr costs this much squared error in RGB; a 32x32 pixel covers four of 64x64.
_COST = (TO_RGB**2).sum(0)
LUMA_WEIGHT = math.sqrt(float(_COST[0]) / 3)
CHROMA_WEIGHT = [2 * math.sqrt(float(cost) / 3) for cost in _COST[1:]]


def ycc420(pictures: Tensor) -> Tensor:
    """RGB [N, 3, S, S] in 0..1, S of 128 or 64 -> weighted YCbCr 4:2:0, flat [N, 6144]."""
    factor = pictures.shape[-1] // 64
    with exact(pictures):
        ycc = torch.einsum("kc,nchw->nkhw", TO_YCC.to(pictures), pictures)
    luma = F.avg_pool2d(ycc[:, :1], factor) * LUMA_WEIGHT
    chroma = (
        F.avg_pool2d(ycc[:, 1:], 2 * factor) * pictures.new_tensor(CHROMA_WEIGHT)[:, None, None]
    )
    return torch.cat([luma.flatten(1), chroma.flatten(1)], 1)


def mirror_order() -> Tensor:
    """int64 [6144]: indexing the numbers of a crop with it gives those of the mirrored crop."""
    order = torch.arange(NUMBERS)
    luma = order[:4096].view(64, 64).flip(1).flatten()
    chroma = order[4096:].view(2, 32, 32).flip(2).flatten()
    return torch.cat([luma, chroma])


def upsampling(factor: int, side: int) -> Tensor:
    """float32 [factor * side, side]: bicubic upsampling of one axis as a matrix."""
    eye = torch.eye(side)[None, None]
    size = (factor * side, side)
    return F.interpolate(eye, size=size, mode="bicubic", align_corners=False)[0, 0]


class LinearMap(nn.Module):
    """Whitened principal components of the 4:2:0 picture, both ways.

    Buffers: `mean` [6144], `basis` [6144, D] with orthonormal columns, `deviation` [D] (standard
    deviation of each coordinate over training people). They are fitted and never trained: gradient steps
    at ordinary learning rates only move whitened maps away from their optimum.
    """

    mean: Tensor
    basis: Tensor
    deviation: Tensor
    luma_up: Tensor
    chroma_up: Tensor

    def __init__(self, dimensions: int = 1024) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(NUMBERS))
        self.register_buffer("basis", torch.zeros(NUMBERS, dimensions))
        self.register_buffer("deviation", torch.ones(dimensions))
        self.register_buffer("luma_up", upsampling(2, 64), persistent=False)
        self.register_buffer("chroma_up", upsampling(4, 32), persistent=False)

    def encode(self, pictures: Tensor) -> Tensor:
        """RGB [N, 3, 128, 128] in 0..1 -> code [N, D], unit variance over training people."""
        return self.project(ycc420(pictures) - self.mean)

    def project(self, flat: Tensor) -> Tensor:
        """Difference of 4:2:0 pictures [N, 6144] -> difference of codes [N, D]."""
        with exact(flat):
            return flat @ self.basis / self.deviation

    def flat(self, codes: Tensor) -> Tensor:
        """Code [N, D] -> weighted 4:2:0 picture [N, 6144], as `ycc420` makes it."""
        # The basis is the left factor, not transposed, so that both graphs can share its bytes.
        with exact(codes):
            return (self.basis @ (codes * self.deviation).T).T + self.mean

    def luma_chroma(self, codes: Tensor) -> tuple[Tensor, Tensor]:
        """Code [N, D] -> luma [N, 1, 64, 64] in 0..1 and chroma [N, 2, 32, 32] about 0."""
        flat = self.flat(codes)
        luma = flat[:, :4096].reshape(-1, 1, 64, 64) / LUMA_WEIGHT
        weight = flat.new_tensor(CHROMA_WEIGHT)[:, None, None]
        return luma, flat[:, 4096:].reshape(-1, 2, 32, 32) / weight

    def base(self, codes: Tensor) -> Tensor:
        """Code [N, D] -> base picture: RGB [N, 3, 128, 128], about 0..1, enlarged by bicubic."""
        luma, chroma = self.luma_chroma(codes)
        with exact(codes):
            luma = self.luma_up @ luma @ self.luma_up.T
            chroma = self.chroma_up @ chroma @ self.chroma_up.T
            return torch.einsum("kc,nchw->nkhw", TO_RGB.to(luma), torch.cat([luma, chroma], 1))


def mirror(latents: Tensor) -> Tensor:
    """Latents of the mirrored face: flipped, with the two planes of horizontal differences negated."""
    signs = latents.new_tensor([1, -1, 1, -1, 1, 1])[:, None, None]
    return latents.flip(3) * signs


class Latents(nn.Module):
    """Codes to latents and back, by an autoencoder's linear map.

    Buffers: `mean` and `deviation` [6, 1, 1] by which planes are standardised.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, linear: LinearMap) -> None:
        super().__init__()
        self.linear = linear
        self.register_buffer("mean", torch.zeros(CHANNELS, 1, 1))
        self.register_buffer("deviation", torch.ones(CHANNELS, 1, 1))

    def raw(self, codes: Tensor) -> Tensor:
        """Codes [N, D] -> planes [N, 6, 32, 32] in units of luma and chroma, not standardised."""
        luma, chroma = self.linear.luma_chroma(codes)
        a, b, c, d = (luma[:, :, y::2, x::2] for y in (0, 1) for x in (0, 1))
        haar = torch.cat([a + b + c + d, a - b + c - d, a + b - c - d, a - b - c + d], 1) / 2
        return torch.cat([haar, chroma], 1)

    def fit(self, codes: Tensor) -> None:
        """Take mean and deviation from codes of training people [N, D]."""
        planes = self.raw(codes)
        target = planes.new_tensor(DEVIATIONS)[:, None, None]
        self.mean.copy_(planes.mean((0, 2, 3))[:, None, None])
        self.deviation.copy_(planes.std((0, 2, 3))[:, None, None] / target)

    def encode(self, codes: Tensor) -> Tensor:
        """Codes [N, D] -> latents [N, 6, 32, 32]."""
        return (self.raw(codes) - self.mean) / self.deviation

    def forward(self, latents: Tensor) -> Tensor:
        """Latents [N, 6, 32, 32] -> codes [N, D]; exact for latents of codes."""
        raw = latents * self.deviation + self.mean
        s, h, v, d = (raw[:, k : k + 1] / 2 for k in range(4))
        cells = torch.cat([s + h + v + d, s - h + v - d, s + h - v - d, s - h - v + d], 1)
        luma = F.pixel_shuffle(cells, 2) * LUMA_WEIGHT
        chroma = raw[:, 4:] * raw.new_tensor(CHROMA_WEIGHT)[:, None, None]
        flat = torch.cat([luma.flatten(1), chroma.flatten(1)], 1)
        return self.linear.project(flat - self.linear.mean)


# From so many pictures on their covariance is decomposed; fewer are decomposed directly.
MANY = 3000


class Moments:
    """Accumulates 4:2:0 pictures for their principal components, mirrored ones included."""

    def __init__(self, device: torch.device) -> None:
        self.count = 0
        self.sum = torch.zeros(NUMBERS, dtype=torch.float64, device=device)
        self.pending: list[Tensor] = []
        self.products: Tensor | None = None

    def add(self, pictures: Tensor) -> None:
        """RGB [N, 3, 128, 128] in 0..1."""
        flat = ycc420(pictures)
        self.sum += flat.sum(0).double()
        self.count += len(flat)
        # The shift keeps float32 sums of squares small; it cancels in `solve`.
        self.pending.append(flat - 0.3)
        if self.count >= MANY:
            if self.products is None:
                self.products = flat.new_zeros(NUMBERS, NUMBERS)
            for rows in self.pending:
                self.products.addmm_(rows.T, rows)
            self.pending = []

    def solve(self, dimensions: int) -> tuple[Tensor, Tensor, Tensor]:
        """Mean [6144], orthonormal basis [6144, D], deviation [D] of all pictures and their mirrors.

        Raises `BadRun` when there are too few pictures for so many dimensions.
        """
        if dimensions >= 2 * self.count:
            raise BadRun(
                f"{self.count} pictures cannot carry codes of {dimensions} numbers; "
                f"add pictures, or set dimensions to {max(1, self.count // 2)}"
            )
        order = mirror_order().to(self.sum.device)
        mean = (self.sum / self.count).float()
        both = (mean + mean[order]) / 2
        if self.products is None:
            rows = torch.cat(self.pending) + 0.3
            rows = torch.cat([rows, rows[:, order]]) - both
            _, spread, vectors = torch.linalg.svd(rows, full_matrices=False)
            deviation = spread[:dimensions] / len(rows) ** 0.5
            return both, vectors[:dimensions].T.contiguous(), deviation.clamp_min(1e-6)
        shifted = mean - 0.3
        covariance = self.products / self.count - torch.outer(shifted, shifted)
        difference = (mean - mean[order]) / 2
        covariance = (covariance + covariance[order][:, order]) / 2
        covariance += torch.outer(difference, difference)
        values, vectors = torch.linalg.eigh(covariance)
        values, vectors = values.flip(0)[:dimensions], vectors.flip(1)[:, :dimensions]
        return both, vectors.contiguous(), values.clamp_min(1e-12).sqrt()


class EncodeLatents(nn.Module):
    """The graph `flow-planes`: codes [N, D] -> latents [N, 6, 32, 32]."""

    def __init__(self, planes: Latents) -> None:
        super().__init__()
        self.planes = planes

    def forward(self, codes: Tensor) -> Tensor:
        """Latents."""
        return self.planes.encode(codes)


class DecodeLatents(nn.Module):
    """The graph `flow-code`: latents [N, 6, 32, 32] -> codes [N, D]."""

    def __init__(self, planes: Latents) -> None:
        super().__init__()
        self.planes = planes

    def forward(self, planes: Tensor) -> Tensor:
        """Codes."""
        codes: Tensor = self.planes(planes)
        return codes
