"""Similarity transforms between photo, patch and crop, and resampling of pixels by them."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image

UInt8: TypeAlias = npt.NDArray[np.uint8]
Float32: TypeAlias = npt.NDArray[np.float32]
Floats: TypeAlias = npt.NDArray[np.float64]
Points: TypeAlias = npt.NDArray[np.float64]
Affine: TypeAlias = npt.NDArray[np.float64]
Coefficients: TypeAlias = tuple[float, float, float, float, float, float]

LANCZOS_RADIUS = 3  # output pixels on each side that the kernel uses
STRIP_ROWS = 64  # rows processed at a time
MIN_BLOCKS = 1.5  # block means that remain for each output pixel, at least
QUICK_BLOCKS = 1.0  # the same, of `warp_quick`
# A rotated source is first upsampled to this many samples per output pixel and axis,
SUBPIXELS = 4
# then sampled (nearest neighbour) at this many, so that the rounding is 1/8 of a pixel at most.
OVERSAMPLING = 2
MAX_UPSCALE = 4  # of the bicubic step in `warp_strips`, before the bilinear one


def fit_similarity(src: Points, dst: Points) -> Affine:
    """Least-squares similarity from `src` to `dst`.

    `src`, `dst`: float [K, 2], (x, y) in pixels, K >= 2.  Returns [2, 3], src -> dst.
    Rotation, uniform scale and shift only: a face is never mirrored.  Umeyama 1991, eq. 40-42,
    in the closed form that two dimensions allow.
    Raises `ValueError` when all source points coincide or a number is not finite.
    """
    src = np.asarray(src, np.float64)
    dst = np.asarray(dst, np.float64)
    if src.shape != dst.shape or src.ndim != 2 or src.shape[1] != 2 or len(src) < 2:
        raise ValueError(f"two lists of K >= 2 points expected, got {src.shape} and {dst.shape}")
    if not (np.isfinite(src).all() and np.isfinite(dst).all()):
        raise ValueError("a point is not finite")
    src_mean, dst_mean = src.mean(axis=0), dst.mean(axis=0)
    a, b = src - src_mean, dst - dst_mean
    variance = float((a * a).sum())
    if variance <= 1e-12 * (1.0 + float((src_mean * src_mean).sum())):
        raise ValueError("all source points coincide")
    cos = float((a * b).sum()) / variance
    sin = float((a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]).sum()) / variance
    linear = np.array([[cos, -sin], [sin, cos]])
    return np.column_stack([linear, dst_mean - linear @ src_mean])


def similarity(scale: float, degrees: float, source: Points, target: Points) -> Affine:
    """Similarity [2, 3] that scales and rotates about `source` and maps it to `target`, both [2].

    Positive `degrees` rotate clockwise as seen, because y points down.
    """
    cos = scale * math.cos(math.radians(degrees))
    sin = scale * math.sin(math.radians(degrees))
    linear = np.array([[cos, -sin], [sin, cos]])
    return np.column_stack([linear, np.asarray(target) - linear @ np.asarray(source)])


def scaling(x: float, y: float) -> Affine:
    """Affine [2, 3] that scales a picture by `x` in width and `y` in height.

    Pixel edges, not pixel centres, are fixed: the left edge -0.5 stays at -0.5.
    """
    return np.array([[x, 0.0, 0.5 * x - 0.5], [0.0, y, 0.5 * y - 0.5]])


def translation(x: float, y: float) -> Affine:
    """Affine [2, 3] that moves a picture by `x` and `y` pixels."""
    return np.array([[1.0, 0.0, x], [0.0, 1.0, y]])


def from_part(to_photo: Affine, x: float, y: float) -> Affine:
    """Pixels of the part of a photo that begins at `x`, `y` -> those of a crop [2, 3].

    `to_photo` [2, 3]: crop pixel -> photo pixel.
    """
    return compose(invert(to_photo), translation(x, y))


def apply(affine: Affine, points: Points) -> Points:
    """Points [..., 2] transformed by `affine` [2, 3]."""
    return np.asarray(points, np.float64) @ affine[:, :2].T + affine[:, 2]


def invert(affine: Affine) -> Affine:
    """Inverse [2, 3]; raises `ValueError` for a singular `affine`."""
    (a, b), (c, d) = affine[:, :2]
    det = a * d - b * c
    if not math.isfinite(det) or abs(det) <= 1e-12 * (a * a + b * b + c * c + d * d):
        raise ValueError("a singular affine map has no inverse")
    linear = np.array([[d, -b], [-c, a]]) / det
    return np.column_stack([linear, -linear @ affine[:, 2]])


def compose(outer: Affine, inner: Affine) -> Affine:
    """Affine [2, 3] that applies `inner`, then `outer`."""
    return np.column_stack([outer[:, :2] @ inner[:, :2], apply(outer, inner[:, 2])])


def scale_of(affine: Affine) -> float:
    """Scale factor of an affine map, exact for a similarity: target pixels per source pixel."""
    return math.sqrt(abs(float(np.linalg.det(affine[:, :2]))))


def box_in_photo(
    to_photo: Affine,
    x: tuple[float, float],
    y: tuple[float, float],
    size: tuple[int, int],
    margin: int = 0,
) -> tuple[int, int, int, int] | None:
    """Rectangle x0, y0, x1, y1 of a photo (half-open) that holds a part of a crop; None outside it.

    `x`, `y`: its first and last column and row, crop pixels, which `to_photo` [2, 3] maps to the photo's.
    `size`: (width, height) of the photo; `margin`: photo pixels around it.
    """
    seen = apply(to_photo, np.array([[a, b] for a in x for b in y], np.float64))
    x0, y0 = np.maximum(np.floor(seen.min(axis=0)) - margin, 0).astype(int).tolist()
    x1, y1 = np.minimum(np.ceil(seen.max(axis=0)) + margin + 1, size).astype(int).tolist()
    return (x0, y0, x1, y1) if x0 < x1 and y0 < y1 else None


def warp(
    pixels: UInt8,
    to_source: Affine,
    size: int | tuple[int, int],
    fill: Literal["edge"] | int = "edge",
) -> UInt8:
    """Resample the source: output pixel p is the source at `to_source` p.

    `pixels`: uint8 [H, W, 3].  `to_source`: [2, 3], output pixel -> source pixel.
    `size`: side or (width, height).  Returns uint8 [height, width, 3].
    Outside the source its edge is repeated, or `fill` is shown as a grey level.
    Anti-aliased: block means of the source, then Lanczos.  A rotation samples (nearest neighbour) a
    source upsampled to `SUBPIXELS` samples per output pixel: Pillow's own rotations round down
    (bilinear) or amplify texture by a tenth (bicubic, of slope -1).
    """
    width, height = (size, size) if isinstance(size, int) else size
    part, to_part = _region(pixels, to_source, (width, height), fill)
    step = compose(to_part, to_source)
    if _is_axis_aligned(step):
        edges = apply(step, np.array([[-0.5, -0.5], [width - 0.5, height - 0.5]])) + 0.5
        box = (edges[0, 0], edges[0, 1], edges[1, 0], edges[1, 1])
        return np.asarray(part.resize((width, height), Image.Resampling.LANCZOS, box=box))
    scale_x, scale_y = (SUBPIXELS / length for length in _row_norms(step))
    fine = (max(1, round(part.width * scale_x)), max(1, round(part.height * scale_y)))
    to_fine = scaling(fine[0] / part.width, fine[1] / part.height)
    from_oversampled = compose(
        scaling(1 / OVERSAMPLING, 1 / OVERSAMPLING),
        translation(-OVERSAMPLING * LANCZOS_RADIUS, -OVERSAMPLING * LANCZOS_RADIUS),
    )
    oversampled = part.resize(fine, Image.Resampling.LANCZOS).transform(
        (OVERSAMPLING * (width + 2 * LANCZOS_RADIUS), OVERSAMPLING * (height + 2 * LANCZOS_RADIUS)),
        Image.Transform.AFFINE,
        pillow_coefficients(compose(to_fine, compose(step, from_oversampled))),
        Image.Resampling.NEAREST,
    )
    edge = OVERSAMPLING * LANCZOS_RADIUS
    inner = (edge, edge, edge + OVERSAMPLING * width, edge + OVERSAMPLING * height)
    return np.asarray(oversampled.resize((width, height), Image.Resampling.LANCZOS, box=inner))


def warp_quick(pixels: UInt8, to_source: Affine, size: int) -> UInt8:
    """As `warp`, the edge repeated, for what a network looks at: a fifth of the time, a little softer.

    Block means of the source, at most two of them an output pixel, then bilinear. `size`: side.
    """
    part, to_part = _region(pixels, to_source, (size, size), "edge", QUICK_BLOCKS)
    seen = pillow_coefficients(compose(to_part, to_source))
    # In floats, since Pillow rounds bytes down.
    bands = [
        band.convert("F").transform(
            (size, size), Image.Transform.AFFINE, seen, Image.Resampling.BILINEAR
        )
        for band in part.split()
    ]
    return (np.stack([np.asarray(band) for band in bands], 2) + 0.5).astype(np.uint8)


def warp_float(
    values: Float32, to_source: Affine, size: tuple[int, int], *, linear: bool = False
) -> Float32:
    """Resample float values: zero outside, and exactly zero where all neighbours are zero.

    `values`: float32 [H, W, C].  `to_source`: [2, 3], output pixel -> pixel of `values`.
    `size`: (width, height).  Returns float32 [height, width, C].
    Bicubic where it upsamples, or `linear`, which is quicker; with antialiasing where it downsamples.
    """
    whole = np.empty((size[1], size[0], values.shape[2]), np.float32)
    for top, strip in warp_strips(values, to_source, size, linear=linear):
        whole[top : top + len(strip)] = strip
    return whole


def warp_strips(
    values: Float32, to_source: Affine, size: tuple[int, int], *, linear: bool = False
) -> Iterator[tuple[int, Float32]]:
    """As `warp_float`, in strips: (first row, float32 [rows, width, C]).

    Strips fit into the cache, which more than halves the time of a large picture.
    """
    rows, columns, channels = values.shape
    width, height = size
    step_x, step_y = _row_norms(to_source)
    # A separable bicubic resize to nearly the output's resolution is cheap; the slow affine step then
    # only needs to be bilinear.  Where the picture shrinks, the same resize antialiases.
    largest = 1.0 if linear else MAX_UPSCALE
    scale_x, scale_y = (min(largest, 1.0 / max(step, 1e-6)) for step in (step_x, step_y))
    fine = max(1, round(columns * scale_x)), max(1, round(rows * scale_y))
    to_fine = compose(scaling(fine[0] / columns, fine[1] / rows), to_source)
    planes = [
        Image.fromarray(np.ascontiguousarray(values[..., channel], np.float32))
        for channel in range(channels)
    ]
    if fine != (columns, rows):
        planes = [plane.resize(fine, Image.Resampling.BICUBIC) for plane in planes]
    for top in range(0, height, STRIP_ROWS):
        shifted = pillow_coefficients(compose(to_fine, translation(0.0, top)))
        strip = np.empty((min(STRIP_ROWS, height - top), width, channels), np.float32)
        for channel, plane in enumerate(planes):
            strip[..., channel] = np.asarray(
                plane.transform(
                    (width, len(strip)),
                    Image.Transform.AFFINE,
                    shifted,
                    Image.Resampling.BILINEAR,
                )
            )
        yield top, strip


def block_means(pixels: UInt8, block_x: int, block_y: int) -> UInt8:
    """Block means of uint8 [H, W, 3]; blocks at the right and lower edge may be partial.

    In strips, which fit into the cache: three times faster.
    """
    if (block_x, block_y) == (1, 1):
        return pixels
    rows = block_y * max(1, STRIP_ROWS // block_y)
    strips = (pixels[top : top + rows] for top in range(0, len(pixels), rows))
    return np.concatenate(
        [np.asarray(Image.fromarray(strip).reduce((block_x, block_y))) for strip in strips]
    )


def pillow_coefficients(affine: Affine) -> Coefficients:
    """`affine` as Pillow takes it: with pixel corners instead of centres at integers."""
    (a, b, c), (d, e, f) = affine.tolist()
    return a, b, c + 0.5 - 0.5 * (a + b), d, e, f + 0.5 - 0.5 * (d + e)


def _row_norms(rows: Affine) -> tuple[float, float]:
    """Norms of the rows of the linear part."""
    return math.hypot(rows[0][0], rows[0][1]), math.hypot(rows[1][0], rows[1][1])


def _is_axis_aligned(affine: Affine) -> bool:
    """Whether `affine` neither rotates nor mirrors."""
    (a, b, _), (c, d, _) = affine.tolist()
    return bool(a > 0 and d > 0 and max(abs(b), abs(c)) <= 1e-9 * max(a, d))


@dataclass(frozen=True, slots=True)
class _Span:
    """Source range along one axis: pixels [first, end), and edge blocks to repeat before and after.

    `origin`: source coordinate where the padded range starts; it may lie outside, or between pixels.
    """

    first: int
    end: int
    before: int
    after: int
    origin: float

    @staticmethod
    def covering(low: float, high: float, length: int, block: int) -> "_Span":
        low, high = low - 2 * block, high + 2 * block  # whole blocks, and the kernel's support
        if high < 0 or low > length:  # outside the source: its edge pixel alone
            first = 0 if high < 0 else length - 1
            return _Span(first, first + 1, math.ceil((high - low) / block), 0, low)
        first = max(0, math.floor(low))
        end = min(length, max(first + 1, math.ceil(high)))
        first = min(first, end - 1)
        before = max(0, math.ceil((first - low) / block))
        after = max(0, math.ceil((high - end) / block))
        return _Span(first, end, before, after, first - before * block)


def _region(
    pixels: UInt8,
    to_source: Affine,
    size: tuple[int, int],
    fill: Literal["edge"] | int,
    min_blocks: float = MIN_BLOCKS,
) -> tuple[Image.Image, Affine]:
    """Block means of the part of the source that an output of `size` needs.

    `min_blocks`: that remain for each output pixel, at least. Returns the part, padded where the output
    lies outside, and the map source pixel -> part pixel.
    """
    block_x, block_y = (max(1, int(length / min_blocks)) for length in _row_norms(to_source))
    low, high = -0.5 - LANCZOS_RADIUS, np.array(size) - 0.5 + LANCZOS_RADIUS
    seen = apply(to_source, np.array([[x, y] for x in (low, high[0]) for y in (low, high[1])]))
    (left, top), (right, bottom) = seen.min(axis=0), seen.max(axis=0)
    x = _Span.covering(left, right, pixels.shape[1], block_x)
    y = _Span.covering(top, bottom, pixels.shape[0], block_y)
    part = block_means(pixels[y.first : y.end, x.first : x.end], block_x, block_y)
    if x.before or x.after or y.before or y.after:
        pad = ((y.before, y.after), (x.before, x.after), (0, 0))
        part = (
            np.pad(part, pad, mode="edge")
            if fill == "edge"
            else np.pad(part, pad, constant_values=fill)
        )
    to_part = scaling(1.0 / block_x, 1.0 / block_y)
    to_part[:, 2] -= [x.origin / block_x, y.origin / block_y]
    return Image.fromarray(part), to_part
