"""Laws of large photos: their one copy in memory is the same photo, read, turned, edited and written."""

import io

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from PIL import ExifTags, Image

from facedial.faces import Photo, memory

from .smooth_photos import SMOOTH, encoded


@pytest.fixture
def nothing_is_too_small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "LARGE", 0)


def read(data: bytes) -> Photo:
    return Photo.from_bytes(data, "me")


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "BMP", "AVIF"])
@pytest.mark.parametrize("orientation", [1, 3, 6, 7])
def test_a_large_photo_is_read_as_a_small_one(
    monkeypatch: pytest.MonkeyPatch, kind: str, orientation: int
) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    options = {} if kind == "BMP" else {"exif": exif}
    data = encoded(Image.fromarray(SMOOTH), kind, **options)
    small = read(data)
    monkeypatch.setattr(memory, "LARGE", 0)
    large = read(data)
    assert_array_equal(large.pixels, small.pixels)
    for ending in (".jpg", ".webp", ".png", ".tif"):
        assert large.encoded(ending) == small.encoded(ending)


@pytest.mark.usefixtures("nothing_is_too_small")
def test_a_jpeg_has_one_copy_from_its_decoder_to_its_encoder(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    photo = read(encoded(Image.fromarray(SMOOTH), "JPEG"))
    memories = []
    monkeypatch.setattr(memory, "_image", lambda pixels: memories.append(pixels) or made(pixels))
    made = lambda pixels: Image.frombuffer("RGBX", (48, 36), pixels, "raw", "RGBX", 0, 1)  # noqa: E731
    patch = np.full((8, 10, 3), 7, np.uint8)
    edited = photo.with_part(patch, (5, 6), in_place=True)
    again = Image.open(io.BytesIO(edited.encoded(".jpg", quality=100)))
    assert len(memories) == 1 and np.shares_memory(memories[0], photo.pixels)
    assert np.abs(np.asarray(again).astype(int) - edited.pixels).max() < 40


@pytest.mark.parametrize("large", [True, False])
@pytest.mark.parametrize("in_place", [True, False])
def test_a_part_replaces_its_pixels_alone(
    monkeypatch: pytest.MonkeyPatch, large: bool, in_place: bool
) -> None:
    monkeypatch.setattr(memory, "LARGE", 0 if large else 1e9)
    photo = read(encoded(Image.fromarray(SMOOTH), "PNG"))
    part = np.full((8, 10, 3), 7, np.uint8)
    made = photo.with_part(part, (5, 6), in_place=in_place)
    expected = SMOOTH.copy()
    expected[6:14, 5:15] = 7
    assert_array_equal(made.pixels, expected)
    assert not made.pixels.flags.writeable
    assert in_place or np.array_equal(photo.pixels, SMOOTH)
    assert_array_equal(made.part((5, 6, 15, 14)).pixels, part)
