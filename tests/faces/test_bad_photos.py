import errno
import os
import struct
import sys
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import ExifTags, Image

from facedial.errors import BadPhoto
from facedial.faces import MAX_PIXELS, Photo
from facedial.faces.reading import READ
from facedial.files import WRITABLE

from .smooth_photos import SMOOTH, encoded, png


def gif(width, height):
    picture = b"," + struct.pack("<HHHHB", 0, 0, width, height, 0) + b"\x08\x01\x00\x00;"
    return b"GIF89a" + struct.pack("<HHBBB", width, height, 0, 0, 0) + picture


def bmp(width, height):
    info = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 24, 0, 0, 0, 0, 0, 0)
    return b"BM" + struct.pack("<IHHI", 54, 0, 0, 54) + info


@pytest.mark.parametrize("data", [png(30000, 30000), gif(60000, 60000), bmp(30000, 30000)])
def test_too_large_is_seen_in_the_header(data):
    with pytest.raises(BadPhoto, match=r"too large: \d0000x\d0000 pixels; 200 megapixels"):
        Photo.from_bytes(data, "huge.png")


def test_pillows_bomb_warning_never_leaks():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for side in (10_000, 13_500, 14_142):  # Pillow warns above 89 and refuses above 179 million
            assert side * side <= MAX_PIXELS
            with pytest.raises(BadPhoto, match="damaged or cut short"):
                Photo.from_bytes(bmp(side, side), "large.bmp")
    assert not caught
    assert Image.MAX_IMAGE_PIXELS == 89478485


@pytest.mark.parametrize("size", [(1, 1), (15, 400), (400, 15), (16, 16)])
def test_too_small(size):
    data = encoded(Image.new("RGB", size), "PNG")
    if size == (16, 16):
        assert Photo.from_bytes(data, "small").size == size
        return
    with pytest.raises(BadPhoto, match=rf"too small: {size[0]}x{size[1]} pixels; 16x16"):
        Photo.from_bytes(data, "dot.png")


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "TIFF", "AVIF", "BMP", "GIF"])
@pytest.mark.parametrize("share", [0.1, 0.6, 0.95])
def test_truncated_is_one_sentence(kind, share):
    noise = np.random.default_rng(0).integers(0, 256, (60, 60, 3), dtype=np.uint8)
    data = encoded(Image.fromarray(noise), kind)
    with pytest.raises(BadPhoto, match=r"^cut\.x is (damaged or cut short|not a picture)") as error:
        Photo.from_bytes(data[: int(len(data) * share)], "cut.x")
    assert "\n" not in str(error.value)


@given(
    st.sampled_from(["PNG", "JPEG", "WEBP", "TIFF", "GIF", "BMP", "AVIF"]),
    st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), max_size=6),
)
def test_flipped_bytes_give_a_photo_or_one_sentence(kind, flips):
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    options = {} if kind in ("GIF", "BMP") else {"exif": exif.tobytes()}
    data = bytearray(encoded(Image.fromarray(SMOOTH), kind, **options))
    for where, byte in flips:
        data[int(where * min(len(data), 400))] = byte
    try:
        Photo.from_bytes(bytes(data), "flipped")
    except BadPhoto as error:
        assert str(error).startswith("flipped ")


@given(st.binary(max_size=200))
def test_any_bytes_give_a_photo_or_one_sentence(data):
    with pytest.raises(BadPhoto):
        Photo.from_bytes(data, "bytes")


def test_postscript_is_not_run():
    data = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 100 100\n%%EndComments\nshowpage\n%%EOF\n"
    with pytest.raises(BadPhoto, match="not a picture that can be read"):
        Photo.from_bytes(data, "page.eps")


def test_every_format_on_the_list_exists():
    Image.init()
    assert set(READ) <= set(Image.OPEN)
    assert set(WRITABLE.values()) <= set(Image.SAVE)


def test_missing_folder_special_and_empty_files(tmp_path):
    with pytest.raises(BadPhoto, match=r"there is no file .*nobody\.jpg"):
        Photo.open(tmp_path / "nobody.jpg")
    with pytest.raises(BadPhoto, match="is a folder, not a picture"):
        Photo.open(tmp_path)
    (tmp_path / "empty.jpg").touch()
    with pytest.raises(BadPhoto, match=r"empty\.jpg is empty"):
        Photo.open(tmp_path / "empty.jpg")
    (tmp_path / "text.jpg").write_text("this is a letter, not a picture")
    with pytest.raises(BadPhoto, match=r"text\.jpg is not a picture that can be read"):
        Photo.open(str(tmp_path / "text.jpg"))
    with pytest.raises(BadPhoto, match="cannot read"):
        Photo.open(tmp_path / ("n" * 300 + ".jpg"))
    with pytest.raises(BadPhoto, match=r"cannot read|there is no file"):
        Photo.open("a\0b.jpg")
    os.mkfifo(tmp_path / "pipe.jpg")
    with pytest.raises(BadPhoto, match="is not an ordinary file"):
        Photo.open(tmp_path / "pipe.jpg")


def test_no_right_to_read(tmp_path, monkeypatch):
    path = tmp_path / "secret.png"
    path.write_bytes(encoded(Image.fromarray(SMOOTH), "PNG"))

    def refuse(*_args):
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr("pathlib.Path.open", refuse)
    with pytest.raises(BadPhoto, match=r"cannot read .*secret\.png: Permission denied"):
        Photo.open(path)


def test_heic_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    data = struct.pack(">I", 24) + b"ftypheic" + b"\0\0\0\0mif1heic" + bytes(40)
    with pytest.raises(BadPhoto, match=r"me\.heic is a HEIC picture; .*facedial\[heic\]"):
        Photo.from_bytes(data, "me.heic")
