"""How light falls on faces without beards, fitted in closed form to sharp crops."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from facedial import parsing
from facedial.arrays import Doubles, Floats
from facedial.codes.attributes import NAMES
from facedial.compose import features
from facedial.compose.maps import grid
from facedial.compose.masks import box_mean
from facedial.compose.mouth import sampled
from facedial.compose.retouch import OFFSET, known_points, moved
from facedial.compose.shave import FILE, MAP, SMOOTH, UPPER, CleanFaces
from facedial.errors import BadRequest, BadStore
from facedial.faces.parse import SIDE
from facedial.faces.sheet import shrunk
from facedial.model import CLASSIFIER_SIDE, Model
from facedial.training import export, patterns
from facedial.training.batches import Crops, known
from facedial.training.recipe import Recipe, RunContext

BEARDLESS, UNSHADED, MAN, WOMAN = 0.93, 0.15, 0.5, 0.2  # probabilities, by the packaged classifier
FACE = ("skin", "brows", "eyes", "mouth", "lips", "neck")
SHOWN = 0.84  # share of face around a pixel that counts
LEAST_UPPER = 150  # pixels of the upper face that tell the tone
LEAST_MOUTH = 20  # points of a mouth
READ_AT_ONCE = 64


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
        rows = _clean(model, crops, settings, np.random.default_rng(context.seed))
        found = [
            one
            for row in rows
            if (one := _light(model, crops, row, landmarks[row], usual)) is not None
        ]
    finally:
        model.close()
    if len(found) <= settings.patterns:
        raise BadStore(
            f"the stores show {len(found)} people without beards, too few for {settings.patterns} "
            f"patterns; prepare one of sharp photos of many people, at {SIDE} px"
        )
    light, shown = (np.stack(one) for one in zip(*found, strict=True))
    CleanFaces(usual, patterns.fitted(light, shown, settings.patterns).astype(np.float16)).save(
        path
    )


def _clean(
    model: Model, crops: Crops, settings: Settings, rng: np.random.Generator
) -> "np.ndarray[Any, np.dtype[np.int64]]":
    """Rows of people who have no beard, by the classifier."""
    read = np.concatenate(
        [
            model.predict_attributes(shrunk(crops.read(part), CLASSIFIER_SIDE))
            for part in crops.blocks(READ_AT_ONCE)
        ]
    )
    beard, shadow, male = (
        read[:, NAMES.index(name)] for name in ("No_Beard", "5_o_Clock_Shadow", "Male")
    )
    men = np.flatnonzero((male > MAN) & (beard > BEARDLESS) & (shadow < UNSHADED))
    women = np.flatnonzero(male < WOMAN)
    chosen = (rng.permutation(men)[: settings.men], rng.permutation(women)[: settings.women])
    return np.concatenate(chosen)


def _light(
    model: Model, crops: Crops, row: np.int64, landmarks: Floats, usual: Doubles
) -> tuple[Floats, Floats] | None:
    """Log of light on the usual face, less the upper face's [64, 64, 3], and what of it is shown."""
    pixels = crops.read(np.array([row]))
    (logits,), _ = model.parse(pixels)
    classes = parsing.probabilities_of(logits)
    points = features.points(pixels[0], classes, landmarks.astype(np.float64))
    there = known_points(points, usual)
    if there[features.MOUTH].sum() < LEAST_MOUTH:
        return None
    before = moved(usual[there], points[there], grid(MAP))
    log = np.log(pixels[0].astype(np.float32) + OFFSET)
    planes = [box_mean(log[..., k], SMOOTH) for k in range(3)]
    seen = sampled(np.stack([*planes, parsing.share(classes, FACE)], 2), *before.T)
    light, face = np.split(seen.reshape(MAP, MAP, 4), [3], 2)
    shown = (face[..., 0] > SHOWN).astype(np.float32)
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
