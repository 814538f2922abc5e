"""Laws of the lines that age adds."""

import numpy as np
import pytest

from facedial.compose import wrinkles
from facedial.compose.features import LEFT_EYE, RIGHT_EYE
from facedial.compose.retouch import FILE, Retouch
from facedial.faces.parse import SIDE
from facedial.runtime.bundle import Bundle


def places() -> np.ndarray:
    """Every pixel of the usual head crop."""
    rows, columns = np.mgrid[:SIDE, :SIDE]
    return np.stack([columns, rows], -1).astype(np.float32)


def test_lines_are_dark_with_light_beside_them_and_add_no_shade() -> None:
    light = wrinkles.at(places(), 1.0, 1.0, 0)
    assert -0.4 < light.min() < -0.15 and 0.03 < light.max() < -0.7 * light.min()
    there = np.abs(light) > 0.01
    assert 0.01 < there.mean() < 0.12 and abs(light[there].mean()) < 0.03


def test_no_line_crosses_an_eye_and_left_and_right_are_alike() -> None:
    usual = Retouch.load(Bundle.open().file(FILE)).usual
    light = wrinkles.at(places(), 1.0, 1.0, 0)
    for eye in (LEFT_EYE, RIGHT_EYE):
        x0, y0 = np.floor(usual[eye].min(0)).astype(int)
        x1, y1 = np.ceil(usual[eye].max(0)).astype(int)
        assert np.abs(light[y0:y1, x0:x1]).max() < 0.06
    below_eyes = np.minimum(light[125:215], 0)
    left, right = below_eyes[:, :128].sum(), below_eyes[:, 128:].sum()
    assert left == pytest.approx(right, rel=0.25)


def test_more_years_are_deeper_lines_and_small_faces_have_none() -> None:
    at = places()[90:160, 80:180]
    half, whole, most, beyond = (
        wrinkles.at(at, share, 1.0, 0) for share in (0.5, 1.0, wrinkles.MOST, 5.0)
    )
    np.testing.assert_allclose(2 * half, whole, atol=1e-6)
    np.testing.assert_array_equal(most, beyond)
    assert not wrinkles.at(at, 0.0, 1.0, 0).any()
    assert not wrinkles.at(at, 1.0, 0.2, 0).any()


def test_people_of_one_photo_have_lines_of_their_own_and_keep_them() -> None:
    one, other = (wrinkles.drawing(k) for k in (0, 1))
    assert 0.2 < np.corrcoef(one.ravel(), other.ravel())[0, 1] < 0.98
    at = places()[90:110, 100:150]
    same = wrinkles.at(at, 1.0, 1.0, wrinkles.VARIANTS)
    np.testing.assert_array_equal(wrinkles.at(at, 1.0, 1.0, 0), same)
