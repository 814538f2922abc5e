"""Where hair grows on faces: densities of beards, fitted in closed form to labelled crops."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from facedial.arrays import Doubles, Floats
from facedial.codes.attributes import NAMES
from facedial.compose.growth import FILE, LEFT, NOSE, RIGHT, TEMPLATE, Beards
from facedial.compose.masks import box_mean, smoothstep
from facedial.errors import BadStore
from facedial.faces.geometry import compose, pillow_coefficients, scaling
from facedial.faces.parse import SIDE
from facedial.training import cheeks, export
from facedial.training.batches import Crops, known
from facedial.training.recipe import Recipe, RunContext

CROP = 128  # pixels along the side of the crops
# Distance of the nose from one corner of the mouth over that from the other, at least: of faces seen
# from the front.
FACED = 0.75
# Kind -> which attributes its men have and which they have not.
KINDS: Mapping[str, Mapping[str, bool]] = {
    "none": {"No_Beard": True, "Mustache": False, "Goatee": False, "5_o_Clock_Shadow": False},
    "moustache": {"Mustache": True, "Goatee": False},
    "goatee": {"Goatee": True},
    "beard": {"No_Beard": False, "Goatee": False, "Mustache": False, "5_o_Clock_Shadow": False},
    "shadow": {"5_o_Clock_Shadow": True, "Goatee": False},
}
STUBBLE = 0.42  # density of stubble over that of a beard


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Maximum number of men of each kind."""

    men: int = 1500


def start(context: RunContext, settings: Settings) -> None:
    """Fit into `beards.npz` of the run, once; there is nothing to train."""
    path = context.run / FILE
    if path.exists():
        return
    crops, points = known(Crops(context.stores, ["train"], CROP), "landmarks", "train people")
    labels = crops.gather("attributes")
    log_luma = {}
    for kind, wanted in KINDS.items():
        rows = np.flatnonzero(_are(labels, {"Male": True, **wanted}) & _faced(points))
        if not len(rows):
            raise BadStore(
                f"the stores hold no labelled crops of men with {_spelt(wanted)}; prepare one "
                "with labels of attributes"
            )
        rows = np.random.default_rng(context.seed).permutation(rows)[: settings.men]
        log_luma[kind] = mean_log_luma(crops, points, rows)
    Beards(densities(log_luma)).save(path)


def _are(labels: NDArray[np.float32], wanted: Mapping[str, bool]) -> NDArray[np.bool_]:
    """Which rows have attributes as wanted."""
    each = [labels[:, NAMES.index(name)] == has for name, has in wanted.items()]
    return np.asarray(np.all(each, 0))


def _spelt(wanted: Mapping[str, bool]) -> str:
    return ", ".join(f"{name}={int(has)}" for name, has in wanted.items())


def _faced(points: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Which faces look into the camera, by landmarks [N, 5, 2]."""
    left, right = (
        np.linalg.norm(points[:, NOSE] - points[:, side], axis=1) for side in (LEFT, RIGHT)
    )
    return np.asarray((left > FACED * right) & (right > FACED * left))


def mean_log_luma(crops: Crops, points: NDArray[np.float32], rows: NDArray[np.int64]) -> Doubles:
    """Mean of the log of luma over that of the cheeks, on the template [256, 256], made symmetric.

    Each crop is mapped to the template by nose and corners of the mouth.
    """
    three = [NOSE, LEFT, RIGHT]
    source = np.concatenate([TEMPLATE[three] * CROP / SIDE, np.ones((3, 1))], 1)
    total, count = np.zeros((SIDE, SIDE)), 0
    for row in rows:
        to_crop = np.linalg.solve(source, points[row][three].astype(np.float64)).T
        seen = pillow_coefficients(compose(to_crop, scaling(CROP / SIDE, CROP / SIDE)))
        picture = Image.fromarray(crops.read(np.array([row]))[0])
        drawn = picture.transform(
            (SIDE, SIDE), Image.Transform.AFFINE, seen, Image.Resampling.BICUBIC
        )
        light = cheeks.light(np.asarray(drawn))
        if light is None:
            continue
        ratio = np.clip(light, -2, 1)
        total += (ratio + ratio[:, ::-1]) / 2
        count += 1
    return np.asarray(total / max(count, 1))


def densities(log_luma: Mapping[str, Doubles]) -> dict[str, Floats]:
    """Densities 0..1 of attributes [256, 256], from the mean log luma of each of `KINDS`.

    What beards darken, beside people without one. Means over people are soft, so they are steepened, and
    each attribute is confined to where its hair belongs: moustaches above the mouth, goatees around it.
    """

    def darker(kind: str, blur: int = 2) -> Floats:
        drop = np.maximum(log_luma["none"] - log_luma[kind], 0)
        return box_mean(box_mean(drop, blur), blur)

    rows, columns = np.mgrid[:SIDE, :SIDE].astype(np.float32)
    nose, mouth = TEMPLATE[NOSE, 1], TEMPLATE[[LEFT, RIGHT], 1].mean()
    # 1 at the corners of the mouth.
    half = np.ptp(TEMPLATE[[LEFT, RIGHT], 0]) / 2
    aside = np.abs(columns - TEMPLATE[NOSE, 0]) / half
    above = smoothstep(rows, (nose + 3, nose + 9)) * smoothstep(-rows, (-mouth - 9, 1 - mouth))
    moustache = darker("moustache") * above * smoothstep(-aside, (-1.42, -1.1))
    # A goatee goes around the mouth: most of those who are labelled with one wear a moustache too.
    ring = smoothstep(rows, (nose + 3, nose + 9)) * smoothstep(-aside, (-1.75, -1.0))
    # Cheeks are free above a line from the nose to the jaw.
    shaved = smoothstep(rows, (nose + 2, nose + 14))
    shaved = shaved * smoothstep(rows + 8 * aside, (nose + 6, nose + 26))
    around = np.maximum(1.5 * darker("beard"), 1.9 * darker("shadow", 4)) * shaved
    whole = np.maximum(darker("goatee") * smoothstep(rows, (nose + 4, nose + 10)), around)
    beard = smoothstep(whole, (0.04, 0.2))
    return {
        "Mustache": smoothstep(moustache, (0.04, 0.18)),
        "Goatee": smoothstep(darker("goatee") * ring, (0.07, 0.22)),
        "No_Beard": beard,
        "5_o_Clock_Shadow": np.asarray(STUBBLE * beard, np.float32),
    }


def finish(run: Path, settings: Settings, out: Path) -> dict[str, Any]:
    """Write `beards.npz` into the bundle `out`."""
    path = export.copy_fitted(run, FILE, out)
    return {"names": [*Beards.load(path).densities]}


RECIPE = Recipe(
    summary="where beards grow, fitted in closed form to labelled crops",
    settings=Settings(),
    start=start,
    export=finish,
    trained=False,
)
