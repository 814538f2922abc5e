"""Similarities between photo, patch and crop, and resampling of pixels along them."""

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

MARGIN = 3  # output pixels: as far as Lanczos reaches to each side
STRIP = 64  # rows averaged or drawn at a time
BLOCK = 1.5  # averaged blocks leave at least this many of them to an output pixel
GRID = 4  # a turned source is first made this many times finer than the output
DRAWN = 2  # and drawn this many times finer, so that a step to the nearest is 1/8 pixel at most
FINEST = 4  # a change is drawn at most this many times finer before the bilinear step


def fit_similarity(src: Points, dst: Points) -> Affine:
    """Similarity that takes `src` nearest to `dst` in least squares.

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
    spread = float((a * a).sum())
    if spread <= 1e-12 * (1.0 + float((src_mean * src_mean).sum())):
        raise ValueError("all source points coincide")
    cos = float((a * b).sum()) / spread
    sin = float((a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]).sum()) / spread
    linear = np.array([[cos, -sin], [sin, cos]])
    return np.column_stack([linear, dst_mean - linear @ src_mean])


def similarity(scale: float, degrees: float, source: Points, target: Points) -> Affine:
    """Similarity [2, 3] that scales and turns about `source` and puts it on `target`, both [2].

    Positive `degrees` turn clockwise as seen, because y points down.
    """
    cos = scale * math.cos(math.radians(degrees))
    sin = scale * math.sin(math.radians(degrees))
    linear = np.array([[cos, -sin], [sin, cos]])
    return np.column_stack([linear, np.asarray(target) - linear @ np.asarray(source)])


def scaling(x: float, y: float) -> Affine:
    """Affine [2, 3] of a picture made `x` times as wide and `y` times as high.

    Pixel edges, not pixel centres, keep their place: the left edge -0.5 stays at -0.5.
    """
    return np.array([[x, 0.0, 0.5 * x - 0.5], [0.0, y, 0.5 * y - 0.5]])


def apply(affine: Affine, points: Points) -> Points:
    """Points [..., 2] taken through `affine` [2, 3]."""
    return np.asarray(points, np.float64) @ affine[:, :2].T + affine[:, 2]


def invert(affine: Affine) -> Affine:
    """Inverse [2, 3]; raises `ValueError` where `affine` flattens the plane."""
    (a, b), (c, d) = affine[:, :2]
    det = a * d - b * c
    if not math.isfinite(det) or abs(det) <= 1e-12 * (a * a + b * b + c * c + d * d):
        raise ValueError("an affine map without inverse")
    linear = np.array([[d, -b], [-c, a]]) / det
    return np.column_stack([linear, -linear @ affine[:, 2]])


def compose(outer: Affine, inner: Affine) -> Affine:
    """Affine [2, 3] that first does `inner`, then `outer`."""
    return np.column_stack([outer[:, :2] @ inner[:, :2], apply(outer, inner[:, 2])])


def scale_of(affine: Affine) -> float:
    """Length in the target of one pixel of the source; exact for a similarity."""
    return math.sqrt(abs(float(np.linalg.det(affine[:, :2]))))


def warp(
    pixels: UInt8,
    to_source: Affine,
    size: int | tuple[int, int],
    fill: Literal["edge"] | int = "edge",
) -> UInt8:
    """Picture of `size` whose pixel p shows the source at `to_source` p.

    `pixels`: uint8 [H, W, 3].  `to_source`: [2, 3], output pixel -> source pixel.
    `size`: side or (width, height).  Returns uint8 [height, width, 3].
    Outside the source its edge is repeated, or `fill` is shown as a grey level.
    Anti-aliased: whole blocks of the source are averaged, then Lanczos brings them to the output.
    A turned map takes the nearest pixels of a grid `GRID` times finer than the output: Pillow's
    own turns round down (bilinear) or amplify texture by a tenth (bicubic, of slope -1).
    """
    width, height = (size, size) if isinstance(size, int) else size
    part, to_part = _region(pixels, to_source, (width, height), fill)
    step = compose(to_part, to_source)
    if _is_straight(step):
        edges = apply(step, np.array([[-0.5, -0.5], [width - 0.5, height - 0.5]])) + 0.5
        box = (edges[0, 0], edges[0, 1], edges[1, 0], edges[1, 1])
        return np.asarray(part.resize((width, height), Image.Resampling.LANCZOS, box=box))
    finer_x, finer_y = (GRID / length for length in _lengths(step))
    fine = (max(1, round(part.width * finer_x)), max(1, round(part.height * finer_y)))
    to_fine = scaling(fine[0] / part.width, fine[1] / part.height)
    from_drawn = compose(scaling(1 / DRAWN, 1 / DRAWN), _shift(-DRAWN * MARGIN, -DRAWN * MARGIN))
    drawn = part.resize(fine, Image.Resampling.LANCZOS).transform(
        (DRAWN * (width + 2 * MARGIN), DRAWN * (height + 2 * MARGIN)),
        Image.Transform.AFFINE,
        pillow_coefficients(compose(to_fine, compose(step, from_drawn))),
        Image.Resampling.NEAREST,
    )
    edge = DRAWN * MARGIN
    inner = (edge, edge, edge + DRAWN * width, edge + DRAWN * height)
    return np.asarray(drawn.resize((width, height), Image.Resampling.LANCZOS, box=inner))


def warp_float(values: Float32, to_source: Affine, size: tuple[int, int]) -> Float32:
    """Numbers of any sign resampled: zero outside, exactly zero amid zeros.

    `values`: float32 [H, W, C].  `to_source`: [2, 3], output pixel -> pixel of `values`.
    `size`: (width, height).  Returns float32 [height, width, C].
    Bicubic where it enlarges; averaged first where it shrinks.
    """
    whole = np.empty((size[1], size[0], values.shape[2]), np.float32)
    for top, strip in warp_strips(values, to_source, size):
        whole[top : top + len(strip)] = strip
    return whole


def warp_strips(
    values: Float32, to_source: Affine, size: tuple[int, int]
) -> Iterator[tuple[int, Float32]]:
    """As `warp_float`, some rows at a time: their first row, and float32 [rows, width, C].

    Strips stay in the cache, which more than halves the time of a large picture.
    """
    rows, columns, channels = values.shape
    width, height = size
    step_x, step_y = _lengths(to_source)
    # Separable bicubic to nearly the wanted fineness is cheap; the slow turned step then only
    # needs to be bilinear.  Where the picture shrinks this same resize averages.
    finer_x, finer_y = (min(FINEST, 1.0 / max(step, 1e-6)) for step in (step_x, step_y))
    fine = max(1, round(columns * finer_x)), max(1, round(rows * finer_y))
    to_fine = compose(scaling(fine[0] / columns, fine[1] / rows), to_source)
    planes = [
        Image.fromarray(np.ascontiguousarray(values[..., channel], np.float32)).resize(
            fine, Image.Resampling.BICUBIC
        )
        for channel in range(channels)
    ]
    for top in range(0, height, STRIP):
        shifted = pillow_coefficients(compose(to_fine, _shift(0.0, top)))
        strip = np.empty((min(STRIP, height - top), width, channels), np.float32)
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


def averaged(pixels: UInt8, block_x: int, block_y: int) -> UInt8:
    """Means of whole blocks of uint8 [H, W, 3]; those cut by the right or lower edge are partial.

    Strip by strip, because short strips stay in the cache: three times faster.
    """
    if (block_x, block_y) == (1, 1):
        return pixels
    rows = block_y * max(1, STRIP // block_y)
    strips = (pixels[top : top + rows] for top in range(0, len(pixels), rows))
    return np.concatenate(
        [np.asarray(Image.fromarray(strip).reduce((block_x, block_y))) for strip in strips]
    )


def pillow_coefficients(affine: Affine) -> Coefficients:
    """`affine` as Pillow wants it, which counts from pixel corners instead of centres."""
    (a, b, c), (d, e, f) = affine.tolist()
    return a, b, c + 0.5 - 0.5 * (a + b), d, e, f + 0.5 - 0.5 * (d + e)


def _lengths(rows: Affine) -> tuple[float, float]:
    """Lengths of the first two rows, over their first two numbers."""
    return math.hypot(rows[0][0], rows[0][1]), math.hypot(rows[1][0], rows[1][1])


def _shift(x: float, y: float) -> Affine:
    return np.array([[1.0, 0.0, x], [0.0, 1.0, y]])


def _is_straight(affine: Affine) -> bool:
    """Whether `affine` neither turns nor mirrors."""
    (a, b, _), (c, d, _) = affine.tolist()
    return bool(a > 0 and d > 0 and max(abs(b), abs(c)) <= 1e-9 * max(a, d))


@dataclass(frozen=True, slots=True)
class _Span:
    """What is needed along one axis: photo pixels [first, end) and blocks repeated on both sides.

    `origin`: the photo pixel, outside perhaps or between two, with which all that begins.
    """

    first: int
    end: int
    before: int
    after: int
    origin: float

    @staticmethod
    def covering(low: float, high: float, length: int, block: int) -> "_Span":
        low, high = low - 2 * block, high + 2 * block  # blocks are whole, and Lanczos looks aside
        if high < 0 or low > length:  # only the edge is seen, however far away
            first = 0 if high < 0 else length - 1
            return _Span(first, first + 1, math.ceil((high - low) / block), 0, low)
        first = max(0, math.floor(low))
        end = min(length, max(first + 1, math.ceil(high)))
        first = min(first, end - 1)
        before = max(0, math.ceil((first - low) / block))
        after = max(0, math.ceil((high - end) / block))
        return _Span(first, end, before, after, first - before * block)


def _region(
    pixels: UInt8, to_source: Affine, size: tuple[int, int], fill: Literal["edge"] | int
) -> tuple[Image.Image, Affine]:
    """The part of the source that an output of `size` needs, averaged over blocks.

    Returns the part, padded where the output looks outside, and source pixel -> its pixel.
    """
    block_x, block_y = (max(1, int(length / BLOCK)) for length in _lengths(to_source))
    low, high = -0.5 - MARGIN, np.array(size) - 0.5 + MARGIN
    seen = apply(to_source, np.array([[x, y] for x in (low, high[0]) for y in (low, high[1])]))
    (left, top), (right, bottom) = seen.min(axis=0), seen.max(axis=0)
    x = _Span.covering(left, right, pixels.shape[1], block_x)
    y = _Span.covering(top, bottom, pixels.shape[0], block_y)
    part = averaged(pixels[y.first : y.end, x.first : x.end], block_x, block_y)
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
