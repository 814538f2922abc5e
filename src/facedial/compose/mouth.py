"""Mouths in a head crop of 256 px: their contours, and warps of the photo that move them.

A mouth that is drawn at 128 px is softer than the photo and lies a little beside the person's own. So the
photo's own lips and cheeks are moved (thin-plate splines, Bookstein 1989), and only what a mouth that
opens shows is drawn (`compose.smile`).
"""

from dataclasses import dataclass

import numpy as np

from facedial.arrays import LUMA, Bytes, Doubles, Floats
from facedial.compose.masks import box_mean, smoothstep
from facedial.compose.thin_plate import spline
from facedial.faces.parse import SIDE

COLUMNS = 17  # points of a contour, evenly spaced from corner to corner
UPPER, INNER_UPPER, INNER_LOWER, LOWER = range(4)  # contours, from the top
NEAR = 60, 35  # px across and down around the landmarks of the mouth within which it lies
NARROWEST = 16  # px
SEAM_ROWS, SEAM_AT = 64, 0.47  # places between the outer contours at which closed lips may meet
# Of the seam: weight of its usual place, of steps from column to column, and of a mouth seen elsewhere.
USUAL, STEEP, ELSEWHERE = 4.0, 0.5, 3.0
# Of mouths that are whole: root mean square of what a polynomial of degree 4 leaves of an outer contour,
# px, and of an inner one; widths over the eyes' distance.
ROUGHEST, WIDTHS = (1.0, 1.6), (0.45, 1.5)
DEGREE = 4
# Of a warp, in half widths of the mouth: reach aside and down; up it is a share of the way to the eyes.
ASIDE, DOWN, UP = 1.95, 1.7, 0.72
RING, BEYOND = 20, 1.2  # points around it that stay, and where they lie once more
FADES = 0.85, 1.15  # of the reach, over which the warp ends
WINGS = 0.36, 0.04  # of the nose beside and below its tip, in eye distances: they stay
FACE = 0.9, 1.0  # share of the face around a place: up to it nothing moves, from it on all
FACE_REACH = 6  # px
EYE = 0.3, 0.19  # eye distances: half axes of what moves around an eye


def contours(pixels: Bytes, lips: Floats, interior: Floats, landmarks: Doubles) -> Doubles | None:
    """Contours of a mouth in a head crop [256, 256, 3]: [4, 17, 2], x and y; None where none is whole.

    `lips`, `interior` [256, 256]: probabilities of the parser's classes. `landmarks` [5, 2].
    Outer and inner contour of the upper lip, inner and outer one of the lower. Where lips are closed,
    both inner ones are the dark seam between them, found by dynamic programming.
    """
    both = lips + interior
    x0, y0 = np.maximum(landmarks[3:].mean(0).astype(int) - NEAR, 0)
    x1, y1 = np.minimum(landmarks[3:].mean(0).astype(int) + NEAR, SIDE)
    if x1 - x0 < NARROWEST or y1 - y0 < NARROWEST:
        return None
    found = columns(both[y0:y1, x0:x1])
    if found is None:
        return None
    first, runs = found
    xs = np.arange(first, first + len(runs)) + x0
    if len(xs) < NARROWEST:
        return None
    ends = np.array([crossings(both[y0:y1, x], *run) for x, run in zip(xs, runs, strict=True)])
    top, bottom = (smoothed(one, 2) for one in (ends + y0).T)
    seam, upper, lower = _seam(pixels, interior, xs, top, bottom)
    upper, lower = (smoothed(np.where(np.isnan(one), seam, one), 1) for one in (upper, lower))
    left = np.array([xs[0] - 0.5, (top[:2].mean() + bottom[:2].mean()) / 2])
    right = np.array([xs[-1] + 0.5, (top[-2:].mean() + bottom[-2:].mean()) / 2])
    places = np.linspace(left[0], right[0], COLUMNS)
    known = np.concatenate([left[:1], xs, right[:1]])
    curves = [
        np.interp(places, known, np.concatenate([left[1:], one, right[1:]]))
        for one in (top, upper, lower, bottom)
    ]
    mouth = np.stack([np.broadcast_to(places, (4, COLUMNS)), np.array(curves)], 2)
    return mouth if _whole(mouth, landmarks) else None


def gap(mouth: Doubles) -> float:
    """How far a mouth [4, 17, 2] is open at most."""
    return float((mouth[INNER_LOWER, :, 1] - mouth[INNER_UPPER, :, 1]).max())


def _whole(mouth: Doubles, landmarks: Doubles) -> bool:
    """Whether contours are those of a whole mouth: smooth, and of a mouth's width."""
    powers = np.vander(np.linspace(-1, 1, COLUMNS), DEGREE + 1)
    left = mouth[..., 1].T - powers @ np.linalg.lstsq(powers, mouth[..., 1].T, rcond=None)[0]
    rough = np.sqrt((left**2).mean(0))
    outer, inner = (rough[list(one)].max() for one in ((UPPER, LOWER), (INNER_UPPER, INNER_LOWER)))
    eyes = float(np.hypot(*(landmarks[1] - landmarks[0])))
    width = float(mouth[0, -1, 0] - mouth[0, 0, 0]) / max(eyes, 1.0)
    smooth = outer < ROUGHEST[0] and inner < ROUGHEST[1]
    return bool(smooth and WIDTHS[0] < width < WIDTHS[1])


def columns(both: Floats) -> tuple[int, list[tuple[int, int]]] | None:
    """First column of a mouth and the rows (first, last) that it fills in each of its columns."""
    seen = both > 0.5
    weights = (both * seen).sum(0)
    middle = int(weights.argmax())
    if not seen[:, middle].any():
        return None

    def run(column: int, beside: tuple[int, int] | None) -> tuple[int, int] | None:
        edges = np.diff(np.concatenate([[0], seen[:, column].astype(int), [0]]))
        runs = zip(np.flatnonzero(edges == 1), np.flatnonzero(edges == -1) - 1, strict=True)
        joined = [
            (int(a), int(b))
            for a, b in runs
            if beside is None or (a <= beside[1] + 1 and b >= beside[0] - 1)
        ]
        return max(joined, key=lambda one: both[one[0] : one[1] + 1, column].sum(), default=None)

    start = run(middle, None)
    if start is None:
        return None
    sides = []
    for step in (-1, 1):
        side, column, last = [], middle + step, start
        while 0 <= column < both.shape[1] and (found := run(column, last)) is not None:
            side.append(found)
            column, last = column + step, found
        sides.append(side)
    return middle - len(sides[0]), [*reversed(sides[0]), start, *sides[1]]


def crossings(share: Floats, first: int, last: int) -> tuple[float, float]:
    """Where a share passes one half above `first` and below `last`, between pixel centres."""
    top, bottom = float(first), float(last)
    if first > 0:
        top -= float((share[first] - 0.5) / max(share[first] - share[first - 1], 1e-6))
    if last + 1 < len(share):
        bottom += float((share[last] - 0.5) / max(share[last] - share[last + 1], 1e-6))
    return max(top, first - 1.0), min(bottom, last + 1.0)


def _seam(
    pixels: Bytes, interior: Floats, xs: np.ndarray, top: Doubles, bottom: Doubles
) -> tuple[Doubles, Doubles, Doubles]:
    """The seam of the lips [n], and edges of what a mouth shows; NaN where it is closed."""
    luma = box_mean(pixels @ LUMA, 1)
    parts = np.linspace(0, 1, SEAM_ROWS)
    rows = top[:, None] + (bottom - top)[:, None] * parts
    seen = sampled(luma[..., None], np.repeat(xs[:, None], SEAM_ROWS, 1), rows)[..., 0]
    cost = (seen - seen.mean(1, keepdims=True)) / (seen.std() + 1)
    cost = cost + USUAL * (parts - SEAM_AT) ** 2
    upper, lower = np.full((2, len(xs)), np.nan)
    for i, x in enumerate(xs):
        a, b = int(np.floor(top[i])), int(np.ceil(bottom[i])) + 1
        inside = np.flatnonzero(interior[a:b, x] > 0.5)
        if len(inside):
            ends = crossings(interior[:, x], a + int(inside[0]), a + int(inside[-1]))
            upper[i], lower[i] = max(ends[0], top[i]), min(ends[1], bottom[i])
            cost[i] += ELSEWHERE * ((rows[i] < upper[i]) | (rows[i] > lower[i]))
    total, came = cost.copy(), np.zeros(cost.shape, int)
    for i in range(1, len(xs)):
        ways = total[i - 1][None] + STEEP * (rows[i][:, None] - rows[i - 1][None]) ** 2
        came[i] = ways.argmin(1)
        total[i] += ways.min(1)
    at = int(total[-1].argmin())
    seam = np.zeros(len(xs))
    for i in range(len(xs) - 1, -1, -1):
        seam[i] = rows[i, at]
        at = came[i, at]
    return seam, upper, lower


def smoothed(values: Doubles, reach: int) -> Doubles:
    """Running means over 2 reach + 1 values, the ends repeated."""
    kernel = np.full(2 * reach + 1, 1 / (2 * reach + 1))
    return np.convolve(np.pad(values, reach, mode="edge"), kernel, "valid")


def sampled(planes: Floats | Bytes, x: Doubles, y: Doubles) -> Floats:
    """Planes [H, W, C] at places of any shape [...], bilinear, the edge repeated: [..., C]."""
    height, width = planes.shape[:2]
    x, y = np.clip(x, 0, width - 1), np.clip(y, 0, height - 1)
    left, top = np.minimum(x.astype(int), width - 2), np.minimum(y.astype(int), height - 2)
    right, below = (x - left)[..., None], (y - top)[..., None]
    upper = planes[top, left] * (1 - right) + planes[top, left + 1] * right
    lower = planes[top + 1, left] * (1 - right) + planes[top + 1, left + 1] * right
    return np.asarray(upper + below * (lower - upper), np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class Warp:
    """How a mouth [4, 17, 2] is moved from `start` to `end`, and what lies around it with it.

    `landmarks` [5, 2] of the face; `closer`: share by which its eyes are narrowed.
    """

    start: Doubles
    end: Doubles
    landmarks: Doubles
    closer: float = 0.0

    def displacements(self, places: Doubles) -> tuple[Doubles, Doubles]:
        """From places [N, 2] after the warp to those before: of the upper lip's side, of the lower's."""
        each = slice(None, None, 2)
        stay = np.concatenate([self._ring(), self._nose()])
        window = self.window(places)
        near = window > 0
        found = []
        for outer, inner in ((UPPER, INNER_UPPER), (LOWER, INNER_LOWER)):
            before, after = (
                np.concatenate([one[outer, each], one[inner, each][1:-1], stay])
                for one in (self.start, self.end)
            )
            steps = self._eyes(places)
            steps[near] += window[near, None] * spline(after, before - after, places[near])
            found.append(steps)
        return found[0], found[1]

    def window(self, places: Doubles) -> Doubles:
        """1 around the mouth, falling to 0 where nothing moves: [N]."""
        middle, aside, up, down = self._reach()
        across, along = (places - middle).T
        radius = np.hypot(across / aside, along / np.where(along < 0, up, down))
        return np.asarray(1 - smoothstep(radius, FADES), np.float64)

    def _reach(self) -> tuple[Doubles, float, float, float]:
        middle = self.end[[UPPER, LOWER]].mean((0, 1))
        half = float(self.end[0, -1, 0] - self.end[0, 0, 0]) / 2
        up = UP * max(float(middle[1] - self.landmarks[:2, 1].mean()), half)
        return middle, ASIDE * half, up, DOWN * half

    def _ring(self) -> Doubles:
        middle, aside, up, down = self._reach()
        turn = np.linspace(0, 2 * np.pi, RING, endpoint=False)
        high = np.where(np.sin(turn) < 0, up, down)
        ring = np.stack([aside * np.cos(turn), high * np.sin(turn)], 1)
        return np.concatenate([middle + ring, middle + BEYOND * ring])

    def _nose(self) -> Doubles:
        tip = self.landmarks[2]
        eyes = float(np.hypot(*(self.landmarks[1] - self.landmarks[0])))
        aside, below = (share * eyes for share in WINGS)
        places = [[0.0, 0.0], [-aside, below], [aside, below], [0.0, 1.5 * below]]
        return np.asarray(tip + np.array(places))

    def _eyes(self, places: Doubles) -> Doubles:
        """Displacements [N, 2] that narrow the eyes."""
        moved = np.zeros_like(places)
        if not self.closer:
            return moved
        distance = float(np.hypot(*(self.landmarks[1] - self.landmarks[0])))
        for eye in self.landmarks[:2]:
            across, along = (places - eye).T
            radius = np.hypot(across / (EYE[0] * distance), along / (EYE[1] * distance))
            moved[:, 1] += self.closer * along * (1 - smoothstep(radius, (0.3, 1.0)))
        return moved


def face_mask(face: Floats) -> Floats:
    """Where a warp may move a crop, 0..1 [256, 256], by its share of the face: 0 beyond its outline."""
    return smoothstep(box_mean(face, FACE_REACH), FACE)
