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
from facedial.compose.maps import on_map
from facedial.compose.masks import box_mean, box_means, smoothstep
from facedial.compose.mouth import sampled
from facedial.faces.parse import SIDE

HAIR, BARE = (
    0.5,
    (0.3, 0.7),
)  # matte that is hair; share of skin in a column that gets some, and all
# In distances of the eyes: brows above the eyes where none are seen; half the width of a fringe, from
# where to where it ends at the sides; and columns in which hair must be seen above the forehead.
BROWS, WIDTH, SIDES, FOREHEAD = 0.42, 0.9, (1.05, 1.3), 0.8
MOST_BARE = 0.25  # share of those columns that may show none
LEAST_HAIR = 12.0  # px of a column: less is the shade on a bald head
LEAST_BROWS, FIRST_BROW = 30, 15  # pixels of brows; percentile of their rows where they begin
BELOW, ROUND, NOTCH = 5.0, 9.0, 3.0  # px: ends below that, more so at the sides, less at a notch
PARTED = 0.25, 0.18  # the notch: its place and its width, in half widths
GAP = 4  # px without hair that a column of it may have
LINE, TOP = (9, 2), (9, 4)  # px: median, and reach of the means, of both ends of hair
FARTHEST = 2.5  # of the hair above the forehead, that hair reaches below it at most
LEAST = 1.0, 8.0  # px below the hairline from which on there is a fringe, and a whole one
FROM_TOP, REACH = (
    0.15,
    1.6,
)  # share of hair that stays, and how far above the line it moves, of its way
INSIDE = 3.0  # px above the line that the tips show
AT_LINE = -12.0, -4.0  # px below the line from which on what was between strands is covered
SWAY, WAVE, WAVE_LENGTH, SOON = (
    0.16,
    1.5,
    15.0,
    12.0,
)  # strands fall a little aside, and not straight
FINE, MIDDLE = 0.45, 1.3  # px: widths of strands and of what hangs together
CLUMPS = (4.0, 11.0)  # px: widths of tufts that end together
# Of the way down: by how much tufts end sooner at most and at their sides, and strands by chance.
SHORTER, POINTED, UNEVEN = 0.10, 0.12, (0.05, 0.03)
SOFT, THIN = (
    (1.0, 7.0),
    (0.75, 0.45),
)  # px over which tips fade; gaps between strands, and from where on
SURELY = 0.9
LIGHTEST = 1.35  # luma over that of the skin below: hair that is lit from behind is not so in front
# Times the median luma of hair, and levels: what is brighter is none, as the skin of a parting.
PARTED_LUMA = 1.4, 1.8, 20.0
LITTLE = 0.02  # share of hair around a place
COARSE = 64  # pixels along the side at which colours without detail are kept
STEP = SIDE // COARSE
NEAR, AROUND = 1, 3  # of these, three times: what is coloured alike, at the line and farther down
LENGTHS = 0.6  # share of the latter at the tips
DETAIL, KEPT = (
    (2.5, 1.3),
    0.25,
)  # of its deviation below and above that stays, and what of it at the tips
MOST_DETAIL, DARKEST = 11.0, 0.25  # levels, and of luma: the deviation that strands have at most
STRANDS, TUFTS = 0.8, 0.6  # of that deviation, by which strands and tufts differ
WARM = np.array([1.0, 0.95, 0.85], np.float32)  # light of strands
SHADOW, SHADOW_BELOW, SHADOW_REACH = 0.3, 3.0, 2.0  # share of light, and px


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """A head crop [256, 256, 3], shares [256, 256] of hair, skin and brows in it, and its eyes [2, 2]."""

    pixels: Bytes
    hair: Floats
    skin: Floats
    brows: Floats
    eyes: Doubles


class Columns(NamedTuple):
    """By column [256]: rows where hair above the forehead begins and ends, and how far a fringe hangs."""

    top: Doubles
    line: Doubles
    drop: Doubles


class Fringe(NamedTuple):
    """Levels [h, w, 3]; how much of each place they cover, and the share of light they keep from it."""

    colours: Floats
    covers: Floats
    shade: Floats


def columns(seen: Seen) -> Columns | None:
    """Where hair is and where a fringe would end; None where no hair is seen above the forehead."""
    across = float(np.hypot(*(seen.eyes[1] - seen.eyes[0])))
    middle, eyes = seen.eyes.mean(0)
    brows = np.nonzero(seen.brows > HAIR)[0]
    brow = eyes - BROWS * across if len(brows) < LEAST_BROWS else np.percentile(brows, FIRST_BROW)
    lowest = int(np.clip(brow, 1, SIDE - 1))
    ends = np.array([_hair(seen.hair[: lowest + 1, x] > HAIR) for x in range(SIDE)])
    there = ends[:, 1] - ends[:, 0] >= LEAST_HAIR
    x = np.arange(SIDE)
    if there[np.abs(x - middle) < FOREHEAD * across].mean() < 1 - MOST_BARE:
        return None
    top, line = (
        _even(np.interp(x, x[there], ends[there, k]), *size) for k, size in enumerate((TOP, LINE))
    )
    aside = (x - middle) / (WIDTH * across)
    notch = NOTCH * np.exp(-(((aside - PARTED[0]) / PARTED[1]) ** 2))
    hangs = np.maximum(brow + BELOW + ROUND * aside**2 - notch - line, 0)
    sums = np.concatenate([np.zeros((1, SIDE)), np.cumsum(seen.skin, 0, dtype=np.float64)])
    first, last = (np.clip(one, 0, SIDE - 1).astype(int) for one in (line, line + hangs))
    bare = (sums[last, x] - sums[first, x]) / np.maximum(last - first, 1)
    share = _mean(smoothstep(bare, BARE).astype(np.float64), 3) * (
        1 - smoothstep(np.abs(aside), SIDES)
    )
    drop = np.minimum(_mean(hangs * share, 2), FARTHEST * np.maximum(line - top, 1))
    return Columns(top, line, drop) if drop.max() > LEAST[1] else None


def _hair(column: NDArray[np.bool_]) -> tuple[float, float]:
    """The first and last row of hair that ends above a place, by what is hair above it; NaN for none."""
    rows = np.flatnonzero(column)[::-1]
    if not len(rows):
        return np.nan, np.nan
    apart = np.flatnonzero(rows[:-1] - rows[1:] > GAP)
    return float(rows[apart[0] if len(apart) else -1]), float(rows[0])


def _even(values: Doubles, median: int, reach: int) -> Doubles:
    padded = np.pad(values, median // 2, mode="edge")
    windows = np.lib.stride_tricks.sliding_window_view(padded, median)
    return _mean(np.median(windows, 1), reach)


def _mean(values: Doubles, reach: int) -> Doubles:
    """Means of means [N] over so many places to each side, the ends repeated."""
    kernel = np.full(2 * reach + 1, 1 / (2 * reach + 1))
    for _ in range(2):
        values = np.convolve(np.pad(values, reach, mode="edge"), kernel, "valid")
    return values


def box_of(found: Columns) -> tuple[int, int, int, int]:
    """x0, y0, x1, y1 of the crop outside which no fringe changes anything, half-open."""
    x = np.flatnonzero(found.drop > LEAST[0] / 2)
    first = found.line - REACH * found.drop
    last = found.line + found.drop + SHADOW_BELOW + 3 * SHADOW_REACH
    y0, y1 = first[x].min() - 2, last[x].max() + 2
    x0, x1 = x.min() - SHADOW_REACH * 3, x.max() + 1 + SHADOW_REACH * 3
    low, high = np.floor([x0, y0]).clip(0), np.ceil([x1, y1]).clip(max=SIDE)
    return int(low[0]), int(low[1]), int(high[0]), int(high[1])


def grown(seen: Seen, found: Columns, share: float, pixels: Bytes, scale: int) -> Fringe:
    """A share 0..1 of a fringe in `box_of`, times `scale`.

    `pixels` uint8 [h, w, 3]: the photo there. The same every time.
    """
    x0, y0, x1, y1 = box_of(found)
    rows, across = (np.mgrid[: (y1 - y0) * scale, : (x1 - x0) * scale] + 0.5) / scale - 0.5
    rows, across = rows + y0, across + x0
    noise = _noise()

    def by_column(values: Doubles, at: Doubles) -> Doubles:
        return np.interp(at.ravel(), np.arange(SIDE), values).reshape(at.shape)

    drop = share * found.drop
    own = by_column(drop, across)
    down = np.maximum(rows - by_column(found.line, across), 0)
    sways = SWAY * down + WAVE * np.sin(rows / WAVE_LENGTH + 1)
    at = across - sways * np.clip(down / SOON, 0, 1) * np.minimum(own / 20, 1)
    top, line, hangs = (by_column(one, at) for one in (found.top, found.line, drop))
    way = np.clip((rows - line) / np.maximum(hangs, 1), 0, 1.2)
    strand, tuft, beside = noise.strand(at), noise.length(at), noise.beside(at)
    # Tips: of tufts, of what hangs together in them, and of single strands.
    short = SHORTER * tuft + POINTED * beside**2 + UNEVEN[0] * np.abs(noise.middle(at))
    short = (short + UNEVEN[1] * noise.fine(at)) * hangs * np.clip(hangs / 25, 0.2, 1)
    soft = SOFT[0] + SOFT[1] * smoothstep(way, (0.3, 1.0))
    covers = smoothstep((line + hangs - short + INSIDE - rows) / soft, (0.0, 1.0))
    gaps = smoothstep(way, (THIN[1], 1.0)) * smoothstep(-strand, (-0.2, 1.2))
    covers = covers * (1 - THIN[0] * gaps) * smoothstep(own, LEAST)
    # What is above the line moves with it, where it is hair.
    starts = np.maximum(top + FROM_TOP * (line - top), line - REACH * hangs)
    stretch = (line - INSIDE - starts) / np.maximum(line + hangs - starts, 1)
    moves = (rows > starts) & (hangs > LEAST[0] / 2)
    source = np.where(moves, starts + (rows - starts) * stretch, rows)
    matte = sampled(seen.hair[..., None], across, rows)[..., 0]
    # At the old line skin shows between the last strands; the new ones cover it.
    above = np.maximum(matte, smoothstep(rows - line, AT_LINE))
    above = above * smoothstep(hangs, (LEAST[0] / 2, LEAST[1])) * moves
    covers = np.asarray(np.where(rows > line, covers, above), np.float32)
    smooth, deviation = _alike(seen, found)
    places = np.where(moves, at, across), source
    base = on_map(smooth, np.stack(places, 2))
    around = LENGTHS * smoothstep(way, (0.0, 0.7))[..., None]
    base = base[..., :3] + around * (base[..., 3:] - base[..., :3])
    fine = sampled(pixels, *((places[k] - (x0, y0)[k] + 0.5) * scale - 0.5 for k in range(2)))
    luma = (base @ LUMA)[..., None]
    dimmed = np.minimum(1, LIGHTEST * _lit(seen, found) / np.maximum(luma, 1))
    base = base * (1 + smoothstep(way, (0.0, 0.5))[..., None] * (dimmed - 1))
    detail = np.clip(fine - base, -DETAIL[0] * deviation, DETAIL[1] * deviation)
    # Where it begins to move, all of it is the photo's own.
    begins = smoothstep(rows - starts, (0.0, 10.0))[..., None]
    whole = np.clip((rows - starts) / np.maximum(line + hangs - starts, 1), 0, 1)
    stays = (1 - (1 - KEPT) * smoothstep(whole, (0.15, 0.75)))[..., None]
    light = STRANDS * np.clip(strand, -2, 2) + TUFTS * (tuft - 0.5)
    most = np.minimum(min(deviation, MOST_DETAIL), DARKEST * (base @ LUMA))
    light = smoothstep(whole, (0.1, 0.6)) * most * light
    colours = (
        base + begins * stays * detail + (1 - begins) * (fine - base) + light[..., None] * WARM
    )
    below = np.roll(covers * (rows > line), round(SHADOW_BELOW * scale), 0)
    cast = box_mean(box_mean(below, round(SHADOW_REACH * scale)), round(SHADOW_REACH * scale))
    bare = sampled(seen.skin[..., None], across, rows)[..., 0]
    shade = SHADOW * cast * (1 - covers) * (rows > line) * bare
    return Fringe(np.asarray(colours, np.float32), covers, np.asarray(shade, np.float32))


def _lit(seen: Seen, found: Columns) -> float:
    """Median luma of the skin under a whole fringe; that of white where it shows none."""
    rows = np.arange(SIDE)[:, None]
    under = (rows > found.line[None]) & (rows < (found.line + found.drop)[None])
    skin = seen.pixels[under & (seen.skin > SURELY)]
    return float(np.median(skin @ LUMA)) if len(skin) else 255.0


def _alike(seen: Seen, found: Columns) -> tuple[Floats, float]:
    """Colours of hair without its detail [64, 64, 6], and what that deviates by, in levels of luma.

    Near each place, and farther around it: at its roots hair is darker than the lengths of it.
    """
    pixels = seen.pixels.astype(np.float32)
    luma = pixels @ LUMA
    hair = seen.hair * (seen.hair > HAIR)
    sure = hair > SURELY
    usual = np.median(pixels[sure], 0) if sure.any() else np.zeros(3, np.float32)
    # Skin in a parting is no hair.
    parted = [times * float(usual @ LUMA) + PARTED_LUMA[2] for times in PARTED_LUMA[:2]]
    hair = hair * smoothstep(luma, (parted[1], parted[0]))
    above = np.arange(SIDE)[:, None] < found.line[None] + 2
    planes = []
    for weight, reach in ((hair * above, NEAR), (hair, AROUND)):
        means = np.concatenate([weight[..., None], weight[..., None] * pixels], 2)
        means = means.reshape(COARSE, STEP, COARSE, STEP, 4).mean((1, 3))
        for _ in range(3):
            means = box_means(means, reach)
        # Where none is near, the usual colour.
        planes.append((means[..., 1:] + LITTLE * usual) / (means[..., :1] + LITTLE))
    smooth = np.concatenate(planes, 2).astype(np.float32)
    rows, columns = np.nonzero(sure & above)
    if not len(rows):
        return smooth, 0.0
    near = on_map(smooth[..., :3], np.stack([columns, rows], 1).astype(np.float64))
    return smooth, float(np.percentile(np.abs((pixels[rows, columns] - near) @ LUMA), 68))


class _Noise:
    """Chance by column: strands, and tufts that end together."""

    STEPS = 4  # to a pixel

    def __init__(self) -> None:
        rng = np.random.default_rng(3)
        self._fine, self._middle = (self._of(rng, width) for width in (FINE, MIDDLE))
        widths = rng.uniform(*CLUMPS, 2 * SIDE // int(sum(CLUMPS)) + 20)
        self._ends = np.cumsum(widths) - CLUMPS[1]
        self._lengths, self._widths = rng.uniform(0, 1, len(widths)), widths

    def _of(self, rng: np.random.Generator, width: float) -> Doubles:
        reach = max(1, round(width * self.STEPS))
        values = _mean(rng.standard_normal(SIDE * self.STEPS), reach)
        return np.asarray(values / values.std(), np.float64)

    def _at(self, values: Doubles, x: Doubles) -> Doubles:
        return np.interp(x.ravel(), np.arange(len(values)) / self.STEPS, values).reshape(x.shape)

    def fine(self, x: Doubles) -> Doubles:
        return self._at(self._fine, x)

    def middle(self, x: Doubles) -> Doubles:
        return self._at(self._middle, x)

    def strand(self, x: Doubles) -> Doubles:
        return 0.7 * (self.fine(x) + self.middle(x))

    def _tuft(self, x: Doubles) -> NDArray[np.intp]:
        found = np.searchsorted(self._ends, x.ravel()).reshape(x.shape)
        return np.clip(found, 1, len(self._ends) - 1)

    def length(self, x: Doubles) -> Doubles:
        return self._lengths[self._tuft(x)]

    def beside(self, x: Doubles) -> Doubles:
        """-1 to 1 from side to side of each tuft."""
        tuft = self._tuft(x)
        return np.clip(2 * (x - self._ends[tuft - 1]) / self._widths[tuft] - 1, -1, 1)


@lru_cache(maxsize=1)
def _noise() -> _Noise:
    return _Noise()
