"""Which attributes occur together in people: a Bernoulli mixture, sampled given target attributes.

A flow draws better faces when all its attributes are specified. So those that are not targets are
sampled too, as they occur among people who have the targets.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facedial.arrays import Doubles, Floats, open_part, save_arrays

COMPONENTS, ITERATIONS = 128, 60
SMOOTHING = 1.0  # pseudo-counts of a component, so that no attribute gets probability 0 or 1
FORMAT = 1
LABEL_PRIOR = "people.npz"  # in a bundle


@dataclass(frozen=True, slots=True, eq=False)
class LabelPrior:
    """A mixture of C products of Bernoulli distributions over K attributes.

    `weights` [C]: of the components; `shares` [C, K]: probability of each attribute in each.
    """

    weights: Doubles
    shares: Doubles

    @staticmethod
    def fit(
        labels: NDArray[np.bool_], rng: np.random.Generator, components: int = COMPONENTS
    ) -> "LabelPrior":
        """Fitted to people's labels [N, K] by expectation maximisation (Dempster 1977)."""
        count, width = labels.shape
        values = labels.astype(np.float64)
        of = rng.dirichlet(np.full(components, 0.1), count)
        weights, shares = np.ones(components) / components, np.full((components, width), 0.5)
        for _ in range(ITERATIONS):
            size = of.sum(0)
            shares = (of.T @ values + SMOOTHING * values.mean(0)) / (size[:, None] + SMOOTHING)
            shares = np.clip(shares, 1e-4, 1 - 1e-4)
            weights = (size + SMOOTHING) / (count + components * SMOOTHING)
            odds = values @ np.log(shares).T + (1 - values) @ np.log1p(-shares).T + np.log(weights)
            of = np.exp(odds - odds.max(1, keepdims=True))
            of /= of.sum(1, keepdims=True)
        return LabelPrior(weights, shares)

    def sample(self, known: Mapping[int, float], rng: np.random.Generator) -> Floats:
        """Labels float32 [K], 0 or 1, given the known ones: column -> label 0..1."""
        odds = np.log(self.weights)
        for k, label in known.items():
            sure = min(max(label, 0.0), 1.0)
            odds = (
                odds + sure * np.log(self.shares[:, k]) + (1 - sure) * np.log1p(-self.shares[:, k])
            )
        chances = np.exp(odds - odds.max())
        component = rng.choice(len(chances), p=chances / chances.sum())
        found = (rng.random(self.shares.shape[1]) < self.shares[component]).astype(np.float32)
        for k, label in known.items():
            found[k] = label
        return np.asarray(found, np.float32)

    def save(self, path: Path) -> None:
        """Write `.npz`."""
        save_arrays(
            path,
            format=np.int64(FORMAT),
            weights=self.weights.astype(np.float32),
            shares=self.shares.astype(np.float32),
        )

    @staticmethod
    def load(path: Path) -> "LabelPrior":
        """Read what `save` wrote; raises `BadBundle`."""
        with open_part(path, "the label prior", FORMAT) as file:
            return LabelPrior(*(file[name].astype(np.float64) for name in ("weights", "shares")))
