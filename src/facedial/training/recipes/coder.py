"""The coder of coded faces (`.fd`), fitted in closed form to codes of training people."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from facedial.arrays import Floats
from facedial.coded import CODER
from facedial.codes.entropy import Coder
from facedial.model import Model
from facedial.training import export
from facedial.training.batches import Crops
from facedial.training.recipe import Recipe, RunContext

AT_ONCE = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Maximum number of crops of training people; faces about which significance is measured."""

    crops: int = 4000
    faces: int = 4


def start(context: RunContext, settings: Settings) -> None:
    """Fit into `coder.npz` of the run, once; there is nothing to train."""
    path = context.run / CODER
    if path.exists():
        return
    model = Model.open(context.init)
    try:
        crops = Crops(context.stores, ["train"], model.side)
        chosen = np.unique(np.linspace(0, len(crops) - 1, settings.crops).astype(np.int64))
        parts = [chosen[i : i + AT_ONCE] for i in range(0, len(chosen), AT_ONCE)]
        codes = np.concatenate([model.encode(crops.read(part)) for part in parts])
        levels = significance(
            model, codes[:: max(1, len(codes) // settings.faces)][: settings.faces]
        )
        Coder.fit(model.space, levels, codes).save(path)
    finally:
        model.close()


def significance(model: Model, faces: Floats) -> Floats:
    """By how many levels, root mean square, one deviation of each number [D] changes decoded faces."""
    squares = np.zeros(model.dimensions)
    for face in faces:
        (plain,) = model.decode_mse(face[None])
        for first in range(0, model.dimensions, AT_ONCE):
            numbers = np.arange(first, min(first + AT_ONCE, model.dimensions))
            moved = np.repeat(face[None], len(numbers), 0)
            moved[np.arange(len(numbers)), numbers] += 1
            squares[numbers] += np.square(model.decode_mse(moved) - plain).mean((1, 2, 3))
    return np.sqrt(squares / len(faces)).astype(np.float32)


def finish(run: Path, settings: Settings, out: Path) -> dict[str, Any]:
    """Write `coder.npz` into the bundle `out`; raises `BadRun` where it codes another space."""
    space = Coder.load(export.fitted(run, CODER)).space
    export.check_space(run, out, space, "a coder of", "fit it again")
    export.copy_fitted(run, CODER, out)
    return {"of": space}


RECIPE = Recipe(
    summary="the coder of coded faces (.fd), fitted in closed form",
    settings=Settings(),
    start=start,
    export=finish,
    trained=False,
)
