"""Photos of made-up faces for an index, without any network."""

from pathlib import Path

import numpy as np

from facedial.arrays import Floats
from facedial.codes.attributes import NAMES
from facedial.faces.overview import FaceFacts
from facedial.search.entry import FaceEntry, PhotoEntry


def unit(values: Floats) -> Floats:
    return np.asarray(values / np.linalg.norm(values, axis=-1, keepdims=True), np.float32)


def face(seed: int, number: int = 1) -> FaceEntry:
    """A face whose probabilities and vectors depend on its seed; `Smiling` is the seed over 10,000."""
    rng = np.random.default_rng(seed)
    attributes = np.full(len(NAMES), 0.5, np.float32)
    attributes[NAMES.index("Smiling")] = seed / 10_000
    facts = FaceFacts(number, (1.5, 2, 30 + seed, 40), 12, 0, 5, 0, 0.01, 1, 1, 0.9)
    return FaceEntry(
        facts,
        rng.uniform(0, 40, (5, 2)),
        attributes,
        unit(rng.standard_normal(128).astype(np.float32)),
        rng.standard_normal(1024).astype(np.float32),
        unit(rng.standard_normal(40).astype(np.float32)),
    )


def photo(path: Path, *seeds: int, modified: int = 1) -> PhotoEntry:
    """A photo of those faces."""
    faces = tuple(face(seed, number) for number, seed in enumerate(seeds, 1))
    return PhotoEntry(str(path), 100, modified, faces)
