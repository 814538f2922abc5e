"""What lies behind something, continued: each missing place gets a place beside it to be copied from.

Patches of the missing part are matched to those of what is known, coarse to fine, and vote for its
colours (Wexler, Shechtman and Irani 2007, "Space-time completion of video"), by randomised correspondence
(Barnes et al. 2009, "PatchMatch"). The result is not colours but places, so that a photo is continued
with its own pixels, at its own sharpness, however large it is.
"""

from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from facedial.arrays import Floats
from facedial.compose.inpaint import BEHIND, fill
from facedial.compose.masks import box_mean, box_means

Bools = NDArray[np.bool_]
Places = NDArray[np.intp]

REACH = 3  # of a patch around its middle, px
COARSEST = 32  # side of the coarsest level
# From the coarsest level on: rounds of matching and voting; passes of matching a round; random places
# tried a pass, each nearer than the one before.
EFFORT = ((6, 2, 4), (4, 2, 4), (2, 1, 3), (1, 1, 1))
NEARER = 2.5
FAR = 600.0  # squared levels that a place costs which is a side away: what is near is likelier
LEAST_SOURCES = 30  # middles of patches that are known, below which a level is left out
SEED = 0
RIM, SMOOTH, MOST = 10, 4, 30.0  # px around what is missing, px of means, and levels: of `meeting`


@dataclass(frozen=True, slots=True, eq=False)
class _Level:
    """A size of the picture: its colours, what is known and what is missing."""

    picture: Floats
    known: Bools
    missing: Bools


def sources(picture: Floats, known: Bools, missing: Bools) -> tuple[Places, Places] | None:
    """Row and column [S, S] of the known place that each missing one is copied from; others their own.

    `picture` [S, S, 3] in levels, S a power of two times 32; `known`, `missing` [S, S], which may leave
    places that are neither, such as a person's face: nothing is copied from them, nor is what is missing
    compared with them. None where too little is known. The same arguments give the same places.
    """
    rng = np.random.default_rng(SEED)
    levels = [_Level(np.asarray(picture, np.float32), known, missing & ~known)]
    while len(levels[-1].known) > COARSEST:
        levels.append(_halved(levels[-1]))
    found: tuple[Places, Places] | None = None
    colours: Floats | None = None
    for level, effort in zip(levels[::-1], EFFORT, strict=False):
        matcher = _Matcher.of(level)
        if matcher is None:
            found = None
            continue
        middle = matcher.started(found, rng)
        if colours is None or found is None:
            colours = fill(level.picture, level.known.astype(np.float32), BEHIND)
        else:
            colours = matcher.voted(middle, None)
        for _ in range(effort[0]):
            middle, apart = matcher.matched(colours, middle, effort[1:], rng)
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
            beside = np.roll(has, by, axis) & ~has
            down, across = (np.where(beside, np.roll(one, by, axis), one) for one in (down, across))
            has |= beside
    there = tuple(
        np.clip(own + one, 0, len(known) - 1)
        for own, one in zip((rows, columns), (down, across), strict=True)
    )
    rim = has & known & known[there]
    weight = rim.astype(np.float32)
    lacking = (picture - picture[there]) * weight[..., None]
    share = np.maximum(box_mean(weight, SMOOTH), 1e-3)[..., None]
    smooth = np.clip(box_means(lacking, SMOOTH) / share, -MOST, MOST)
    return fill(smooth.astype(np.float32), weight, BEHIND)


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
    them, else -1; `counts` [N, P]: which places of a missing patch are compared.
    """

    level: _Level
    width: int
    places: Places
    allowed: Bools
    choices: Places
    order: Places
    around: Places
    counts: Floats

    @staticmethod
    def of(level: _Level) -> "_Matcher | None":
        side = len(level.known)
        width = side + 2 * REACH
        reach = np.arange(-REACH, REACH + 1)
        around = (reach[:, None] * width + reach).reshape(-1)
        inner = np.zeros((width, width), np.bool_)
        known = inner.copy()
        known[REACH:-REACH, REACH:-REACH] = level.known
        whole = box_mean(level.known.astype(np.float32), REACH) > 1 - 1e-4
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
        return _Matcher(level, width, places, allowed, choices, order, around, counts)

    def started(self, before: tuple[Places, Places] | None, rng: np.random.Generator) -> Places:
        """Middles [N] to begin with: those of the level before, or any."""
        middle = self.choices[rng.integers(len(self.choices), size=len(self.places))]
        if before is None:
            return middle
        rows, columns = np.divmod(self.places, self.width)
        rows, columns = rows - REACH, columns - REACH
        last = len(self.level.known) // 2 - 1
        above = np.minimum(rows // 2, last), np.minimum(columns // 2, last)
        near = 2 * before[0][above] + rows % 2 + REACH, 2 * before[1][above] + columns % 2 + REACH
        number = near[0] * self.width + near[1]
        return np.where(self.allowed[number], number, middle)

    def matched(
        self, colours: Floats, middle: Places, effort: tuple[int, int], rng: np.random.Generator
    ) -> tuple[Places, Floats]:
        """Middles [N] that fit better, and their mean squared distances, for missing `colours`.

        `effort`: passes, and random places tried in each.
        """
        flat = self._flat(colours)
        own = flat[self.places[:, None] + self.around]
        known = self._flat(self.level.picture)
        total = np.maximum(self.counts.sum(1), 1)
        own_rows, own_columns = np.divmod(self.places, self.width)
        far = FAR / len(self.level.known) ** 2

        def apart(which: Places, candidates: Places) -> Floats:
            difference = own[which] - known[candidates[:, None] + self.around]
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
        limit = len(self.allowed) - 1
        passes, tries = effort
        for _ in range(passes):
            for step in steps:
                beside = self.order[self.places + step]
                has = np.flatnonzero(beside >= 0)
                tried(has, np.clip(middle[beside[has]] - step, 0, limit))
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
        known = self._flat(self.level.picture)
        weight = np.ones(len(middle), np.float32)
        if apart is not None:
            weight = np.exp(-apart / (2 * np.percentile(apart, 75) + 1)).astype(np.float32) + 1e-4
        sums = np.zeros((len(middle), 3), np.float32)
        total = np.full((len(middle), 1), 1e-9, np.float32)
        for step in self.around:
            patch = self.order[self.places - step]
            has = np.flatnonzero(patch >= 0)
            share = weight[patch[has], None]
            sums[has] += share * known[middle[patch[has]] + step]
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

    def _flat(self, picture: Floats) -> Floats:
        """Colours [., 3] by the numbers of places; the border repeats the edge."""
        ends = ((REACH, REACH), (REACH, REACH), (0, 0))
        return np.pad(picture, ends, mode="edge").reshape(-1, 3)
