"""Pictures resampled at any places."""

import numpy as np

from facedial.faces.remap import remapped

ROWS, COLUMNS = np.mgrid[:40, :50].astype(float)


def test_at_its_own_pixels_a_picture_is_the_same() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (40, 50, 3), np.uint8)
    found = remapped(pixels, COLUMNS.ravel(), ROWS.ravel())
    assert np.abs(found.reshape(pixels.shape) - pixels).max() < 1e-4


def test_parabolas_are_met_between_pixels_and_the_edge_is_repeated() -> None:
    pixels = np.stack([0.1 * COLUMNS**2, 3 * ROWS], 2).astype(np.uint8).astype(np.float32)
    pixels[..., 0] = 0.1 * COLUMNS**2
    x, y = np.array([10.3, 25.75, 48.0, -6.0]), np.array([5.5, 20.2, 90.0, 7.0])
    found = remapped(pixels, x, y)  # type: ignore[arg-type]
    assert np.abs(found[:2, 0] - 0.1 * x[:2] ** 2).max() < 1e-3
    assert np.abs(found[:, 1] - [16.5, 60.6, 117, 21]).max() < 1e-3
    assert found[3, 0] == 0
