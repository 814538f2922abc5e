import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from facedial.errors import BadRequest, UnknownName
from facedial.faces import FRAMES, HEAD_TEMPLATE, Face, Photo, align, head_template
from facedial.faces.geometry import apply, invert, scale_of

from .smooth_photos import face_at, smooth_photo


@settings(max_examples=12)
@given(st.floats(0.2, 2), st.floats(-180, 180), st.floats(60, 240), st.floats(60, 200))
def test_head_puts_the_landmarks_on_the_template(scale, turn, x, y):
    face = face_at(scale, turn, (x, y))
    crop = align(smooth_photo(), face)
    assert crop.pixels.shape == (128, 128, 3)
    assert not crop.pixels.flags.writeable
    assert_allclose(apply(invert(crop.to_photo), face.landmarks), HEAD_TEMPLATE, atol=1e-6)
    assert np.isclose(scale_of(crop.to_photo), scale)


@settings(max_examples=12)
@given(st.integers(16, 300))
def test_a_crop_of_any_size_shows_the_same_part(size):
    photo, face = smooth_photo(), face_at(1.2, 10, (150, 130))
    crop, usual = align(photo, face, size=size), align(photo, face)
    corner, far = [-0.5, -0.5], [size - 0.5, size - 0.5]
    assert_allclose(
        apply(crop.to_photo, np.array([corner, far])),
        apply(usual.to_photo, np.array([corner, [127.5, 127.5]])),
        atol=1e-6,
    )
    assert_allclose(head_template(128), HEAD_TEMPLATE)


def test_the_head_frame_is_as_described():
    eyes = HEAD_TEMPLATE[:2]
    assert_allclose((eyes[1, 0] - eyes[0, 0]) / 128, 0.22, atol=0.001)
    assert_allclose(eyes[:, 1] / 128, 0.51, atol=0.01)
    with pytest.raises(ValueError, match="read-only"):
        HEAD_TEMPLATE[0, 0] = 0


def test_a_portrait_is_twice_as_wide_about_the_same_centre():
    face = face_at(0.8, 25, (150, 130))
    head, wide = (align(smooth_photo(), face, frame, size=64) for frame in ("head", "portrait"))
    middle = np.array([31.5, 31.5])
    assert_allclose(apply(wide.to_photo, middle), apply(head.to_photo, middle), atol=1e-6)
    assert_allclose(wide.to_photo[:, :2], 2 * head.to_photo[:, :2], atol=1e-9)
    corners = np.array([[-0.5, -0.5], [63.5, 63.5]])
    assert_allclose(
        apply(wide.to_photo, np.array([[15.5, 15.5], [47.5, 47.5]])),
        apply(head.to_photo, corners),
        atol=1e-6,
    )


def test_center150_is_lfws_middle():
    pixels = np.random.default_rng(0).integers(0, 256, (250, 250, 3), dtype=np.uint8)
    crop = align(Photo(pixels), None, "center150", size=150)
    assert_array_equal(crop.pixels, pixels[50:200, 50:200])
    assert crop.inside == 1.0


def test_squash128_is_the_whole_picture():
    crop = align(smooth_photo(300, 200), None, "squash128")
    assert_allclose(
        apply(crop.to_photo, np.array([[-0.5, -0.5], [127.5, 127.5]])),
        [[-0.5, -0.5], [299.5, 199.5]],
    )
    assert crop.inside == 1.0


@pytest.mark.parametrize("frame", FRAMES)
def test_every_frame_has_any_size(frame):
    crop = align(smooth_photo(), face_at(1.0, 0, (150, 130)), frame, size=64)
    assert crop.pixels.shape == (64, 64, 3)


def test_inside_is_the_share_of_the_photo():
    crop = align(smooth_photo(), face_at(1.0, 0, (-0.5, 130)))
    assert crop.inside == pytest.approx(0.5, abs=0.01)
    assert_array_equal(crop.pixels[:, :30], np.repeat(crop.pixels[:, :1], 30, axis=1))


def test_frames_refuse_what_they_cannot():
    with pytest.raises(BadRequest, match="needs a face"):
        align(smooth_photo(), None)
    with pytest.raises(UnknownName, match="did you mean center150"):
        align(smooth_photo(), None, "centre150")
    lost = Face(np.zeros(4), np.full((5, 2), 7.0), 1.0)
    with pytest.raises(ValueError, match="coincide"):
        align(smooth_photo(), lost)
