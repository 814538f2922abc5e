"""Principal components of whole crops: the baseline of every table, and a model like any other."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facedial.errors import BadRequest
from facedial.files import atomic_write

UInt8 = NDArray[np.uint8]
Floats = NDArray[np.float32]

# More columns than wanted make the last components of a randomised basis exact enough.
SPARE = 128
BLOCK = 512


@dataclass(frozen=True, slots=True, eq=False)
class Pca:
    """`mean` [P], `basis` [P, D] orthonormal, `deviation` [D], of crops uint8 [S, S, 3] / 255."""

    mean: Floats
    basis: Floats
    deviation: Floats
    side: int

    def encode(self, crops: UInt8) -> Floats:
        """Crops uint8 [N, S, S, 3] -> whitened codes float32 [N, D]."""
        codes = (_flat(crops) - self.mean) @ self.basis / self.deviation
        return codes.astype(np.float32)

    def decode(self, codes: Floats) -> Floats:
        """Codes -> pictures float32 [N, S, S, 3], 0..255, neither clipped nor rounded."""
        flat = (codes * self.deviation) @ self.basis.T + self.mean
        return (flat * 255).reshape(-1, self.side, self.side, 3).astype(np.float32)

    def save(self, path: Path) -> None:
        """Write to `.npz`, the basis in half precision."""
        half = self.basis.astype(np.float16)
        with atomic_write(path) as file:
            np.savez(file, mean=self.mean, basis=half, deviation=self.deviation, side=self.side)

    @staticmethod
    def load(path: Path) -> "Pca":
        """Read what `save` wrote."""
        with np.load(path) as file:
            basis = file["basis"].astype(np.float32)
            return Pca(file["mean"], basis, file["deviation"], int(file["side"]))


def fit_pca(
    blocks: Callable[[], Iterable[UInt8]],
    side: int,
    components: int,
    *,
    rng: np.random.Generator,
    passes: int = 2,
) -> Pca:
    """PCA of crops uint8 [n, S, S, 3], read in blocks as often as needed, never all at once.

    Randomised subspace iteration on the covariance (Halko, Martinsson and Tropp 2011, alg. 4.4 and
    5.3): `passes` multiplications by it, then Rayleigh-Ritz. Raises `BadRequest` for fewer crops
    than components.
    """
    numbers = side * side * 3
    total, count = np.zeros(numbers, np.float64), 0
    for block in blocks():
        total += block.reshape(len(block), -1).sum(0, dtype=np.float64)
        count += len(block)
    if count <= components:
        raise BadRequest(f"{components} components need more crops than that, found {count}")
    mean = (total / count / 255).astype(np.float32)
    width = min(components + SPARE, numbers, count)
    basis = rng.standard_normal((numbers, width), np.float32)
    for _ in range(passes):
        basis = np.linalg.qr(basis)[0]
        product = np.zeros_like(basis)
        for block in blocks():
            centred = _flat(block) - mean
            product += centred.T @ (centred @ basis)
        basis = product
    basis = np.linalg.qr(basis)[0]
    gram = np.zeros((width, width))
    for block in blocks():
        projected = (_flat(block) - mean) @ basis
        gram += projected.T @ projected
    values, vectors = np.linalg.eigh(gram / count)
    values, vectors = values[::-1][:components], vectors[:, ::-1][:, :components]
    deviation = np.sqrt(np.maximum(values, 1e-12)).astype(np.float32)
    return Pca(mean, basis @ vectors.astype(np.float32), deviation, side)


def _flat(crops: UInt8) -> Floats:
    flat: Floats = crops.reshape(len(crops), -1).astype(np.float32) / np.float32(255)
    return flat
