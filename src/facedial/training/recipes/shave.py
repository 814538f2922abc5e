"""How light falls on faces without beards, fitted in closed form to sharp crops."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from facedial import parsing
from facedial.arrays import Doubles, Floats
from facedial.codes.attributes import NAMES
from facedial.compose import features
from facedial.compose.maps import grid
from facedial.compose.retouch import known_points, moved
from facedial.compose.shave import FILE, MAP, SMOOTH, UPPER, CleanFaces
from facedial.errors import BadRequest
from facedial.model import Model
from facedial.training import export, patterns
from facedial.training.batches import Crops
from facedial.training.recipe import Recipe, RunContext

BEARDLESS, UNSHADED, MAN, WOMAN = 0.93, 0.15, 0.5, 0.2  # probabilities, by the packaged classifier
FACE = ("skin", "brows", "eyes", "mouth", "lips", "neck")
LEAST_UPPER = 150  # pixels of the upper face that tell the tone
LEAST_MOUTH = 20  # points of a mouth


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Maximum number of men, and of women, and how many patterns."""

    men: int = 1400
    women: int = 700
    patterns: int = 24

    def __post_init__(self) -> None:
        if self.patterns < 1:
            raise BadRequest(f"patterns must be 1 or more, got {self.patterns}")


def start(context: RunContext, settings: Settings) -> None:
    """Fit into `shave.npz` of the run, once; there is nothing to train."""
    path = context.run / FILE
    if not path.exists():
        clean = partial(_clean, settings)
        found = patterns.of_people(context, settings.patterns, "without beards", clean, _light)
        CleanFaces(*found).save(path)


def _clean(
    settings: Settings, model: Model, crops: Crops, rng: np.random.Generator
) -> patterns.Rows:
    """Rows of people who have no beard, by the classifier."""
    read = patterns.attributes(model, crops)
    beard, shadow, male = (
        read[:, NAMES.index(name)] for name in ("No_Beard", "5_o_Clock_Shadow", "Male")
    )
    men = np.flatnonzero((male > MAN) & (beard > BEARDLESS) & (shadow < UNSHADED))
    women = np.flatnonzero(male < WOMAN)
    chosen = (rng.permutation(men)[: settings.men], rng.permutation(women)[: settings.women])
    return np.concatenate(chosen)


def _light(
    model: Model, crops: Crops, row: np.int64, landmarks: Floats, usual: Doubles
) -> patterns.Light | None:
    """Log of light on the usual face, less the upper face's [64, 64, 3], and what of it is shown."""
    pixels = crops.read(np.array([row]))
    (logits,), _ = model.parse(pixels)
    classes = parsing.probabilities_of(logits)
    points = features.points(pixels[0], classes, landmarks.astype(np.float64))
    there = known_points(points, usual)
    if there[features.MOUTH].sum() < LEAST_MOUTH:
        return None
    before = moved(usual[there], points[there], grid(MAP))
    face = parsing.share(classes, FACE)
    light, shown = patterns.light_at(pixels[0], face, before, (MAP, MAP), SMOOTH)
    upper = shown[UPPER]
    if upper.sum() < LEAST_UPPER:
        return None
    tone = (light[UPPER] * upper[..., None]).sum((0, 1)) / upper.sum()
    return np.asarray(light - tone, np.float32), shown


def finish(run: Path, settings: Settings, out: Path) -> dict[str, Any]:
    """Write `shave.npz` into the bundle `out`."""
    path = export.copy_fitted(run, FILE, out)
    return {"patterns": len(CleanFaces.load(path).patterns) - 1}


RECIPE = Recipe(
    summary="light on faces without beards, fitted in closed form to sharp crops",
    settings=Settings(),
    start=start,
    export=finish,
    trained=False,
)
