"""Laws of drawing a part of a face anew."""

import numpy as np
import pytest

from facedial.arrays import Floats
from facedial.flow import resampling
from facedial.flow.resampling import resampled

SHAPE = (1, 6, 32, 32)
FIRST, OTHER = np.ones((1, 3), np.float32), np.zeros((1, 3), np.float32)


def straight(latents: Floats, time: Floats, condition: Floats) -> Floats:
    """On straight ways to faces of one number each, the condition's mean."""
    ends = condition.mean(1)[:, None, None, None] * np.ones(SHAPE[1:], np.float32)
    return (ends - latents) / (1 - time)[:, None, None, None]


@pytest.fixture
def hidden() -> Floats:
    found = np.zeros((32, 32), np.float32)
    found[8:14, 5:27] = 1
    return found


def test_what_is_known_stays_bit_for_bit_and_what_is_hidden_goes_to_its_condition(
    hidden: Floats, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resampling, "GUIDANCE", 1.0)
    latents = np.random.default_rng(0).standard_normal(SHAPE, np.float32)
    found = resampled(straight, latents, hidden, (FIRST, OTHER), np.random.default_rng(1))
    known = hidden == 0
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found[..., known], latents[..., known])
    np.testing.assert_allclose(found[..., ~known], 1, atol=1e-4)


def test_each_step_is_gone_again_with_as_much_noise_as_there_was(hidden: Floats) -> None:
    seen: dict[float, list[float]] = {}

    def noted(latents: Floats, time: Floats, condition: Floats) -> Floats:
        spread = float(latents[0][:, hidden == 1].std())
        seen.setdefault(round(float(time[0]), 4), []).append(spread)
        return straight(latents, time, 0 * condition)

    latents = np.zeros(SHAPE, np.float32)
    resampled(noted, latents, hidden, (FIRST, FIRST), np.random.default_rng(1))
    assert len(seen) == resampling.STEPS
    for time, spreads in seen.items():
        assert len(spreads) == (1 if time == 0 else resampling.REPEATS)
        np.testing.assert_allclose(spreads, 1 - time, rtol=0.12)


def test_the_same_generator_draws_the_same(hidden: Floats) -> None:
    latents = np.zeros(SHAPE, np.float32)

    def drawn(seed: int) -> Floats:
        rng = np.random.default_rng(seed)
        # A slope that keeps something of the noise.
        slope = lambda x, t, c: 0.5 * straight(x, t, c)  # noqa: E731
        return resampled(slope, latents, hidden, (FIRST, OTHER), rng)

    np.testing.assert_array_equal(drawn(3), drawn(3))
    assert np.abs(drawn(3) - drawn(4)).max() > 0.01
