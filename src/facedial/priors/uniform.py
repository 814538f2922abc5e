"""Uniform codes: the first source's random faces."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from facedial.arrays import Floats, load_arrays
from facedial.errors import BadBundle, BadRequest
from facedial.priors.base import check_temperature

RAW = "raw.npz"  # in a bundle: how a network's raw codes are whitened


@dataclass(frozen=True, slots=True, eq=False)
class UniformPrior:
    """Each number uniform in [low, high): the first source's random codes. Has no attributes.

    `whitening`: mean [D] and matrix [D, D] that turn a network's raw codes h into whitened ones,
    (h - mean) @ matrix; then the raw codes are uniform.
    """

    space: str
    size: int
    low: float = 0.0
    high: float = 1.0
    whitening: tuple[Floats, Floats] | None = None
    names: tuple[str, ...] = ()
    name: str = "uniform"
    usual_temperature: float = 1.0

    def __post_init__(self) -> None:
        if not self.low < self.high:
            raise BadRequest(f"a uniform prior needs low < high, got {self.low}, {self.high}")

    def sample(
        self, seeds: Sequence[int], targets: Mapping[str, float], temperature: float = 1.0
    ) -> Floats:
        """See `Prior.sample`; raises `BadRequest` when there are any."""
        if targets:
            raise BadRequest(
                f"the uniform prior has no attributes and cannot draw {', '.join(targets)}"
            )
        check_temperature(temperature)
        half, middle = (self.high - self.low) / 2, (self.high + self.low) / 2
        rows = np.empty((len(seeds), self.size), np.float32)
        for row, seed in zip(rows, seeds, strict=True):
            row[:] = middle + temperature * half * np.random.default_rng(seed).uniform(
                -1, 1, self.size
            )
            if self.whitening is not None:
                row[:] = (row - self.whitening[0]) @ self.whitening[1]
        return rows


def load_whitening(path: Path) -> tuple[Floats, Floats]:
    """`UniformPrior.whitening` as a bundle's `raw.npz` has it; raises `BadBundle`."""
    try:
        file = load_arrays(path)
        return file["mean"], file["forth"]
    except (OSError, KeyError, ValueError) as error:
        raise BadBundle(f"cannot read how codes are whitened from {path}: {error}") from error
