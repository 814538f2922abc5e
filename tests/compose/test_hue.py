import numpy as np

from facedial.compose.hue import LUMA, kept, like_hair, like_skin

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


def test_uncovered_skin_takes_the_colour_of_the_faces_and_keeps_its_light() -> None:
    orange = plain(np.array([250, 170, 90]))
    weight = np.zeros((16, 16), np.float32)
    weight[:8] = 1
    result = orange + like_skin(orange, weight, plain(SKIN).reshape(-1, 3))
    assert np.allclose(result @ LUMA, orange @ LUMA, atol=1e-3)
    assert np.allclose(result[0, 0] / result[0, 0, 0], SKIN / SKIN[0], atol=1e-4)
    assert np.array_equal(result[8:], orange[8:])
    assert not like_skin(orange, weight, np.zeros((0, 3), np.float32)).any()


def strands(colour: np.ndarray, spread: float) -> np.ndarray:
    light = 1 + spread * np.sin(np.arange(16))[None, :, None]
    return (plain(colour) * light).astype(np.float32)


def test_hair_of_another_hue_gets_the_persons_own_and_keeps_its_strands() -> None:
    grey, brown = np.array([150, 150, 148]), np.array([100, 70, 50])
    weight = np.zeros((16, 16), np.float32)
    weight[:8] = 1
    own, drawn = strands(grey, 0.2).reshape(-1, 3), strands(brown, 0.3)
    result = drawn + like_hair(drawn, weight, own)
    assert np.array_equal(result[8:], drawn[8:])
    assert np.ptp(result[:8], axis=2).max() < 6  # grey, where it was brown
    assert 100 < np.median(result[:8]) < 150  # lighter, and no lighter than the person's own
    assert np.corrcoef(result[0, :, 1], drawn[0, :, 1])[0, 1] > 0.99
    # Much the same hair in other light stays as it is drawn, and so does all where no hair is known.
    alike = strands(brown * 1.3, 0.3).reshape(-1, 3)
    assert not like_hair(drawn, weight, alike).any()
    assert not like_hair(drawn, weight, own[:5]).any()
