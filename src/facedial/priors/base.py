"""What every prior over codes offers: samples by seed, given target attributes or none.

Row i of a sample depends on seed i alone, bit for bit: never on the batch it is drawn in.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np

from facedial.arrays import Floats
from facedial.errors import BadRequest

LABEL_RANGE = (-0.5, 1.5)


class Prior(Protocol):
    """A distribution of codes, given target attributes or none."""

    @property
    def name(self) -> str:
        """What `--prior` calls it."""

    @property
    def space(self) -> str:
        """Id of the code space of its samples."""

    @property
    def names(self) -> tuple[str, ...]:
        """Attributes that may be targets."""

    @property
    def usual_temperature(self) -> float:
        """The temperature at which its faces look best."""

    def sample(
        self, seeds: Sequence[int], targets: Mapping[str, float], temperature: float = 1.0
    ) -> Floats:
        """Codes float32 [len(seeds), D]; row i is a function of seeds[i].

        `targets`: attribute -> label, 0 without .. 1 with it; empty for any face. `temperature`:
        factor on the standard deviation, 0 for the mean face. Raises `UnknownName` and `BadRequest`.
        """


def face_seeds(seed: int, count: int, first: int = 0) -> list[int]:
    """Seeds of `count` faces from one `seed`, from the `first` on; more faces keep the first ones.

    >>> face_seeds(7, 3) == face_seeds(7, 5)[:3]
    True
    >>> face_seeds(7, 2, first=3) == face_seeds(7, 5)[3:]
    True
    """
    rows = range(first, first + count)
    return [int(np.random.SeedSequence([seed, row]).generate_state(1)[0]) for row in rows]


def check_labels(targets: Mapping[str, float]) -> Mapping[str, float]:
    """The target labels, if all are in range; raises `BadRequest` otherwise."""
    low, high = LABEL_RANGE
    for name, value in targets.items():
        if not low <= value <= high:
            raise BadRequest(
                f"the target of {name} must lie in {low:g}..{high:g} (0 without, 1 with), "
                f"found {value:g}"
            )
    return targets


def check_temperature(temperature: float) -> None:
    """Raises `BadRequest` when the factor on the standard deviation lies outside 0..2."""
    if not 0 <= temperature <= 2:
        raise BadRequest(f"temperature must lie in 0..2, found {temperature:g}")
