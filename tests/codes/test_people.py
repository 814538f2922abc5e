"""Laws of who people are in what is left open."""

from pathlib import Path

import numpy as np
import pytest

from facedial.errors import BadBundle
from facedial.priors.labels import LabelPrior


def crowd(count: int, rng: np.random.Generator) -> np.ndarray:
    """Two kinds: of one, who has 0 has 1 and never 2; of the other, nobody has 0, and half have 2."""
    first = rng.random(count) < 0.3
    labels = np.zeros((count, 4), bool)
    labels[:, 0] = first
    labels[:, 1] = first
    labels[:, 2] = ~first & (rng.random(count) < 0.5)
    labels[:, 3] = rng.random(count) < 0.2
    return labels


def test_what_goes_together_is_drawn_together() -> None:
    rng = np.random.default_rng(0)
    people = LabelPrior.fit(crowd(4000, rng), rng, kinds=4)
    drawn = np.stack([people.draw({}, rng) for _ in range(2000)])
    assert drawn.dtype == np.float32
    np.testing.assert_allclose(drawn.mean(0), [0.3, 0.3, 0.35, 0.2], atol=0.04)
    assert (drawn[:, 0] == drawn[:, 1]).mean() > 0.97
    known = np.stack([people.draw({0: 1.0}, rng) for _ in range(500)])
    assert (known[:, 0] == 1).all()
    assert known[:, 1].mean() > 0.95 and known[:, 2].mean() < 0.05
    # What never came together can be wanted all the same.
    both = people.draw({0: 1.0, 2: 1.0}, rng)
    assert both[0] == both[2] == 1


def test_the_same_draw_is_the_same_person(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    people = LabelPrior.fit(crowd(500, rng), rng, kinds=3)
    people.save(tmp_path / "people.npz")
    loaded = LabelPrior.load(tmp_path / "people.npz")
    for seed in range(20):
        one, other = (p.draw({3: 0.0}, np.random.default_rng(seed)) for p in (people, loaded))
        assert np.array_equal(one, other)
    (tmp_path / "people.npz").write_bytes(b"nothing")
    with pytest.raises(BadBundle, match=r"cannot read .*people\.npz"):
        LabelPrior.load(tmp_path / "people.npz")
