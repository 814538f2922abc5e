import dataclasses
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facedial.codes.code import Code
from facedial.editing.directions import label_directions
from facedial.editing.request import Edit
from facedial.errors import BadBundle, BadRequest, UnknownName
from facedial.priors.conditional import ConditionalPrior, load_prior
from facedial.priors.gaussian import GaussianPrior

from .conftest import NAMES, SPACE, World

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
    for wanted in ({}, {"Smiling": 1.0}):
        together = prior.sample(seeds, wanted)
        assert together.dtype == np.float32
        alone = np.concatenate([prior.sample([seed], wanted) for seed in seeds])
        assert np.array_equal(together, alone)


def test_wishes_hold_and_the_rest_comes_as_in_people(prior: ConditionalPrior, world: World) -> None:
    drawn = prior.sample(range(4000), {"Male": 1.0, "smiling": 0.25})[:, LATENT:]
    assert (drawn[:, 0] == 1).all()
    assert (drawn[:, 2] == 0.25).all()
    men = (world.labels[:, 0] == 1) & (world.labels[:, 2] == 0)
    glasses = world.labels[men, 3].mean()
    assert drawn[:, 3].mean() == pytest.approx(glasses, abs=0.04)
    # In this world men wear glasses more often than people do; a draw from all would show that.
    assert glasses > world.labels[:, 3].mean() + 0.05


def test_a_wish_that_nobody_has_takes_those_who_come_nearest(prior: ConditionalPrior) -> None:
    table = np.array([[0, 0, 0, 0, 0, 0], [1, 1, 0, 0, 0, 0]], np.uint8)
    few = ConditionalPrior(
        SPACE, NAMES, prior.mean, prior.slope, prior.root, prior.label_mean, table
    )
    drawn = few.sample(range(20), {"Male": 1.0, "Young": 1.0, "Bald": 1.0})[:, LATENT:]
    assert (drawn == [1, 1, 0, 0, 1, 0]).all()


def test_emphasis_writes_wishes_farther_from_what_is_usual(prior: ConditionalPrior) -> None:
    strong = dataclasses.replace(prior, emphasis=1.5)
    wanted = {"Male": 1.0, "Young": 0.0}
    plain, drawn = (p.sample(range(5), wanted)[:, LATENT:] for p in (prior, strong))
    usual = prior.label_mean
    np.testing.assert_allclose((drawn - usual)[:, :2], 1.5 * (plain - usual)[:, :2], rtol=1e-5)
    assert np.array_equal(drawn[:, 2:], plain[:, 2:])


def test_latent_numbers_have_the_regression_and_the_rest_of_their_people(
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
    still = prior.sample([1, 2], {}, temperature=0)
    assert not np.array_equal(still[0, :LATENT], still[1, :LATENT]) or np.array_equal(
        still[0, LATENT:], still[1, LATENT:]
    )


def test_the_standard_prior_is_standard(labels: np.ndarray) -> None:
    drawn = ConditionalPrior.standard(LATENT, labels, NAMES, space=SPACE).sample(range(8000), {})
    assert np.abs(drawn[:, :LATENT].mean(0)).max() < 0.05
    assert np.abs(np.cov(drawn[:, :LATENT].T) - np.eye(LATENT)).max() < 0.06


def test_files_give_the_prior_back(prior: ConditionalPrior, tmp_path: Path, world: World) -> None:
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


def test_nonsense_is_refused(prior: ConditionalPrior) -> None:
    with pytest.raises(UnknownName):
        prior.sample([1], {"Smilling": 1.0})
    with pytest.raises(BadRequest, match="temperature"):
        prior.sample([1], {}, temperature=3)
    with pytest.raises(BadRequest, match="wanted labels"):
        prior.sample([1], {"Male": 7.0})


def test_to_move_an_attribute_is_to_write_its_number(labels: np.ndarray) -> None:
    known = np.nan_to_num(labels, nan=0.5)
    code = Code(np.array([9, 8, 7, 6, 5, 0.1, 0.9, 0.2, 0, 0, 1], np.float32), SPACE)
    plain = label_directions(LATENT, known, NAMES, space=SPACE)
    step = plain.steps(code, Edit({"Smiling": 1.0, "Male": 0.5}))
    moved = code.values + step
    np.testing.assert_allclose(moved, [9, 8, 7, 6, 5, 0.5, 0.9, 1, 0, 0, 1], atol=1e-6)
    slope = np.zeros((len(NAMES), LATENT), np.float32)
    slope[2] = [1, 0, 0, 0, -2]
    along = label_directions(LATENT, known, NAMES, space=SPACE, slope=slope)
    step = along.steps(code, Edit({"Smiling": 1.2}))
    np.testing.assert_allclose(step, [1, 0, 0, 0, -2, 0, 0, 1, 0, 0, 0], atol=1e-5)
    assert along.readings(code)["Male"] == pytest.approx(0.1)
