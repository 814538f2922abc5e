"""Laws of adding a change of a crop to its photo."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from facedial.compose.blend import DetailLoss, high_frequency, noise_level, paste_change
from facedial.compose.masks import soft_mask
from facedial.faces import Crop, Photo, align
from facedial.faces.geometry import apply, invert, similarity, warp
from faces.smooth_photos import face_at, smooth_photo

from .pictures import strands

places = st.tuples(
    st.floats(0.3, 1.5), st.floats(-180, 180), st.floats(-50, 350), st.floats(-50, 300)
)


def crop_at(photo, scale, turn, x, y, size=128):
    to_photo = similarity(scale * 128 / size, turn, np.full(2, (size - 1) / 2), np.array([x, y]))
    return Crop(warp(photo.pixels, to_photo, size), to_photo, 1.0)


def waves(size=128, amplitude=25.0):
    x, y = np.meshgrid(np.arange(size), np.arange(size))
    change = [amplitude * np.sin(x / a + y / b) for a, b in ((9, 14), (11, -10), (-13, 8))]
    return np.stack(change, axis=-1).astype(np.float32)


@settings(max_examples=12)
@given(places)
def test_a_change_of_zero_returns_the_same_pixels(place):
    photo = smooth_photo()
    crop = crop_at(photo, *place)
    pasted = paste_change(photo, crop, np.zeros((128, 128, 3), np.float32))
    assert_array_equal(pasted.pixels, photo.pixels)


@settings(max_examples=12)
@given(places)
def test_pixels_outside_the_crop_are_identical(place):
    photo = Photo(np.random.default_rng(0).integers(0, 256, (260, 300, 3), dtype=np.uint8), "n")
    crop = crop_at(photo, *place)
    pasted = paste_change(photo, crop, waves(), np.ones((128, 128), np.float32))
    seen = apply(invert(crop.to_photo), np.stack(np.mgrid[:260, :300][::-1], axis=-1))
    outside = ((seen < -0.6) | (seen > 127.6)).any(axis=-1)
    assert_array_equal(pasted.pixels[outside], photo.pixels[outside])
    assert (pasted.name, pasted.exif) == (photo.name, photo.exif)


@settings(max_examples=12)
@given(places, st.integers(10, 60), st.integers(70, 118))
def test_pixels_where_the_mask_is_zero_are_identical(place, low, high):
    photo = smooth_photo()
    crop = crop_at(photo, *place)
    mask = np.zeros((128, 128), np.float32)
    mask[low:high, low:high] = 1
    pasted = paste_change(photo, crop, waves(), mask)
    seen = apply(invert(crop.to_photo), np.stack(np.mgrid[:260, :300][::-1], axis=-1))
    reach = 3 + 3 / place[0]  # crop and photo pixels that a bicubic step sees
    outside = ((seen < low - reach) | (seen > high - 1 + reach)).any(axis=-1)
    assert_array_equal(pasted.pixels[outside], photo.pixels[outside])


@settings(max_examples=12)
@given(places)
def test_a_constant_change_is_added_as_it_is(place):
    photo = Photo(np.full((260, 300, 3), 100, np.uint8))
    crop = crop_at(photo, *place)
    change = np.full((128, 128, 3), 17.0, np.float32) * [1, -1, 0]
    pasted = paste_change(photo, crop, change.astype(np.float32), np.ones((128, 128), np.float32))
    seen = apply(invert(crop.to_photo), np.stack(np.mgrid[:260, :300][::-1], axis=-1))
    margin = 2 + 2 / place[0]
    inner = ((seen > margin) & (seen < 127 - margin)).all(axis=-1)
    assert (pasted.pixels[inner] == [117, 83, 100]).all()


@settings(max_examples=12)
@given(st.floats(0.8, 1.6), st.floats(-45, 45))
def test_align_after_paste_shows_the_change(scale, turn):
    photo = smooth_photo()
    face = face_at(scale, turn, (150, 130))
    crop = align(photo, face)
    pasted = paste_change(photo, crop, waves())
    shown = align(pasted, face).pixels.astype(float)
    expected = np.clip(crop.pixels + waves() * soft_mask(128)[..., None], 0, 255)
    seen = apply(crop.to_photo, np.stack(np.mgrid[:128, :128][::-1], axis=-1))
    inside = ((seen > 3) & (seen < np.array(photo.size) - 4)).all(axis=-1)
    assert np.abs(shown - expected)[inside].max() < 4
    assert np.abs(shown - expected)[inside].mean() < 0.7


@settings(max_examples=12)
@given(st.floats(-30, 30), st.floats(1.0, 1.5))
def test_pasting_an_aligned_picture_restores_it(turn, scale):
    """The difference between the crop and itself, seen through a blur of nothing, is nothing."""
    photo = smooth_photo()
    crop = align(photo, face_at(scale, turn, (150, 130)))
    other = align(Photo(255 - photo.pixels), face_at(scale, turn, (150, 130)))
    change = other.pixels.astype(np.float32) - crop.pixels
    pasted = paste_change(photo, crop, change, np.ones((128, 128), np.float32))
    seen = apply(invert(crop.to_photo), np.stack(np.mgrid[:260, :300][::-1], axis=-1))
    inner = ((seen > 3) & (seen < 124)).all(axis=-1)
    error = np.abs(pasted.pixels[inner].astype(float) - (255 - photo.pixels[inner]))
    assert error.max() < 5
    assert error.mean() < 1


def test_results_are_rounded_and_clipped():
    photo = Photo(np.full((128, 128, 3), 200, np.uint8))
    crop = crop_at(photo, 1.0, 0.0, 63.5, 63.5)
    change = np.empty((128, 128, 3), np.float32)
    change[:] = [90.0, -300.0, 0.4]
    pasted = paste_change(photo, crop, change, np.ones((128, 128), np.float32)).pixels
    assert (pasted[20:108, 20:108] == [255, 0, 200]).all()


def test_the_photo_given_is_not_touched():
    photo = smooth_photo()
    before = photo.pixels.copy()
    pasted = paste_change(photo, crop_at(photo, 1.0, 5.0, 150, 130), waves())
    assert_array_equal(photo.pixels, before)
    assert (pasted.pixels != before).any()


def test_a_crop_beside_the_photo_changes_nothing():
    photo = smooth_photo()
    pasted = paste_change(photo, crop_at(photo, 1.0, 5.0, 5000, 130), waves())
    assert_array_equal(pasted.pixels, photo.pixels)


@pytest.mark.parametrize("size", [64, 256])
def test_other_crop_sizes(size):
    photo = smooth_photo()
    crop = crop_at(photo, 1.2, 7.0, 150, 130, size)
    pasted = paste_change(photo, crop, np.full((size, size, 3), 9.0, np.float32))
    assert (pasted.pixels[130, 150] == photo.pixels[130, 150] + 9).all()


def test_a_change_of_another_size_is_refused():
    photo = smooth_photo()
    with pytest.raises(ValueError, match=r"\[128, 128, 3\] expected, got \[64, 64, 3\]"):
        paste_change(photo, crop_at(photo, 1.0, 0.0, 150, 130), np.zeros((64, 64, 3), np.float32))


def test_the_residual_is_removed_where_its_detail_is_lost():
    """A photo four times as large as its crop: strands of hair, too fine for the crop."""
    photo = Photo(np.rint(strands(512, 5.0)).astype(np.uint8), "n")
    crop = crop_at(photo, 4.0, 0.0, 255.5, 255.5)
    residual = high_frequency(photo, crop)
    assert residual[100:400, 100:400].std() > 20
    assert not high_frequency(photo, crop_at(photo, 1.0, 0.0, 255.5, 255.5))[:100].any()
    change = np.full((128, 128, 3), 30, np.float32)
    mask, lost = np.ones((128, 128), np.float32), np.zeros((128, 128), np.float32)
    lost[:, 64:] = 1
    pasted = paste_change(photo, crop, change, mask, loss=DetailLoss(lost)).pixels.astype(float)
    added = pasted - photo.pixels
    assert np.abs(added[50:450, 50:240] - 30).max() <= 1
    assert pasted[50:450, 280:450].std() < 3
    known = paste_change(photo, crop, change, mask, loss=DetailLoss(lost, residual=residual)).pixels
    assert np.abs(known - pasted).max() <= 1
    nothing = paste_change(photo, crop, change, mask, loss=DetailLoss(0 * lost)).pixels
    assert_array_equal(nothing, paste_change(photo, crop, change, mask).pixels)
    assert paste_change(photo, crop, 0 * change, mask, loss=DetailLoss(lost)) is photo


@pytest.mark.parametrize(("scale", "level"), [(4.0, 3.0), (3.0, 8.0)])
def test_new_skin_keeps_the_noise_level_of_the_skin_beside_it(scale: float, level: float) -> None:
    rng = np.random.default_rng(0)
    noise = rng.normal(0, level, (512, 512, 1))
    noise[:, 300:302] += 90  # the edge of a tooth
    photo = Photo(np.clip(130 + noise + np.zeros(3), 0, 255).astype(np.uint8), "n")
    crop = crop_at(photo, scale, 0.0, 255.5, 255.5)
    found = noise_level(photo, crop)
    assert found == pytest.approx(level, rel=0.15)
    ones = np.ones((128, 128), np.float32)
    nothing = np.full((128, 128, 3), 0.01, np.float32)
    smooth, kept = (
        paste_change(
            photo, crop, nothing, ones, loss=DetailLoss(ones, noise_level=levels)
        ).pixels.astype(float)
        for levels in (0.0, found)
    )
    skin = (slice(150, 350), slice(150, 280))
    assert smooth[skin].std() < 0.5 * level
    assert kept[skin].std() > 0.7 * level
    edge = np.abs(kept - smooth)[150:350, 300:302].max()
    assert edge <= found + 1


def test_a_photo_as_fine_as_its_crop_has_a_noise_level_of_zero() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (128, 128, 3)).astype(np.uint8)
    assert noise_level(Photo(pixels, "n"), Crop(pixels, np.eye(2, 3), 1.0)) == pytest.approx(
        0, abs=0.01
    )


def test_faces_of_one_photo_are_edited_in_turn_and_keep_earlier_edits():
    """The residual is that of the original photo, without the changes of other edits."""
    photo = Photo(np.rint(strands(512, 5.0)).astype(np.uint8), "n")
    crop = crop_at(photo, 4.0, 0.0, 255.5, 255.5)
    ones = np.ones((128, 128), np.float32)
    first = paste_change(photo, crop, np.full((128, 128, 3), 50, np.float32), ones)
    nothing = np.zeros((128, 128, 3), np.float32)
    nothing[30:90, 30:90] = 1
    second = paste_change(first, crop, nothing, ones, loss=DetailLoss(ones), source=photo)
    alone = paste_change(photo, crop, nothing, ones, loss=DetailLoss(ones))
    added = second.pixels.astype(float) - alone.pixels
    assert np.abs(added[50:450, 50:450] - 50).max() <= 1
