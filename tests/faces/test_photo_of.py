"""Laws of photos made from arrays and PIL images."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.testing import assert_array_equal
from PIL import ExifTags, Image

from facedial.errors import BadPhoto, BadRequest
from facedial.faces import Photo

from .smooth_photos import SMOOTH, encoded
from .test_photo import linear_rgb_profile

PIXELS = arrays.arrays(np.uint8, st.tuples(st.integers(16, 20), st.integers(16, 20)))


@given(PIXELS, st.integers(1, 4))
def test_arrays_of_one_to_four_channels(grey: Any, channels: int) -> None:
    array = np.dstack([np.roll(grey, shift, 0) for shift in range(channels)])
    photo = Photo.of(array, name="me")
    assert photo.name == "me"
    expected = array[..., :3] if channels > 2 else np.repeat(array[..., :1], 3, axis=2)
    assert_array_equal(photo.pixels, expected)
    assert (photo.alpha is not None) == (channels in (2, 4))
    if photo.alpha is not None:
        assert_array_equal(photo.alpha, array[..., -1])
    if channels == 1:
        assert_array_equal(Photo.of(grey).pixels, photo.pixels)
    image = Image.fromarray(array if channels > 1 else grey)
    assert_array_equal(Photo.of(image).pixels, expected)


def test_the_photo_is_a_copy() -> None:
    array = np.dstack([SMOOTH, SMOOTH[..., 0]])
    image = Image.fromarray(SMOOTH)
    photos = Photo.of(array), Photo.of(image)
    array[...] = 0
    image.paste((0, 0, 0), (0, 0, 48, 36))
    for photo in photos:
        assert_array_equal(photo.pixels, SMOOTH)


@pytest.mark.parametrize(
    ("array", "says"),
    [
        (SMOOTH / 255, r"float64 has no known range: .*\(255 \* picture\)\.round\(\)"),
        (SMOOTH.astype(np.float32), r"float32 has no known range"),
        (SMOOTH.astype(np.int64), r"int64 has no known range: expected uint8"),
        (SMOOTH > 100, r"bool has no known range"),
        (SMOOTH.transpose(2, 0, 1), r"no picture has the shape \[3, 36, 48\].*channels come last"),
        (SMOOTH[None], r"no picture has the shape \[1, 36, 48, 3\]"),
        (np.zeros((20, 20, 5), np.uint8), r"no picture has the shape \[20, 20, 5\]"),
        (np.zeros((20, 20, 0), np.uint8), r"no picture has the shape"),
        (np.uint8(3), r"no picture has the shape \[\]"),
        ("me.jpg", r"Photo\.open reads a file"),
        (Path("me.jpg"), r"Photo\.open reads a file"),
        (b"\x89PNG", r"Photo\.open reads a file"),
        (None, r"object has no known range"),
        ([[1, 2], [3]], r"an array or a PIL image"),
        ({}, r"object has no known range"),
    ],
)
def test_what_is_no_picture_is_one_sentence(array: Any, says: str) -> None:
    with pytest.raises(BadRequest, match=says) as error:
        Photo.of(array)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("size", [(15, 20), (20, 15), (0, 20)])
def test_too_small_is_refused_as_in_files(size: tuple[int, int]) -> None:
    with pytest.raises(BadPhoto, match="me is too small"):
        Photo.of(np.zeros((*size, 3), np.uint8), "me")


@pytest.mark.parametrize(
    "mode", ["1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr", "HSV", "I", "F"]
)
def test_pil_images_of_any_mode(mode: str) -> None:
    source = "L" if mode in ("1", "I", "F") else "RGB"
    image = Image.fromarray(SMOOTH).convert(source).convert(mode)
    photo = Photo.of(image)
    expected = np.asarray(image.convert("RGB"))
    assert photo.size == (48, 36)
    if mode not in ("I", "F"):
        assert np.abs(photo.pixels.astype(int) - expected).max() <= 1
    assert (photo.alpha is not None) == (mode in ("LA", "PA", "RGBA"))


@pytest.mark.parametrize("kind", ["JPEG", "TIFF", "PNG"])
def test_an_opened_pil_image_is_read_as_its_file_and_stays_as_it_is(
    tmp_path: Path, kind: str
) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    exif[ExifTags.Base.Artist] = "me"
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.ExifImageWidth] = 48
    data = encoded(
        Image.fromarray(SMOOTH), kind, exif=exif, dpi=(300, 300), icc_profile=linear_rgb_profile()
    )
    path = tmp_path / "a"
    path.write_bytes(data)
    with Image.open(path) as image:
        photo, same = Photo.of(image), Photo.of(image)
        if kind != "TIFF":  # of which Pillow turns the pixels when it loads them
            assert image.getexif()[ExifTags.Base.Orientation] == 6
            camera = image.getexif().get_ifd(ExifTags.IFD.Exif)
            assert camera[ExifTags.Base.ExifImageWidth] == 48
    of_file = Photo.open(path)
    assert photo.size == (36, 48)
    for one in (photo, same):
        assert_array_equal(one.pixels, of_file.pixels)
        assert (one.exif, one.dpi) == (of_file.exif, of_file.dpi)


def test_a_pil_image_that_is_cut_short_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    noise = np.random.default_rng(0).integers(0, 256, (60, 60, 3), dtype=np.uint8)
    path.write_bytes(encoded(Image.fromarray(noise), "PNG")[:3000])
    with Image.open(path) as image, pytest.raises(BadPhoto, match="me is damaged or cut short"):
        Photo.of(image, "me")
