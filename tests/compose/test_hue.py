import numpy as np

from facedial.compose.hue import LUMA, kept

SKIN = np.array([200, 160, 140], np.float32)


def plain(colour: np.ndarray) -> np.ndarray:
    return np.broadcast_to(colour.astype(np.float32), (16, 16, 3)).copy()


def test_a_new_hue_becomes_luma_alone_and_grey_stays_grey() -> None:
    before = plain(SKIN)
    everywhere = np.ones((16, 16), np.float32)
    for drawn in (np.array([90, 120, 170]), np.array([120, 120, 120]), np.array([90, 72, 63])):
        result = kept(before, plain(drawn), everywhere)
        assert np.allclose(result @ LUMA, drawn @ LUMA, atol=1e-3)
        colour = result[8, 8] - result[8, 8] @ LUMA
        own = SKIN - SKIN @ LUMA
        # Of the same hue as the skin, or of none.
        assert np.abs(np.cross(colour, own)).max() < 1e-2 * float(own @ own)
        assert float(colour @ own) >= -1e-3
    blue = kept(before, plain(np.array([90, 120, 170])), everywhere)
    assert np.ptp(blue[8, 8]) < 1
    dark = kept(before, plain(SKIN * 0.5), everywhere)
    assert np.allclose(dark, plain(SKIN * 0.5), atol=0.5)


def test_nothing_changes_without_weight() -> None:
    after = plain(np.array([10, 200, 50]))
    assert np.array_equal(kept(plain(SKIN), after, np.zeros((16, 16), np.float32)), after)
