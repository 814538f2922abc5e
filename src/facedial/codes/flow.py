"""New faces by a learnt flow: noise is carried to the small picture of a face, and that is coded."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from facedial.codes.attributes import match
from facedial.codes.code import Floats
from facedial.codes.prior import check_temperature, wanted_labels
from facedial.errors import BadRequest

SHAPE = (6, 32, 32)
GUIDANCE, STEPS = 2.0, 16
DRAWN_AT_ONCE = 16


@dataclass(frozen=True, slots=True, eq=False)
class FlowPrior:
    """Conditional flow matching (Lipman 2023), integrated by Heun's method.

    `velocity`: planes float32 [N, 6, 32, 32], times [N] in 0..1, wishes [N, K] in -1..1 (0 = open) ->
    velocity like planes. `code`: planes -> codes [N, D]. `guidance`: how far beyond what the wish
    asks the path is bent, 1 for not at all (Ho 2022, eq. 6). `steps`: two evaluations each.
    """

    space: str
    names: tuple[str, ...]
    velocity: Callable[[Floats, Floats, Floats], Floats]
    code: Callable[[Floats], Floats]
    guidance: float = GUIDANCE
    steps: int = STEPS
    name: str = "learned"
    usual_temperature: float = 1.0

    def __post_init__(self) -> None:
        if not 0 <= self.guidance <= 10:
            raise BadRequest(f"guidance must lie in 0..10, found {self.guidance:g}")
        if not 1 <= self.steps <= 200:
            raise BadRequest(f"steps must lie in 1..200, found {self.steps}")

    def sample(
        self, seeds: Sequence[int], wanted: Mapping[str, float], temperature: float = 1.0
    ) -> Floats:
        """See `Prior.sample`. A label of 0..1 is a wish of -1..1; what is not wanted stays open."""
        check_temperature(temperature)
        wish = np.zeros(len(self.names), np.float32)
        for name, label in wanted_labels(wanted).items():
            wish[self.names.index(match(name, self.names))] = 2 * label - 1
        rows = []
        # Always blocks of one size: the size of a batch may change the last bits of a sum.
        for i in range(0, len(seeds), DRAWN_AT_ONCE):
            block = seeds[i : i + DRAWN_AT_ONCE]
            noise = np.zeros((DRAWN_AT_ONCE, *SHAPE), np.float32)
            for row, seed in zip(noise, block, strict=False):
                row[:] = temperature * np.random.default_rng(seed).standard_normal(SHAPE)
            rows.append(self.code(self.carried(noise, wish))[: len(block)])
        return np.concatenate(rows)

    def carried(self, planes: Floats, wish: Floats) -> Floats:
        """Planes at time 0 -> planes at time 1, under one wish [K]."""
        for step in range(self.steps):
            start, width = step / self.steps, 1 / self.steps
            first = self._guided(planes, start, wish)
            second = self._guided(planes + np.float32(width) * first, start + width, wish)
            planes = planes + np.float32(width / 2) * (first + second)
        return planes

    def _guided(self, planes: Floats, at: float, wish: Floats) -> Floats:
        time = np.full(len(planes), at, np.float32)
        nothing = np.zeros((len(planes), len(wish)), np.float32)
        if not wish.any():
            return self.velocity(planes, time, nothing)
        asked = self.velocity(planes, time, nothing + wish)
        if self.guidance == 1:
            return asked
        open_ = self.velocity(planes, time, nothing)
        return open_ + np.float32(self.guidance) * (asked - open_)
