"""Synthetic codes of 32 numbers that depend on six known attributes, and directions fitted to them."""

from dataclasses import dataclass

import numpy as np
import pytest

from facedial.arrays import Floats
from facedial.editing.directions import Directions, fit_directions

NAMES = ("Male", "Young", "Smiling", "Eyeglasses", "Bald", "Wavy_Hair")
SPACE = "small-world"


@dataclass(frozen=True)
class World:
    codes: Floats  # [N, 32], whitened
    labels: Floats  # [N, 6]; Eyeglasses mostly on older people and men, as in life


@pytest.fixture(scope="session")
def world() -> World:
    rng = np.random.default_rng(5)
    count, dim = 6000, 32
    hidden = rng.standard_normal((count, len(NAMES)))
    hidden[:, 3] += 0.8 * hidden[:, 0] - 0.8 * hidden[:, 1]
    labels = (hidden > [0, -0.5, 0, 1, 1.2, 0]).astype(np.float32)
    codes = labels @ rng.standard_normal((len(NAMES), dim)) + 0.8 * rng.standard_normal(
        (count, dim)
    )
    codes -= codes.mean(axis=0)
    values, vectors = np.linalg.eigh(codes.T @ codes / count)
    return World((codes @ vectors / np.sqrt(values)).astype(np.float32), labels)


@pytest.fixture(scope="session")
def directions(world: World) -> Directions:
    return fit_directions(world.codes, world.labels, NAMES, space=SPACE)
