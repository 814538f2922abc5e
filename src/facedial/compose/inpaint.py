"""Smooth continuation of known values: the background behind a person, and the membrane of a blend."""

import numpy as np
import numpy.typing as npt

from facedial.compose.masks import box_mean, box_means, resize_mask
from facedial.faces.geometry import Float32

MAX_MATTE = 0.1  # share of the person above which a place has too much of the person's colours
RELAXATIONS = (
    8  # Jacobi steps a level, between these sides: a finer level adds nothing that is seen
)
BEHIND = 24  # the same, for the background: a wall meets what is seen of it without a halo
SMALLEST_RELAXED, LARGEST_RELAXED = 8, 64
Limit = float | npt.NDArray[np.float32]
LEAST_SHARE = 1e-3  # of known places in a mean, so that none is divided by nothing


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


def continued(values: Float32, known: Float32, reach: int, limits: tuple[Limit, Limit]) -> Float32:
    """Values [S, S, C], given where `known` [S, S] is 1, as means over `reach` px, continued everywhere.

    `limits`: least and largest of the means, which are set to them beyond; of all, or of each channel.
    """
    share = np.maximum(box_mean(known, reach), LEAST_SHARE)[..., None]
    smooth = box_means(values * known[..., None], reach) / share
    return fill(np.clip(smooth, *limits).astype(np.float32), known, BEHIND)
