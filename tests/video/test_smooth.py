"""Laws of the One-Euro filter and of steady codes."""

import numpy as np

from facedial.video.smooth import OneEuro
from facedial.video.steady import steady_codes

TIMES = [i / 25 for i in range(100)]


def test_what_rests_stays_and_noise_falls() -> None:
    rest = np.full((100, 5, 2), 7.0)
    assert np.allclose(OneEuro()(rest, TIMES), rest)
    noisy = rest + np.random.default_rng(0).normal(0, 0.01, rest.shape)
    steady = OneEuro().both_ways(noisy, TIMES)
    assert steady.std() < 0.6 * noisy.std()
    assert abs(steady.mean() - 7) < 0.01


def test_fast_motion_is_followed_more_closely_than_by_a_plain_low_pass() -> None:
    moving = np.linspace(0, 20, 100)[:, None]
    lag, plain = (np.abs(OneEuro(beta=beta)(moving, TIMES) - moving)[50:].max() for beta in (4, 0))
    assert lag < 0.1 * plain
    # Both ways, the lags cancel, and time has no direction.
    both = OneEuro().both_ways(moving, TIMES)
    assert np.abs(both - moving)[30:70].max() < 0.1 * lag
    assert np.allclose(OneEuro().both_ways(-moving[::-1], TIMES)[::-1], -both)


def test_codes_are_means_with_their_neighbours() -> None:
    codes = np.zeros((5, 3), np.float32)
    codes[2] = 4
    assert np.array_equal(steady_codes(codes)[:, 0], [0, 1, 2, 1, 0])
    assert np.array_equal(steady_codes(codes[:1]), codes[:1])
