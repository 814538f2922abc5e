"""Smooth continuation of known values: the background behind a person, and the membrane of a blend."""

import numpy as np
import numpy.typing as npt

from facedial.compose.masks import box_mean, resize_mask, smoothstep
from facedial.faces.geometry import Float32

MAX_MATTE = 0.1  # share of the person above which a place has too much of the person's colours
RELAXATIONS = (
    8  # Jacobi steps a level, between these sides: a finer level adds nothing that is seen
)
BEHIND = 24  # the same, for the background: a wall meets what is seen of it without a halo
# Offsets of reflected places are computed at a quarter of the size, and smoothed over so many px there.
COARSER, SMOOTH = 4, 2
DEEP = 8.0, 30.0  # px from the rim up to which a reflection counts, and from which on it does not
BEYOND = 3.0  # px beyond the rim at which a reflection begins
SMALLEST_RELAXED, LARGEST_RELAXED = 8, 64


def fill(values: Float32, known: Float32, relaxations: int = 0) -> Float32:
    """Values [S, S, C], given where `known` [S, S] is 1, continued smoothly where it is 0.

    Push-pull interpolation (Gortler 1996) over halved sizes; `relaxations`: Jacobi steps towards the
    harmonic function on every level, so that it is the membrane of gradient-domain blending (Perez
    2003, eq. 2, with a zero guidance field).
    """
    levels = [np.concatenate([values * known[..., None], known[..., None]], 2)]
    while min(levels[-1].shape[:2]) > 1 and len(levels[-1]) % 2 == 0:
        one = levels[-1]
        levels.append((one[::2, ::2] + one[1::2, ::2] + one[::2, 1::2] + one[1::2, 1::2]) / 4)
    filled = levels[-1][..., :-1] / np.maximum(levels[-1][..., -1:], 1e-6)
    for one in levels[-2::-1]:
        size = len(one)
        coarse = np.stack([resize_mask(filled[..., c], size) for c in range(filled.shape[2])], 2)
        free = 1 - one[..., -1:]
        given = one[..., :-1]
        filled = given + free * coarse
        around = np.zeros((size + 2, size + 2, filled.shape[2]), np.float32)
        for _ in range(relaxations if SMALLEST_RELAXED <= size <= LARGEST_RELAXED else 0):
            around[1:-1, 1:-1] = filled
            around[0, 1:-1], around[-1, 1:-1] = filled[0], filled[-1]
            around[1:-1, 0], around[1:-1, -1] = filled[:, 0], filled[:, -1]
            mean = around[:-2, 1:-1] + around[2:, 1:-1] + around[1:-1, :-2] + around[1:-1, 2:]
            filled = given + free * (mean / 4)
    return np.asarray(filled, np.float32)


def inpaint_background(pixels: npt.NDArray[np.uint8], person: Float32) -> Float32:
    """A crop [S, S, 3] with its background continued behind the person; float32, 0..255.

    `person` [S, S]: share of the person.
    """
    known = np.clip(1 - person / MAX_MATTE, 0.0, 1.0).astype(np.float32)
    return fill(pixels.astype(np.float32), known, BEHIND)


def membrane(difference: Float32, rim: Float32) -> Float32:
    """The smooth function [S, S, 3] that equals `difference` where `rim` [S, S] is 1."""
    return fill(difference, rim, RELAXATIONS)


def reflected(values: Float32, known: npt.NDArray[np.bool_]) -> tuple[Float32, Float32]:
    """Values [S, S, C] continued by reflection at the rim of what is `known`, and where that works.

    Keeps the texture of a background, which a smooth continuation does not. It works, 0..1 [S, S], where
    the reflected place is known, and near the rim: farther off one sees the mirror. S is a multiple of 4.
    """
    size = len(known)
    count = size // COARSER
    blocks = known.reshape(count, COARSER, count, COARSER)
    small: npt.NDArray[np.bool_] = np.asarray(blocks.all((1, 3)))
    row, column = np.mgrid[:count, :count]
    nearest = _nearest(small)
    free = (~small).astype(np.float32)
    offsets: list[Float32] = [
        np.where(small, 0, one - own).astype(np.float32)
        for one, own in zip(nearest, (row, column), strict=True)
    ]
    for _ in range(2):
        share = np.maximum(box_mean(free, SMOOTH), np.float32(1e-3))
        offsets = [np.asarray(box_mean(one * free, SMOOTH) / share, np.float32) for one in offsets]
    down, across = (COARSER * resize_mask(one, size) for one in offsets)
    length = np.hypot(down, across) + 1e-3
    row, column = np.mgrid[:size, :size]
    y = row + down * (2 + BEYOND / length)
    x = column + across * (2 + BEYOND / length)
    there = (y >= 0) & (y <= size - 1) & (x >= 0) & (x <= size - 1)
    y, x = (np.clip(one, 0, size - 1.001) for one in (y, x))
    top, left = y.astype(int), x.astype(int)
    lower, right = (y - top)[..., None], (x - left)[..., None]
    found = (values[top, left] * (1 - right) + values[top, left + 1] * right) * (1 - lower)
    found += (values[top + 1, left] * (1 - right) + values[top + 1, left + 1] * right) * lower
    works = there & known[np.rint(y).astype(int), np.rint(x).astype(int)]
    near = 1 - smoothstep(length, DEEP)
    return np.asarray(found, np.float32), np.asarray(works * near, np.float32)


def _nearest(known: npt.NDArray[np.bool_]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Row and column of the nearest known place of each [S, S], by jump flooding (Rong and Tan 2006)."""
    size = len(known)
    row, column = np.mgrid[:size, :size]
    far = 4 * size
    rows, columns = np.where(known, row, -far), np.where(known, column, -far)
    step = size // 2
    steps = []
    while step:
        steps.append(step)
        step //= 2
    for jump in (*steps, 1):
        for dy in (-jump, 0, jump):
            for dx in (-jump, 0, jump):
                here, there = zip(_shifted(dy, size), _shifted(dx, size), strict=True)
                own = (row[here] - rows[here]) ** 2 + (column[here] - columns[here]) ** 2
                theirs = (row[here] - rows[there]) ** 2 + (column[here] - columns[there]) ** 2
                nearer = theirs < own
                found = rows[there][nearer], columns[there][nearer]
                rows[here][nearer], columns[here][nearer] = found
    return rows, columns


def _shifted(by: int, size: int) -> tuple[slice, slice]:
    """Places of an axis, and those that lie `by` beyond them."""
    return slice(max(-by, 0), size - max(by, 0)), slice(max(by, 0), size + min(by, 0))
