"""Wrinkles that a smooth face gets as it grows older: lines where faces of its shape have them.

The mean of many old people shows folds and no lines, since each has its own. So the lines are drawn:
where foreheads, brows, eyes, cheeks and mouths crease, on the usual face of `compose.retouch`, each dark
at its bottom and brighter at its sides, a little uneven, and broken. They are brought onto a face with
the rest of what age adds.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from facedial.arrays import Doubles, Floats
from facedial.compose.masks import smoothstep
from facedial.compose.mouth import sampled
from facedial.faces.parse import SIDE

FINER = 3  # pixels of a drawing to one of a head crop
VARIANTS = 4  # of a drawing, so that people of one photo do not have the same
STRENGTH = 0.22  # log of light of the strongest line, of a face that gets entirely older
MOST = 1.3  # times that, at most
SMALL = 0.25, 0.6  # photo pixels to one of a head crop, from none of the lines to all
COLUMNS = 80  # points along a line
UNEVEN = 7  # px of a line between places where it turns and fades
BETWEEN = 0.42, 0.28  # light below and above a line
WIDER, ASIDE = 1.3, 2.3  # its width and its distance, in widths of the line
ENDS = 0.6  # exponent of a half sine along a line


@dataclass(frozen=True, slots=True)
class Line:
    """A line through `places` of the usual head crop, those of the face's left half for a pair.

    `depth` of the deepest is 1; `width` in px; `uneven`: px to each side; `broken`: share that may fade.
    """

    places: tuple[tuple[float, float], ...]
    depth: float
    width: float
    uneven: float = 0.5
    broken: float = 0.35
    pair: bool = True


FOREHEAD = tuple(
    Line(((93 + 2 * k, y + 2.5), (110.5, y - 1.2), (128, y + 1.0), (145.5, y - 1.2),
          (163 - 2 * k, y + 2.5)), depth, 1.0, 0.7, 0.6, pair=False)
    for k, (y, depth) in enumerate(((104, 0.75), (97, 1.0), (89.5, 0.9), (82, 0.6), (75, 0.35)))
)  # fmt: skip
BETWEEN_BROWS = (Line(((121.5, 121), (121.0, 114), (122.2, 107)), 0.8, 1.1),)
CORNER = 87.5, 134.0  # of the left eye
# Degrees below the horizontal, length and depth of the lines beside the left eye.
RAYS = (-38, 11, 0.55), (-14, 14, 0.8), (9, 14, 0.9), (30, 12, 0.75), (50, 9, 0.45)
FROM = 4.5  # px from the corner
BENT = 0.03, 0.12  # share of their length by which they bend half way and at the end


def _ray(degrees: float, length: float, depth: float) -> Line:
    angle, way = np.radians(degrees), FROM + length * np.array([0, 0.5, 1])
    x = CORNER[0] - way * np.cos(angle)
    y = CORNER[1] + way * np.sin(angle) + np.sign(degrees) * length * np.array([0, *BENT])
    return Line(tuple((float(a), float(b)) for a, b in zip(x, y, strict=True)), depth, 0.8)


BESIDE_EYES = tuple(_ray(*one) for one in RAYS)
UNDER_EYES = (
    Line(((93, 138.8), (99, 141.6), (107, 141.2)), 0.45, 0.8),
    Line(((91.5, 141), (97, 145.2), (104, 146.2), (112, 143.5)), 0.8, 1.0),
    Line(((90, 145.5), (96, 150.5), (104, 152.2), (111, 150.5)), 0.55, 1.2),
)
CHEEKS = (
    Line(((112.5, 165), (106.5, 173), (102.5, 182), (100.5, 193)), 1.0, 1.5, 0.4, 0.15),
    Line(((97.5, 178), (95.0, 187), (95.5, 197)), 0.4, 1.1),
    Line(((84, 160), (86, 172), (90, 184)), 0.25, 1.0),
)
MOUTH = (
    Line(((102.8, 194.5), (100.5, 201), (100.8, 209)), 0.7, 1.2),
    *(Line(((x, 179), (x + 0.6, 184.3)), 0.32, 0.7) for x in (114.0, 119.0, 124.0)),
)
LINES = (*FOREHEAD, *BETWEEN_BROWS, *BESIDE_EYES, *UNDER_EYES, *CHEEKS, *MOUTH)


@lru_cache(maxsize=VARIANTS)
def drawing(variant: int = 0) -> Floats:
    """Log of light of all lines on the usual head crop, [768, 768]: about -1 at the deepest."""
    rng = np.random.default_rng(variant)
    whole = np.zeros((FINER * SIDE, FINER * SIDE), np.float32)
    for line in LINES:
        _draw(whole, line, np.array(line.places), rng)
        if line.pair:
            _draw(whole, line, np.array(line.places) * [-1, 1] + [SIDE, 0], rng)
    whole.flags.writeable = False
    return whole


def at(places: Floats, share: float, scale: float, variant: int) -> Floats:
    """Log of light that lines add at places [..., 2] of the usual head crop, px: [...].

    `share`, 0 or more: how much older; `scale`: photo pixels to one of the crop.
    """
    fine = (places.astype(np.float64) + 0.5) * FINER - 0.5
    light = sampled(drawing(variant % VARIANTS)[..., None], fine[..., 0], fine[..., 1])[..., 0]
    shown = float(smoothstep(np.array(scale), SMALL))
    return np.asarray(STRENGTH * shown * min(share, MOST) * light, np.float32)


def _draw(whole: Floats, line: Line, places: Doubles, rng: np.random.Generator) -> None:
    """Add one line to a drawing."""
    along = np.linspace(0, 1, COLUMNS)
    knots = np.linspace(0, 1, len(places))
    order = min(len(places) - 1, 3)
    curve = np.stack([np.polyval(np.polyfit(knots, p, order), along) for p in places.T], 1)
    ahead = np.gradient(curve, axis=0)
    length = float(np.hypot(*ahead.T).sum())
    normal = np.stack([-ahead[:, 1], ahead[:, 0]], 1) / np.hypot(*ahead.T)[:, None]
    normal *= np.where(normal[:, 1:] < 0, -1, 1)  # down, whence light does not come

    def uneven(values: Doubles) -> Doubles:
        return np.interp(along, np.linspace(0, 1, len(values)), values)

    count = max(3, round(length / UNEVEN))
    curve = curve + normal * uneven(rng.normal(0, line.uneven, count))[:, None]
    fades = 1 - line.broken * uneven(rng.random(count + 2))
    depth = line.depth * fades * np.sin(np.pi * along) ** ENDS
    room = (ASIDE + 4) * line.width
    first = np.maximum(np.floor((curve.min(0) - room) * FINER), 0).astype(int)
    end = np.ceil((curve.max(0) + room) * FINER).astype(int)
    rows, columns = np.mgrid[first[1] : end[1], first[0] : end[0]]
    x, y = ((one + 0.5) / FINER - 0.5 for one in (columns, rows))
    squared = (x[..., None] - curve[:, 0]) ** 2 + (y[..., None] - curve[:, 1]) ** 2
    nearest = squared.argmin(-1)
    below = (x - curve[nearest, 0]) * normal[nearest, 0] + (y - curve[nearest, 1]) * normal[
        nearest, 1
    ]
    distance = np.where(below < 0, -1, 1) * np.sqrt(squared.min(-1)) / line.width
    light = -np.exp(-(distance**2) / 2)
    for bright, side in zip(BETWEEN, (1, -1), strict=True):
        light += bright * np.exp(-(((distance - side * ASIDE) / WIDER) ** 2) / 2)
    whole[first[1] : end[1], first[0] : end[0]] += (depth[nearest] * light).astype(np.float32)
