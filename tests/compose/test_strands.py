"""Laws of strands that are added to hair."""

import numpy as np
import pytest

from facedial.compose import strands


@pytest.mark.parametrize("degrees", [0, 30, 90, 135])
def test_strands_run_as_the_hair_does(degrees: int):
    down, across = np.mgrid[:128, :128]
    angle = np.radians(degrees)
    # Stripes along the angle: lightness changes across them.
    lightness = 20 * np.sin((-np.sin(angle) * across + np.cos(angle) * down) / 2).astype(np.float32)
    everywhere = np.ones_like(lightness)
    along = strands.directions(lightness, everywhere)
    expected = np.array([np.cos(angle), np.sin(angle)])
    assert (np.abs(along @ expected)[16:-16, 16:-16] > 0.98).all()
    texture = strands.textures(along, everywhere > 0)[16:-16, 16:-16]
    step = np.rint(3 * expected).astype(int)
    aside = np.rint(3 * np.array([-expected[1], expected[0]])).astype(int)

    def alike(move: np.ndarray) -> np.ndarray:
        """Correlation of each texture with itself, moved."""
        moved = np.roll(texture, (move[1], move[0]), (0, 1))
        inside = slice(8, -8)
        return np.array(
            [np.corrcoef(texture[inside, inside, k].ravel(), moved[inside, inside, k].ravel())[0, 1]
             for k in range(3)]
        )  # fmt: skip

    assert (alike(step) > 0.25).all()
    assert (alike(step) > alike(aside) + 0.2).all()


def test_textures_are_the_same_each_time_and_nothing_where_no_hair_is():
    rng = np.random.default_rng(1)
    lightness = rng.normal(50, 5, (64, 64)).astype(np.float32)
    along = strands.directions(lightness, np.ones_like(lightness))
    where = np.zeros((64, 64), bool)
    where[:40] = True
    once, again = (strands.textures(along, where, seed=3) for _ in range(2))
    np.testing.assert_array_equal(once, again)
    assert not once[40:].any() and np.isfinite(once).all()
    assert (np.abs(once[8:32, 8:-8].std((0, 1)) - 1) < 0.4).all()
    assert not strands.textures(along, np.zeros_like(where)).any()
