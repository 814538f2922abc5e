"""A change made in a crop, added to the photo at the photo's own size."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from facedial.compose.masks import face_oval, soft_mask
from facedial.faces.crop import Crop
from facedial.faces.geometry import Float32, apply, from_part, invert, warp_float, warp_strips
from facedial.faces.photo import Photo

Part = tuple[npt.NDArray[np.uint8], tuple[int, int]]  # pixels [h, w, 3], and x, y of the first
INSIDE = 0.99  # coverage of a place that lies entirely within a crop
REACH = 3  # pixels, of the crop or the photo, around a change that resampling may touch


@dataclass(frozen=True, slots=True, eq=False)
class DetailLoss:
    """Which part of the photo's high-frequency residual over its crop an edit removes.

    `share` float32 [S, S]: removed share, 0..1 (`masks.detail_loss`). `noise_level`, one or [S, S]:
    levels of the residual that stay in any case, so that new skin is as grainy as the skin beside it.
    `residual` [H, W, 3]: the whole residual, where `high_frequency` was computed before.
    """

    share: Float32
    noise_level: float | Float32 = 0.0
    residual: Float32 | None = None


def high_frequency(photo: Photo, crop: Crop) -> Float32:
    """The photo less its enlarged crop: float32 [H, W, 3], zero outside the crop."""
    return _residual(
        photo.flattened, warp_float(_with_coverage(crop), invert(crop.to_photo), photo.size)
    )


def noise_level(photo: Photo, crop: Crop) -> float:
    """Standard deviation, in levels, of the photo's high-frequency residual on the face's skin.

    Estimated by the median absolute deviation, so that edges do not count; 0 where the crop is as
    fine as the photo.
    """
    size = crop.pixels.shape[0]
    down, across = np.nonzero(face_oval(size) == 1)
    seen = np.rint(apply(crop.to_photo, np.stack([across, down], 1).astype(np.float64)))
    seen = np.clip(seen, 0, np.array(photo.size) - 1)
    x, y = np.clip(apply(invert(crop.to_photo), seen), 0, size - 1.001).T
    left, top = x.astype(int), y.astype(int)
    right, below = (x - left)[:, None], (y - top)[:, None]
    drawn = sum(
        (1 - right if i == 0 else right)
        * (1 - below if j == 0 else below)
        * crop.pixels[top + j, left + i]
        for i in (0, 1)
        for j in (0, 1)
    )
    column, row = seen.astype(int).T
    return float(1.4826 * np.median(np.abs(photo.flattened[row, column] - drawn)))


def _with_coverage(crop: Crop) -> Float32:
    """A crop [S, S, 4]: its pixels, and ones that tell the crop from its outside after warping."""
    ones = np.ones((*crop.pixels.shape[:2], 1), np.float32)
    return np.concatenate([crop.pixels.astype(np.float32), ones], 2)


def _residual(pixels: npt.NDArray[np.uint8], shown: Float32) -> Float32:
    """Pixels [H, W, 3] less the warped crop [H, W, 4] (`_with_coverage`); zero outside of it."""
    finer = np.empty(pixels.shape, np.float32)
    inside = shown[..., 3] > INSIDE
    for channel in range(3):
        np.subtract(pixels[..., channel], shown[..., channel], out=finer[..., channel])
        finer[..., channel] *= inside
    return finer


def paste_change(
    photo: Photo,
    crop: Crop,
    change: Float32,
    mask: Float32 | None = None,
    *,
    loss: DetailLoss | None = None,
    source: Photo | None = None,
) -> Photo:
    """`photo` with `change` added where `crop` came from; see `changed_part`.

    A change of zero returns the same photo.
    """
    found = changed_part(photo, crop, change, mask, loss=loss, source=source)
    return photo if found is None else photo.with_part(*found)


def changed_part(
    photo: Photo,
    crop: Crop,
    change: Float32,
    mask: Float32 | None = None,
    *,
    loss: DetailLoss | None = None,
    source: Photo | None = None,
) -> Part | None:
    """The pixels of `photo` that `change` touches, changed, and where they lie; None for no change.

    `change`: float32 [S, S, 3], difference of crop pixels in units of 0..255.
    `mask`: float32 [S, S], multiplied in; `soft_mask` where None.
    `loss`: which high-frequency residual of the photo is removed. `source`: the photo that the crop
    was cut from, where `photo` has been changed since.
    Only the rectangle that the change touches is computed and copied, and pixels to which nothing is
    added keep their bits.
    """
    size = crop.pixels.shape[0]
    if change.shape != (size, size, 3):
        raise ValueError(f"a change of shape {[size, size, 3]} expected, got {list(change.shape)}")
    soft = soft_mask(size) if mask is None else mask
    masked = change * soft[..., None]
    rectangle = _touched(photo, crop, masked)
    if rectangle is None:
        return None
    x0, y0, x1, y1 = rectangle
    to_crop = from_part(crop.to_photo, x0, y0)
    region = photo.pixels[y0:y1, x0:x1].copy()
    size_there = (x1 - x0, y1 - y0)
    gone = None
    if loss is not None and loss.share.any():
        noise = np.broadcast_to(np.asarray(loss.noise_level, np.float32), soft.shape)
        planes = [np.stack([loss.share * soft, noise], 2)]
        if loss.residual is None:
            planes.append(_with_coverage(crop))
        gone = warp_strips(np.concatenate(planes, 2), to_crop, size_there)
    seen = (photo if source is None else source).flattened[y0:y1, x0:x1]
    for top, added in warp_strips(masked, to_crop, size_there):
        rows = slice(top, top + len(added))
        strip = region[rows]
        if gone is not None and loss is not None:
            _, going = next(gone)
            known = None if loss.residual is None else loss.residual[y0:y1, x0:x1][rows]
            finer = _residual(seen[rows], going[..., 2:]) if known is None else known
            # Channel by channel: numpy is slow where the innermost axis has three numbers.
            for channel in range(3):
                fine = finer[..., channel]
                stays = np.clip(fine, -going[..., 1], going[..., 1])
                added[..., channel] -= going[..., 0] * (fine - stays)
        added += strip
        np.rint(added, out=added)
        strip[...] = np.clip(added, 0.0, 255.0, out=added)
    return region, (x0, y0)


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
