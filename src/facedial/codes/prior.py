"""Where codes of new faces come from: priors, exchangeable behind one protocol.

Row i of a sample depends on seed i alone, bit for bit: never on the batch it is drawn in.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from facedial.codes.arrays import bundled, load_arrays
from facedial.codes.attributes import match
from facedial.codes.code import Floats
from facedial.codes.moments import Doubles, fit_moments, positive
from facedial.errors import BadBundle, BadRequest

FORMAT = 1
WANTED_RANGE = (-0.5, 1.5)
RAW = "raw.npz"  # in a bundle: how a model's own codes become white


class Prior(Protocol):
    """A distribution of codes, given wanted attributes or none."""

    @property
    def name(self) -> str:
        """What `--prior` calls it."""

    @property
    def space(self) -> str:
        """Id of the code space of its samples."""

    @property
    def names(self) -> tuple[str, ...]:
        """Attributes that may be wanted."""

    @property
    def usual_temperature(self) -> float:
        """The temperature at which its faces look best."""

    def sample(
        self, seeds: Sequence[int], wanted: Mapping[str, float], temperature: float = 1.0
    ) -> Floats:
        """Codes float32 [len(seeds), D]; row i is a function of seeds[i].

        `wanted`: attribute -> label, 0 without .. 1 with it; empty for any face. `temperature`:
        factor on the spread, 0 for the mean face. Raises `UnknownName` and `BadRequest`.
        """


def spread(seed: int, count: int, first: int = 0) -> list[int]:
    """Seeds of `count` faces from one `seed`, from the `first` on; more faces keep the first ones.

    >>> spread(7, 3) == spread(7, 5)[:3]
    True
    >>> spread(7, 2, first=3) == spread(7, 5)[3:]
    True
    """
    rows = range(first, first + count)
    return [int(np.random.SeedSequence([seed, row]).generate_state(1)[0]) for row in rows]


@dataclass(frozen=True, slots=True, eq=False)
class UniformPrior:
    """Each number uniform in [low, high): the first source's random codes. Knows no attributes.

    `white`: mean [D] and matrix [D, D] that turn a model's own codes h into white ones,
    (h - mean) @ matrix; then it is the own codes that are uniform.
    """

    space: str
    size: int
    low: float = 0.0
    high: float = 1.0
    white: tuple[Floats, Floats] | None = None
    names: tuple[str, ...] = ()
    name: str = "uniform"
    usual_temperature: float = 1.0

    def __post_init__(self) -> None:
        if not self.low < self.high:
            raise BadRequest(f"a uniform prior needs low < high, got {self.low}, {self.high}")

    def sample(
        self, seeds: Sequence[int], wanted: Mapping[str, float], temperature: float = 1.0
    ) -> Floats:
        """See `Prior.sample`; raises `BadRequest` when anything is wanted."""
        if wanted:
            raise BadRequest(
                f"the uniform prior knows no attributes and cannot draw {', '.join(wanted)}"
            )
        check_temperature(temperature)
        half, middle = (self.high - self.low) / 2, (self.high + self.low) / 2
        rows = np.empty((len(seeds), self.size), np.float32)
        for row, seed in zip(rows, seeds, strict=True):
            row[:] = middle + temperature * half * np.random.default_rng(seed).uniform(
                -1, 1, self.size
            )
            if self.white is not None:
                row[:] = (row - self.white[0]) @ self.white[1]
        return rows

    @staticmethod
    def whitening(path: Path) -> tuple[Floats, Floats]:
        """`white` as a bundle's `raw.npz` has it; raises `BadBundle`."""
        try:
            file = load_arrays(path)
            return file["mean"], file["forth"]
        except (OSError, KeyError, ValueError) as error:
            raise BadBundle(f"cannot read how codes are whitened from {path}: {error}") from error


@dataclass(frozen=True, slots=True, eq=False)
class GaussianPrior:
    """Whitened codes z ~ N(0, I) and labels y jointly Gaussian: conditional in closed form.

    `label_mean` [K]; `cross` [K, D] = cov(y, z); `rest` [K, K] = cov(y given z), positive
    semidefinite, so that the joint covariance is one whatever the labels were.
    """

    space: str
    names: tuple[str, ...]
    label_mean: Floats
    cross: Floats
    rest: Floats
    name: str = "gaussian"
    usual_temperature: float = 0.5

    @staticmethod
    def fit(codes: Floats, labels: Floats, names: Sequence[str], *, space: str) -> "GaussianPrior":
        """From whitened `codes` [N, D] and `labels` [N, K] in 0..1, NaN = unknown (left out)."""
        m = fit_moments(codes, labels, names)
        return GaussianPrior(
            space=space,
            names=tuple(names),
            label_mean=m.label_mean.astype(np.float32),
            cross=m.cross.astype(np.float32),
            rest=positive(m.label_cov - m.cross @ m.cross.T).astype(np.float32),
        )

    def sample(
        self, seeds: Sequence[int], wanted: Mapping[str, float], temperature: float = 1.0
    ) -> Floats:
        """See `Prior.sample`. Matheron's rule: draw (z, y) jointly, then correct z.

        z + C_S' S_SS^-1 (wanted - y_S) has exactly the conditional distribution (Hoffman and
        Ribak 1991), with no D x D factorisation.
        """
        check_temperature(temperature)
        chosen, values = self._chosen(wanted)
        cross = self.cross[chosen].astype(np.float64)
        spare = self._spare(chosen)
        correct = self._correction(chosen)
        centre = correct @ (values - self.label_mean[chosen])
        rows = np.empty((len(seeds), self.cross.shape[1]), np.float32)
        for row, seed in zip(rows, seeds, strict=True):
            rng = np.random.default_rng(seed)
            z = rng.standard_normal(len(row))  # first, so a wish keeps the face's other numbers
            if chosen:
                z -= correct @ (cross @ z + spare @ rng.standard_normal(len(chosen)))
            row[:] = centre + temperature * z
        return rows

    def mean(self, wanted: Mapping[str, float]) -> Floats:
        """Mean code float32 [D] of people with the `wanted` labels."""
        chosen, values = self._chosen(wanted)
        centre = self._correction(chosen) @ (values - self.label_mean[chosen])
        return np.asarray(centre).astype(np.float32)

    def log_density(self, codes: Floats, wanted: Mapping[str, float]) -> Doubles:
        """Natural log of the density at `codes` [N, D] given the `wanted` labels, float64 [N].

        Covariance I - C' S^-1 C; its inverse is I + C' (S - C C')^-1 C and its determinant
        |S - C C'| / |S| (Woodbury), S - C C' being `rest`.
        """
        chosen, _ = self._chosen(wanted)
        away = codes.astype(np.float64) - self.mean(wanted)
        square = (away**2).sum(axis=1)
        volume = 0.0
        if chosen:
            cross, total, rest = self._parts(chosen)
            image = away @ cross.T
            square += (image * np.linalg.solve(rest, image.T).T).sum(axis=1)
            volume = float(np.linalg.slogdet(rest)[1] - np.linalg.slogdet(total)[1])
        return np.asarray(-0.5 * (square + volume + away.shape[1] * np.log(2 * np.pi)))

    def _chosen(self, wanted: Mapping[str, float]) -> tuple[list[int], Doubles]:
        labels = wanted_labels(wanted)
        rows = {self.names.index(match(name, self.names)): v for name, v in labels.items()}
        return list(rows), np.array(list(rows.values()), np.float64)

    def _parts(self, chosen: Sequence[int]) -> tuple[Doubles, Doubles, Doubles]:
        cross = self.cross[chosen].astype(np.float64)
        # a label that codes explain fully would make this singular
        rest = self.rest[np.ix_(chosen, chosen)].astype(np.float64) + 1e-6 * np.eye(len(chosen))
        return cross, cross @ cross.T + rest, rest

    def _spare(self, chosen: Sequence[int]) -> Doubles:
        return np.asarray(np.linalg.cholesky(self._parts(chosen)[2]))

    def _correction(self, chosen: Sequence[int]) -> Doubles:
        """C_S' S_SS^-1, [D, S]."""
        cross, total, _ = self._parts(chosen)
        return np.asarray(np.linalg.solve(total, cross).T)

    def save(self, path: str | Path) -> None:
        """Write `.npz`; the large matrix as float16."""
        np.savez(
            path,
            format=np.int64(FORMAT),
            kind=np.array(self.name),
            space=np.array(self.space),
            names=np.array(self.names, dtype=np.str_),
            label_mean=self.label_mean,
            cross=self.cross.astype(np.float16),
            rest=self.rest,
        )

    @staticmethod
    def load(path: str | Path) -> "GaussianPrior":
        """Read what `save` wrote; raises `BadBundle` when it is missing, damaged or newer."""
        with bundled(path, "a prior", FORMAT, "gaussian") as file:
            return GaussianPrior(
                space=str(file["space"]),
                names=tuple(str(name) for name in file["names"]),
                label_mean=file["label_mean"],
                cross=file["cross"].astype(np.float32),
                rest=file["rest"],
            )


def wanted_labels(wanted: Mapping[str, float]) -> Mapping[str, float]:
    """The wanted labels, if they may be wanted; raises `BadRequest` when one is out of range."""
    low, high = WANTED_RANGE
    if not all(low <= value <= high for value in wanted.values()):
        raise BadRequest(f"wanted labels lie in {low:g}..{high:g} (0 without, 1 with)")
    return wanted


def check_temperature(temperature: float) -> None:
    """Raises `BadRequest` when the factor on the spread lies outside 0..2."""
    if not 0 <= temperature <= 2:
        raise BadRequest(f"temperature must lie in 0..2, found {temperature:g}")
