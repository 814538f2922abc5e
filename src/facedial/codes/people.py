"""What people are like: which attributes go together, as a mixture of kinds of people.

A flow draws a whole person better than one of whom nothing is said. So what is left open is drawn too,
as it occurs among people who have what is wanted: blonde women with lipstick, men without.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facedial.codes.arrays import bundled
from facedial.codes.code import Floats

KINDS, ROUNDS = 128, 60
SMOOTH = (
    1.0  # person of each kind who has every attribute and has it not, so that none is impossible
)
FORMAT = 1
PEOPLE = "people.npz"  # in a bundle

Doubles = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class People:
    """A mixture of Bernoulli distributions. `weights` [C]: how many people are of a kind.

    `shares` [C, K]: of those, how many have each attribute.
    """

    weights: Doubles
    shares: Doubles

    @staticmethod
    def fit(labels: NDArray[np.bool_], rng: np.random.Generator, kinds: int = KINDS) -> "People":
        """Fitted to people's labels [N, K] by expectation and maximisation (Dempster 1977)."""
        count, width = labels.shape
        values = labels.astype(np.float64)
        of = rng.dirichlet(np.full(kinds, 0.1), count)
        weights, shares = np.ones(kinds) / kinds, np.full((kinds, width), 0.5)
        for _ in range(ROUNDS):
            size = of.sum(0)
            shares = (of.T @ values + SMOOTH * values.mean(0)) / (size[:, None] + SMOOTH)
            shares = np.clip(shares, 1e-4, 1 - 1e-4)
            weights = (size + SMOOTH) / (count + kinds * SMOOTH)
            odds = values @ np.log(shares).T + (1 - values) @ np.log1p(-shares).T + np.log(weights)
            of = np.exp(odds - odds.max(1, keepdims=True))
            of /= of.sum(1, keepdims=True)
        return People(weights, shares)

    def draw(self, known: Mapping[int, float], rng: np.random.Generator) -> Floats:
        """Labels float32 [K], 0 or 1, of one who has what is known: attribute -> label 0..1."""
        odds = np.log(self.weights)
        for k, label in known.items():
            sure = min(max(label, 0.0), 1.0)
            odds = (
                odds + sure * np.log(self.shares[:, k]) + (1 - sure) * np.log1p(-self.shares[:, k])
            )
        chances = np.exp(odds - odds.max())
        kind = rng.choice(len(chances), p=chances / chances.sum())
        found = (rng.random(self.shares.shape[1]) < self.shares[kind]).astype(np.float32)
        for k, label in known.items():
            found[k] = label
        return np.asarray(found, np.float32)

    def save(self, path: Path) -> None:
        """Write `.npz`."""
        arrays: dict[str, Any] = {"weights": self.weights, "shares": self.shares}
        with path.open("wb") as file:
            np.savez(
                file,
                format=np.int64(FORMAT),
                **{k: v.astype(np.float32) for k, v in arrays.items()},
            )

    @staticmethod
    def load(path: Path) -> "People":
        """Read what `save` wrote; raises `BadBundle`."""
        with bundled(path, "people", FORMAT) as file:
            return People(*(file[name].astype(np.float64) for name in ("weights", "shares")))
