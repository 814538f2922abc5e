"""Codes of crops, and what is fitted to them: whitening, directions of attributes, a prior."""

import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from facedial.codes.attributes import NAMES
from facedial.editing.directions import fit_directions
from facedial.errors import BadRun
from facedial.priors.gaussian import GaussianPrior
from facedial.training import precision, tensors
from facedial.training.batches import Crops, pictures
from facedial.training.models.autoencoder import Autoencoder
from facedial.training.recipe import RunContext

log = logging.getLogger(__name__)

AT_ONCE = 64
# Of the mean variance: components of hardly any variance are not amplified to unit variance.
FLOOR = 1e-3
LEAST = 1e-4  # deviation: below it, float32's rounding would show in whitened codes
FITTED = ("directions.npz", "prior.npz")


@dataclass(frozen=True, slots=True)
class Whitening:
    """Raw codes h [N, D] <-> whitened codes z = (h - mean) @ whiten; h = mean + z @ unwhiten."""

    mean: Tensor
    whiten: Tensor
    unwhiten: Tensor

    @staticmethod
    def fit(codes: Tensor) -> "Whitening":
        """From raw codes [N, D]: principal axes, each over its standard deviation."""
        mean = codes.double().mean(0)
        centred = codes.double() - mean
        values, axes = torch.linalg.eigh(centred.T @ centred / len(codes))
        deviation = values.clamp_min(FLOOR * float(values.mean())).sqrt().clamp_min(LEAST)
        # Largest first, as everywhere.
        deviation, axes = deviation.flip(0), axes.flip(1)
        whiten, unwhiten = axes / deviation, (axes * deviation).T
        return Whitening(mean.float(), whiten.float().contiguous(), unwhiten.float().contiguous())


@torch.no_grad()
def encoded(crops: Crops, encode: Callable[[Tensor], Tensor], device: torch.device) -> Tensor:
    """Codes float32 [N, D] of all crops, by `encode`: RGB [n, 3, S, S] in 0..1 -> [n, D].

    Computed in the precision that is fastest here.
    """
    halves = precision.uses_bfloat16(device)
    parts = []
    for block in crops.blocks(AT_ONCE):
        with torch.autocast(device.type, torch.bfloat16, enabled=halves):
            parts.append(encode(pictures(crops.read(block), device)).float().cpu())
    return torch.cat(parts)


def of_autoencoder(crops: Crops, network: Autoencoder, device: torch.device) -> Tensor:
    """Codes float32 [N, D] of all crops, by an autoencoder, which is moved to `device`."""
    network.to(device, memory_format=torch.channels_last).eval()  # type: ignore[call-overload]
    return encoded(crops, network.encode, device)


def cached(
    context: RunContext, crops: Crops, network: Autoencoder, space: str, split: str
) -> Tensor:
    """Codes float16 [N, D] of all crops of a split, computed once and kept in the run.

    Codes of a run in the folder beside this one are copied, if they are of the same stores and code
    space. Raises `BadRun` when the codes kept are of other crops or another space.
    """
    path = context.run / f"codes-{split}.safetensors"
    if path.exists():
        kept, facts = tensors.load(path)
        if facts["space"] != space or len(kept["codes"]) != len(crops):
            raise BadRun(
                f"{path} holds {len(kept['codes'])} codes of {facts['space']}, this run needs "
                f"{len(crops)} of {space}; remove it or choose another folder"
            )
        return kept["codes"]
    codes = _of_sibling(context, path.name, len(crops), space)
    if codes is None:
        codes = of_autoencoder(crops, network, context.device).half()
    tensors.save(path, {"codes": codes}, {"space": space})
    return codes


def _of_sibling(context: RunContext, name: str, count: int, space: str) -> Tensor | None:
    """Codes [count, D] that a run in the same folder kept, of the same stores and space."""
    stores = [store.path.name for store in context.stores]
    for path in sorted(context.run.parent.glob(f"*/{name}")):
        about = path.parent / "run.json"
        if not about.exists() or json.loads(about.read_text()).get("stores") != stores:
            continue
        kept, facts = tensors.load(path)
        if facts["space"] == space and len(kept["codes"]) == count:
            log.info("codes of %s", path.parent)
            return kept["codes"]
    return None


def fit(codes: Tensor, labels: NDArray[np.float32], space: str, folder: Path) -> None:
    """Fit directions and a Gaussian prior to whitened codes [N, D] and labels [N, 40], NaN unknown.

    Into `directions.npz` and `prior.npz` of `folder`; without labels nothing but a warning.
    """
    with np.errstate(invalid="ignore"):
        both = np.any(labels > 0.5, axis=0) & np.any(labels <= 0.5, axis=0)
    names = [name for name, usable in zip(NAMES, list(both), strict=True) if usable]
    if not names:
        log.warning(
            "no attribute has people with it and people without, so no directions and no prior were "
            "fitted"
        )
        return
    labels = labels[:, both]
    known = np.flatnonzero(~np.isnan(labels).all(1))
    rows, labels = codes.numpy()[known], labels[known]
    fit_directions(rows, labels, names, space=space).save(folder / "directions.npz")
    GaussianPrior.fit(rows, labels, names, space=space).save(folder / "prior.npz")
