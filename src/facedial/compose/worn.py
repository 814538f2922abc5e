"""Where glasses lie on a head, by its parse: eyes behind them, rims, arms, and the face's edge."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facedial.arrays import Bytes, Doubles, Floats
from facedial.compose.inpaint import BEHIND, fill
from facedial.compose.masks import box_mean, grown, smoothstep
from facedial.faces.parse import SIDE, dilated, eroded, share

WORN = 0.4  # share from which on glasses are seen
# Px that rims reach into what is parsed as glasses and out of it; px by which a bridge overlaps lenses.
INSIDE, OUTSIDE, BRIDGE = 8, 6, 3
EYE, LOWER, SOFT = (0.26, 0.14), 0.01, 0.15  # eyes: half axes, place and rim, in eye distances
ROWS, ABOVE = 6, 3  # px above and below glasses, and rows there, that tell where the face ends
HALO = 2  # px around what is parsed as glasses where other classes are not sure
# Arms: px of the lens at which they begin; rows they may go through, and how far, in eye distances.
HINGE, ARM, REACH = 3, (-0.12, 0.16), 0.55
SURELY, BULGE = 5, 16  # px inside the face's edge that are surely face; px that it may bulge


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """A head crop: pixels [256, 256, 3], `points` [121, 2] (NaN: not seen) and `landmarks` [5, 2].

    `classes` [12, 256, 256]: probabilities.
    """

    pixels: Bytes
    points: Doubles
    landmarks: Doubles
    classes: Floats

    def share(self, *names: str) -> Floats:
        """Probability of any of some classes [256, 256]."""
        return share(self.classes, names)


def from_eyes(landmarks: Doubles) -> Floats:
    """Distance from each eye [2, 256, 256], 1 at its rim."""
    y, x = np.mgrid[:SIDE, :SIDE]
    distance = float(np.hypot(*(landmarks[1] - landmarks[0])))
    return np.stack(
        [
            np.hypot(
                (x - ex) / (EYE[0] * distance), (y - ey - LOWER * distance) / (EYE[1] * distance)
            )
            for ex, ey in landmarks[:2]
        ]
    ).astype(np.float32)


def rim_band(worn: Floats, lens: Floats, landmarks: Doubles) -> Floats:
    """Where rims may be, 0..1 [256, 256]: along the edge of the glasses, and between the lenses."""
    band = np.clip(grown(worn, OUTSIDE / SIDE) - lens, 0, 1)
    rows, columns = np.nonzero(worn)
    middle = landmarks[:2, 0].mean()
    left, right = columns[columns < middle], columns[columns > middle]
    if len(left) and len(right) and right.min() > left.max() - 2 * BRIDGE:
        top, bottom = (int(np.percentile(rows, percent)) for percent in (2, 60))
        band[
            max(top - 2, 0) : bottom + 2, int(left.max()) - BRIDGE : int(right.min()) + BRIDGE + 1
        ] = 1
    for away in from_eyes(landmarks):
        band = band * np.clip((away - 1) / SOFT, 0, 1)
    return np.asarray(band, np.float32)


def arms_of(worn: Floats, landmarks: Doubles) -> Floats:
    """Where arms may go on from what is parsed as glasses, 0 or 1 [256, 256]: outwards, to the ears."""
    found = np.zeros((SIDE, SIDE), np.float32)
    middle = landmarks[:2, 0].mean()
    distance = float(np.hypot(*(landmarks[1] - landmarks[0])))
    rows, columns = np.nonzero(worn)
    for side in (-1, 1):
        own = (columns - middle) * side > 0
        if not own.any():
            continue
        last = int((columns[own] * side).max() * side)
        at = rows[own & (abs(columns - last) <= HINGE)].mean()
        top, bottom = (int(at + part * distance) for part in ARM)
        ends = sorted((last, int(last + side * REACH * distance)))
        found[max(top, 0) : bottom, max(ends[0], 0) : ends[1] + 1] = 1
    return found


def lower_rims(worn: Floats, landmarks: Doubles) -> NDArray[np.bool_]:
    """Where the rims of lenses surely are, below the brows [256, 256]."""
    inner, outer = (eroded(worn, reach) for reach in (5, 1))
    distance = float(np.hypot(*(landmarks[1] - landmarks[0])))
    below = np.arange(SIDE)[:, None] > landmarks[:2, 1].mean() - 0.1 * distance
    return np.asarray((outer - inner > 0.5) & below)


def face_behind(seen: Seen, worn: Floats, band: Floats) -> tuple[Floats, Floats]:
    """Share of face and ears [256, 256], also behind glasses, and where that is sure.

    The edge of a face beside glasses runs from where it is above them to where it is below.
    """
    head = 1 - seen.share("background", "clothes", "hat", "hair")
    rows = np.nonzero(worn)[0]
    top, bottom = int(rows.min()) - ROWS, int(rows.max()) + ROWS + 1

    def edges(first: int, last: int) -> tuple[int, int]:
        columns = np.nonzero((head[max(first, 0) : max(last, 1)] > 0.5).all(0))[0]
        return (int(columns.min()), int(columns.max())) if len(columns) else (0, SIDE - 1)

    above, below = edges(top - ABOVE, top), edges(bottom, bottom + ABOVE)
    straight = np.zeros((SIDE, SIDE), np.float32)
    beside = (seen.share("skin") > 0.5) & (worn < 0.5) & (dilated(worn, OUTSIDE) > 0.5)
    for row in range(max(top, 0), min(bottom + 1, SIDE)):
        way = (row - top) / (bottom - top)
        left, right = (a + way * (b - a) for a, b in zip(above, below, strict=True))
        shown = np.nonzero(beside[row])[0]
        if len(shown):
            left = max(min(left, shown.min()), left - BULGE)
            right = min(max(right, shown.max()), right + BULGE)
        straight[row, int(left) + 1 : int(right)] = 1
    surely = eroded(straight, SURELY)
    surely_not = 1 - dilated(straight, SURELY)
    # Beside glasses the parser tells where a head ends, before their arms too.
    free = (band < 0.05) & ((surely > 0.5) | (surely_not > 0.5))
    known = (dilated(worn, HALO) < 0.5) | ((worn > 0.5) & free)
    value = np.where(worn > 0.5, surely > 0.5, head > 0.5).astype(np.float32)
    found = fill(value[..., None], known.astype(np.float32), BEHIND)[..., 0]
    # Hair beside a face covers its edge, so that it is as straight as it looks.
    hair = fill(seen.share("hair")[..., None], (known & (value < 0.5)).astype(np.float32))[..., 0]
    found = np.maximum(found, straight * smoothstep(hair, (0.4, 0.6)))
    return box_mean(smoothstep(found, (0.45, 0.55)), 1), surely
