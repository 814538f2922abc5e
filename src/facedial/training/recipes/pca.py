"""PCA of whole crops: the baseline as a model of its own, fitted in closed form."""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from facedial.codes.pca import Pca, fit_pca
from facedial.errors import BadRun
from facedial.training import coded, export
from facedial.training.batches import Crops
from facedial.training.models.pca import Decode, Encode, Map
from facedial.training.recipe import Recipe, RunContext


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Numbers in a code; pixels along the side (0: the store's); passes of subspace iteration."""

    dimensions: int = 1024
    side: int = 0
    passes: int = 2


def start(context: RunContext, settings: Settings) -> None:
    """Fit into `pca.npz` of the run, once, with directions and prior; there is nothing to train."""
    path = context.run / "pca.npz"
    crops = Crops(context.stores, ["train"], settings.side or context.stores[0].size)
    if not path.exists():
        fit_pca(
            lambda: (crops.read(block) for block in crops.blocks()),
            crops.size,
            settings.dimensions,
            rng=np.random.default_rng(context.seed),
            passes=settings.passes,
        ).save(path)
    (context.run / "frame.txt").write_text(crops.frame)
    if not (context.run / coded.FITTED[0]).exists():
        pca = Pca.load(path)
        codes = [pca.encode(crops.read(block)) for block in crops.blocks()]
        labels = crops.gather("attributes")
        coded.fit(torch.from_numpy(np.concatenate(codes)), labels, _space(pca), context.run)


def _space(pca: Pca) -> str:
    return export.space_of(torch.from_numpy(pca.basis)).replace("fd", "pca", 1)


def finish(run: Path, settings: Settings, out: Path) -> dict[str, Any]:
    """Write the two graphs into the bundle folder `out`."""
    path = run / "pca.npz"
    if not path.exists():
        raise BadRun(f"{run} has no {path.name}; finish the run before exporting it")
    pca = Pca.load(path)
    space = _space(pca)  # before quantisation, which changes the basis in place
    linear = Map(pca)
    axes = export.quantize(linear, {"basis": 1})
    size = (settings.dimensions, pca.side)
    export.write_pair(Encode(linear), Decode(linear), axes, ["basis"], size, out)
    for name in coded.FITTED:
        if (run / name).exists():
            shutil.copyfile(run / name, out / name)
    return {
        "space": space,
        "dimensions": settings.dimensions,
        "side": pca.side,
        "frame": (run / "frame.txt").read_text(),
    }


RECIPE = Recipe(
    summary="PCA of whole crops, fitted in closed form: the baseline",
    settings=Settings(),
    start=start,
    export=finish,
    trained=False,
)
