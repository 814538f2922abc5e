"""How light falls around eyes without glasses, fitted in closed form to sharp crops."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from facedial import parsing
from facedial.arrays import Doubles, Floats
from facedial.codes.attributes import NAMES
from facedial.compose import features
from facedial.compose.masks import box_mean
from facedial.compose.mouth import sampled
from facedial.compose.retouch import OFFSET, moved
from facedial.compose.rims import FILE, SHAPE, BareEyes, eye_map, placed
from facedial.errors import BadRequest, BadStore
from facedial.faces.parse import SIDE
from facedial.faces.sheet import shrunk
from facedial.model import CLASSIFIER_SIDE, Model
from facedial.training import export, patterns
from facedial.training.batches import Crops, known
from facedial.training.recipe import Recipe, RunContext

WITHOUT, SEEN = 0.1, 0.002  # probability of glasses, and share of a crop parsed as such, at most
FACE = ("skin", "brows", "eyes")
SHOWN = 0.84  # share of face around a pixel that counts
LEAST_POINTS = 30  # that say where features lie
READ_AT_ONCE = 64


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
    if path.exists():
        return
    crops, landmarks = known(Crops(context.stores, ["train"], SIDE), "landmarks", "train people")
    model = Model.open(context.init)
    try:
        if model.retouch is None:
            raise BadRequest(
                f"the bundle {model.name} does not know the usual places of features; start from one "
                "with retouching (--init)"
            )
        usual = model.retouch.usual
        rows = np.random.default_rng(context.seed).permutation(_without(model, crops))
        found: list[tuple[Floats, Floats]] = []
        for row in rows:
            one = _light(model, crops, row, landmarks[row], usual)
            if one is not None:
                found.append(one)
            if len(found) == settings.people:
                break
    finally:
        model.close()
    if len(found) <= settings.patterns:
        raise BadStore(
            f"the stores show {len(found)} people without glasses, too few for {settings.patterns} "
            f"patterns; prepare one of sharp photos of many people, at {SIDE} px"
        )
    light, shown = (np.stack(one) for one in zip(*found, strict=True))
    fitted = patterns.fitted(light, shown, settings.patterns)
    BareEyes(usual, fitted.astype(np.float16)).save(path)


def _without(model: Model, crops: Crops) -> "np.ndarray[Any, np.dtype[np.int64]]":
    """Rows of people who wear no glasses, by the classifier."""
    column = NAMES.index("Eyeglasses")
    read = np.concatenate(
        [
            model.predict_attributes(shrunk(crops.read(part), CLASSIFIER_SIDE))[:, column]
            for part in crops.blocks(READ_AT_ONCE)
        ]
    )
    return np.flatnonzero(read < WITHOUT)


def _light(
    model: Model, crops: Crops, row: np.int64, landmarks: Floats, usual: Doubles
) -> tuple[Floats, Floats] | None:
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
    log = np.log(pixels[0].astype(np.float32) + OFFSET)
    planes = [*(box_mean(log[..., k], 1) for k in range(3)), parsing.share(classes, FACE)]
    light, face = np.split(sampled(np.stack(planes, 2), *before.T).reshape(*SHAPE, 4), [3], 2)
    shown = (face[..., 0] > SHOWN).astype(np.float32)
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
