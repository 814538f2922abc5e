"""Figures of new faces."""

import numpy as np

from facedial.evaluate import generation


def test_copies_are_told_from_faces_of_ones_own() -> None:
    rng = np.random.default_rng(0)
    train = rng.integers(0, 256, (40, 64, 64, 3), np.uint8)
    noise = rng.integers(-9, 10, (5, 64, 64, 3))
    copied = np.clip(train[:5].astype(int) + noise, 0, 255).astype(np.uint8)
    # As far from training faces as they are from one another.
    fresh = rng.integers(0, 256, (20, 64, 64, 3), np.uint8)
    found = generation._copies(np.concatenate([copied, fresh]), train, np.arange(40))
    assert found[:5].tolist() == [1] * 5
    assert 0.05 < found[5:].mean() < 0.95
    # Rows left out of the training people are no one's copy.
    assert generation._copies(copied, train, np.arange(5, 40)).mean() < 1
