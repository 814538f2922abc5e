"""Laws of the integration of a flow's velocity, against the closed form of a linear flow."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from facedial.errors import BadRequest
from facedial.flow import LATENT_SHAPE
from facedial.flow.solver import check_solver, integrate

from .gaussian_faces import sd_at, velocity

CONDITION = np.array([[0, 0.5], [0, -1]], np.float32)


def latents() -> np.ndarray:
    return np.random.default_rng(1).standard_normal((2, *LATENT_SHAPE)).astype(np.float32)


def exact(start: np.ndarray, times: tuple[float, float]) -> np.ndarray:
    """The flow of N(m, s^2) is linear: x - t m is scaled by the standard deviations at both times."""
    mean = 3 * CONDITION[:, 1, None, None, None]
    first, last = times
    return last * mean + (start - first * mean) * sd_at(last) / sd_at(first)


@pytest.mark.parametrize("times", [(0.0, 1.0), (1.0, 0.1), (0.3, 0.8)])
def test_the_result_is_that_of_the_closed_form(times: tuple[float, float]) -> None:
    found = integrate(velocity, latents(), CONDITION, times=times, steps=100)
    assert found.dtype == np.float32
    assert_allclose(found, exact(latents(), times), atol=5e-3)


def test_twice_the_steps_have_a_quarter_of_the_error() -> None:
    times = (0.1, 0.9)
    few, many = (
        np.abs(
            integrate(velocity, latents(), CONDITION, times=times, steps=steps)
            - exact(latents(), times)
        ).max()
        for steps in (16, 32)
    )
    assert 2.5 < few / many < 6  # second order: 4


def test_there_and_back_ends_where_it_began() -> None:
    there = integrate(velocity, latents(), CONDITION, times=(1.0, 0.2), steps=60)
    back = integrate(velocity, there, CONDITION, times=(0.2, 1.0), steps=60)
    assert_allclose(back, latents(), atol=0.02)


@pytest.mark.parametrize("steps", [1, 2, 12])
def test_a_step_costs_one_evaluation_and_a_constant_velocity_is_exact(steps: int) -> None:
    seen: list[float] = []

    def constant(latents: np.ndarray, time: np.ndarray, condition: np.ndarray) -> np.ndarray:
        seen.append(float(time[0]))
        return np.full_like(latents, 2)

    found = integrate(constant, latents(), CONDITION, times=(0.25, 1.0), steps=steps)
    assert_allclose(found, latents() + 1.5, atol=1e-5)
    assert len(seen) == steps and seen[0] == 0.25 and seen == sorted(seen) and seen[-1] < 1


def test_settings_out_of_range_are_refused() -> None:
    for guidance, steps in ((0, 1), (10, 200)):
        check_solver(guidance, steps)
    with pytest.raises(BadRequest, match=r"guidance must lie in 0\.\.10, found 11"):
        check_solver(11, 12)
    for steps in (0, 201):
        with pytest.raises(BadRequest, match=rf"steps must lie in 1\.\.200, found {steps}"):
            check_solver(2, steps)
