import numpy as np
import pytest

from facedial.compose.monochrome import LUMA, Tone

GREY, SEPIA = (1.0, 1.0, 1.0), (1.15, 1.0, 0.75)


def toned(shares: tuple[float, float, float]) -> np.ndarray:
    """A picture [16, 16, 3] of every luma in one tone."""
    luma = np.linspace(0, 200, 256).reshape(16, 16, 1)
    return np.rint(luma * np.array(shares)).astype(np.uint8)


@pytest.mark.parametrize("shares", [GREY, SEPIA])
def test_what_is_drawn_takes_the_tone_of_a_monochrome_photo(
    shares: tuple[float, float, float],
) -> None:
    photo = toned(shares)
    tone = Tone.of(photo)
    assert tone is not None
    drawn = photo.copy()
    drawn[4:8, 4:8] = (200, 90, 60)
    result = tone.kept(photo, drawn).astype(float)
    inside = result[4:8, 4:8].reshape(-1, 3)
    luma = np.array([200, 90, 60]) @ LUMA
    expected = luma / (np.array(shares) @ LUMA) * np.array(shares)
    assert np.abs(inside - expected).max() < 1.5
    outside = np.ones((16, 16), bool)
    outside[4:8, 4:8] = False
    assert np.array_equal(result[outside], photo[outside])


def test_noise_of_a_jpeg_leaves_a_photo_monochrome_and_colour_does_not() -> None:
    rng = np.random.default_rng(0)
    photo = toned(GREY)
    noisy = np.clip(photo + rng.normal(0, 1, photo.shape), 0, 255).astype(np.uint8)
    assert Tone.of(noisy) is not None
    photo[:8, :, 0] = np.minimum(255, photo[:8, :, 0].astype(int) + 25)
    assert Tone.of(photo) is None
