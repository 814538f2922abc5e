"""The closed-form prior: whitened codes and labels jointly Gaussian."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from facedial.arrays import Doubles, Floats, open_part, save_arrays
from facedial.codes.attributes import match
from facedial.codes.moments import fit_moments, positive
from facedial.priors.base import check_labels, check_temperature

FORMAT = 1


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
        self, seeds: Sequence[int], targets: Mapping[str, float], temperature: float = 1.0
    ) -> Floats:
        """See `Prior.sample`. Matheron's rule: draw (z, y) jointly, then correct z.

        z + C_S' S_SS^-1 (targets - y_S) has exactly the conditional distribution (Hoffman and
        Ribak 1991), with no D x D factorisation.
        """
        check_temperature(temperature)
        chosen, values = self._chosen(targets)
        cross = self.cross[chosen].astype(np.float64)
        residual_root = self._residual_root(chosen)
        correct = self._correction(chosen)
        centre = correct @ (values - self.label_mean[chosen])
        rows = np.empty((len(seeds), self.cross.shape[1]), np.float32)
        for row, seed in zip(rows, seeds, strict=True):
            rng = np.random.default_rng(seed)
            z = rng.standard_normal(len(row))  # first, so that it is the same whatever the targets
            if chosen:
                z -= correct @ (cross @ z + residual_root @ rng.standard_normal(len(chosen)))
            row[:] = centre + temperature * z
        return rows

    def mean(self, targets: Mapping[str, float]) -> Floats:
        """Mean code float32 [D] of people with the target labels."""
        chosen, values = self._chosen(targets)
        centre = self._correction(chosen) @ (values - self.label_mean[chosen])
        return np.asarray(centre).astype(np.float32)

    def log_density(self, codes: Floats, targets: Mapping[str, float]) -> Doubles:
        """Natural log of the density at `codes` [N, D] given the target labels, float64 [N].

        Covariance I - C' S^-1 C; its inverse is I + C' (S - C C')^-1 C and its determinant
        |S - C C'| / |S| (Woodbury), S - C C' being `rest`.
        """
        chosen, _ = self._chosen(targets)
        away = codes.astype(np.float64) - self.mean(targets)
        square = (away**2).sum(axis=1)
        volume = 0.0
        if chosen:
            cross, total, rest = self._parts(chosen)
            image = away @ cross.T
            square += (image * np.linalg.solve(rest, image.T).T).sum(axis=1)
            volume = float(np.linalg.slogdet(rest)[1] - np.linalg.slogdet(total)[1])
        return np.asarray(-0.5 * (square + volume + away.shape[1] * np.log(2 * np.pi)))

    def _chosen(self, targets: Mapping[str, float]) -> tuple[list[int], Doubles]:
        labels = check_labels(targets)
        rows = {self.names.index(match(name, self.names)): v for name, v in labels.items()}
        return list(rows), np.array(list(rows.values()), np.float64)

    def _parts(self, chosen: Sequence[int]) -> tuple[Doubles, Doubles, Doubles]:
        cross = self.cross[chosen].astype(np.float64)
        # a label that codes explain fully would make this singular
        rest = self.rest[np.ix_(chosen, chosen)].astype(np.float64) + 1e-6 * np.eye(len(chosen))
        return cross, cross @ cross.T + rest, rest

    def _residual_root(self, chosen: Sequence[int]) -> Doubles:
        return np.asarray(np.linalg.cholesky(self._parts(chosen)[2]))

    def _correction(self, chosen: Sequence[int]) -> Doubles:
        """C_S' S_SS^-1, [D, S]."""
        cross, total, _ = self._parts(chosen)
        return np.asarray(np.linalg.solve(total, cross).T)

    def save(self, path: str | Path) -> None:
        """Write `.npz`; the large matrix as float16."""
        save_arrays(
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
        with open_part(path, "a prior", FORMAT, "gaussian") as file:
            return GaussianPrior(
                space=str(file["space"]),
                names=tuple(str(name) for name in file["names"]),
                label_mean=file["label_mean"],
                cross=file["cross"].astype(np.float32),
                rest=file["rest"],
            )
