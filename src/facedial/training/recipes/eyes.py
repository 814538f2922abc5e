"""How light falls around eyes without glasses, fitted in closed form to sharp crops."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from facedial import parsing
from facedial.arrays import Doubles, Floats
from facedial.codes.attributes import NAMES
from facedial.compose import features
from facedial.compose.retouch import moved
from facedial.compose.rims import FILE, SHAPE, BareEyes, eye_map, placed
from facedial.errors import BadRequest
from facedial.model import Model
from facedial.training import export, patterns
from facedial.training.batches import Crops
from facedial.training.recipe import Recipe, RunContext

WITHOUT, SEEN = 0.1, 0.002  # probability of glasses, and share of a crop parsed as such, at most
FACE = ("skin", "brows", "eyes")
LEAST_POINTS = 30  # that say where features lie


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Maximum number of people, and how many patterns."""

    people: int = 2200
    patterns: int = 64

    def __post_init__(self) -> None:
        if self.patterns < 1:
            raise BadRequest(f"patterns must be 1 or more, got {self.patterns}")


def start(context: RunContext, settings: Settings) -> None:
    """Fit into `eyes.npz` of the run, once; there is nothing to train."""
    path = context.run / FILE
    if not path.exists():
        found = patterns.of_people(
            context, settings.patterns, "without glasses", _without, _light, settings.people
        )
        BareEyes(*found).save(path)


def _without(model: Model, crops: Crops, rng: np.random.Generator) -> patterns.Rows:
    """Rows of people who wear no glasses, by the classifier, in random order."""
    read = patterns.attributes(model, crops)[:, NAMES.index("Eyeglasses")]
    return rng.permutation(np.flatnonzero(read < WITHOUT))


def _light(
    model: Model, crops: Crops, row: np.int64, landmarks: Floats, usual: Doubles
) -> patterns.Light | None:
    """Log of light around the eyes, less its mean [44, 100, 3], and what of it is shown [44, 100]."""
    pixels = crops.read(np.array([row]))
    (logits,), _ = model.parse(pixels)
    classes = parsing.probabilities_of(logits)
    if float(parsing.share(classes, {"glasses"}).mean()) > SEEN:
        return None
    points = features.points(pixels[0], classes, landmarks.astype(np.float64))
    own, there = placed(points, landmarks.astype(np.float64), usual)
    if len(own) < LEAST_POINTS:
        return None
    before = moved(there, own, eye_map())
    face = parsing.share(classes, FACE)
    light, shown = patterns.light_at(pixels[0], face, before, SHAPE, 1)
    if not shown.any():
        return None
    tone = (light * shown[..., None]).sum((0, 1)) / shown.sum()
    return np.asarray(light - tone, np.float32), shown


def finish(run: Path, settings: Settings, out: Path) -> dict[str, Any]:
    """Write `eyes.npz` into the bundle `out`."""
    path = export.copy_fitted(run, FILE, out)
    return {"patterns": len(BareEyes.load(path).patterns) - 1}


RECIPE = Recipe(
    summary="light around eyes without glasses, fitted in closed form to sharp crops",
    settings=Settings(),
    start=start,
    export=finish,
    trained=False,
)
