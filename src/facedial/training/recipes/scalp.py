"""Shape and light of bald heads, fitted in closed form to labelled crops."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facedial import parsing
from facedial.arrays import Doubles, Floats
from facedial.codes.attributes import NAMES
from facedial.compose.scalp import FILE, BaldHeads, coarse, pose
from facedial.errors import BadStore
from facedial.faces.parse import SIDE
from facedial.faces.sheet import enlarged
from facedial.model import Model
from facedial.training import cheeks, export
from facedial.training.batches import Crops, known
from facedial.training.recipe import Recipe, RunContext

CROP = 128  # pixels along the side of the crops
HEAD = ("skin", "brows", "eyes", "glasses", "mouth", "lips", "ears")
MOST_HAIR = 0.05  # share of a crop: who has more is not bald, whatever the label says
DARKER, LIGHTER = -2.5, 1.0  # limits of the log of light
RIDGE = np.array([0.0, 1.0, 1.0])  # of the pose's coefficients, in heads


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Maximum number of bald people."""

    people: int = 1000


def start(context: RunContext, settings: Settings) -> None:
    """Fit into `scalp.npz` of the run, once; there is nothing to train."""
    path = context.run / FILE
    if path.exists():
        return
    crops, points = known(Crops(context.stores, ["train"], CROP), "landmarks", "train people")
    labels = crops.gather("attributes")
    bald, hats = (labels[:, NAMES.index(name)] for name in ("Bald", "Wearing_Hat"))
    rows = np.flatnonzero((bald == 1) & (hats != 1))
    rows = np.random.default_rng(context.seed).permutation(rows)[: settings.people]
    model = Model.open(context.init)
    try:
        found = [one for row in rows if (one := _seen(model, crops, row)) is not None]
    finally:
        model.close()
    if len(found) < len(RIDGE):
        raise BadStore(
            "the stores hold no labelled crops of bald people; prepare one with labels of attributes"
        )
    poses = np.array([pose(points[row].astype(np.float64)) for row, _, _ in found])
    heads = np.stack([head for _, head, _ in found])
    light = np.stack([one for _, _, one in found])
    fitted(poses, heads, light).save(path)


def _seen(
    model: Model, crops: Crops, row: np.int64
) -> tuple[np.int64, NDArray[np.float32], NDArray[np.float32]] | None:
    """A crop's head and the log of its light over that of the cheeks [64, 64]; None for no bald head."""
    large = enlarged(crops.read(np.array([row]))[0], SIDE)
    (logits,), _ = model.parse(large[None])
    classes = parsing.probabilities_of(logits)
    if parsing.share(classes, {"hair"}).mean() > MOST_HAIR:
        return None
    light = cheeks.light(large)
    if light is None:
        return None
    head = parsing.share(classes, HEAD)
    return row, coarse(head), coarse(np.clip(light, DARKER, LIGHTER))


def fitted(poses: Doubles, heads: Floats, light: Floats) -> BaldHeads:
    """Regressions on poses [N, 2] of heads and their light [N, 64, 64], and of their mirror images.

    Light counts where the head is.
    """
    poses = np.concatenate([poses, poses * [-1, 1]])
    heads, light = (np.concatenate([one, one[:, :, ::-1]]) for one in (heads, light))
    mean = poses.mean(0)
    by = np.concatenate([np.ones((len(poses), 1)), poses - mean], 1)
    outline = _regressed(by, np.ones_like(heads), heads)
    return BaldHeads(outline, _regressed(by, heads, light), mean)


def _regressed(by: Doubles, weights: Floats, values: Floats) -> Floats:
    """Coefficients [3, H, W] of the weighted least squares of values [N, H, W] on `by` [N, 3]."""
    gram = np.einsum("na,nb,nhw->hwab", by, by, weights, optimize=True)
    gram += np.diag(RIDGE + 1e-3)
    right = np.einsum("na,nhw->hwa", by, weights * values, optimize=True)
    found = np.linalg.solve(gram, right[..., None])[..., 0]
    return np.asarray(found.transpose(2, 0, 1), np.float32)


def finish(run: Path, settings: Settings, out: Path) -> dict[str, Any]:
    """Write `scalp.npz` into the bundle `out`."""
    path = export.copy_fitted(run, FILE, out)
    return {"mean": BaldHeads.load(path).mean.tolist()}


RECIPE = Recipe(
    summary="shape and light of bald heads, fitted in closed form to labelled crops",
    settings=Settings(),
    start=start,
    export=finish,
    trained=False,
)
