"""A change made in a crop, laid onto the photo at the photo's own size."""

import numpy as np
from PIL import Image

from facedial.faces.crop import Crop
from facedial.faces.geometry import Float32, apply, compose, invert, warp_strips
from facedial.faces.photo import Photo

SOFT_EDGE = 0.15  # share of the side over which the mask falls to zero
# Levels of a mean change, smoothed, from which on a place counts as changing, and as changing through
# and through.
SOME, MUCH = 6.0, 24.0
SMOOTH = 4  # pixels to each side
REACH = 3  # pixels, of the crop or the photo, around a change that resampling may touch


def soft_mask(size: int) -> Float32:
    """Mask float32 [S, S]: 1 in the middle, 0 on the border, smooth between (no corner, no step)."""
    from_edge = np.minimum(np.arange(size), np.arange(size)[::-1])
    ramp = np.clip(from_edge / max(1.0, SOFT_EDGE * size), 0.0, 1.0)
    side = ramp * ramp * (3.0 - 2.0 * ramp)
    return np.outer(side, side).astype(np.float32)


def enlarged(mask: Float32, size: int) -> Float32:
    """A mask [M, M] as one of [S, S], linear between its places."""
    return np.asarray(Image.fromarray(mask).resize((size, size), Image.Resampling.BILINEAR))


def changed_places(change: Float32) -> Float32:
    """How far each place is another one after a change [S, S, 3]: 0..1, [S, S], nothing for nothing."""
    size = np.abs(change).mean(2)
    for axis in (0, 1):
        ends = [(SMOOTH + 1, SMOOTH) if a == axis else (0, 0) for a in (0, 1)]
        sums = np.cumsum(np.pad(size, ends, mode="edge"), axis, dtype=np.float64)
        width = 2 * SMOOTH + 1
        last = np.arange(width, sums.shape[axis])
        size = (sums.take(last, axis) - sums.take(last - width, axis)) / width
    rise = np.clip((size - SOME) / (MUCH - SOME), 0.0, 1.0)
    return np.asarray(rise * rise * (3.0 - 2.0 * rise), np.float32)


def paste_change(photo: Photo, crop: Crop, change: Float32, mask: Float32 | None = None) -> Photo:
    """`photo` with `change` added where `crop` came from.

    `change`: float32 [S, S, 3], difference of crop pixels in units of 0..255.
    `mask`: float32 [S, S], multiplied in; `soft_mask` where None.
    Only the rectangle that the change touches is computed, and pixels to which nothing is added
    keep their bits; a change of zero returns the same pixels.
    """
    size = crop.pixels.shape[0]
    if change.shape != (size, size, 3):
        raise ValueError(f"a change of shape {[size, size, 3]} expected, got {list(change.shape)}")
    masked = change * (soft_mask(size) if mask is None else mask)[..., None]
    rectangle = _touched(photo, crop, masked)
    if rectangle is None:
        return photo
    x0, y0, x1, y1 = rectangle
    from_rectangle = np.array([[1.0, 0.0, x0], [0.0, 1.0, y0]])
    to_crop = compose(invert(crop.to_photo), from_rectangle)
    pixels = photo.pixels.copy()
    region = pixels[y0:y1, x0:x1]
    for top, added in warp_strips(masked, to_crop, (x1 - x0, y1 - y0)):
        strip = region[top : top + len(added)]
        added += strip
        np.rint(added, out=added)
        strip[...] = np.clip(added, 0.0, 255.0, out=added)
    return Photo(pixels, photo.name, photo.exif, photo.mark)


def _touched(photo: Photo, crop: Crop, change: Float32) -> tuple[int, int, int, int] | None:
    """Photo rectangle x0, y0, x1, y1 (half-open) outside which `change` adds nothing."""
    rows, columns, _ = np.nonzero(change)
    if not len(rows):
        return None
    left, right, top, bottom = columns.min(), columns.max(), rows.min(), rows.max()
    corners = np.array(
        [[x, y] for x in (left - REACH, right + REACH) for y in (top - REACH, bottom + REACH)],
        np.float64,
    )
    seen = apply(crop.to_photo, corners)
    x0, y0 = np.maximum(np.floor(seen.min(axis=0)) - REACH, 0).astype(int)
    x1, y1 = np.minimum(np.ceil(seen.max(axis=0)) + REACH + 1, photo.size).astype(int)
    return (int(x0), int(y0), int(x1), int(y1)) if x0 < x1 and y0 < y1 else None
