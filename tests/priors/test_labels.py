"""Laws of the label prior: attributes that are not targets occur as in people."""

from pathlib import Path

import numpy as np
import pytest

from facedial.errors import BadBundle
from facedial.priors.labels import LabelPrior


def labels_of_two_groups(count: int, rng: np.random.Generator) -> np.ndarray:
    """In the first group all have 0 and 1 and none has 2; in the second none has 0, and half have 2."""
    first = rng.random(count) < 0.3
    labels = np.zeros((count, 4), bool)
    labels[:, 0] = first
    labels[:, 1] = first
    labels[:, 2] = ~first & (rng.random(count) < 0.5)
    labels[:, 3] = rng.random(count) < 0.2
    return labels


def test_attributes_are_sampled_as_they_occur_together() -> None:
    rng = np.random.default_rng(0)
    prior = LabelPrior.fit(labels_of_two_groups(4000, rng), rng, components=4)
    sampled = np.stack([prior.sample({}, rng) for _ in range(2000)])
    assert sampled.dtype == np.float32
    np.testing.assert_allclose(sampled.mean(0), [0.3, 0.3, 0.35, 0.2], atol=0.04)
    assert (sampled[:, 0] == sampled[:, 1]).mean() > 0.97
    known = np.stack([prior.sample({0: 1.0}, rng) for _ in range(500)])
    assert (known[:, 0] == 1).all()
    assert known[:, 1].mean() > 0.95 and known[:, 2].mean() < 0.05
    # Attributes that never occurred together can be targets all the same.
    both = prior.sample({0: 1.0, 2: 1.0}, rng)
    assert both[0] == both[2] == 1


def test_a_saved_prior_gives_the_same_samples(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    prior = LabelPrior.fit(labels_of_two_groups(500, rng), rng, components=3)
    prior.save(tmp_path / "people.npz")
    loaded = LabelPrior.load(tmp_path / "people.npz")
    for seed in range(20):
        first, second = (
            one.sample({3: 0.0}, np.random.default_rng(seed)) for one in (prior, loaded)
        )
        assert np.array_equal(first, second)
    (tmp_path / "people.npz").write_bytes(b"nothing")
    with pytest.raises(BadBundle, match=r"cannot read .*people\.npz"):
        LabelPrior.load(tmp_path / "people.npz")
