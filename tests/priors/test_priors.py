"""Laws of the Gaussian and the uniform prior."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from facedial.errors import BadBundle, BadRequest, UnknownName
from facedial.priors.base import Prior, face_seeds
from facedial.priors.gaussian import GaussianPrior
from facedial.priors.uniform import UniformPrior
from small_world import NAMES, SPACE, World

TARGETS = {"Male": 1.0, "Smiling": 0.0}


@pytest.fixture(scope="module")
def gaussian(world: World) -> GaussianPrior:
    return GaussianPrior.fit(world.codes, world.labels, NAMES, space=SPACE)


def conditional(prior: GaussianPrior) -> tuple[np.ndarray, np.ndarray]:
    """Slow reference: mean and covariance of z given TARGETS, from the joint covariance."""
    rows = [NAMES.index(n) for n in TARGETS]
    cross = prior.cross[rows].astype(np.float64)
    total = cross @ cross.T + prior.rest[np.ix_(rows, rows)]
    gain = cross.T @ np.linalg.inv(total)
    away = np.array(list(TARGETS.values())) - prior.label_mean[rows]
    return gain @ away, np.eye(cross.shape[1]) - gain @ cross


@pytest.mark.parametrize("targets", [{}, TARGETS])
@given(st.lists(st.integers(0, 2**63), min_size=1, max_size=6))
def test_row_i_is_a_function_of_seed_i(
    gaussian: GaussianPrior, targets: dict[str, float], seeds: list[int]
) -> None:
    uniform = UniformPrior(SPACE, 5)
    priors: list[tuple[Prior, dict[str, float]]] = [(gaussian, targets), (uniform, {})]
    for prior, asked in priors:
        together = prior.sample(seeds, asked)
        alone = np.concatenate([prior.sample([seed], asked) for seed in seeds])
        assert together.dtype == np.float32
        assert np.array_equal(together, alone)


def test_more_faces_of_one_seed_keep_the_first_ones() -> None:
    assert face_seeds(3, 4) == face_seeds(3, 9)[:4]
    assert len({*face_seeds(3, 100), *face_seeds(4, 100)}) == 200


def test_samples_have_the_conditional_mean_and_covariance(gaussian: GaussianPrior) -> None:
    count = 10_000
    drawn = gaussian.sample(range(count), TARGETS).astype(np.float64)
    mean, cov = conditional(gaussian)
    bound = 5 / np.sqrt(count)  # five standard errors of a mean of variance at most 1
    assert np.abs(drawn.mean(axis=0) - mean).max() < bound
    assert np.abs(np.cov(drawn.T) - cov).max() < 2 * bound
    assert_allclose(gaussian.mean(TARGETS), mean, atol=1e-4)


def test_temperature_scales_the_deviation_from_the_mean_face(gaussian: GaussianPrior) -> None:
    mean = gaussian.mean(TARGETS)
    full, half = (gaussian.sample([1, 2], TARGETS, t) for t in (1.0, 0.5))
    assert_allclose(half - mean, 0.5 * (full - mean), atol=1e-5)
    assert_allclose(gaussian.sample([9], TARGETS, 0), mean[None], atol=1e-6)
    assert not gaussian.sample([9], {}, 0).any()


def test_the_conditional_mean_is_the_mean_code_of_such_people(
    world: World, gaussian: GaussianPrior
) -> None:
    # the mean code of bald people, from labels alone, against the bald people themselves
    bald = world.codes[world.labels[:, NAMES.index("Bald")] == 1].mean(axis=0)
    assert_allclose(gaussian.mean({"bald": 1}), bald, atol=0.02)


def test_log_density_matches_the_closed_form(gaussian: GaussianPrior) -> None:
    at = gaussian.sample([1, 2, 3], {})
    mean, cov = conditional(gaussian)
    away = at - mean
    expected = -0.5 * (
        np.einsum("nd,nd->n", away, np.linalg.solve(cov, away.T).T)
        + np.linalg.slogdet(2 * np.pi * cov)[1]
    )
    assert_allclose(gaussian.log_density(at, TARGETS), expected, rtol=1e-3)
    plain = -0.5 * ((at.astype(np.float64) ** 2).sum(axis=1) + 32 * np.log(2 * np.pi))
    assert_allclose(gaussian.log_density(at, {}), plain, rtol=1e-6)


@given(st.floats(-0.4, 0.4), st.floats(0, 1))
def test_density_integrates_to_one_in_one_dimension(cross: float, target: float) -> None:
    prior = GaussianPrior(
        space=SPACE,
        names=("Male",),
        label_mean=np.array([0.5], np.float32),
        cross=np.array([[cross]], np.float32),
        rest=np.array([[0.25 - cross**2]], np.float32),
    )
    line = np.linspace(-12, 12, 4001, dtype=np.float32)
    for asked in ({}, {"Male": target}):
        density = np.exp(prior.log_density(line[:, None], asked))
        assert np.trapezoid(density, line.astype(np.float64)) == pytest.approx(1, abs=1e-3)


def test_uniform_codes_fill_their_range_and_have_no_attributes() -> None:
    prior = UniformPrior(SPACE, 2000, low=-1, high=3)
    drawn = prior.sample([0], {})
    assert -1 <= drawn.min() < -0.98 and 2.98 < drawn.max() <= 3
    assert np.all(prior.sample([0], {}, 0) == 1)
    with pytest.raises(BadRequest, match="has no attributes"):
        prior.sample([0], TARGETS)
    with pytest.raises(BadRequest, match="low < high"):
        UniformPrior(SPACE, 2, low=1, high=1)


def test_unknown_attributes_and_values_out_of_range_are_refused(gaussian: GaussianPrior) -> None:
    with pytest.raises(UnknownName, match="did you mean Male"):
        gaussian.sample([0], {"Mael": 1})
    with pytest.raises(BadRequest, match="the target of Male must lie"):
        gaussian.sample([0], {"Male": 3})
    for temperature in (-1, 3, np.nan):
        with pytest.raises(BadRequest, match="temperature"):
            gaussian.sample([0], {}, temperature)


def test_a_prior_comes_back_from_its_file(tmp_path: Path, gaussian: GaussianPrior) -> None:
    gaussian.save(tmp_path / "p.npz")
    loaded = GaussianPrior.load(tmp_path / "p.npz")
    assert (loaded.space, loaded.names) == (gaussian.space, gaussian.names)
    assert_allclose(loaded.sample([1], TARGETS), gaussian.sample([1], TARGETS), atol=0.01)
    (tmp_path / "bad.npz").write_bytes((tmp_path / "p.npz").read_bytes()[:300])
    for name in ("bad.npz", "missing.npz"):
        with pytest.raises(BadBundle, match="cannot read a prior"):
            GaussianPrior.load(tmp_path / name)
    np.savez(tmp_path / "other.npz", format=np.int64(1), kind=np.array("other"))
    with pytest.raises(BadBundle, match="holds other, format 1, where a prior"):
        GaussianPrior.load(tmp_path / "other.npz")
