"""A fringe of a person's own hair: what lies above the forehead is drawn down over it.

A fringe that is drawn at 128 px is a grey veil on dark hair and a mop on short hair. The photo shows what
this person's hair looks like, so what lies above the forehead is stretched down to the brows, column by
column: colours and light are its own. Farther down drawn strands of its own contrast take over from the
stretched ones, which may run sideways, and end in tips. Rows, columns and lengths are pixels of a head
crop of 256 px.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from facedial.arrays import LUMA, Bytes, Doubles, Floats
from facedial.compose.features import brow_row
from facedial.compose.maps import on_map
from facedial.compose.masks import box_mean, box_means, smoothstep
from facedial.compose.mouth import sampled
from facedial.faces.parse import SIDE

HAIR, SURELY = 0.5, 0.9  # matte that is hair, and nothing else
# Where hair begins and ends.
FOREHEAD = 0.8  # distances of the eyes to each side of the middle
GAP = 4  # px without hair that a column of it may have
LEAST_HAIR = 12.0  # px of a column: less is the shade on a bald head
MOST_BARE = 0.25  # share of the forehead's columns that may show less
LEAST_INSIDE = 0.5  # share of them that must lie in the photo
LINE, TOP = (9, 2), (9, 4)  # px: median, and reach of the means, of both ends of hair
# Where a fringe ends, px below the brows: at the middle, lower at the sides, higher at a notch.
BELOW_BROWS, LOWER_AT_SIDES, NOTCH = 5.0, 9.0, 3.0
HALF_WIDTH = 0.9  # in distances of the eyes
NOTCH_AT, NOTCH_WIDTH = 0.25, 0.18  # of the half width
SIDES = 1.05, 1.3  # of the half width: from where to where it ends at the sides
BARE = 0.3, 0.7  # share of skin in a column from which on it gets some of a fringe, and all of it
FARTHEST = 2.5  # of the hair above the forehead, that hair reaches below it at most
LEAST, WHOLE = 1.0, 8.0  # px below the hairline from which on there is a fringe, and a whole one
# How it falls.
STAYS_ABOVE = 0.15  # share of hair, from its top, that never moves
MOVES_ABOVE = 1.6  # times the length of a fringe: how far above the line hair moves
INSIDE = 3.0  # px above the line that the tips show
AT_LINE = -12.0, -4.0  # px below the line from where to where skin between old strands is covered
# Of the way down, px, px: strands fall aside, not straight.
SWAY, WAVE, WAVE_LENGTH = 0.16, 1.5, 15.0
# Hair is parted where the forehead shows highest, by so many px (from, wholly) over its sides. There it
# falls to both sides: by so much of the way down, so far from there, in half widths of a fringe.
PARTS, ASIDE, ASIDE_BY = (2.0, 8.0), 0.45, 0.7
AT_TOP = 2.0  # px below the highest place over which columns count for where that is
SWAYS_AFTER, SWAYS_WHOLLY = 12.0, 20.0  # px below the line; length of a fringe
FINE, MIDDLE = 0.45, 1.3  # px: widths of strands and of what hangs together
TUFTS = 4.0, 11.0  # px: widths of what ends together
# Share of the length by which tips end sooner: of tufts, at their sides, in them, and single strands.
SHORTER, POINTED, UNEVEN, UNEVEN_FINE = 0.10, 0.12, 0.05, 0.03
LONG, LEAST_TIPS = 25.0, 0.2  # px: a fringe with whole tips; share of them that the shortest has
SOFT, SOFTER, SOFTER_FROM = 1.0, 7.0, 0.3  # px over which tips fade, and of the way
THIN, THIN_FROM = 0.75, 0.45  # depth of gaps between strands, and from where of the way on
# What it looks like.
COARSE = 64  # pixels along the side at which colours without detail are kept
STEP = SIDE // COARSE
NEAR, AROUND = 1, 3  # of these, three times: what is coloured alike, at the line and farther down
PRIOR = 0.02  # share of hair that the usual colour counts as
# Times the median luma of hair, and levels: what is brighter is none, as the skin of a parting.
PARTED, MORE_PARTED, PARTED_LEVELS = 1.4, 1.8, 20.0
LENGTHS, LENGTHS_BY = 0.6, 0.7  # share of colours from around at the tips, and where of the way
DARKER_DETAIL, LIGHTER_DETAIL = 2.5, 1.3  # deviations of the detail that stays
DETAIL_BEGINS = 10.0  # px below where hair begins to move: until then all detail stays
KEPT, DETAIL_ENDS = (
    0.25,
    (0.15, 0.75),
)  # share of the stretched detail at the tips; of all that moves
STRANDS_BEGIN = 0.1, 0.6  # of all that moves: from where to where strands are drawn
MOST_DETAIL, OF_LUMA = 11.0, 0.25  # levels, and of luma: the deviation of strands at most
STRAND, TUFT = 0.8, 0.6  # of that deviation, by which strands and tufts differ
WARM = np.array([1.0, 0.95, 0.85], np.float32)  # light of strands
LIGHTEST = 1.35  # luma over that of the skin below: hair that is lit from behind is not so in front
DIMMED_BY = 0.5  # of the way
SHADOW, SHADOW_BELOW, SHADOW_REACH = 0.3, 3.0, 2.0  # share of light; px; px


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """What a head crop shows: `pixels` uint8 [256, 256, 3], and `eyes` [2, 2].

    `hair`, `skin`, `brows`: shares [256, 256], 0..1. `inside`: 1 where it shows the photo, else 0.
    """

    pixels: Bytes
    hair: Floats
    skin: Floats
    brows: Floats
    inside: Floats
    eyes: Doubles


class Columns(NamedTuple):
    """By column of the crop [256], px: first and last row of hair above the forehead, and length of a
    whole fringe below it, 0 where there is none.

    `aside`: px to the right that its strands go for each px down.
    """

    top: Doubles
    line: Doubles
    drop: Doubles
    aside: Doubles


class Colours(NamedTuple):
    """Colours of hair without detail, and how it is lit.

    `near`: levels [64, 64, 6], near each place and farther around it. `deviation`: of detail, levels of
    luma. `skin`: luma of the skin under a fringe.
    """

    near: Floats
    deviation: float
    skin: float


class Fringe(NamedTuple):
    """Levels [h, w, 3], how much of each place they cover [h, w], and the share of light that they keep
    from it [h, w], both 0..1.
    """

    colours: Floats
    covers: Floats
    shade: Floats


def columns(seen: Seen) -> Columns | None:
    """Where hair is and how far a fringe would hang; None where no hair is seen above the forehead."""
    across = float(np.hypot(*(seen.eyes[1] - seen.eyes[0])))
    middle, brow = float(seen.eyes[:, 0].mean()), brow_row(seen.brows, seen.eyes)
    lowest = int(np.clip(brow, 1, SIDE - 1))
    hair = (seen.hair * seen.inside)[: lowest + 1] > HAIR
    ends = np.array([_rows_of_hair(hair[:, x]) for x in range(SIDE)])
    there = ends[:, 1] - ends[:, 0] >= LEAST_HAIR
    x = np.arange(SIDE)
    forehead = np.abs(x - middle) < FOREHEAD * across
    inside = seen.inside[lowest] > 0
    known = forehead & inside
    if known.sum() < LEAST_INSIDE * forehead.sum() or there[known].mean() < 1 - MOST_BARE:
        return None
    top, line = (
        _smoothed(np.interp(x, x[there], ends[there, k]), *size)
        for k, size in enumerate((TOP, LINE))
    )
    aside = (x - middle) / (HALF_WIDTH * across)
    notch = NOTCH * np.exp(-(((aside - NOTCH_AT) / NOTCH_WIDTH) ** 2))
    length = np.maximum(brow + BELOW_BROWS + LOWER_AT_SIDES * aside**2 - notch - line, 0)
    sums = np.concatenate([np.zeros((1, SIDE)), np.cumsum(seen.skin, 0, dtype=np.float64)])
    first, last = (np.clip(one, 0, SIDE - 1).astype(int) for one in (line, line + length))
    bare = (sums[last, x] - sums[first, x]) / np.maximum(last - first, 1)
    share = _mean(smoothstep(bare, BARE).astype(np.float64), 3)
    share = share * (1 - smoothstep(np.abs(aside), SIDES)) * inside
    drop = np.minimum(_mean(length * share, 2), FARTHEST * np.maximum(line - top, 1))
    falls = _falls(x, line, known, HALF_WIDTH * across)
    return Columns(top, line, drop, falls) if drop.max() > WHOLE else None


def _falls(
    x: NDArray[np.int_], line: Doubles, known: NDArray[np.bool_], half_width: float
) -> Doubles:
    """By how much strands fall aside in each column, away from where hair is parted."""
    there, highest = line[known], float(line[known].min())
    weight = np.exp((highest - there) / AT_TOP)
    at = float((weight * x[known]).sum() / weight.sum())
    # A line that only slopes is no parting: it is lower on both sides.
    sides = (there[side] for side in (x[known] < at, x[known] > at))
    lower = min(float(np.median(one)) if len(one) else highest for one in sides)
    parted = float(smoothstep(np.array(lower - highest), PARTS))
    away = np.tanh((x - at) / (ASIDE_BY * half_width))
    return np.asarray(SWAY + parted * (ASIDE * away - SWAY), np.float64)


def _rows_of_hair(column: NDArray[np.bool_]) -> tuple[float, float]:
    """The first and the last row of the lowest run of hair in a column; NaN for none."""
    rows = np.flatnonzero(column)[::-1]
    if not len(rows):
        return np.nan, np.nan
    apart = np.flatnonzero(rows[:-1] - rows[1:] > GAP)
    return float(rows[apart[0] if len(apart) else -1]), float(rows[0])


def _smoothed(values: Doubles, median: int, reach: int) -> Doubles:
    padded = np.pad(values, median // 2, mode="edge")
    windows = np.lib.stride_tricks.sliding_window_view(padded, median)
    return _mean(np.median(windows, 1), reach)


def _mean(values: Doubles, reach: int) -> Doubles:
    """Means of means [N] over so many places to each side, the ends repeated."""
    kernel = np.full(2 * reach + 1, 1 / (2 * reach + 1))
    for _ in range(2):
        values = np.convolve(np.pad(values, reach, mode="edge"), kernel, "valid")
    return values


def box_of(found: Columns, share: float = 1.0) -> tuple[int, int, int, int]:
    """x0, y0, x1, y1 of the crop outside which a share of a fringe changes nothing, half-open."""
    drop = share * found.drop
    x = np.flatnonzero(found.drop > LEAST / 2)
    around = 3 * SHADOW_REACH
    first = found.line - np.maximum(MOVES_ABOVE * drop, -AT_LINE[0]) - 2
    last = found.line + drop + INSIDE + SHADOW_BELOW + around
    low, high = (x[0] - around, first[x].min()), (x[-1] + 1 + around, last[x].max() + 2)
    x0, y0 = np.floor(low).clip(0).astype(int).tolist()
    x1, y1 = np.ceil(high).clip(max=SIDE).astype(int).tolist()
    return x0, y0, x1, y1


def colours(seen: Seen, found: Columns) -> Colours:
    """What colours a fringe has: near each place, and farther around it, since roots are darker."""
    pixels = seen.pixels.astype(np.float32)
    luma = pixels @ LUMA
    hair = seen.hair * seen.inside
    hair = hair * (hair > HAIR)
    sure = hair > SURELY
    usual = np.median(pixels[sure], 0) if sure.any() else np.zeros(3, np.float32)
    parted, whole = (k * float(usual @ LUMA) + PARTED_LEVELS for k in (PARTED, MORE_PARTED))
    hair = hair * smoothstep(luma, (whole, parted))
    rows = np.arange(SIDE)[:, None]
    above = rows < found.line[None] + 2
    planes = []
    for weight, reach in ((hair * above, NEAR), (hair, AROUND)):
        means = np.concatenate([weight[..., None], weight[..., None] * pixels], 2)
        means = means.reshape(COARSE, STEP, COARSE, STEP, 4).mean((1, 3))
        for _ in range(3):
            means = box_means(means, reach)
        # Where none is near, the usual colour.
        planes.append((means[..., 1:] + PRIOR * usual) / (means[..., :1] + PRIOR))
    near = np.concatenate(planes, 2).astype(np.float32)
    deviation = 0.0
    y, x = np.nonzero(sure & above)
    if len(y):
        smooth = on_map(near[..., :3], np.stack([x, y], 1).astype(np.float64))
        deviation = float(np.percentile(np.abs((pixels[y, x] - smooth) @ LUMA), 68))
    under = (rows > found.line[None]) & (rows < (found.line + found.drop)[None])
    skin = luma[under & (seen.skin > SURELY)]
    return Colours(near, deviation, float(np.median(skin)) if len(skin) else 255.0)


def grown(
    seen: Seen, found: Columns, hair: Colours, share: float, pixels: Bytes, scale: int
) -> Fringe:
    """A share 0..1 of a fringe's length in `box_of` it, [h * scale, w * scale].

    `pixels` uint8 [h * scale, w * scale, 3]: the photo there. The same every time.
    """
    x0, y0, x1, y1 = box_of(found, share)
    rows, across = (np.mgrid[: (y1 - y0) * scale, : (x1 - x0) * scale] + 0.5) / scale - 0.5
    rows, across = rows + y0, across + x0
    chance = _chance()

    def by_column(values: Doubles, at: Doubles) -> Doubles:
        return np.interp(at.ravel(), np.arange(SIDE), values).reshape(at.shape)

    drop = share * found.drop
    own = by_column(drop, across)
    down = np.maximum(rows - by_column(found.line, across), 0)
    sways = by_column(found.aside, across) * down + WAVE * np.sin(rows / WAVE_LENGTH + 1)
    sways = sways * np.clip(down / SWAYS_AFTER, 0, 1) * np.minimum(own / SWAYS_WHOLLY, 1)
    at = across - sways
    top, line, length = (by_column(one, at) for one in (found.top, found.line, drop))
    way = np.clip((rows - line) / np.maximum(length, 1), 0, 1.2)
    strand, tuft = chance.strand(at), chance.tuft(at)
    short = SHORTER * tuft + POINTED * chance.beside(at) ** 2
    short += UNEVEN * np.abs(chance.middle(at)) + UNEVEN_FINE * chance.fine(at)
    short *= length * np.clip(length / LONG, LEAST_TIPS, 1)
    soft = SOFT + SOFTER * smoothstep(way, (SOFTER_FROM, 1.0))
    falls = smoothstep((line + length - short + INSIDE - rows) / soft, (0.0, 1.0))
    gaps = smoothstep(way, (THIN_FROM, 1.0)) * smoothstep(-strand, (-0.2, 1.2))
    falls = falls * (1 - THIN * gaps) * smoothstep(own, (LEAST, WHOLE))
    # What is above the line moves with it, where it is hair. At the old line skin shows between the last
    # strands; the new ones cover it.
    starts = np.maximum(top + STAYS_ABOVE * (line - top), line - MOVES_ABOVE * length)
    moves = (rows > starts) & (length > LEAST / 2)
    matte, bare = np.moveaxis(sampled(np.stack([seen.hair, seen.skin], 2), across, rows), 2, 0)
    above = np.maximum(matte, smoothstep(rows - line, AT_LINE))
    above = above * smoothstep(length, (LEAST / 2, WHOLE)) * moves
    covers = np.asarray(np.where(rows > line, falls, above), np.float32)
    stretch = np.maximum((line - INSIDE - starts) / np.maximum(line + length - starts, 1), 0)
    places = np.where(moves, at, across), np.where(moves, starts + (rows - starts) * stretch, rows)
    near = on_map(hair.near, np.stack(places, 2))
    around = LENGTHS * smoothstep(way, (0.0, LENGTHS_BY))[..., None]
    base = near[..., :3] + around * (near[..., 3:] - near[..., :3])
    shown = sampled(pixels, *((places[k] - (x0, y0)[k] + 0.5) * scale - 0.5 for k in range(2)))
    luma = (base @ LUMA)[..., None]
    dimmed = np.minimum(1, LIGHTEST * hair.skin / np.maximum(luma, 1))
    base = base * (1 + smoothstep(way, (0.0, DIMMED_BY))[..., None] * (dimmed - 1))
    spread = hair.deviation
    detail = np.clip(shown - base, -DARKER_DETAIL * spread, LIGHTER_DETAIL * spread)
    moved = np.clip((rows - starts) / np.maximum(line + length - starts, 1), 0, 1)
    detail = detail * (1 - (1 - KEPT) * smoothstep(moved, DETAIL_ENDS))[..., None]
    whole = 1 - smoothstep(rows - starts, (0.0, DETAIL_BEGINS))[..., None]
    detail = detail + whole * (shown - base - detail)
    light = STRAND * np.clip(strand, -2, 2) + TUFT * (tuft - 0.5)
    light = light * np.minimum(min(spread, MOST_DETAIL), OF_LUMA * (base @ LUMA))
    light = (smoothstep(moved, STRANDS_BEGIN) * light)[..., None] * WARM
    below = np.roll(covers * (rows > line), round(SHADOW_BELOW * scale), 0)
    reach = round(SHADOW_REACH * scale)
    cast = box_mean(box_mean(below, reach), reach)
    shade = SHADOW * cast * (1 - covers) * (rows > line) * bare
    return Fringe(
        np.asarray(base + detail + light, np.float32), covers, np.asarray(shade, np.float32)
    )


class _Chance:
    """Noise by column of the crop: strands, and tufts that end together. The same every time."""

    STEPS = 4  # to a pixel

    def __init__(self) -> None:
        rng = np.random.default_rng(3)
        self._fine, self._middle = (self._of(rng, width) for width in (FINE, MIDDLE))
        self._widths = rng.uniform(*TUFTS, int(2 * SIDE / sum(TUFTS)) + 20)
        self._ends = np.cumsum(self._widths) - TUFTS[1]
        self._lengths = rng.uniform(0, 1, len(self._widths))

    def _of(self, rng: np.random.Generator, width: float) -> Doubles:
        values = _mean(rng.standard_normal(SIDE * self.STEPS), max(1, round(width * self.STEPS)))
        return np.asarray(values / values.std(), np.float64)

    def _at(self, values: Doubles, x: Doubles) -> Doubles:
        return np.interp(x.ravel(), np.arange(len(values)) / self.STEPS, values).reshape(x.shape)

    def fine(self, x: Doubles) -> Doubles:
        return self._at(self._fine, x)

    def middle(self, x: Doubles) -> Doubles:
        return self._at(self._middle, x)

    def strand(self, x: Doubles) -> Doubles:
        return 0.7 * (self.fine(x) + self.middle(x))

    def _number(self, x: Doubles) -> NDArray[np.intp]:
        found = np.searchsorted(self._ends, x.ravel()).reshape(x.shape)
        return np.clip(found, 1, len(self._ends) - 1)

    def tuft(self, x: Doubles) -> Doubles:
        """By how much the tuft of each place is shorter, 0..1."""
        return self._lengths[self._number(x)]

    def beside(self, x: Doubles) -> Doubles:
        """-1 to 1 from side to side of each tuft."""
        number = self._number(x)
        return np.clip(2 * (x - self._ends[number - 1]) / self._widths[number] - 1, -1, 1)


@lru_cache(maxsize=1)
def _chance() -> _Chance:
    return _Chance()
