"""Codes whose last numbers are the attributes themselves, as a conditional VAE has them.

A code is [latent numbers, attributes]: attribute k is 0 without and 1 with it. To read an attribute is
to look at its number, and to move one is to write it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facedial.codes.arrays import bundled, load_arrays
from facedial.codes.attributes import match
from facedial.codes.code import Floats
from facedial.codes.directions import Directions
from facedial.codes.prior import GaussianPrior, Prior, check_temperature, wanted_labels
from facedial.errors import BadBundle

FORMAT = 1
KIND = "labelled"
# Unknown labels count as this when a person's attributes are drawn.
UNKNOWN = 0.5


def directions_of(
    latent: int, labels: Floats, names: Sequence[str], *, space: str, slope: Floats | None = None
) -> Directions:
    """Directions that write an attribute's number. `labels` [N, K] in 0..1 say how attributes spread.

    `slope` [K, L]: what the latent numbers do along, where people who differ in one attribute alone
    differ in them too.
    """
    count = len(names)
    own = np.eye(count, dtype=np.float32)
    along = np.zeros((count, latent), np.float32) if slope is None else slope
    unit = np.concatenate([along, own], 1)
    weights = np.concatenate([np.zeros((count, latent), np.float32), own], 1)
    return Directions(
        names=tuple(names),
        space=space,
        unit=(unit / np.linalg.norm(unit, axis=1, keepdims=True)).astype(np.float32),
        read_weights=weights,
        read_bias=np.zeros(count, np.float32),
        sd=np.maximum(np.std(labels, axis=0), 1e-3).astype(np.float32),
    )


@dataclass(frozen=True, slots=True, eq=False)
class LabelledPrior:
    """Latent numbers normal given the attributes; attributes as people have them together.

    `mean` [L], `slope` [K, L], `root` [L, L]: latent = mean + (y - label_mean) @ slope + noise @ root.
    `table` uint8 [M, K]: attributes of M people, 0, 1 or 2 (unknown). A wish takes one of those whom it
    fits best, drawn at random, so that what is not wished comes as it comes together in people.
    `emphasis`: how many times as far from `label_mean` a wished number goes as was asked.
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
    ) -> "LabelledPrior":
        """N(0, I) whatever the attributes: what a VAE's divergence asks for."""
        known = np.where(np.isnan(labels), UNKNOWN, labels)
        return LabelledPrior(
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
    ) -> "LabelledPrior":
        """From latent `codes` [N, L] and `labels` [N, K] in 0..1, NaN unknown: regression and rest.

        What a VAE's codes are is never quite N(0, I); this is the normal nearest to what they are.
        """
        known = np.where(np.isnan(labels), UNKNOWN, labels).astype(np.float64)
        label_mean, mean = known.mean(0), codes.mean(0, dtype=np.float64)
        y, z = known - label_mean, codes - mean
        gram = y.T @ y / len(y) + 1e-3 * np.eye(len(names))
        slope = np.linalg.solve(gram, y.T @ z / len(y))
        rest = z - y @ slope
        covariance = rest.T @ rest / len(rest) + 1e-6 * np.eye(codes.shape[1])
        return LabelledPrior(
            space=space,
            names=tuple(names),
            mean=mean.astype(np.float32),
            slope=slope.astype(np.float32),
            root=np.linalg.cholesky(covariance).T.astype(np.float32),
            label_mean=label_mean.astype(np.float32),
            table=_table(labels, people),
        )

    def sample(
        self, seeds: Sequence[int], wanted: Mapping[str, float], temperature: float = 1.0
    ) -> Floats:
        """See `Prior.sample`. `temperature` is of the latent numbers alone."""
        check_temperature(temperature)
        wish = {match(n, self.names): value for n, value in wanted_labels(wanted).items()}
        columns = [self.names.index(name) for name in wish]
        values = np.array(list(wish.values()), np.float32)
        # Where nobody has all that is wished, those who come nearest.
        off = np.abs(self.table[:, columns] * np.float32(1) - values).sum(1)
        fitting = np.flatnonzero(off <= off.min() + 1e-6)
        usual = self.label_mean[columns]
        written = usual + np.float32(self.emphasis) * (values - usual)
        rows = np.empty((len(seeds), len(self.mean) + len(self.names)), np.float32)
        for row, seed in zip(rows, seeds, strict=True):
            rng = np.random.default_rng(seed)
            noise = rng.standard_normal(len(self.mean)).astype(np.float32)  # first: kept by a wish
            own = self.table[fitting[rng.integers(len(fitting))]]
            labels = np.where(own == 2, np.float32(UNKNOWN), own.astype(np.float32))
            labels[columns] = written
            latent = self.mean + (labels - self.label_mean) @ self.slope
            row[: len(self.mean)] = latent + np.float32(temperature) * (noise @ self.root)
            row[len(self.mean) :] = labels
        return rows

    def save(self, path: str | Path) -> None:
        """Write as `.npz`; the largest part in half precision."""
        np.savez_compressed(
            path,
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
    def load(path: str | Path) -> "LabelledPrior":
        """Read what `save` wrote; raises `BadBundle` when it is missing, damaged or newer."""
        with bundled(path, "a prior", FORMAT, KIND) as file:
            return LabelledPrior(
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
    return LabelledPrior.load(path) if kind == KIND else GaussianPrior.load(path)


def _table(labels: Floats, people: int) -> NDArray[np.uint8]:
    """At most so many rows, evenly over all: 0, 1 or 2 for unknown."""
    rows = np.unique(np.linspace(0, len(labels) - 1, min(people, len(labels))).astype(int))
    some = labels[rows]
    return np.where(np.isnan(some), 2, some > UNKNOWN).astype(np.uint8)
