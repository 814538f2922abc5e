"""A change made in a crop, laid onto the photo at the photo's own size."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

from facedial.faces.crop import Crop
from facedial.faces.geometry import Float32, apply, compose, invert, warp_float, warp_strips
from facedial.faces.photo import Photo

SOFT_EDGE = 0.15  # share of the side over which the mask falls to zero
# Levels of a mean change, smoothed, from which on a place counts as changing, and as changing through
# and through.
SOME, MUCH = 6.0, 24.0
SMOOTH = 4  # pixels to each side
# Of a face on the head frame: centre and half axes, across and down, in shares of the side.
OVAL = 0.5, 0.57, 0.21, 0.27
# Shares of what changes most, from which on a change around the face is meant, and meant wholly.
HALO = 0.15, 0.45
# Of a matte, from which on a place belongs to the person, and wholly.
OUTLINE = 0.08, 0.4
BEHIND = 0.1  # of a matte; more of a person has too much of its colours
TRACE = 0.05  # of a person, at the rim of its hair
# Of what was person, from which on what is person no more is background, and wholly.
GONE = 0.3, 0.7
FLAT = 4.0  # squared levels: what has less fine detail than that has none to lose
INSIDE = 0.99  # of a place that lies whole within a crop
REACH = 3  # pixels, of the crop or the photo, around a change that resampling may touch


@dataclass(frozen=True, slots=True, eq=False)
class Lost:
    """What goes with a change of what a photo shows finer than its crop.

    `share` float32 [S, S]: how much of it, 0..1 (`lost_detail`). `grain`, one or [S, S]: how many levels
    of it stay at most, so that new skin is no smoother than the skin beside it (`texture`). `detail`: all
    that is finer, where `fine_detail` was asked before.
    """

    share: Float32
    grain: float | Float32 = 0.0
    detail: Float32 | None = None


def soft_mask(size: int) -> Float32:
    """Mask float32 [S, S]: 1 in the middle, 0 on the border, smooth between (no corner, no step)."""
    from_edge = np.minimum(np.arange(size), np.arange(size)[::-1])
    side = _smooth(np.clip(from_edge / max(1.0, SOFT_EDGE * size), 0.0, 1.0))
    return np.outer(side, side)


def enlarged(mask: Float32, size: int) -> Float32:
    """A mask [M, M] as one of [S, S], linear between its places."""
    return np.asarray(Image.fromarray(mask).resize((size, size), Image.Resampling.BILINEAR))


def face_oval(size: int) -> Float32:
    """Mask float32 [S, S] of a crop on the head frame: 1 in the face, 0 in hair and background."""
    down, across = np.mgrid[:size, :size] / (size - 1)
    away = np.hypot((across - OVAL[0]) / OVAL[2], (down - OVAL[1]) / OVAL[3])
    return _smooth(np.clip((1.35 - away) / 0.35, 0.0, 1.0))


def aimed(change: Float32, face: Float32, person: Float32 | None = None) -> Float32:
    """How much of a change [S, S, 3] is meant: 0..1, [S, S]; 1 in the face, whose mask is given.

    Around it, what changes little beside what changes most is a halo on the background. `person` [S, S]:
    how much of each place is person, where the background must stay as it is.
    """
    size = _size(change)
    share = size / max(float(np.percentile(size, 95)), 1e-3)
    around = _between(share, HALO)
    meant = np.maximum(face, around)
    if person is not None:
        shown = _between(person, OUTLINE)
        # Beside the jaw the mask of the face lies on the background; its middle never does.
        meant *= np.maximum(shown, np.clip(2 * face - 1, 0, 1))
    return meant


def behind(pixels: npt.NDArray[np.uint8], person: Float32) -> Float32:
    """What may be behind a person in a crop [S, S, 3]: its background, continued; float32, 0..255.

    `person` [S, S]: how much of each place is person. Means of ever larger squares fill what is hidden
    (Gortler 1996, pull and push).
    """
    seen = np.clip(1 - person / BEHIND, 0.0, 1.0)[..., None].astype(np.float32)
    known = np.concatenate([pixels * seen, seen], 2)
    levels = [known]
    while min(levels[-1].shape[:2]) > 1 and len(levels[-1]) % 2 == 0:
        one = levels[-1]
        levels.append((one[::2, ::2] + one[1::2, ::2] + one[::2, 1::2] + one[1::2, 1::2]) / 4)
    filled = levels[-1][..., :3] / np.maximum(levels[-1][..., 3:], 1e-6)
    for one in levels[-2::-1]:
        size = len(one)
        coarse = np.stack([enlarged(filled[..., c], size) for c in range(3)], 2)
        filled = one[..., :3] + (1 - one[..., 3:]) * coarse
    return np.asarray(filled, np.float32)


def uncovered(before: Float32, after: Float32) -> Float32:
    """Where a person was and is no more, from mattes before and after: 0..1, its soft rim included."""
    share = (before - after) / (before + TRACE)
    some = np.clip(2 * before / TRACE - 1, 0.0, 1.0)
    gone = _between(share, GONE)
    return np.asarray(some * gone, np.float32)


def changed_places(change: Float32) -> Float32:
    """How far each place is another one after a change [S, S, 3]: 0..1, [S, S], nothing for nothing."""
    size = _size(change)
    return _between(size, (SOME, MUCH))


def lost_detail(before: Float32, after: Float32) -> Float32:
    """How much of the fine detail of a picture [S, S, 3] is gone from it after a change: 0..1, [S, S].

    One minus the slope by which fine detail after follows that before, round each place: nothing where
    hair is dyed, all of it where hair gave way to skin, or to other hair.
    """
    first, last = (grey - _smoothed(grey) for grey in (_grey(before), _grey(after)))
    gone = _smoothed(first * (first - last))
    return np.asarray(np.clip(gone / (_smoothed(first * first) + FLAT), 0.0, 1.0), np.float32)


def _size(change: Float32) -> Float32:
    """Mean change round each place, [S, S]."""
    return _smoothed(_grey(np.abs(change)))


def _grey(picture: Float32) -> Float32:
    """Means of three channels; quicker than `mean(2)`."""
    return np.asarray((picture[..., 0] + picture[..., 1] + picture[..., 2]) / 3, np.float32)


def _between(values: npt.NDArray[np.floating], ends: tuple[float, float]) -> Float32:
    """0 up to the first end, 1 from the second on, smooth between them."""
    first, last = ends
    return _smooth(np.clip((values - first) / (last - first), 0.0, 1.0))


def _smooth(ramp: npt.NDArray[np.floating]) -> Float32:
    """A ramp of 0..1 without its corners."""
    return np.asarray(ramp * ramp * (3.0 - 2.0 * ramp), np.float32)


def _smoothed(values: Float32) -> Float32:
    """Means of the squares of 2 SMOOTH + 1 places a side round each place of [S, S]."""
    return means_around(values, SMOOTH)


def means_around(values: npt.NDArray[np.floating], reach: int) -> Float32:
    """Means of the squares of 2 reach + 1 places a side round each place of [S, S].

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


def fine_detail(photo: Photo, crop: Crop) -> Float32:
    """What of a photo its crop is too small to show: float32 [H, W, 3], zero outside the crop."""
    return _finer(photo.flattened, warp_float(_shown(crop), invert(crop.to_photo), photo.size))


def texture(photo: Photo, crop: Crop) -> float:
    """How large, in levels, what a photo shows finer than its crop is in a face: skin, and no edges.

    As a deviation that outliers do not touch; 0 where the crop shows all there is.
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


def _shown(crop: Crop) -> Float32:
    """A crop [S, S, 4] to be drawn at another size: its pixels, and ones, by which to know its edge."""
    ones = np.ones((*crop.pixels.shape[:2], 1), np.float32)
    return np.concatenate([crop.pixels.astype(np.float32), ones], 2)


def _finer(pixels: npt.NDArray[np.uint8], shown: Float32) -> Float32:
    """Pixels [H, W, 3] less the crop drawn there [H, W, 4] (`_shown`); zero outside of it."""
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
    lost: Lost | None = None,
    source: Photo | None = None,
) -> Photo:
    """`photo` with `change` added where `crop` came from.

    `change`: float32 [S, S, 3], difference of crop pixels in units of 0..255.
    `mask`: float32 [S, S], multiplied in; `soft_mask` where None.
    `lost`: what of the photo's finer things goes with it. `source`: the photo that the crop was cut
    from, where `photo` has been changed since.
    Only the rectangle that the change touches is computed, and pixels to which nothing is added
    keep their bits; a change of zero returns the same pixels.
    """
    size = crop.pixels.shape[0]
    if change.shape != (size, size, 3):
        raise ValueError(f"a change of shape {[size, size, 3]} expected, got {list(change.shape)}")
    soft = soft_mask(size) if mask is None else mask
    masked = change * soft[..., None]
    rectangle = _touched(photo, crop, masked)
    if rectangle is None:
        return photo
    x0, y0, x1, y1 = rectangle
    from_rectangle = np.array([[1.0, 0.0, x0], [0.0, 1.0, y0]])
    to_crop = compose(invert(crop.to_photo), from_rectangle)
    pixels = photo.pixels.copy()
    region = pixels[y0:y1, x0:x1]
    size_there = (x1 - x0, y1 - y0)
    gone = None
    if lost is not None and lost.share.any():
        grain = np.broadcast_to(np.asarray(lost.grain, np.float32), soft.shape)
        planes = [np.stack([lost.share * soft, grain], 2)]
        if lost.detail is None:
            planes.append(_shown(crop))
        gone = warp_strips(np.concatenate(planes, 2), to_crop, size_there)
    seen = (photo if source is None else source).flattened[y0:y1, x0:x1]
    for top, added in warp_strips(masked, to_crop, size_there):
        rows = slice(top, top + len(added))
        strip = region[rows]
        if gone is not None and lost is not None:
            _, going = next(gone)
            known = None if lost.detail is None else lost.detail[y0:y1, x0:x1][rows]
            finer = _finer(seen[rows], going[..., 2:]) if known is None else known
            # Channel by channel: numpy is slow where the innermost axis has three numbers.
            for channel in range(3):
                fine = finer[..., channel]
                stays = np.clip(fine, -going[..., 1], going[..., 1])
                added[..., channel] -= going[..., 0] * (fine - stays)
        added += strip
        np.rint(added, out=added)
        strip[...] = np.clip(added, 0.0, 255.0, out=added)
    pixels.flags.writeable = False  # not copied again
    return photo.with_pixels(pixels)


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
