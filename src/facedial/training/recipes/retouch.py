"""What attributes add to faces: shape, light and roughness, fitted in closed form to sharp crops."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from facedial import parsing
from facedial.arrays import LUMA, Bytes, Doubles, Floats
from facedial.codes.attributes import NAMES
from facedial.compose import features
from facedial.compose.maps import grid
from facedial.compose.masks import box_mean, box_means, resize_mask, rows_mask, smoothstep
from facedial.compose.mouth import sampled
from facedial.compose.retouch import (
    BANDS,
    FAR,
    FILE,
    MAP,
    OFFSET,
    RETOUCHED,
    ROUGH,
    Retouch,
    bands,
    known_points,
    log_luma,
    moved,
)
from facedial.compose.scalp import pose
from facedial.errors import BadStore
from facedial.faces.parse import SIDE
from facedial.faces.sheet import shrunk
from facedial.model import CLASSIFIER_SIDE, Model
from facedial.training import export
from facedial.training.batches import Crops, known
from facedial.training.recipe import Recipe, RunContext

# Attributes, and those that stay as they are when one of them is looked at.
BESIDES = ("Male", "Young", "Smiling", "Mouth_Slightly_Open", "Eyeglasses")
# Of a feature alone these stay, too; a man's beard and a woman's make-up are part of what is learned.
OF_FEATURES = ("Heavy_Makeup", "No_Beard")
READ = tuple(dict.fromkeys((*RETOUCHED, *BESIDES, *OF_FEATURES)))
LIPS, EYES, BROWS, OUTLINE = (
    (features.MOUTH,),
    (features.LEFT_EYE, features.RIGHT_EYE),
    (features.LEFT_BROW, features.RIGHT_BROW),
    (features.OUTLINE,),
)
# Attribute -> points that move, those in whose light it shows, and px around them; what is not named is
# the whole face. Few are labelled so, and what else they have in common is nobody's wish.
PARTS: Mapping[str, tuple[tuple[slice, ...], tuple[slice, ...], float]] = {
    "Big_Lips": (LIPS, LIPS, 8.0),
    "Narrow_Eyes": (EYES, EYES, 8.0),
    "Arched_Eyebrows": (BROWS, BROWS, 8.0),
    "Bushy_Eyebrows": (BROWS, BROWS, 8.0),
    "Oval_Face": (OUTLINE, (), 0.0),
    "Chubby": (OUTLINE, OUTLINE, 40.0),
    "Double_Chin": (OUTLINE, OUTLINE, 40.0),
    "Rosy_Cheeks": ((), (), 0.0),
}
CHEEKS = (0.52, 0.72), 10.0  # rows, and px from lips, of what gets rosy
BELOW = 0.58, 1.0  # rows of a chin and of full cheeks
SOFT = 8.0  # px over which such a part ends
SURE = 0.2, 0.8  # probability up to which a face has none of an attribute, and from which on all
ADULT = 16  # years, where a store's column `age` knows them
FIRST = 400  # people by whom the usual places are known
SHOWN = 0.92  # share of face, and of skin (0.86), around a pixel that counts
SKIN_SHOWN = 0.86
LIMITS = -2.0, 1.0  # of the log of light over the face's mean
COUNTED = 0.05  # share of people who show a pixel, from which on it is known
STIFF = 2.0  # of the regressions
TOGETHER = 64  # people whose maps are added up at once
LEAST = 12  # people with an attribute, and without


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Maximum number of people; `names`: the attributes that are learned."""

    people: int = 4000
    names: tuple[str, ...] = RETOUCHED


class _Face(NamedTuple):
    """A face: its pixels, class probabilities, attributes 0..1, pose, source, and points in the crop."""

    pixels: Bytes
    classes: Floats
    attributes: Doubles
    pose: Doubles
    source: int
    points: Doubles


class _Sums:
    """Normal equations of a regression at each of P places: matrices [P, K, K], and sides [P, K, C]."""

    def __init__(self, places: int, regressors: int, channels: int) -> None:
        self.matrices = np.zeros((places, regressors, regressors), np.float32)
        self.sides = np.zeros((places, regressors, channels), np.float32)
        self.weight = 0.0

    def add(self, by: Floats, weights: Floats, values: Floats) -> None:
        """Add people: regressors [N, K], weights [N, P], values [N, P, C]."""
        count, k = by.shape
        pairs = (by[:, :, None] * by[:, None]).reshape(count, -1)
        self.matrices += (weights.T @ pairs).reshape(-1, k, k)
        for channel in range(values.shape[2]):
            self.sides[..., channel] += (weights * values[..., channel]).T @ by
        self.weight += count

    def effect(self, chosen: Sequence[int]) -> Doubles:
        """What the first of the chosen regressors adds, the others staying as they are: [P, C].

        0 at places that few people show.
        """
        inside = np.ix_(range(len(self.matrices)), chosen, chosen)
        matrices = self.matrices[inside].astype(np.float64) + STIFF * np.eye(len(chosen))
        found = np.linalg.solve(matrices, self.sides[:, chosen].astype(np.float64))[:, 0]
        # Of the sources' columns every person has one: their sum is the weight of a place.
        shown = self.matrices[:, -1, -1] / max(self.weight, 1.0)
        return np.asarray(np.where(shown[:, None] < COUNTED, 0, found))


def start(context: RunContext, settings: Settings) -> None:
    """Fit into `retouch.npz` of the run, once; there is nothing to train."""
    path = context.run / FILE
    if path.exists():
        return
    crops, landmarks = known(Crops(context.stores, ["train"], SIDE), "landmarks", "train people")
    rows = np.random.default_rng(context.seed).permutation(len(crops))
    rows = rows[_adult(crops)[rows]][: settings.people]
    sources = _sources(crops)
    model = Model.open(context.init)
    try:

        def face(row: np.int64) -> _Face:
            return _seen(model, crops, row, landmarks[row], int(sources[row]))

        first = np.stack([face(row).points for row in rows[:FIRST]])
        usual = _usual(np.concatenate([first, features.mirrored(first)]))
        fitted(map(face, rows), int(sources.max()) + 1, usual, settings.names).save(path)
    finally:
        model.close()


def _column(crops: Crops, name: str) -> list[str]:
    """A column of the stores' tables for each crop; empty where a store has none."""
    texts = [store.extra.get(name) for store in crops.stores]
    return [str(column[row]) if (column := texts[s]) is not None else "" for s, row in crops.rows]


def _adult(crops: Crops) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Which crops are not known to show children: they are young in another way."""
    return np.array([not age or not float(age) < ADULT for age in _column(crops, "age")])


def _sources(crops: Crops) -> np.ndarray[Any, np.dtype[np.int64]]:
    """A number for each store and each source in it: collections differ in light and sharpness."""
    named = zip(crops.rows[:, 0], _column(crops, "source"), strict=True)
    keys = [f"{store} {source}" for store, source in named]
    return np.unique(keys, return_inverse=True)[1]


def _seen(model: Model, crops: Crops, row: np.int64, landmarks: Floats, source: int) -> _Face:
    pixels = crops.read(np.array([row]))
    (found,) = model.predict_attributes(shrunk(pixels, CLASSIFIER_SIDE))
    (logits,), _ = model.parse(pixels)
    classes, places = parsing.probabilities_of(logits), landmarks.astype(np.float64)
    attributes = smoothstep(found[[NAMES.index(name) for name in READ]], SURE)
    points = features.points(pixels[0], classes, places)
    return _Face(pixels[0], classes, attributes.astype(np.float64), pose(places), source, points)


def _usual(points: Doubles) -> Doubles:
    """Mean places of points [N, 121, 2], without those that lie far off."""
    middle = np.nanmedian(points, 0)
    near = np.hypot(*np.moveaxis(points - middle, 2, 0)) < FAR
    found = np.nanmean(np.where(near[..., None], points, np.nan), 0)
    return np.asarray(np.where(np.isfinite(found), found, middle))


def fitted(faces: Iterable[_Face], sources: int, usual: Doubles, names: Sequence[str]) -> Retouch:
    """Regressions over faces (`_Face`) and their mirror images."""
    # Attributes, pose, light and hue of the skin, one column for each source, and ones.
    width = len(READ) + 2 + 3 + sources + 1
    light, rough = _Sums(MAP * MAP, width, 3), _Sums(ROUGH * ROUGH, width, BANDS)
    shape = _Sums(features.COUNT, width, 2)
    people = np.zeros((len(READ), 2))
    waiting: list[tuple[Floats, ...]] = []

    def flush() -> None:
        by, w, values, w_rough, rough_values, w_points, ways = (
            np.stack(one) for one in zip(*waiting, strict=True)
        )
        light.add(by, w, values)
        rough.add(by, w_rough, rough_values)
        shape.add(by, w_points, ways)
        waiting.clear()

    for face in faces:
        waiting += _equations(face, usual, sources)
        people += np.stack([face.attributes > 0.5, face.attributes < 0.5], 1)
        if len(waiting) >= 2 * TOGETHER:
            flush()
    if waiting:
        flush()
    found: dict[str, list[Doubles]] = {"shape": [], "light": [], "rough": []}
    for name in names:
        if people[READ.index(name)].min() < LEAST:
            raise BadStore(
                f"the stores show too few people with {name}, or without; prepare one of sharp photos "
                f"of many people, at {SIDE} px"
            )
        stay = (*BESIDES, *OF_FEATURES) if name in PARTS else BESIDES
        chosen = [READ.index(name), *(READ.index(one) for one in stay if one != name)]
        chosen += range(len(READ), width - 1)
        moves, zone = _part(name, usual)
        found["shape"].append(shape.effect(chosen) * moves[:, None])
        for key, sums, side in (("light", light, MAP), ("rough", rough, ROUGH)):
            effect = sums.effect(chosen).reshape(side, side, -1)
            within = resize_mask(zone, side)[..., None]
            found[key].append(within * (effect + effect[:, ::-1]) / 2)
    arrays = [np.array(found[key], np.float16) for key in ("light", "rough")]
    return Retouch(tuple(names), usual, np.array(found["shape"]), *arrays)


def _part(name: str, usual: Doubles) -> tuple[Doubles, Floats]:
    """Which points move with an attribute [121], and where it shows in light [128, 128], 0..1."""
    moves, zone = np.ones(features.COUNT), np.ones((MAP, MAP), np.float32)
    if name not in PARTS:
        return moves, zone
    own, shown, reach = PARTS[name]
    moves[:] = 0
    for part in own:
        moves[part] = 1

    def near(parts: tuple[slice, ...], within: float) -> Floats:
        nodes = np.concatenate([usual[part] for part in parts])
        far = np.sqrt(((grid(MAP)[:, None] - nodes) ** 2).sum(2)).min(1)
        return 1 - smoothstep(far, (within, within + SOFT)).reshape(MAP, MAP)

    if name == "Rosy_Cheeks":
        rows, apart = CHEEKS
        zone = rows_mask(MAP, rows) * (1 - near((*LIPS, *EYES), apart))
    else:
        zone = near(shown, reach) if shown else np.zeros_like(zone)
        if shown == OUTLINE:
            zone = zone * rows_mask(MAP, BELOW)
    return moves, np.asarray(zone, np.float32)


def _equations(face: _Face, usual: Doubles, sources: int) -> list[tuple[Floats, ...]]:
    """A face's regressors, and weights and values of light, roughness and points; and its mirror's."""
    there = known_points(face.points, usual)
    points = np.where(there[:, None], face.points, np.nan)
    before = moved(usual[there], points[there], grid(MAP))
    # Of the classes of a face, the lenses of glasses are not the face's own.
    shown, skin = (
        parsing.share(face.classes, names) for names in (set(features.FACE) - {"glasses"}, {"skin"})
    )
    log = np.log(face.pixels.astype(np.float32) + OFFSET)
    smooth = np.concatenate([box_means(log, 1), shown[..., None]], 2)
    seen = sampled(smooth, before[:, 0], before[:, 1])
    weight = (seen[:, 3] > SHOWN).astype(np.float32)
    tone = (seen[:, :3] * weight[:, None]).sum(0) / max(float(weight.sum()), 1.0)
    light = np.clip(seen[:, :3] - tone, *LIMITS)
    block = SIDE // ROUGH
    middle = slice(block // 2 - 1, None, block)
    fine = [
        0.5 * np.log(box_mean(one**2, block // 2)[middle, middle] + 1e-6)
        for one in bands(log_luma(face.pixels), 1.0)
    ]
    bare = (box_mean(skin, block // 2)[middle, middle] > SKIN_SHOWN).astype(np.float32)
    luma = float(tone @ LUMA)
    column = np.zeros(sources + 1)
    column[face.source] = column[-1] = 1
    other = features.mirrored(points[None])[0]
    equations = []
    for side, sign in ((slice(None), 1), (slice(None, None, -1), -1)):
        turned = face.pose * [sign, 1]
        by = np.concatenate([face.attributes, turned, [luma], (tone - luma)[:2], column])
        own = points if sign > 0 else other
        there = np.isfinite(own[:, 0])
        equations.append(
            (
                by,
                weight.reshape(MAP, MAP)[:, side].ravel(),
                light.reshape(MAP, MAP, 3)[:, side].reshape(-1, 3),
                bare[:, side].ravel(),
                np.stack(fine, 2)[:, side].reshape(-1, BANDS),
                there,
                np.where(there[:, None], own - usual, 0),
            )
        )
    return [tuple(np.asarray(one, np.float32) for one in each) for each in equations]


def finish(run: Path, settings: Settings, out: Path) -> dict[str, Any]:
    """Write `retouch.npz` into the bundle `out`."""
    path = export.copy_fitted(run, FILE, out)
    return {"names": list(Retouch.load(path).names)}


RECIPE = Recipe(
    summary="what attributes add to faces, fitted in closed form to sharp crops",
    settings=Settings(),
    start=start,
    export=finish,
    trained=False,
)
