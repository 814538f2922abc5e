"""What a finished model's codes need for use: unit variance, directions of attributes, a prior."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from facedial.codes.attributes import NAMES
from facedial.codes.directions import fit_directions
from facedial.codes.prior import GaussianPrior
from facedial.training import loop
from facedial.training.batches import Crops, pictures

log = logging.getLogger(__name__)

AT_ONCE = 64
# Of the mean variance: numbers that hardly vary stay small instead of becoming noise.
FLOOR = 1e-3
LEAST = 1e-4  # deviation: below it, single precision would be seen in white codes
FITTED = ("directions.npz", "prior.npz")


@dataclass(frozen=True, slots=True)
class Whitening:
    """Raw codes h [N, D] <-> white codes (h - mean) @ forth; h = mean + z @ back."""

    mean: Tensor
    forth: Tensor
    back: Tensor

    @staticmethod
    def fit(codes: Tensor) -> "Whitening":
        """From raw codes [N, D]: principal axes, each over its standard deviation."""
        mean = codes.double().mean(0)
        centred = codes.double() - mean
        values, axes = torch.linalg.eigh(centred.T @ centred / len(codes))
        spread = values.clamp_min(FLOOR * float(values.mean())).sqrt().clamp_min(LEAST)
        # Largest first, as everywhere.
        spread, axes = spread.flip(0), axes.flip(1)
        forth, back = axes / spread, (axes * spread).T
        return Whitening(mean.float(), forth.float().contiguous(), back.float().contiguous())


@torch.no_grad()
def encoded(crops: Crops, encode: Callable[[Tensor], Tensor], device: torch.device) -> Tensor:
    """Codes float32 [N, D] of all crops, by `encode`: RGB [n, 3, S, S] in 0..1 -> [n, D].

    Made in the precision that is fastest here.
    """
    halves = loop.fastest_precision(device) == "bf16-mixed"
    parts = []
    for block in crops.blocks(AT_ONCE):
        with torch.autocast(device.type, torch.bfloat16, enabled=halves):
            parts.append(encode(pictures(crops.read(block), device)).float().cpu())
    return torch.cat(parts)


def fit(codes: Tensor, labels: NDArray[np.float32], space: str, folder: Path) -> None:
    """Fit directions and a Gaussian prior to white codes [N, D] and labels [N, 40], NaN unknown.

    Into `directions.npz` and `prior.npz` of `folder`; nothing but a warning without labels.
    """
    with np.errstate(invalid="ignore"):
        both = np.any(labels > 0.5, axis=0) & np.any(labels <= 0.5, axis=0)
    names = [name for name, usable in zip(NAMES, list(both), strict=True) if usable]
    if not names:
        log.warning(
            "no labels with people on both sides, so no directions and no prior were fitted"
        )
        return
    labels = labels[:, both]
    known = np.flatnonzero(~np.isnan(labels).all(1))
    rows, labels = codes.numpy()[known], labels[known]
    fit_directions(rows, labels, names, space=space).save(folder / "directions.npz")
    GaussianPrior.fit(rows, labels, names, space=space).save(folder / "prior.npz")
