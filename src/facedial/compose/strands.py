"""Strands of hair where a photo shows none: textures that run as the hair around them does.

Dark hair is hardly structured in a photo; made blond, it looks like paint. Noise that is averaged along
the hair's own direction (line integral convolution, Cabral 1993) looks like strands of it.
"""

import numpy as np
from numpy.typing import NDArray

from facedial.arrays import Floats
from facedial.compose.masks import box_mean

COARSENESS = 0, 1, 3  # px to each side over which the noise of a texture is averaged first
LENGTHS = 12, 18, 24  # steps along a strand to each side
STEP = 0.8  # px
REACHES = 3, 6, 12, 24  # px to each side within which a direction is looked for, the nearest first
# Squared change of lightness a px at which half of a direction is believed; how soon all of it is.
HALF_SURE, SOON = 2.0, 1.5
EVEN, ALIKE = 12, 24  # px over which a texture's mean and its deviation are made the same


def directions(lightness: Floats, weight: Floats) -> Floats:
    """Unit vectors (x, y) along strands [S, S, 2], of lightness [S, S] as far as a weight 0..1 says.

    The direction of least change (structure tensor), from places further away where there is little
    to see.
    """
    down, across = np.gradient(box_mean(lightness, 1))
    squares = (across * across, across * down, down * down)
    products = [np.asarray(one * weight, np.float32) for one in squares]
    found, open_to = np.zeros((3, *lightness.shape), np.float32), np.ones_like(lightness)
    for reach in REACHES:
        total = _twice(weight, reach) + 1e-3
        xx, xy, yy = (_twice(one, reach) / total for one in products)
        energy = xx + yy
        believed = np.sqrt((xx - yy) ** 2 + 4 * xy**2) / (energy + HALF_SURE)
        believed = open_to * np.clip(SOON * believed, 0, 1)
        found += believed / (energy + 1e-6) * np.stack([xx, xy, yy])
        open_to = open_to - believed
    angle = 0.5 * np.arctan2(2 * found[1], found[0] - found[2])
    return np.stack([-np.sin(angle), np.cos(angle)], -1).astype(np.float32)


def textures(along: Floats, where: NDArray[np.bool_], seed: int = 0) -> Floats:
    """Strands along directions [S, S, 2], fine, middle and coarse: [S, S, 3], 0 but `where` [S, S].

    Of mean 0 and deviation 1 around each place.
    """
    size = len(along)
    rng = np.random.default_rng(seed)
    noise = [rng.standard_normal((size, size)).astype(np.float32) for _ in COARSENESS]
    noise = [
        one if reach == 0 else _standard(one, reach)
        for one, reach in zip(noise, COARSENESS, strict=True)
    ]
    result = np.zeros((size, size, len(noise)), np.float32)
    rows, columns = np.nonzero(where)
    if len(rows):
        result[rows, columns] = _averaged(along, np.stack(noise, -1), rows, columns)
    inside = where.astype(np.float32)
    for k in range(len(noise)):
        mean = box_mean(result[..., k], EVEN) / np.maximum(box_mean(inside, EVEN), 1e-3)
        plane = (result[..., k] - mean) * inside
        square = box_mean(plane * plane, ALIKE) / np.maximum(box_mean(inside, ALIKE), 1e-3)
        result[..., k] = plane / np.sqrt(square + 1e-6)
    return result


def _averaged(
    along: Floats, noise: Floats, rows: NDArray[np.intp], columns: NDArray[np.intp]
) -> Floats:
    """Means of noise [S, S, C] along the curves through N places, each of its own length: [N, C]."""
    size, vectors = len(along), along.reshape(-1, 2)
    flat = noise.reshape(-1, noise.shape[2])
    start = rows * size + columns
    total = flat[start]
    for sign in (1.0, -1.0):
        x, y = columns.astype(np.float32), rows.astype(np.float32)
        ahead = sign * vectors[start]
        for step in range(max(LENGTHS)):
            x, y = x + STEP * ahead[:, 0], y + STEP * ahead[:, 1]
            place = np.clip(np.rint(y), 0, size - 1).astype(np.intp) * size
            place += np.clip(np.rint(x), 0, size - 1).astype(np.intp)
            # A direction and its opposite are the same strand.
            turned = vectors[place]
            same = np.where((turned * ahead).sum(1, keepdims=True) < 0, -1.0, 1.0)
            ahead = (same * turned).astype(np.float32)
            goes_on = np.array([step < length for length in LENGTHS], np.float32)
            total = total + goes_on * flat[place]
    return np.asarray(total / (2 * np.array(LENGTHS) + 1), np.float32)


def _twice(values: Floats, reach: int) -> Floats:
    return box_mean(box_mean(values, reach), reach)


def _standard(values: Floats, reach: int) -> Floats:
    smooth = box_mean(values, reach)
    return np.asarray(smooth / smooth.std(), np.float32)
