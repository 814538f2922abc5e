"""The prior of conditional VAEs, whose codes are [latent numbers, attributes], 0 without and 1 with."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facedial.arrays import Floats, load_arrays, open_part, save_arrays
from facedial.codes.attributes import match
from facedial.errors import BadBundle
from facedial.priors.base import Prior, check_labels, check_temperature
from facedial.priors.gaussian import GaussianPrior

FORMAT = 1
KIND = "labelled"
# Unknown labels count as this when a person's attributes are drawn.
UNKNOWN = 0.5


@dataclass(frozen=True, slots=True, eq=False)
class ConditionalPrior:
    """Latent numbers Gaussian given the attributes; attributes sampled jointly, from a table of people.

    `mean` [L], `slope` [K, L], `root` [L, L]: latent = mean + (y - label_mean) @ slope + noise @ root.
    `table` uint8 [M, K]: attributes of M people, 0, 1 or 2 (unknown). A face takes the attributes of one
    of the people nearest to its targets, drawn at random, so that attributes that are not targets occur
    together as in people. `emphasis`: factor on a target's distance from `label_mean`.
    """

    space: str
    names: tuple[str, ...]
    mean: Floats
    slope: Floats
    root: Floats
    label_mean: Floats
    table: NDArray[np.uint8]
    usual_temperature: float = 1.0
    emphasis: float = 1.0
    name: str = "gaussian"

    @staticmethod
    def standard(
        latent: int, labels: Floats, names: Sequence[str], *, space: str, people: int = 4096
    ) -> "ConditionalPrior":
        """N(0, I) for all attributes: the prior in a VAE's training objective."""
        known = np.where(np.isnan(labels), UNKNOWN, labels)
        return ConditionalPrior(
            space=space,
            names=tuple(names),
            mean=np.zeros(latent, np.float32),
            slope=np.zeros((len(names), latent), np.float32),
            root=np.eye(latent, dtype=np.float32),
            label_mean=known.mean(0).astype(np.float32),
            table=_table(labels, people),
        )

    @staticmethod
    def fit(
        codes: Floats, labels: Floats, names: Sequence[str], *, space: str, people: int = 4096
    ) -> "ConditionalPrior":
        """Linear regression of latent `codes` [N, L] on `labels` [N, K], and its residuals' covariance.

        `labels` in 0..1, NaN unknown. A VAE's codes are never quite N(0, I); this is the Gaussian that
        fits them.
        """
        known = np.where(np.isnan(labels), UNKNOWN, labels).astype(np.float64)
        label_mean, mean = known.mean(0), codes.mean(0, dtype=np.float64)
        y, z = known - label_mean, codes - mean
        gram = y.T @ y / len(y) + 1e-3 * np.eye(len(names))
        slope = np.linalg.solve(gram, y.T @ z / len(y))
        rest = z - y @ slope
        covariance = rest.T @ rest / len(rest) + 1e-6 * np.eye(codes.shape[1])
        return ConditionalPrior(
            space=space,
            names=tuple(names),
            mean=mean.astype(np.float32),
            slope=slope.astype(np.float32),
            root=np.linalg.cholesky(covariance).T.astype(np.float32),
            label_mean=label_mean.astype(np.float32),
            table=_table(labels, people),
        )

    def sample(
        self, seeds: Sequence[int], targets: Mapping[str, float], temperature: float = 1.0
    ) -> Floats:
        """See `Prior.sample`. `temperature` is of the latent numbers alone."""
        check_temperature(temperature)
        asked = {match(n, self.names): value for n, value in check_labels(targets).items()}
        columns = [self.names.index(name) for name in asked]
        values = np.array(list(asked.values()), np.float32)
        # The people nearest to the targets.
        off = np.abs(self.table[:, columns] * np.float32(1) - values).sum(1)
        fitting = np.flatnonzero(off <= off.min() + 1e-6)
        usual = self.label_mean[columns]
        written = usual + np.float32(self.emphasis) * (values - usual)
        rows = np.empty((len(seeds), len(self.mean) + len(self.names)), np.float32)
        for row, seed in zip(rows, seeds, strict=True):
            rng = np.random.default_rng(seed)
            # Drawn first, so that it is the same whatever the targets.
            noise = rng.standard_normal(len(self.mean)).astype(np.float32)
            own = self.table[fitting[rng.integers(len(fitting))]]
            labels = np.where(own == 2, np.float32(UNKNOWN), own.astype(np.float32))
            labels[columns] = written
            latent = self.mean + (labels - self.label_mean) @ self.slope
            row[: len(self.mean)] = latent + np.float32(temperature) * (noise @ self.root)
            row[len(self.mean) :] = labels
        return rows

    def save(self, path: str | Path) -> None:
        """Write as `.npz`; the largest part in half precision."""
        save_arrays(
            path,
            compressed=True,
            format=np.int64(FORMAT),
            kind=np.array(KIND),
            space=np.array(self.space),
            names=np.array(self.names, dtype=np.str_),
            mean=self.mean,
            slope=self.slope,
            root=self.root.astype(np.float16),
            label_mean=self.label_mean,
            table=self.table,
            usual_temperature=np.float32(self.usual_temperature),
            emphasis=np.float32(self.emphasis),
        )

    @staticmethod
    def load(path: str | Path) -> "ConditionalPrior":
        """Read what `save` wrote; raises `BadBundle` when it is missing, damaged or newer."""
        with open_part(path, "a prior", FORMAT, KIND) as file:
            return ConditionalPrior(
                space=str(file["space"]),
                names=tuple(str(name) for name in file["names"]),
                mean=file["mean"],
                slope=file["slope"],
                root=file["root"].astype(np.float32),
                label_mean=file["label_mean"],
                table=file["table"],
                usual_temperature=float(file["usual_temperature"]),
                emphasis=float(file["emphasis"]),
            )


def load_prior(path: str | Path) -> Prior:
    """The fitted prior of a bundle, of whichever kind; raises `BadBundle`."""
    path = Path(path)
    try:
        kind = str(load_arrays(path, "kind")["kind"])
    except (OSError, KeyError, ValueError) as error:
        raise BadBundle(f"cannot read a prior from {path}: {error}") from error
    return ConditionalPrior.load(path) if kind == KIND else GaussianPrior.load(path)


def _table(labels: Floats, people: int) -> NDArray[np.uint8]:
    """At most so many rows, evenly over all: 0, 1 or 2 for unknown."""
    rows = np.unique(np.linspace(0, len(labels) - 1, min(people, len(labels))).astype(int))
    some = labels[rows]
    return np.where(np.isnan(some), 2, some > UNKNOWN).astype(np.uint8)
