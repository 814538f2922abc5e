"""Laws of interpolation between faces: Gaussian, mean 3 x Smiling, standard deviation 0.4."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from facedial.codes.code import Code
from facedial.errors import BadRequest
from facedial.flow.interpolate import FlowInterpolation, interpolate, slerp

from .gaussian_faces import SD, SIZE, to_codes, to_latents, velocity


def faces(*smiling: float) -> tuple[list[Code], np.ndarray]:
    """Codes of faces, and their conditions."""
    rng = np.random.default_rng(7)
    values = rng.standard_normal((len(smiling), SIZE)) * SD + 3 * np.array(smiling)[:, None]
    conditions = np.array([[0, value] for value in smiling], np.float32)
    return [Code(row.astype(np.float32), "fd-test") for row in values], conditions


def by_flow(codes: list[Code], conditions: np.ndarray, steps: int = 24) -> FlowInterpolation:
    values = np.stack([one.values for one in codes])
    return FlowInterpolation(
        values, conditions, velocity, to_latents, to_codes, t_start=0.05, steps=steps
    )


@pytest.mark.parametrize("linear", [True, False])
@pytest.mark.parametrize("steps", [2, 3, 6])
def test_an_interpolation_passes_through_its_faces_exactly(linear: bool, steps: int) -> None:
    codes, conditions = faces(1, -1, 0)
    found = interpolate(codes, steps, None if linear else by_flow(codes, conditions, 4))
    assert len(found) == 2 * (steps - 1) + 1
    for at, end in zip((0, steps - 1, -1), codes, strict=True):
        assert np.array_equal(found[at].values, end.values)
    assert {one.values.dtype for one in found} == {np.dtype(np.float32)}


def test_the_middle_of_a_linear_interpolation_is_the_mean() -> None:
    codes, _ = faces(1, -1)
    middle = interpolate(codes, 5)[2]
    assert_allclose(middle.values, (codes[0].values + codes[1].values) / 2, atol=1e-6)


def test_faces_between_keep_the_spread_that_linear_interpolation_loses() -> None:
    codes, conditions = faces(1, -1)
    found = interpolate(codes, 5, by_flow(codes, conditions))
    for share, one in zip(np.linspace(0, 1, 5), found, strict=True):
        assert float(one.values.mean()) == pytest.approx(3 - 6 * share, abs=0.1)
        assert float(one.values.std()) == pytest.approx(SD, rel=0.1)
    linear = interpolate(codes, 5)[2].values
    assert float(linear.std()) == pytest.approx(SD / np.sqrt(2), rel=0.1)


def test_steps_are_even_and_fewer_steps_are_a_part_of_more() -> None:
    codes, conditions = faces(0, 1)
    fine, coarse = (
        np.stack([one.values for one in interpolate(codes, steps, by_flow(codes, conditions))])
        for steps in (9, 5)
    )
    assert_allclose(fine[::2], coarse, atol=1e-5)
    lengths = np.linalg.norm(np.diff(fine, axis=0), axis=1)
    assert lengths.max() < 1.5 * lengths.min()


def test_from_a_face_to_itself_nothing_changes() -> None:
    codes, conditions = faces(1)
    for one in interpolate(codes * 2, 4, by_flow(codes * 2, conditions.repeat(2, 0))):
        assert_allclose(one.values, codes[0].values, atol=1e-4)


def test_slerp_stays_on_the_sphere_and_is_linear_between_parallel_points() -> None:
    at = np.linspace(0, 1, 5, dtype=np.float32)
    pair = np.array([[2, 0], [0, 2]], np.float32)
    found = slerp(pair, at)
    assert_allclose(np.linalg.norm(found, axis=1), 2, rtol=1e-6)
    assert_allclose(found[2], [np.sqrt(2), np.sqrt(2)], rtol=1e-6)
    parallel = np.array([[1, 1], [3, 3]], np.float32)
    assert_allclose(slerp(parallel, at)[:, 0], 1 + 2 * at, rtol=1e-6)


def test_fewer_than_two_steps_are_refused() -> None:
    codes, _ = faces(1, 0)
    for steps in (1, 0, -3):
        with pytest.raises(BadRequest, match=f"2 steps at least, found {steps}"):
            interpolate(codes, steps)
