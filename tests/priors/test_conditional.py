"""Laws of the prior of conditional VAEs."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facedial.errors import BadBundle, BadRequest, UnknownName
from facedial.priors.conditional import ConditionalPrior, load_prior
from facedial.priors.gaussian import GaussianPrior
from small_world import NAMES, SPACE, World

LATENT = 5


@pytest.fixture(scope="module")
def labels(world: World) -> np.ndarray:
    some = world.labels.copy()
    some[::50, 4] = np.nan
    return some


@pytest.fixture(scope="module")
def prior(world: World, labels: np.ndarray) -> ConditionalPrior:
    return ConditionalPrior.fit(world.codes[:, :LATENT], labels, NAMES, space=SPACE)


@given(st.lists(st.integers(0, 2**63), min_size=1, max_size=6))
def test_row_i_is_a_function_of_seed_i(prior: ConditionalPrior, seeds: list[int]) -> None:
    for targets in ({}, {"Smiling": 1.0}):
        together = prior.sample(seeds, targets)
        assert together.dtype == np.float32
        alone = np.concatenate([prior.sample([seed], targets) for seed in seeds])
        assert np.array_equal(together, alone)


def test_targets_are_met_and_other_attributes_occur_as_in_people(
    prior: ConditionalPrior, world: World
) -> None:
    drawn = prior.sample(range(4000), {"Male": 1.0, "smiling": 0.25})[:, LATENT:]
    assert (drawn[:, 0] == 1).all()
    assert (drawn[:, 2] == 0.25).all()
    men = (world.labels[:, 0] == 1) & (world.labels[:, 2] == 0)
    glasses = world.labels[men, 3].mean()
    assert drawn[:, 3].mean() == pytest.approx(glasses, abs=0.04)
    # In this world men wear glasses more often than people do; a draw from all would show that.
    assert glasses > world.labels[:, 3].mean() + 0.05


def test_targets_that_nobody_has_take_the_nearest_people(prior: ConditionalPrior) -> None:
    table = np.array([[0, 0, 0, 0, 0, 0], [1, 1, 0, 0, 0, 0]], np.uint8)
    few = ConditionalPrior(
        SPACE, NAMES, prior.mean, prior.slope, prior.root, prior.label_mean, table
    )
    drawn = few.sample(range(20), {"Male": 1.0, "Young": 1.0, "Bald": 1.0})[:, LATENT:]
    assert (drawn == [1, 1, 0, 0, 1, 0]).all()


def test_emphasis_scales_the_distance_of_targets_from_the_mean(prior: ConditionalPrior) -> None:
    strong = dataclasses.replace(prior, emphasis=1.5)
    targets = {"Male": 1.0, "Young": 0.0}
    plain, drawn = (p.sample(range(5), targets)[:, LATENT:] for p in (prior, strong))
    mean = prior.label_mean
    np.testing.assert_allclose((drawn - mean)[:, :2], 1.5 * (plain - mean)[:, :2], rtol=1e-5)
    assert np.array_equal(drawn[:, 2:], plain[:, 2:])


def test_latent_numbers_have_the_mean_and_covariance_of_the_training_codes(
    prior: ConditionalPrior, world: World
) -> None:
    drawn = prior.sample(range(8000), {})
    codes = world.codes[:, :LATENT]
    assert np.abs(drawn[:, :LATENT].mean(0) - codes.mean(0)).max() < 0.06
    assert np.abs(np.cov(drawn[:, :LATENT].T) - np.cov(codes.T)).max() < 0.1
    for k in (0, 3):
        with_, without = (drawn[drawn[:, LATENT + k] == side, :LATENT].mean(0) for side in (1, 0))
        real = codes[world.labels[:, k] == 1].mean(0) - codes[world.labels[:, k] == 0].mean(0)
        assert np.abs((with_ - without) - real).max() < 0.1
    mean_faces = prior.sample([1, 2], {}, temperature=0)
    assert not np.array_equal(mean_faces[0, :LATENT], mean_faces[1, :LATENT]) or np.array_equal(
        mean_faces[0, LATENT:], mean_faces[1, LATENT:]
    )


def test_the_standard_prior_is_standard(labels: np.ndarray) -> None:
    drawn = ConditionalPrior.standard(LATENT, labels, NAMES, space=SPACE).sample(range(8000), {})
    assert np.abs(drawn[:, :LATENT].mean(0)).max() < 0.05
    assert np.abs(np.cov(drawn[:, :LATENT].T) - np.eye(LATENT)).max() < 0.06


def test_a_prior_comes_back_from_its_file(
    prior: ConditionalPrior, tmp_path: Path, world: World
) -> None:
    prior.save(tmp_path / "prior.npz")
    again = load_prior(tmp_path / "prior.npz")
    assert isinstance(again, ConditionalPrior)
    np.testing.assert_allclose(again.sample([3], {}), prior.sample([3], {}), atol=5e-3)
    GaussianPrior.fit(world.codes, world.labels, NAMES, space=SPACE).save(tmp_path / "g.npz")
    assert isinstance(load_prior(tmp_path / "g.npz"), GaussianPrior)
    (tmp_path / "bad.npz").write_bytes(b"no prior")
    for load in (load_prior, ConditionalPrior.load):
        with pytest.raises(BadBundle, match="cannot read a prior"):
            load(tmp_path / "bad.npz")


def test_unknown_attributes_and_values_out_of_range_are_refused(prior: ConditionalPrior) -> None:
    with pytest.raises(UnknownName):
        prior.sample([1], {"Smilling": 1.0})
    with pytest.raises(BadRequest, match="temperature"):
        prior.sample([1], {}, temperature=3)
    with pytest.raises(BadRequest, match="the target of Male must lie"):
        prior.sample([1], {"Male": 7.0})
