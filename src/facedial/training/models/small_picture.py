"""The small picture and the linear map that reads it: where codes come from and go back to.

A 128-px crop becomes 64x64 luma and two 32x32 chroma planes (YCbCr, area means): 6,144 numbers,
weighted so that their squared error is the squared error of the RGB picture. Principal components of
these numbers, whitened, are the code; the same matrix serves both ways.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from facedial.errors import BadRun
from facedial.training.precision import exact

SIDE = 128
NUMBERS = 64 * 64 + 2 * 32 * 32

# ITU-R BT.601 full range, as in JPEG: rows Y, Cb, Cr; columns R, G, B.
TO_YCC = torch.tensor(
    [[0.299, 0.587, 0.114], [-0.168736, -0.331264, 0.5], [0.5, -0.418688, -0.081312]]
)
TO_RGB = torch.linalg.inv(TO_YCC.double()).float()

# A unit error in Y, Cb or Cr costs this much squared error in RGB; a 32x32 pixel covers four of 64x64.
_COST = (TO_RGB**2).sum(0)
LUMA_WEIGHT = math.sqrt(float(_COST[0]) / 3)
CHROMA_WEIGHT = [2 * math.sqrt(float(cost) / 3) for cost in _COST[1:]]


def shrink(pictures: Tensor) -> Tensor:
    """RGB [N, 3, S, S] in 0..1, S of 128 or 64 -> weighted small picture [N, 6144]."""
    factor = pictures.shape[-1] // 64
    with exact(pictures):
        ycc = torch.einsum("kc,nchw->nkhw", TO_YCC.to(pictures), pictures)
    luma = F.avg_pool2d(ycc[:, :1], factor) * LUMA_WEIGHT
    chroma = (
        F.avg_pool2d(ycc[:, 1:], 2 * factor) * pictures.new_tensor(CHROMA_WEIGHT)[:, None, None]
    )
    return torch.cat([luma.flatten(1), chroma.flatten(1)], 1)


def mirror_order() -> Tensor:
    """int64 [6144]: indexing a small picture with it gives that of the mirrored crop."""
    order = torch.arange(NUMBERS)
    luma = order[:4096].view(64, 64).flip(1).flatten()
    chroma = order[4096:].view(2, 32, 32).flip(2).flatten()
    return torch.cat([luma, chroma])


def enlargement(factor: int, side: int) -> Tensor:
    """float32 [factor * side, side]: bicubic enlargement of one axis as a matrix."""
    eye = torch.eye(side)[None, None]
    size = (factor * side, side)
    return F.interpolate(eye, size=size, mode="bicubic", align_corners=False)[0, 0]


class LinearMap(nn.Module):
    """Whitened principal components of the small picture, both ways.

    Buffers: `mean` [6144], `basis` [6144, D] with orthonormal columns, `deviation` [D] (standard
    deviation of each coordinate over training people). Frozen: gradients at ordinary rates take
    whitened maps away from their optimum at once.
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
        self.register_buffer("luma_up", enlargement(2, 64), persistent=False)
        self.register_buffer("chroma_up", enlargement(4, 32), persistent=False)

    def encode(self, pictures: Tensor) -> Tensor:
        """RGB [N, 3, 128, 128] in 0..1 -> code [N, D], unit variance over training people."""
        return self.project(shrink(pictures) - self.mean)

    def project(self, flat: Tensor) -> Tensor:
        """Difference of small pictures [N, 6144] -> difference of codes [N, D]."""
        with exact(flat):
            return flat @ self.basis / self.deviation

    def small(self, codes: Tensor) -> Tensor:
        """Code [N, D] -> weighted small picture [N, 6144], as `shrink` makes it."""
        # The basis stands on the left, untransposed, so that both graphs can share its bytes.
        with exact(codes):
            return (self.basis @ (codes * self.deviation).T).T + self.mean

    def planes(self, codes: Tensor) -> tuple[Tensor, Tensor]:
        """Code [N, D] -> luma [N, 1, 64, 64] in 0..1 and chroma [N, 2, 32, 32] about 0."""
        flat = self.small(codes)
        luma = flat[:, :4096].reshape(-1, 1, 64, 64) / LUMA_WEIGHT
        weight = flat.new_tensor(CHROMA_WEIGHT)[:, None, None]
        return luma, flat[:, 4096:].reshape(-1, 2, 32, 32) / weight

    def base(self, codes: Tensor) -> Tensor:
        """Code [N, D] -> base picture: RGB [N, 3, 128, 128], about 0..1, enlarged by bicubic."""
        luma, chroma = self.planes(codes)
        with exact(codes):
            luma = self.luma_up @ luma @ self.luma_up.T
            chroma = self.chroma_up @ chroma @ self.chroma_up.T
            return torch.einsum("kc,nchw->nkhw", TO_RGB.to(luma), torch.cat([luma, chroma], 1))


# So many pictures and more are summed into a covariance; fewer are decomposed as they are.
MANY = 3000


class Moments:
    """Small pictures gathered batch by batch for their principal components, mirrored ones included."""

    def __init__(self, device: torch.device) -> None:
        self.count = 0
        self.sum = torch.zeros(NUMBERS, dtype=torch.float64, device=device)
        self.waiting: list[Tensor] = []
        self.products: Tensor | None = None

    def add(self, pictures: Tensor) -> None:
        """RGB [N, 3, 128, 128] in 0..1."""
        flat = shrink(pictures)
        self.sum += flat.sum(0).double()
        self.count += len(flat)
        # The shift keeps float32 sums of squares small; it cancels in `solve`.
        self.waiting.append(flat - 0.3)
        if self.count >= MANY:
            if self.products is None:
                self.products = flat.new_zeros(NUMBERS, NUMBERS)
            for rows in self.waiting:
                self.products.addmm_(rows.T, rows)
            self.waiting = []

    def solve(self, dimensions: int) -> tuple[Tensor, Tensor, Tensor]:
        """Mean [6144], orthonormal basis [6144, D], deviation [D] of all pictures and their mirrors.

        Raises `BadRun` when there are too few pictures for so many dimensions.
        """
        if dimensions >= 2 * self.count:
            raise BadRun(
                f"{self.count} pictures cannot carry codes of {dimensions} numbers; "
                f"add pictures or --set dimensions={max(1, self.count // 2)}"
            )
        order = mirror_order().to(self.sum.device)
        mean = (self.sum / self.count).float()
        both = (mean + mean[order]) / 2
        if self.products is None:
            rows = torch.cat(self.waiting) + 0.3
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
