"""How mouths smile and open, fitted in closed form to sharp crops."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from facedial import parsing
from facedial.arrays import LUMA, Bytes, Doubles, Floats
from facedial.codes.attributes import NAMES
from facedial.compose.maps import grid
from facedial.compose.masks import box_mean, box_means
from facedial.compose.mouth import (
    INNER_LOWER,
    INNER_UPPER,
    LOWER,
    UPPER,
    Warp,
    contours,
    gap,
    sampled,
)
from facedial.compose.scalp import pose
from facedial.compose.smile import (
    COARSE,
    FACED,
    FILE,
    OFFSET,
    TEETH,
    TEMPLATE,
    Mouths,
    curve,
    on_lips,
    origins,
    regressors,
    skin_of,
    to_frame,
)
from facedial.errors import BadStore
from facedial.faces.geometry import apply, invert
from facedial.faces.parse import SIDE
from facedial.faces.sheet import shrunk
from facedial.model import CLASSIFIER_SIDE, Model
from facedial.training import export
from facedial.training.batches import Crops, known
from facedial.training.recipe import Recipe, RunContext

SURE = 0.2, 0.8  # probability of a smile up to which there is none, and from which on there is one
FRONT = 0.1  # of `pose`: the light of faces turned less is looked at
WIDEST = 25.0  # px: mouths open wider shout
OPENED = 6.0, 14.0  # px of gap of mouths that show what is in them
BEARDLESS = 0.5  # probability of no beard, from which on the light around a mouth is the skin's
LIMITS = -2.0, 1.0  # of the log of light
LIGHT_GAP = 4.0  # px: the light is that of smiles open so far
SMOOTH = 2  # px of 64 over which light is continued under the lips
LEAST = 12  # people of each kind


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Maximum number of people."""

    people: int = 3000


class _Seen(NamedTuple):
    """A face: its row, whether it smiles, whether beardless, contours and landmarks in its crop."""

    row: np.int64
    smiles: bool
    beardless: bool
    mouth: Doubles
    landmarks: Doubles


def start(context: RunContext, settings: Settings) -> None:
    """Fit into `mouths.npz` of the run, once; there is nothing to train."""
    path = context.run / FILE
    if path.exists():
        return
    crops, points = known(Crops(context.stores, ["train"], SIDE), "landmarks", "train people")
    rows = np.random.default_rng(context.seed).permutation(len(crops))[: settings.people]
    model = Model.open(context.init)
    try:
        faces = [one for row in rows if (one := _seen(model, crops, row, points[row])) is not None]
    finally:
        model.close()
    if min(sum(one.smiles for one in faces), sum(not one.smiles for one in faces)) < LEAST:
        raise BadStore(
            "the stores show too few people who smile, or who do not; prepare one of sharp photos of "
            f"many people, at {SIDE} px"
        )
    fitted(crops, faces).save(path)


def _seen(model: Model, crops: Crops, row: np.int64, landmarks: Floats) -> _Seen | None:
    """A crop's face; None where it is turned away, its mouth is hidden, or its smile doubtful."""
    pixels = crops.read(np.array([row]))
    (found,) = model.predict_attributes(shrunk(pixels, CLASSIFIER_SIDE))
    smiles, beardless = (float(found[NAMES.index(name)]) for name in ("Smiling", "No_Beard"))
    places = landmarks.astype(np.float64)
    if SURE[0] < smiles < SURE[1] or abs(pose(places)[0]) > FACED:
        return None
    (logits,), _ = model.parse(pixels)
    classes = parsing.probabilities_of(logits)
    lips, interior = (parsing.share(classes, {name}) for name in ("lips", "mouth"))
    mouth = contours(pixels[0], lips, interior, places)
    if mouth is None or gap(mouth) > WIDEST:
        return None
    return _Seen(row, smiles > SURE[1], beardless > BEARDLESS, mouth, places)


def fitted(crops: Crops, faces: list[_Seen]) -> Mouths:
    """Regressions over faces and their mirror images."""
    framed = np.stack([apply(to_frame(one.landmarks), one.mouth) for one in faces])
    smiles = np.array([one.smiles for one in faces], np.float64)
    gaps = np.array([max(gap(mouth), 0.0) for mouth in framed])
    poses = np.array([pose(one.landmarks) for one in faces])
    shape = _shape(framed, smiles, gaps, poses)
    shows = (smiles > 0) & (gaps > OPENED[0]) & (gaps < OPENED[1])
    usual = framed[shows].mean(0)
    usual = (usual + _mirrored(usual)) / 2
    looks = [(crops.read(np.array([one.row]))[0], one) for one in faces if _faces_us(one)]
    teeth, skin = _teeth(looks)
    return Mouths(shape, usual, _light(looks, usual), teeth, skin)


def _faces_us(one: _Seen) -> bool:
    return bool(abs(pose(one.landmarks)[0]) < FRONT)


def _mirrored(mouths: Doubles) -> Doubles:
    """Contours [..., 17, 2] in the head frame, left and right exchanged."""
    turned = mouths[..., ::-1, :].copy()
    turned[..., 0] = 2 * TEMPLATE[:2, 0].mean() - turned[..., 0]
    return turned


def _shape(framed: Doubles, smiles: Doubles, gaps: Doubles, poses: Doubles) -> Doubles:
    """Contours [N, 4, 17, 2] as a function of `regressors`: [7, 4, 17, 2]."""
    each = list(zip(smiles, gaps, poses, strict=True))
    by = [regressors(smile, open_, *turned) for smile, open_, turned in each]
    by += [regressors(smile, open_, -turned[0], turned[1]) for smile, open_, turned in each]
    both = np.concatenate([framed, _mirrored(framed)])
    found, *_ = np.linalg.lstsq(np.array(by), both.reshape(len(both), -1), rcond=None)
    return np.asarray(found.reshape(-1, *framed.shape[1:]))


def _light(looks: list[tuple[Bytes, _Seen]], usual: Doubles) -> Floats:
    """Log of the light around smiling mouths over others [64, 64, 3], mouths moved to `usual`."""
    places = grid(COARSE)
    lights, by = [], []
    for pixels, one in looks:
        skin = skin_of(pixels.astype(np.float32))
        if skin is None or not one.beardless:
            continue
        frame = to_frame(one.landmarks)
        seen = apply(invert(frame), origins(Warp(apply(frame, one.mouth), usual, TEMPLATE), places))
        colours = pixels.astype(np.float32)
        smooth = box_means(colours, 1)
        light = np.log((sampled(smooth, seen[:, 0], seen[:, 1]) + OFFSET) / (skin + OFFSET))
        light = np.clip(light, *LIMITS).reshape(COARSE, COARSE, 3)
        lights.append((light + light[:, ::-1]) / 2)
        by.append([float(one.smiles), gap(one.mouth), 1.0])
    found, *_ = np.linalg.lstsq(np.array(by), np.array(lights).reshape(len(by), -1), rcond=None)
    light = (found[0] + LIGHT_GAP * found[1]).reshape(COARSE, COARSE, 3)
    skin_alone = (on_lips(usual, places) == 0).reshape(COARSE, COARSE)
    window = Warp(usual, usual, TEMPLATE).window(places).reshape(COARSE, COARSE)
    light -= np.median(light[skin_alone & (window > 0.5)], 0)
    weight = np.maximum(box_mean(skin_alone.astype(np.float32), SMOOTH), 0.05)
    continued = [
        box_mean(np.where(skin_alone, light[..., k], 0), SMOOTH) / weight for k in range(3)
    ]
    return np.asarray(np.where(skin_alone[..., None], light, np.stack(continued, 2)), np.float32)


def _teeth(looks: list[tuple[Bytes, _Seen]]) -> tuple[Floats, float]:
    """Log colour of what open mouths show, by the skin's and the smile (`Mouths.teeth`), and its mean."""
    down, across = TEETH
    colours, skins, smiles = [], [], []
    for pixels, one in looks:
        skin = skin_of(pixels.astype(np.float32))
        if skin is None or not OPENED[0] < gap(one.mouth) < OPENED[1]:
            continue
        left, right = one.mouth[0, [0, -1], 0]
        x = left + (right - left) * (np.arange(across) + 0.5) / across
        upper, lower = (curve(one.mouth, k, x) for k in (INNER_UPPER, INNER_LOWER))
        y = upper + (lower - upper) * ((np.arange(down) + 0.5) / down)[:, None]
        seen = np.log(sampled(pixels.astype(np.float32), np.broadcast_to(x, y.shape), y) + OFFSET)
        colours += [seen, seen[:, ::-1]]
        skins += [np.log(skin + OFFSET)] * 2
        smiles += [float(one.smiles)] * 2
    if len(colours) < LEAST:
        raise BadStore("the stores show too few open mouths; prepare one of photos of many people")
    skin, smile = np.array(skins), np.array(smiles)
    luma = skin @ LUMA
    mean = float(luma.mean())
    coefficients = []
    for channel in range(3):
        by = np.stack([np.ones_like(luma), luma - mean, skin[:, channel] - luma, smile], 1)
        values = np.array(colours)[..., channel].reshape(len(luma), -1)
        found, *_ = np.linalg.lstsq(by, values, rcond=None)
        coefficients.append(found.reshape(4, down, across))
    return np.asarray(np.stack(coefficients, 3), np.float32), mean


def finish(run: Path, settings: Settings, out: Path) -> dict[str, Any]:
    """Write `mouths.npz` into the bundle `out`."""
    path = export.copy_fitted(run, FILE, out)
    found = Mouths.load(path)
    return {"corner": found.shape[0, UPPER, 0].tolist(), "lip": found.shape[1, LOWER].tolist()[8]}


RECIPE = Recipe(
    summary="how mouths smile and open, fitted in closed form to sharp crops",
    settings=Settings(),
    start=start,
    export=finish,
    trained=False,
)
