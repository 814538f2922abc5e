"""What a learnt flow does for codes: new faces from noise, and faces moved from wish to wish.

A flow carries noise (time 0) to the small picture of a face (time 1) under a wish: for each attribute
-1 without, 1 with it, 0 left open. Its network comes in as a callable; here is how it is asked.
"""

import itertools
from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from facedial.codes.attributes import match
from facedial.codes.code import Floats
from facedial.codes.edit import Edit
from facedial.codes.people import People
from facedial.codes.prior import check_temperature, wanted_labels
from facedial.codes.wishes import completed
from facedial.errors import BadRequest, UnknownName

# Planes float32 [N, 6, 32, 32], times [N] in 0..1, wishes [N, K] -> velocity, shaped as planes.
Velocity = Callable[[Floats, Floats, Floats], Floats]

SHAPE = (6, 32, 32)
GUIDANCE, STEPS = 2.0, 12
WISHED_GUIDANCE = 2.5  # of new faces of whom something is wished
WISHED_GUIDED = 2.3  # of those, with a guide: it strengthens what is wished too
# How far beyond a guide (more draws edges like ink), and from what time on: before, it would have a say
# in what kind of face this is, and draw faces more alike than people are.
AWAY, AWAY_SINCE = 2.0, 0.6
WISHED_AWAY, WISHED_AWAY_SINCE = 1.7, 0.5
COARSE = 0.1  # waves to a place; longer ones make backgrounds and what is odd about a face
MOVE_GUIDANCE, MOVE_STEPS, TURNING = 4.0, 6, 0.1
NEAREST = 0.5  # of what goes the whole way, in wishes of -1..1
DRAWN_AT_ONCE = 4
# Where on its way, and where in its picture, a face is looked at by `lead`; how much of its lead each log
# odds of being blurred cost; what is enough, where nothing is wished and where something is (measured at
# twelve steps); how often a face with less is begun at most.
LOOKED = (0.25, 0.51)
MIDDLE = (slice(None), slice(None), slice(9, 27), slice(8, 24))
BLURRY, BLUR, SHARPEST = "Blurry", 0.1, 1e-6
ENOUGH, WISHED_ENOUGH = 1.75, 2.0
TRIES = 3


def carry(
    velocity: Velocity, planes: Floats, wishes: Floats, *, times: tuple[float, float], steps: int
) -> Floats:
    """Planes [N, 6, 32, 32] from the first time to the second under wishes [N, K].

    By the method of Adams and Bashforth of second order: one evaluation a step, in steps that are
    smaller near both ends.
    """
    start, end = times
    share = np.linspace(0, 1, steps + 1)
    # Halfway between even steps and those of a cosine: the path bends most where it begins and ends.
    at = start + (end - start) * (share + (1 - np.cos(np.pi * share)) / 2) / 2
    before, last = None, 1.0
    for now, then in itertools.pairwise(map(float, at)):
        width = then - now
        found = velocity(planes, np.full(len(planes), now, np.float32), wishes)
        step = found
        if before is not None:
            half = np.float32(width / last / 2)
            step = found + half * (found - before)
        planes = planes + np.float32(width) * step
        before, last = found, width
    return planes


def bent(
    velocity: Velocity, guidance: float, away_from: Floats, *, across: bool = False
) -> Velocity:
    """The velocity bent away from wishes [N, K]: `guidance` times as far from theirs; 1 for not at all.

    Classifier-free guidance (Ho 2022, eq. 6), from those wishes instead of from none. `across`: bent only
    at right angles to the face it leads to; along that, guidance adds contrast (Sadat 2024, arXiv
    2410.02416, eq. 7).
    """

    def bending(planes: Floats, time: Floats, wishes: Floats) -> Floats:
        if guidance == 1 or np.array_equal(wishes, away_from):
            return velocity(planes, time, wishes)
        # Both at once: a network does two faces in less than twice the time of one.
        both = [np.concatenate(pair) for pair in ((planes,) * 2, (time,) * 2, (wishes, away_from))]
        asked, other = np.split(velocity(*both), 2)
        apart = asked - other
        if across:
            face = planes + (1 - time)[:, None, None, None] * asked
            length = np.sqrt((face * face).sum((1, 2, 3), keepdims=True)) + np.float32(1e-6)
            face = face / length
            apart = apart - (apart * face).sum((1, 2, 3), keepdims=True) * face
        return asked + np.float32(guidance - 1) * apart

    return bending


def guided(velocity: Velocity, guide: Velocity, away: float, since: float = 0.0) -> Velocity:
    """The velocity bent `away` from a lesser flow's, whose faults are those of this one, but larger.

    Autoguidance (Karras 2024, arXiv 2406.02507, eq. 4): faces grow sharper and more like faces. From the
    beginning on they grow more alike too, so it may begin at the time `since` (Kynkäänniemi 2024, arXiv
    2404.07724).
    """

    def guiding(planes: Floats, time: Floats, wishes: Floats) -> Floats:
        if time.max() < since:
            return velocity(planes, time, wishes)
        lesser = guide(planes, time, wishes)
        return lesser + np.float32(away) * (velocity(planes, time, wishes) - lesser)

    return guiding


Note = tuple[Floats, Floats]  # a flow's velocity and its guide's, at one place


def noting(velocity: Velocity, guide: Velocity, notes: list[Note]) -> Velocity:
    """The same velocity, writing down in the middle of the way what it says and what a guide says."""

    def noted(planes: Floats, time: Floats, wishes: Floats) -> Floats:
        found = velocity(planes, time, wishes)
        if LOOKED[0] <= time[0] <= LOOKED[1]:
            notes.append((found, guide(planes, time, wishes)))
        return found

    return noted


def lead(notes: Sequence[Note], way: Floats) -> Floats:
    """How much better a flow knew than its guide where its faces would end, [N].

    `way`: where they ended less where they began. By the squared errors of the face's middle: the
    logarithm of the guide's over the flow's. Where both know as little, a face is none that people
    have: its mouth is smeared, an eye is missing.
    """
    leads = np.zeros(len(way), np.float32)
    for velocities in notes:
        own, other = (((v - way)[MIDDLE] ** 2).mean((1, 2, 3)) + 1e-9 for v in velocities)
        leads += np.log(other / own)
    return leads / np.float32(max(1, len(notes)))


def as_read(names: Sequence[str], own: Mapping[str, float]) -> Floats:
    """The wish [K] that says what a face is; `own`: attribute -> probability 0..1."""
    return np.array([2 * own[name] - 1 for name in names], np.float32)


def noise(seed: int, temperature: float, again: int = 0) -> Floats:
    """Noise [6, 32, 32] of a seed: its long waves times the temperature, the others by its tenth root.

    Less of the long waves makes calmer backgrounds and fewer broken faces; with less of the short ones
    faces would only be blurred. `again`: other noise of the same seed, where that did not please.
    """
    rng = np.random.default_rng([seed, 2, again] if again else seed)
    drawn = rng.standard_normal(SHAPE)
    waves = np.fft.fft2(drawn)
    down, across = (np.fft.fftfreq(side) for side in SHAPE[1:])
    coarse = np.hypot(down[:, None], across[None]) < COARSE
    waves *= np.where(coarse, temperature, temperature**0.1)
    return np.fft.ifft2(waves).real.astype(np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class FlowPrior:
    """New faces: conditional flow matching (Lipman 2023). `code`: planes -> codes [N, D].

    `steps`: an evaluation each, two where there is guidance. `people`: who they are in all that is not
    wanted; left open where None. `guide`: a lesser flow, which every face is bent away from (`guided`),
    by 2, or by 1.7 where something is wanted. Without one, what is wanted is bent away from its
    opposite, all else from nothing said. `guidance`: of wishes; None for 2, where something is wanted
    2.5, or 2.3 with a guide. `tries`: with a guide, a face that it knows nearly as well as the flow
    does, or that looks blurred, is begun anew from other noise (see `lead`), so many times in all at
    most; the best stays. `blurred`: codes [N, D] -> probabilities [N] that a face looks blurred.
    """

    space: str
    names: tuple[str, ...]
    velocity: Velocity
    code: Callable[[Floats], Floats]
    guidance: float | None = None
    steps: int = STEPS
    name: str = "learned"
    usual_temperature: float = 0.96
    people: People | None = None
    guide: Velocity | None = None
    tries: int = TRIES
    blurred: Callable[[Floats], Floats] | None = None

    def __post_init__(self) -> None:
        _check(GUIDANCE if self.guidance is None else self.guidance, self.steps)
        if not 1 <= self.tries <= 100:
            raise BadRequest(f"tries must lie in 1..100, found {self.tries}")

    def sample(
        self, seeds: Sequence[int], wanted: Mapping[str, float], temperature: float = 1.0
    ) -> Floats:
        """See `Prior.sample`. A label of 0..1 is a wish of -1..1; one half wishes nothing."""
        check_temperature(temperature)
        known = {
            self.names.index(match(name, self.names)): label
            for name, label in wanted_labels(wanted).items()
            if label != 0.5
        }
        codes: list[Floats] = [np.zeros(0, np.float32)] * len(seeds)
        best, begun = np.full(len(seeds), -np.inf, np.float32), [0] * len(seeds)
        enough = WISHED_ENOUGH if known else ENOUGH
        tries = self.tries if self.guide is not None and temperature else 1
        while True:
            lacking = [k for k in range(len(seeds)) if best[k] < enough]
            # Whole blocks: a lone face's further tries cost nothing beside its first.
            ahead = ((k, again) for again in range(tries) for k in lacking if again >= begun[k])
            block = list(itertools.islice(ahead, DRAWN_AT_ONCE))
            if not block:
                return np.stack(codes)
            drawn, merits = self._drawn(
                [(seeds[k], again) for k, again in block], known, temperature
            )
            for (k, again), code, found in zip(block, drawn, merits, strict=True):
                begun[k] = again + 1
                if best[k] < enough and found > best[k]:
                    codes[k], best[k] = code, found

    def _drawn(
        self, begun: Sequence[tuple[int, int]], known: Mapping[int, float], temperature: float
    ) -> tuple[Floats, Floats]:
        """Codes [N, D] of faces from noise, by seed and try, and how much like faces they are, [N]."""
        # Always blocks of one size: the size of a batch may change the last bits of a sum.
        first = np.zeros((DRAWN_AT_ONCE, *SHAPE), np.float32)
        wishes = np.zeros((DRAWN_AT_ONCE, len(self.names)), np.float32)
        for row, wish, (seed, again) in zip(first, wishes, begun, strict=False):
            row[:] = noise(seed, temperature, again)
            wish[:] = self._wish(known, seed, temperature)
        notes: list[Note] = []
        velocity = self._bent(wishes, list(known), notes)
        faces = carry(velocity, first, wishes, times=(0.0, 1.0), steps=self.steps)
        codes, merits = self.code(faces), lead(notes, faces - first)
        asked = {self.names[k] for k in known}
        if self.blurred is not None and self.tries > 1 and BLURRY not in asked:
            odds = np.clip(self.blurred(codes), SHARPEST, 1 - SHARPEST)
            merits = merits - np.float32(BLUR) * np.log(odds / (1 - odds))
        return codes[: len(begun)], merits[: len(begun)]

    def _bent(self, wishes: Floats, known: Sequence[int], notes: list[Note]) -> Velocity:
        """The velocity, bent towards wishes [N, K] of which those at `known` were made; see `noting`."""
        guidance = self.guidance
        if guidance is None:
            wished = WISHED_GUIDANCE if self.guide is None else WISHED_GUIDED
            guidance = wished if known else GUIDANCE
        opposite = np.zeros_like(wishes) if self.guide is None else wishes.copy()
        opposite[:, known] = -wishes[:, known]
        if self.guide is None:
            return bent(self.velocity, guidance, opposite)
        asking = bent(self.velocity, guidance, opposite, across=True)
        if self.tries > 1:
            asking = noting(asking, self.guide, notes)
        if known:
            return guided(asking, self.guide, WISHED_AWAY, WISHED_AWAY_SINCE)
        return guided(asking, self.guide, AWAY, AWAY_SINCE)

    def _wish(self, known: Mapping[int, float], seed: int, temperature: float) -> Floats:
        """A person's wish [K]: what is known, and the rest as people are; open in the mean face."""
        if self.people is not None and temperature:
            labels = self.people.draw(known, np.random.default_rng([seed, 1]))
            return np.asarray(2 * labels - 1, np.float32)
        wish = np.zeros(len(self.names), np.float32)
        for k, label in known.items():
            wish[k] = 2 * label - 1
        return wish


class Memory:
    """What was worked out once, by key; of more than `most` things the oldest are forgotten.

    Threads may work the same thing out twice, and agree.
    """

    def __init__(self, most: int = 256) -> None:
        self.most = most
        self._known: dict[Hashable, Floats] = {}

    @property
    def known(self) -> int:
        """How many things are remembered."""
        return len(self._known)

    def peek(self, key: Hashable) -> Floats | None:
        """What is known under the key, if it is."""
        return self._known.get(key)

    def get(self, key: Hashable, make: Callable[[], Floats]) -> Floats:
        """What is known under the key, or what is made now."""
        found = self._known.get(key)
        if found is None:
            found = make()
            while len(self._known) >= self.most:
                self._known.pop(next(iter(self._known)), None)
            self._known[key] = found
        return found


@dataclass(frozen=True, slots=True, eq=False)
class FlowMove:
    """A face moved from what it is to what is wished.

    Its planes are carried back with its own attributes to the time `turning`, where coarse features
    are still open, and forward twice, with the wished attributes and with its own: both ends have
    lost the same, so their difference is the edit (after SDEdit, Meng 2022, made deterministic). The
    way to what is wished is bent away from what the face is, so that guidance strengthens what differs
    and nothing else; across the face alone, or colours would burn.
    `planes`: codes [N, D] -> planes; `code`: the way back. `mask` [32, 32]: what the change of planes
    is multiplied by, all 1 where None. `gain`: how much of the whole way is gone. `student`: planes and
    wishes now and then [N, 2 K] -> change of the planes, asked instead where there is one; while it is
    `guessing`, until the flow has been asked for the same.

    The flow learnt what people are like who have an attribute or have it not, not who have half of it.
    So every attribute is carried the whole of its way, and the step that makes is multiplied.
    """

    names: tuple[str, ...]
    velocity: Velocity
    planes: Callable[[Floats], Floats]
    code: Callable[[Floats], Floats]
    turning: float = TURNING
    guidance: float = MOVE_GUIDANCE
    steps: int = MOVE_STEPS
    mask: Floats | None = None
    gain: float = 1.0
    memory: Memory = field(default_factory=Memory)
    student: Callable[[Floats, Floats], Floats] | None = None
    guessing: bool = True

    def __post_init__(self) -> None:
        _check(self.guidance, self.steps)
        if not 0 <= self.turning < 1:
            raise BadRequest(f"the turning time must lie in 0..1, found {self.turning:g}")

    def now(self, own: Mapping[str, float]) -> Floats:
        """The wish [K] that says what a face is; `own`: attribute -> probability 0..1."""
        return as_read(self.names, own)

    def then(
        self,
        own: Mapping[str, float],
        name: str,
        sign: int,
        spoken_of: Collection[str] = (),
        exactly: bool = False,
    ) -> tuple[Floats, float]:
        """The wish [K] the whole way, with the attribute (`sign` 1) or without it (-1).

        And how far that is for the attribute itself; at least `NEAREST`, so that who smiles can smile
        more. What it brings along goes the whole way with it, but for what is `spoken_of`.
        """
        now = self.now(own)
        then = now.copy()
        whole = Edit({name: float(sign > 0)}, keep=frozenset(spoken_of), exactly=exactly)
        for other, value in completed(whole, own).targets.items():
            then[self._index(other)] = 2 * value - 1
        k = self._index(name)
        way = max(abs(sign - float(now[k])), NEAREST)
        then[k] = now[k] + sign * way
        return then, way

    def step(
        self,
        values: Floats,
        own: Mapping[str, float],
        edit: Edit,
        spoken_of: Collection[str] = (),
    ) -> Floats:
        """What the edit adds to the code [D] of a face; exact zeros when nothing is asked.

        `own`: attribute -> probability 0..1. A shift of one s.d. is taken as half the way from
        without to with. `spoken_of`: attributes that must not be brought along (`codes.wishes`).
        Raises `BadRequest` for a learned direction.
        """
        now = self.now(own)
        asked = {n: 2 * (target - own[self._known(n)]) for n, target in edit.targets.items()}
        asked |= edit.shifts
        total = np.zeros_like(values)
        for name, way in asked.items():
            share = edit.strength * way
            if share == 0:
                self._index(name)
                continue
            others = {*spoken_of, *edit.keep, *asked} - {name}
            then, length = self.then(own, name, 1 if way > 0 else -1, others, edit.exactly)
            total += np.float32(self.gain * abs(share) / length) * self.unit(values, now, then)
        return total

    def unit(self, values: Floats, now: Floats, then: Floats) -> Floats:
        """What is added to a code [D] when the wish goes from `now` to `then`, both [K]."""
        at = (values.tobytes(), now.tobytes(), self.turning, self.steps)
        mask = None if self.mask is None else self.mask.tobytes()
        key = (*at, self.guidance, then.tobytes(), mask)

        def make() -> Floats:
            planes = self.planes(values[None])
            turned = self.memory.get(at, lambda: self.back(planes, now[None]))
            still = self.memory.get((*at, "still"), lambda: self.still(turned, now[None]))
            return self.added(planes, self.forth(turned, then[None], now[None]) - still, self.mask)

        student = self.student
        if student is None:
            return self.memory.get((*key, "flow"), make)
        known = self.memory.peek((*key, "flow"))
        if self.guessing and known is not None:
            return known

        def guess() -> Floats:
            planes = self.planes(values[None])
            return self.added(planes, student(planes, np.concatenate([now, then])[None]), self.mask)

        return self.memory.get((*key, "student"), guess)

    def added(self, planes: Floats, change: Floats, mask: Floats | None = None) -> Floats:
        """What a change of a face's planes [1, 6, 32, 32], under a mask, adds to its code [D]."""
        if mask is not None:
            change = change * mask
        # The way to codes is affine: only differences of what it gives are differences of faces.
        moved, stays = self.code(np.concatenate([planes + change, planes]))
        return np.asarray(moved - stays)

    def back(self, planes: Floats, now: Floats) -> Floats:
        """Faces' planes [N, 6, 32, 32] at the turning time, carried with what they are, wishes [N, K]."""
        times = (1.0, self.turning)
        return carry(self.velocity, planes, now, times=times, steps=self.steps)

    def still(self, planes: Floats, now: Floats) -> Floats:
        """Planes of the turning time as faces again that are what they were, wishes [N, K]."""
        times = (self.turning, 1.0)
        return carry(self.velocity, planes, now, times=times, steps=self.steps)

    def forth(self, planes: Floats, then: Floats, now: Floats) -> Floats:
        """Planes of the turning time as faces again that are what is wished, wishes [N, K]."""
        velocity = bent(self.velocity, self.guidance, now, across=True)
        return carry(velocity, planes, then, times=(self.turning, 1.0), steps=self.steps)

    def _known(self, name: str) -> str:
        try:
            return match(name, self.names)
        except UnknownName as error:
            raise BadRequest(
                f"the flow does not know {name}; learned directions need --move direction"
            ) from error

    def _index(self, name: str) -> int:
        return self.names.index(self._known(name))


def _check(guidance: float, steps: int) -> None:
    if not 0 <= guidance <= 10:
        raise BadRequest(f"guidance must lie in 0..10, found {guidance:g}")
    if not 1 <= steps <= 200:
        raise BadRequest(f"steps must lie in 1..200, found {steps}")
