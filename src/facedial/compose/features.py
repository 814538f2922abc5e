"""Where the features of a face lie in a head crop of 256 px: points of its parse."""

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from facedial.arrays import Bytes, Doubles, Floats
from facedial.compose.mouth import columns, contours, crossings, sampled, smoothed
from facedial.faces.parse import SIDE, share

MOUTH_EACH, EYE, BROW = 2, 7, 7  # every so many columns of a mouth; columns of an eye and of a brow
# Directions of the outline's points, from beside the left eye below the chin to the right one.
RAYS = np.deg2rad(np.linspace(-15, 195, 29))
RAYS.flags.writeable = False
_ENDS = np.cumsum([0, 36, 2 * EYE, 2 * EYE, 2 * BROW, 2 * BROW, len(RAYS)])
MOUTH, LEFT_EYE, RIGHT_EYE, LEFT_BROW, RIGHT_BROW, OUTLINE = (
    slice(int(a), int(b)) for a, b in pairwise(_ENDS)
)
COUNT = int(_ENDS[-1])
# Of the outline: px from the face's middle, share of face at its edge; px beyond it in which hair hides
# it from that share on.
REACH, EDGE, HIDING, HIDDEN = (30, 150), 0.5, 6, 0.4
# Px across and down around an eye and a brow, and eye distances from the eye up to its brow.
AROUND_EYE, AROUND_BROW, UP = (24, 14), (34, 20), 0.3
NARROWEST = 8  # px of an eye or a brow
# Share of a pixel that is brow, and pixels of both that show where they are.
SEEN, LEAST_BROWS = 0.5, 30
FIRST_BROW, BROWS_ABOVE = 15, 0.42  # percentile of their rows; distances of the eyes above the eyes
FACE = ("skin", "brows", "eyes", "glasses", "mouth", "lips")
OVER = ("hair", "hat")


def points(pixels: Bytes, classes: Floats, landmarks: Doubles) -> Doubles:
    """Points of a head crop [256, 256, 3] with class probabilities [12, 256, 256]: [121, 2], x and y.

    NaN where a feature is not seen. `landmarks` [5, 2]. Four contours of the mouth, upper and lower lids,
    upper and lower edges of the brows, and the outline of the face where no hair hides it.
    """
    distance = float(np.hypot(*(landmarks[1] - landmarks[0])))
    mouth = contours(pixels, share(classes, {"lips"}), share(classes, {"mouth"}), landmarks)
    lips = np.full((36, 2), np.nan) if mouth is None else mouth[:, ::MOUTH_EACH].reshape(-1, 2)
    eyes, brows = share(classes, {"eyes"}), share(classes, {"brows"})
    above = landmarks[:2] - [0.0, UP * distance]
    return np.concatenate(
        [
            lips,
            *(_edges(eyes, at, AROUND_EYE, EYE) for at in landmarks[:2]),
            *(_edges(brows, at, AROUND_BROW, BROW) for at in above),
            _outline(share(classes, FACE), share(classes, OVER), landmarks),
        ]
    )


def on_the_right(landmarks: Doubles) -> NDArray[np.bool_]:
    """Columns [256] on the right of the middle of both eyes."""
    return np.asarray(np.arange(SIDE) > landmarks[:2, 0].mean())


def ear_pixels(ears: Floats, landmarks: Doubles) -> Floats:
    """Pixels of the left and of the right ear [2], by the share of ears [256, 256]."""
    right = on_the_right(landmarks)
    return np.array([ears[:, side].sum() for side in (~right, right)], np.float32)


def brow_row(brows: Floats, eyes: Doubles) -> float:
    """Row where brows begin, by their share [256, 256]; where none are seen, by the eyes [2, 2]."""
    rows = np.nonzero(brows > SEEN)[0]
    if len(rows) >= LEAST_BROWS:
        return float(np.percentile(rows, FIRST_BROW))
    return float(eyes[:, 1].mean() - BROWS_ABOVE * np.hypot(*(eyes[1] - eyes[0])))


def mirrored(places: Doubles) -> Doubles:
    """Points [N, 121, 2] of the mirror images."""
    turned = places.copy()
    turned[..., 0] = SIDE - 1 - turned[..., 0]

    def rows(part: slice, count: int) -> Doubles:
        each = turned[:, part].reshape(len(turned), count, -1, 2)
        return each[:, :, ::-1].reshape(len(turned), -1, 2)

    sides = (RIGHT_EYE, LEFT_EYE, RIGHT_BROW, LEFT_BROW)
    parts = [rows(MOUTH, 4), *(rows(one, 2) for one in sides), rows(OUTLINE, 1)]
    return np.concatenate(parts, 1)


def _edges(shown: Floats, at: Doubles, around: tuple[int, int], count: int) -> Doubles:
    """Upper and lower edge of what is shown around a place, at so many columns: [2 count, 2]."""
    hidden = np.full((2 * count, 2), np.nan)
    x0, y0 = np.maximum(at.astype(int) - around, 0)
    x1, y1 = np.minimum(at.astype(int) + around, SIDE)
    if x1 - x0 < 2 * NARROWEST or y1 - y0 < NARROWEST:
        return hidden
    near = shown[y0:y1, x0:x1]
    found = columns(near)
    if found is None or len(found[1]) < NARROWEST:
        return hidden
    first, runs = found
    xs = np.arange(first, first + len(runs))
    ends = np.array([crossings(near[:, x], *run) for x, run in zip(xs, runs, strict=True)])
    top, bottom = (smoothed(one, 1) for one in ends.T)
    corners = (top[0] + bottom[0]) / 2, (top[-1] + bottom[-1]) / 2
    known = np.concatenate([[xs[0] - 0.5], xs, [xs[-1] + 0.5]])
    places = np.linspace(known[0], known[-1], count)
    edges = [
        np.stack([places + x0, np.interp(places, known, [corners[0], *one, corners[1]]) + y0], 1)
        for one in (top, bottom)
    ]
    return np.concatenate(edges)


def _outline(face: Floats, over: Floats, landmarks: Doubles) -> Doubles:
    """Where the face ends along `RAYS` from its middle [29, 2]; NaN where hair hides that."""
    middle = (landmarks[:2].mean(0) + landmarks[3:].mean(0)) / 2
    along = np.stack([np.cos(RAYS), np.sin(RAYS)], 1)
    radii = np.arange(*REACH, dtype=np.float64)
    places = middle + along[:, None] * radii[:, None]
    seen = sampled(np.stack([face, over], 2), places[..., 0], places[..., 1])
    within = ((places >= 1) & (places < SIDE - 2)).all(2)
    found = np.full((len(RAYS), 2), np.nan)
    for i, (shares, inside) in enumerate(zip(seen, within, strict=True)):
        beyond = np.flatnonzero(shares[:, 0] < EDGE)
        k = int(beyond[0]) if len(beyond) else 0
        if k == 0 or k + HIDING >= len(radii) or not inside[k + HIDING // 2]:
            continue
        if shares[k : k + HIDING, 1].mean() > HIDDEN:
            continue
        last, first = shares[k - 1, 0], shares[k, 0]
        radius = radii[k - 1] + (last - EDGE) / max(last - first, 1e-6)
        found[i] = middle + radius * along[i]
    return found
