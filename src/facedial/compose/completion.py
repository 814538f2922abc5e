"""What lies behind something, continued: each missing place gets a place beside it to be copied from.

Patches of the missing part are matched to those of what is known, coarse to fine, and vote for its
colours (Wexler, Shechtman and Irani 2007, "Space-time completion of video"), by randomised correspondence
(Barnes et al. 2009, "PatchMatch"). The result is not colours but places, so that a photo is continued
with its own pixels, at its own sharpness, however large it is.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from facedial.arrays import Floats
from facedial.compose.inpaint import BEHIND, continued, fill
from facedial.compose.masks import box_mean
from facedial.faces.parse import Bools

Places = NDArray[np.intp]
Moved = TypeVar("Moved", bound=np.generic)

REACH = 3  # of a patch around its middle, px: patches of 7, as in Barnes et al.
COARSEST = 32  # side of the coarsest level
# From the coarsest level on: rounds of matching and voting; passes of matching a round; random places
# tried a pass, each nearer than the one before.
EFFORT = ((6, 2, 4), (4, 2, 4), (2, 1, 3), (1, 1, 1))
NEARER = 2.5  # times as near is each random place tried as the one before
# What a place costs that is a side away, on the scale of distances (`matched`): what is near is likelier.
FAR = 600.0
LEAST_SOURCES = 30  # middles of patches that are known, below which a level is left out
SEED = 0
RIM, SMOOTH = 10, 4  # px around what is missing, and of means, of `meeting`
MOST = 30.0  # levels by which it changes what is copied
WHOLE = 1 - 1e-4  # share of a patch that is known, of those that are known wholly, in floats
# Votes count by how near patches are, over this percentile of it, and at least a little.
USUAL, LEAST_VOTE = 75, 1e-4


@dataclass(frozen=True, slots=True, eq=False)
class _Level:
    """A size of the picture: its colours, what is known and what is missing."""

    picture: Floats
    known: Bools
    missing: Bools


def sources(picture: Floats, known: Bools, missing: Bools) -> tuple[Places, Places] | None:
    """Row and column, int [S, S], of the known place that a missing one is copied from; others their own.

    `picture` float32 [S, S, 3] in levels, S a power of two times 32; `known`, `missing` bool [S, S]: what
    is both is known, and what is neither, such as a person's face, is not copied, nor is what is missing
    compared with it. None where too little is known, and where nothing is missing. The same arguments
    give the same places.
    """
    rng = np.random.default_rng(SEED)
    levels = [_Level(np.asarray(picture, np.float32), known, missing & ~known)]
    while len(levels[-1].known) > COARSEST:
        levels.append(_halved(levels[-1]))
    found: tuple[Places, Places] | None = None
    for number, level in enumerate(levels[::-1]):
        matcher = _Matcher.of(level)
        if matcher is None:
            found = None
            continue
        middle = matcher.started(found, rng)
        if found is None:
            colours = fill(level.picture, level.known.astype(np.float32), BEHIND)
        else:
            colours = matcher.voted(middle, None)
        rounds, *effort = EFFORT[min(number, len(EFFORT) - 1)]
        for _ in range(rounds):
            middle, apart = matcher.matched(colours, middle, effort, rng)
            colours = matcher.voted(middle, apart)
        found = matcher.whole(middle)
    return found


def meeting(picture: Floats, missing: Bools, known: Bools, copied: tuple[Places, Places]) -> Floats:
    """What copied colours lack of the known ones at the rim of what is missing, continued [S, S, 3].

    So that a wall that is lit from one side has no step there. Limited, since the rim may be an edge.
    """
    rows, columns = np.mgrid[: len(known), : len(known)]
    down, across = (
        np.where(missing, one - own, 0) for one, own in zip(copied, (rows, columns), strict=True)
    )
    has = missing.copy()
    for _ in range(RIM):  # what lies beside is copied as its neighbour is
        for axis, by in product((0, 1), (1, -1)):
            beside = _moved(has, axis, by) & ~has
            down, across = (np.where(beside, _moved(one, axis, by), one) for one in (down, across))
            has |= beside
    there = tuple(
        np.clip(own + one, 0, len(known) - 1)
        for own, one in zip((rows, columns), (down, across), strict=True)
    )
    rim = has & known & known[there]
    return continued(picture - picture[there], rim.astype(np.float32), SMOOTH, (-MOST, MOST))


def _moved(plane: NDArray[Moved], axis: int, by: int) -> NDArray[Moved]:
    """A plane moved by a pixel along an axis, zero or false where it comes from beyond the edge."""
    found = np.zeros_like(plane)
    to, source = (slice(1, None), slice(None, -1)) if by > 0 else (slice(None, -1), slice(1, None))
    if axis == 0:
        found[to] = plane[source]
    else:
        found[:, to] = plane[:, source]
    return found


def _halved(level: _Level) -> _Level:
    """Half the size: means of what is known. Known is where most of a block is, missing where any is."""
    weight = level.known[..., None].astype(np.float32)

    def sums(values: Floats) -> Floats:
        half = len(values) // 2
        return np.asarray(values.reshape(half, 2, half, 2, -1).sum((1, 3)), np.float32)

    count = sums(weight)
    picture = sums(level.picture * weight) / np.maximum(count, 1)
    plain = sums(level.picture) / 4
    missing = sums(level.missing[..., None].astype(np.float32))[..., 0] > 0
    known = (count[..., 0] >= 3) & ~missing
    return _Level(np.where(count > 0, picture, plain).astype(np.float32), known, missing)


@dataclass(frozen=True, slots=True, eq=False)
class _Matcher:
    """The missing places of a level [N], and the middles of known patches that they may be copied from.

    Places are numbers in the picture with a border of `REACH`, row by row, `width` a row. `allowed`: of
    each number, whether it is the middle of a known patch; `order`: of a missing place, its number among
    them, else -1; `counts` [N, P]: which places of a missing patch are compared; `examples`
    [., 3]: the picture's colours by number.
    """

    level: _Level
    width: int
    places: Places
    allowed: Bools
    choices: Places
    order: Places
    around: Places
    counts: Floats
    examples: Floats

    @staticmethod
    def of(level: _Level) -> "_Matcher | None":
        side = len(level.known)
        width = side + 2 * REACH
        reach = np.arange(-REACH, REACH + 1)
        around = (reach[:, None] * width + reach).reshape(-1)
        inner = np.zeros((width, width), np.bool_)
        known = inner.copy()
        known[REACH:-REACH, REACH:-REACH] = level.known
        whole = box_mean(level.known.astype(np.float32), REACH) > WHOLE
        whole[:REACH] = whole[-REACH:] = False
        whole[:, :REACH] = whole[:, -REACH:] = False
        inner[REACH:-REACH, REACH:-REACH] = whole
        allowed = inner.reshape(-1)
        choices = np.flatnonzero(allowed)
        rows, columns = np.nonzero(level.missing)
        if len(choices) < LEAST_SOURCES or not len(rows):
            return None
        places = (rows + REACH) * width + columns + REACH
        order = np.full(width * width, -1, np.intp)
        order[places] = np.arange(len(places))
        seen = (known.reshape(-1) | (order >= 0))[places[:, None] + around]
        counts = seen.astype(np.float32)
        examples = _flat(level.picture)
        return _Matcher(level, width, places, allowed, choices, order, around, counts, examples)

    def started(self, before: tuple[Places, Places] | None, rng: np.random.Generator) -> Places:
        """Middles [N] to begin with: those of the level before, or any."""
        middle = self.choices[rng.integers(len(self.choices), size=len(self.places))]
        if before is None:
            return middle
        rows, columns = np.divmod(self.places, self.width)
        rows, columns = rows - REACH, columns - REACH
        above = rows // 2, columns // 2
        near = 2 * before[0][above] + rows % 2 + REACH, 2 * before[1][above] + columns % 2 + REACH
        number = near[0] * self.width + near[1]
        return np.where(self.allowed[number], number, middle)

    def matched(
        self, colours: Floats, middle: Places, effort: Sequence[int], rng: np.random.Generator
    ) -> tuple[Places, Floats]:
        """Middles [N] that fit better, and their distances [N], for missing `colours`.

        A distance is the mean of squared levels over a patch, summed over channels, and a place's cost.
        `effort`: passes, and random places tried in each.
        """
        flat = _flat(colours)
        own = flat[self.places[:, None] + self.around]
        total = self.counts.sum(1)
        own_rows, own_columns = np.divmod(self.places, self.width)
        far = FAR / len(self.level.known) ** 2

        def apart(which: Places, candidates: Places) -> Floats:
            difference = own[which] - self.examples[candidates[:, None] + self.around]
            squared = np.einsum("npc,npc->np", difference, difference)
            rows, columns = np.divmod(candidates, self.width)
            away = (rows - own_rows[which]) ** 2 + (columns - own_columns[which]) ** 2
            alike = (squared * self.counts[which]).sum(1) / total[which]
            return np.asarray(alike + far * away, np.float32)

        everything = np.arange(len(self.places))
        best = apart(everything, middle)
        middle = middle.copy()

        def tried(which: Places, candidates: Places) -> None:
            fits = self.allowed[candidates] & (candidates != middle[which])
            which, candidates = which[fits], candidates[fits]
            if not len(which):
                return
            distance = apart(which, candidates)
            nearer = distance < best[which]
            middle[which[nearer]], best[which[nearer]] = candidates[nearer], distance[nearer]

        steps = np.array([1, -1, self.width, -self.width])
        passes, tries = effort
        for _ in range(passes):
            for step in steps:
                beside = self.order[self.places + step]
                has = np.flatnonzero(beside >= 0)
                tried(has, middle[beside[has]] - step)
            reach = len(self.level.known) / 4
            for _ in range(tries):
                away = np.rint(rng.uniform(-reach, reach, (2, len(middle)))).astype(np.intp)
                rows, columns = np.divmod(middle, self.width)
                rows = np.clip(rows + away[0], 0, self.width - 1)
                columns = np.clip(columns + away[1], 0, self.width - 1)
                tried(everything, rows * self.width + columns)
                reach /= NEARER
        return middle, best

    def voted(self, middle: Places, apart: Floats | None) -> Floats:
        """Colours [S, S, 3] of a level, the missing ones by all patches that hold them."""
        weight = np.ones(len(middle), np.float32)
        if apart is not None:
            weight = (
                np.exp(-apart / (2 * np.percentile(apart, USUAL) + 1)).astype(np.float32)
                + LEAST_VOTE
            )
        sums = np.zeros((len(middle), 3), np.float32)
        total = np.zeros((len(middle), 1), np.float32)
        for step in self.around:
            patch = self.order[self.places - step]
            has = np.flatnonzero(patch >= 0)
            share = weight[patch[has], None]
            sums[has] += share * self.examples[middle[patch[has]] + step]
            total[has] += share
        colours = self.level.picture.copy()
        colours[self.level.missing] = sums / total
        return colours

    def whole(self, middle: Places) -> tuple[Places, Places]:
        """Row and column [S, S] that each place is copied from."""
        side = len(self.level.known)
        rows, columns = np.mgrid[:side, :side]
        found = np.divmod(middle, self.width)
        rows[self.level.missing] = found[0] - REACH
        columns[self.level.missing] = found[1] - REACH
        return rows, columns


def _flat(picture: Floats) -> Floats:
    """Colours [., 3] by the numbers of places; the border repeats the edge."""
    ends = ((REACH, REACH), (REACH, REACH), (0, 0))
    return np.pad(picture, ends, mode="edge").reshape(-1, 3)
