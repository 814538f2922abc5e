"""Masks of a crop: the face, the edited region, disoccluded background, removed detail."""

from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from facedial.faces.geometry import Float32, Points
from facedial.faces.parse import dilated

SOFT_EDGE = 0.15  # share of the side over which the border mask falls to zero, usually
# Levels of the mean change around a place: from the first on it counts as changed, from the second on
# as changed entirely.
CHANGED = 6.0, 24.0
BLUR_RADIUS = 4  # pixels to each side
# Of a face on the head frame: centre and half axes, across and down, in shares of the side.
OVAL = 0.5, 0.57, 0.21, 0.27
MATTE_FLOOR = 0.05  # matte values at the rim of hair
# Share of the person matte that is gone: from the first value on a place is background.
UNCOVERED = 0.3, 0.7
ROW_EDGE = 0.06  # share of the side
# Half axes of a nose, over its length from between the eyes to the tip, and over the distance of the
# eyes; share of them over which its mask falls; its least length, in distances of the eyes.
NOSE_REACH, NOSE_WIDTH, NOSE_RIM, NOSE_LENGTH = 0.66, 0.39, 0.35, 0.3
FLAT = 4.0  # squared levels of fine detail; a place with less has none to lose


def soft_mask(size: int, edge: float = SOFT_EDGE) -> Float32:
    """Mask float32 [S, S]: 1 in the middle, 0 on the border, smooth between (no corner, no step).

    `edge`: share of the side over which it falls.
    """
    from_edge = np.minimum(np.arange(size), np.arange(size)[::-1])
    side = _ease(np.clip(from_edge / max(1.0, edge * size), 0.0, 1.0))
    return np.outer(side, side)


def resize_mask(mask: Float32, size: int) -> Float32:
    """A mask [M, M] as one of [S, S], bilinear."""
    return np.asarray(Image.fromarray(mask).resize((size, size), Image.Resampling.BILINEAR))


def enlarged(pixels: Float32, size: int) -> Float32:
    """Values [M, M, C] as [S, S, C], bicubic by Pillow's kernel (Keys 1981, a = -0.5)."""
    planes = [
        Image.fromarray(pixels[..., c]).resize((size, size), Image.Resampling.BICUBIC)
        for c in range(pixels.shape[2])
    ]
    return np.stack([np.asarray(one) for one in planes], 2)


def beside_nose(landmarks: Points, size: int) -> Float32:
    """0 on a nose, 1 away from it [size, size], by a face's five landmarks in the crop's pixels.

    An ellipse along the line from between the eyes to the tip of the nose, wide as the wings.
    """
    between, tip = landmarks[:2].mean(0), landmarks[2]
    across = landmarks[1] - landmarks[0]
    eyes = float(np.hypot(*across))
    along = tip - between
    length = float(np.hypot(*along))
    if length < NOSE_LENGTH * eyes:  # seen from below, the tip lies between the eyes
        along, length = np.array([-across[1], across[0]]) * NOSE_LENGTH, NOSE_LENGTH * eyes
    x, y = np.meshgrid(np.arange(size), np.arange(size))
    x, y = x - (between[0] + along[0] / 2), y - (between[1] + along[1] / 2)
    u = (x * along[0] + y * along[1]) / length / (NOSE_REACH * length)
    v = (y * along[0] - x * along[1]) / length / (NOSE_WIDTH * eyes)
    return np.asarray(np.clip((np.hypot(u, v) - 1) / NOSE_RIM, 0, 1), np.float32)


def face_oval(size: int) -> Float32:
    """Mask float32 [S, S] of a crop on the head frame: 1 in the face, 0 in hair and background."""
    down, across = np.mgrid[:size, :size] / (size - 1)
    away = np.hypot((across - OVAL[0]) / OVAL[2], (down - OVAL[1]) / OVAL[3])
    return _ease(np.clip((1.35 - away) / 0.35, 0.0, 1.0))


def rows_mask(size: int, rows: tuple[float, float]) -> Float32:
    """Mask [S, 1]: 1 between two rows, given as shares of the side, 0 beyond a short ramp around them."""
    half = ROW_EDGE / 2
    down = np.arange(size)[:, None] / (size - 1)
    after = (
        smoothstep(down, (rows[0] - half, rows[0] + half)) if rows[0] > 0 else np.ones_like(down)
    )
    until = (
        smoothstep(down, (rows[1] - half, rows[1] + half)) if rows[1] < 1 else np.zeros_like(down)
    )
    return np.asarray(after * (1 - until), np.float32)


def disocclusion_mask(before: Float32, after: Float32) -> Float32:
    """Where background is uncovered, by shares of the person before and after: 0..1, soft at the rim."""
    share = (before - after) / (before + MATTE_FLOOR)
    some = np.clip(2 * before / MATTE_FLOOR - 1, 0.0, 1.0)
    gone = smoothstep(share, UNCOVERED)
    return np.asarray(some * gone, np.float32)


def changed_mask(change: Float32) -> Float32:
    """How much a change [S, S, 3] replaces each place: 0..1, [S, S]; 0 for no change."""
    size = _mean_change(change)
    return smoothstep(size, CHANGED)


def detail_loss(before: Float32, after: Float32) -> Float32:
    """Share of a picture's [S, S, 3] high-frequency residual that an edit removes: 0..1, [S, S].

    One minus the local regression slope of the residual after on the residual before: 0 where hair is
    recoloured, 1 where hair is replaced by skin or by other hair.
    """
    first, last = (grey - _blurred(grey) for grey in (_luma(before), _luma(after)))
    gone = _blurred(first * (first - last))
    return np.asarray(np.clip(gone / (_blurred(first * first) + FLAT), 0.0, 1.0), np.float32)


def _mean_change(change: Float32) -> Float32:
    """Mean change round each place, [S, S]."""
    return _blurred(_luma(np.abs(change)))


def _luma(picture: Float32) -> Float32:
    """Mean of three channels; faster than `mean(2)`."""
    return np.asarray((picture[..., 0] + picture[..., 1] + picture[..., 2]) / 3, np.float32)


def smoothstep(values: npt.NDArray[np.floating[Any]], ends: tuple[float, float]) -> Float32:
    """0 up to the first end, 1 from the second on, cubic between them."""
    first, last = ends
    return _ease(np.clip((values - first) / (last - first), 0.0, 1.0))


def _ease(ramp: npt.NDArray[np.floating[Any]]) -> Float32:
    """Cubic ease of a ramp 0..1."""
    return np.asarray(ramp * ramp * (3.0 - 2.0 * ramp), np.float32)


def _blurred(values: Float32) -> Float32:
    """Means over squares of 2 BLUR_RADIUS + 1 places a side round each place of [S, S]."""
    return box_mean(values, BLUR_RADIUS)


def grown(mask: Float32, share: float) -> Float32:
    """A mask [S, S] in 0..1 dilated by a share of the side: the largest value in a square round a place.

    Not the sum of them, by which a haze of small values becomes a mask.
    """
    return dilated(np.asarray(mask, np.float32), round(share * mask.shape[1]))


def box_mean(values: npt.NDArray[np.floating[Any]], reach: int) -> Float32:
    """Means over squares of 2 reach + 1 places a side round each place of [S, S].

    The edge is repeated.
    """
    found = values
    width = 2 * reach + 1
    for axis in (0, 1):
        ends = [(reach + 1, reach) if a == axis else (0, 0) for a in (0, 1)]
        sums = np.cumsum(np.pad(found, ends, mode="edge"), axis, dtype=np.float64)
        last = np.arange(width, sums.shape[axis])
        found = (sums.take(last, axis) - sums.take(last - width, axis)) / width
    return np.asarray(found, np.float32)


def box_means(planes: Float32, reach: int) -> Float32:
    """`box_mean` of each plane of [S, S, C]."""
    return np.stack([box_mean(planes[..., k], reach) for k in range(planes.shape[2])], 2)
