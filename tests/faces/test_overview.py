"""Measures of the faces of a photo, and their boxes drawn."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageFilter

from facedial.faces import Face, Photo
from facedial.faces.geometry import Points, apply, similarity
from facedial.faces.overview import COLOUR, NOSE_DEPTH, describe, drawn, rough_yaw

from .ramp_faces import face_points


def turned(yaw: float) -> Points:
    """Eyes, nose and mouth of a head of which nothing but the nose stands out, seen from far away."""
    flat = np.array([[-0.5, 0, 0], [0.5, 0, 0], [0, 0.6, NOSE_DEPTH], [-0.4, 1, 0], [0.4, 1, 0]])
    angle = math.radians(yaw)
    x = flat[:, 0] * math.cos(angle) + flat[:, 2] * math.sin(angle)
    return np.column_stack([x, flat[:, 1]])


def face(middle: tuple[float, float], eyes_px: float, degrees: float = 0.0) -> Face:
    half = 1.2 * eyes_px
    x, y = middle[0] + 0.5, middle[1] + 0.5
    box = np.array([x - half, y - half, x + half, y + half])
    return Face(box, face_points(middle, eyes_px, degrees), 0.75)


@given(st.floats(-60, 60), st.floats(-180, 180), st.floats(5, 500))
def test_yaw_is_that_of_a_turned_head_at_any_roll_and_size(
    yaw: float, roll: float, scale: float
) -> None:
    points = apply(similarity(scale, roll, np.zeros(2), np.array([70.0, 30.0])), turned(yaw))
    assert rough_yaw(points) == pytest.approx(yaw, abs=1e-6)
    mirrored = (points * [-1, 1])[[1, 0, 2, 4, 3]]
    assert rough_yaw(mirrored) == pytest.approx(-yaw, abs=1e-6)


def noise(width: int, height: int) -> Photo:
    values = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    return Photo(values, "noise")


@pytest.mark.parametrize("degrees", [-25.0, 0.0, 40.0])
def test_measures_are_those_of_the_landmarks(degrees: float) -> None:
    photo = noise(400, 300)
    large, small = face((300, 150), 60, degrees), face((80, 150), 24)
    first, second = describe(photo, [large, small])
    assert (first.face, first.place, second.face, second.place) == (1, 2, 2, 1)
    assert first.roll == pytest.approx(degrees, abs=0.06)
    assert first.eye_distance == pytest.approx(60, abs=0.06)
    assert first.yaw == pytest.approx(0, abs=0.1)
    assert first.box == pytest.approx((228.5, 78.5, 372.5, 222.5))
    assert first.inside < 1 == second.inside
    assert first.score == 0.75
    line = second.in_words(2)
    assert line.startswith(
        "face 2: 52,122..109,179, place 1 of 2, eyes 24 px apart, roll 0 and yaw"
    )


def test_a_blurred_face_is_less_sharp_than_one_beside_it() -> None:
    photo = noise(600, 300)
    image = Image.fromarray(photo.pixels)
    image.paste(image.crop((0, 0, 300, 300)).filter(ImageFilter.GaussianBlur(4)), (0, 0))
    soft, sharp = describe(Photo.of(image), [face((150, 120), 40), face((450, 120), 40)])
    assert soft.sharpness < 0.1 * sharp.sharpness


@pytest.mark.parametrize("size", [(90, 120), (1200, 900), (300, 1000)])
def test_boxes_are_drawn_at_their_edges_with_numbers_and_nowhere_else(
    size: tuple[int, int],
) -> None:
    grey = Photo(np.full((size[1], size[0], 3), 128, np.uint8), "grey", exif=b"kept")
    one = face((size[0] * 0.5, size[1] * 0.5), min(size) / 4)
    result = drawn(grey, [one])
    assert (result.size, result.exif, result.mark) == (grey.size, b"kept", None)
    touched = (result.pixels != 128).any(-1)
    rows, columns = np.nonzero(touched)
    x0, y0, x1, y1 = np.rint(one.box).astype(int)
    assert (columns.min(), rows.min()) == (x0, y0)
    assert (columns.max(), rows.max()) == (x1 - 1, y1 - 1)
    assert not touched[(y0 + 3 * y1) // 4, (x0 + x1) // 2]  # but not filled
    coloured = (result.pixels == COLOUR).all(-1)
    assert coloured[y0 : (y0 + y1) // 2, (x0 + x1) // 2].any()
    quarter = touched[y0 : (y0 + y1) // 2, x0 : (x0 + x1) // 2]
    other = touched[y0 : (y0 + y1) // 2, (x0 + x1) // 2 : x1][:, ::-1]
    assert quarter.sum() > other.sum()  # the number
    two = drawn(grey, [face((0, 0), 4), one])
    assert (two.pixels != result.pixels).any()  # now it is face 2


@pytest.mark.parametrize("place", [(2000, 1500), (2000, 5), (3990, 2990), (5, 2990)])
def test_no_number_hides_a_small_face_in_a_large_photo(place: tuple[int, int]) -> None:
    grey = Photo(np.full((3000, 4000, 3), 128, np.uint8), "grey")
    one = face(place, 20)
    result = drawn(grey, [one]).pixels
    assert (result[place[1], place[0]] == 128).all()
    rows, _ = np.nonzero((result == COLOUR).all(-1))
    assert np.ptp(rows) > 60  # box and number, readable where all of the photo is seen


def test_faces_that_reach_out_of_the_photo_are_drawn_within_it() -> None:
    clear = np.zeros((60, 80), np.uint8)
    photo = Photo(np.zeros((60, 80, 3), np.uint8), "clear", alpha=clear)
    faces = [face((40, 30), 100), face((79, 59), 20), face((0, 0), 20), face((79, 0), 4)]
    result = drawn(photo, faces)
    assert (result.size, result.alpha) == (photo.size, None)
    assert (result.pixels[30, 40] == 255).all()  # as seen on white
    assert (result.pixels == COLOUR).all(-1).sum() > 100
    assert drawn(photo, []).pixels.min() == 255
