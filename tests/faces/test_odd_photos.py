"""Files that are odd but sound are read, and what of them is not used is said."""

import io
import struct
import tracemalloc
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from PIL import Image, ImageCms, PngImagePlugin

from facedial.errors import BadRequest, FacedialError
from facedial.faces import Photo
from facedial.faces.reading import MAX_PNG_CHUNK
from facedial.faces.sheet import save_frames
from facedial.files import READABLE

from .smooth_photos import SMOOTH, encoded
from .test_photo import linear_rgb_profile


def with_chunks(*chunks: tuple[bytes, bytes]) -> bytes:
    """A PNG with chunks between its header and its pixels."""
    data = encoded(Image.fromarray(SMOOTH), "PNG")
    made = b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        for name, body in chunks
    )
    return data[:33] + made + data[33:]


def large_profile(size: int) -> bytes:
    """A profile of linear light with so many bytes at its end that no tag refers to."""
    profile = linear_rgb_profile()
    return struct.pack(">I", size) + profile[4:] + bytes(size - len(profile))


@pytest.mark.parametrize("size", [2_000_000, 12_000_000])
def test_a_large_colour_profile_is_obeyed(size: int) -> None:
    grey = Image.new("RGB", (20, 20), (128, 128, 128))
    photo = Photo.from_bytes(encoded(grey, "PNG", icc_profile=large_profile(size)), "me")
    assert np.abs(photo.pixels.astype(int) - 188).max() <= 2
    assert photo.notes == ()


@pytest.mark.parametrize("compressed", [True, False])
@pytest.mark.parametrize("international", [True, False])
def test_a_large_text_is_no_damage(compressed: bool, international: bool) -> None:
    texts = PngImagePlugin.PngInfo()
    add = texts.add_itxt if international else texts.add_text
    for number in range(3):
        add(f"workflow {number}", "nodes " * 500_000, zip=compressed)
    photo = Photo.from_bytes(encoded(Image.fromarray(SMOOTH), "PNG", pnginfo=texts), "me")
    assert_array_equal(photo.pixels, SMOOTH)
    assert photo.notes == ()


BOMB = zlib.compress(bytes(4 * MAX_PNG_CHUNK), 9)


@pytest.mark.parametrize(
    ("name", "body", "what"),
    [
        (b"zTXt", b"a\0\0" + BOMB, "text"),
        (b"iTXt", b"a\0\1\0en\0a\0" + BOMB, "text"),
        (b"tEXt", b"a\0" + b"x" * (MAX_PNG_CHUNK + 1), "text"),
        (b"iCCP", b"a\0\0" + BOMB, "colour profile"),
    ],
)
def test_what_unpacks_to_more_than_the_limit_is_left_out(
    name: bytes, body: bytes, what: str
) -> None:
    data = with_chunks((name, body), (b"tEXt", b"Author\0me"), (name, body))
    tracemalloc.start()
    photo = Photo.from_bytes(data, "me")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert_array_equal(photo.pixels, SMOOTH)
    assert len(photo.notes) == 2
    assert photo.notes[0] == f"a {what} in me is too large to be read and is left out"
    assert peak < 2 * MAX_PNG_CHUNK + 4 * len(data)


def test_many_texts_are_left_out_where_they_are_too_much_together() -> None:
    text = b"a\0\0" + zlib.compress(bytes(10 << 20), 9)
    photo = Photo.from_bytes(with_chunks(*[(b"zTXt", text)] * 10), "me")
    assert_array_equal(photo.pixels, SMOOTH)
    assert len(photo.notes) == 4  # six of ten MB are below 64


@given(st.binary(max_size=40), st.sampled_from([b"zTXt", b"iTXt", b"tEXt", b"iCCP", b"eXIf"]))
def test_a_damaged_chunk_beside_the_pixels_costs_only_itself(body: bytes, name: bytes) -> None:
    """What is damaged beside the pixels costs only itself."""
    assert_array_equal(Photo.from_bytes(with_chunks((name, body)), "me").flattened, SMOOTH)


FRAMES = [Image.new("RGB", (20, 20), colour) for colour in ("red", "blue", "lime")]


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP", "TIFF", "AVIF", "MPO"])
def test_an_animation_gives_its_first_picture_and_says_how_many_are_left_out(kind: str) -> None:
    data = encoded(FRAMES[0], kind, save_all=True, append_images=FRAMES[1:])
    photo = Photo.from_bytes(data, "me")
    assert np.abs(photo.pixels.astype(int) - [255, 0, 0]).max() <= 4
    assert photo.notes == ("me holds 3 pictures; the first is used, 2 left out",)


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP", "TIFF", "AVIF", "JPEG", "BMP", "ICO"])
def test_a_single_picture_has_no_notes(kind: str) -> None:
    assert Photo.from_bytes(encoded(Image.new("RGB", (32, 32)), kind), "me").notes == ()


def test_an_animation_that_is_cut_short_after_its_first_picture_is_read() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (3, 40, 40, 3), dtype=np.uint8)
    frames = [Image.fromarray(frame) for frame in noise]
    data = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    photo = Photo.from_bytes(data[: int(len(data) * 0.6)], "me")
    assert photo.size == (40, 40)


@pytest.mark.parametrize("ending", [".jfif", ".jpe", ".tga", ".jp2", ".JPG"])
def test_these_endings_are_pictures(tmp_path: Path, ending: str) -> None:
    assert ending.lower() in READABLE
    kind = {".tga": "TGA", ".jp2": "JPEG2000"}.get(ending, "JPEG")
    path = tmp_path / f"a{ending}"
    path.write_bytes(encoded(Image.fromarray(SMOOTH), kind))
    assert Photo.open(path).size == (48, 36)


def test_a_profile_that_is_of_no_use_is_no_damage() -> None:
    for body in (b"name\0\0" + zlib.compress(b"junk"), b"name\0\0not zlib", b"name\0\1x", b""):
        assert_array_equal(Photo.from_bytes(with_chunks((b"iCCP", body)), "me").pixels, SMOOTH)
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    data = encoded(Image.fromarray(SMOOTH), "PNG", icc_profile=lab)
    assert_array_equal(Photo.from_bytes(data, "me").pixels, SMOOTH)


@pytest.mark.parametrize("name", ["walk.png", "walk.gif", "walk.webp", "walk.mp4"])
def test_a_moving_picture_leaves_the_users_other_files_alone(tmp_path: Path, name: str) -> None:
    """As all writers do: `files.atomic_write` never uses a name that exists."""
    theirs = [tmp_path / f"{prefix}{name}" for prefix in ("part-", ".", ".part-")]
    theirs += [tmp_path / f"{name}.part", tmp_path / f"{name}~", tmp_path / "walk.part"]
    for path in theirs:
        path.write_text(f"my {path.name}")
    frames = [np.full((32, 32, 3), level, np.uint8) for level in (0, 120, 240)]
    save_frames(frames, tmp_path / name, per_s=5)
    assert {path.read_text() for path in theirs} == {f"my {path.name}" for path in theirs}
    assert {path.name for path in tmp_path.iterdir()} == {name, *(path.name for path in theirs)}
    with pytest.raises(BadRequest, match="exists already"):
        save_frames(frames, tmp_path / name, per_s=5)
    save_frames(frames, tmp_path / name, per_s=5, overwrite=True)


def test_frames_that_a_format_cannot_hold_are_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(FacedialError, match="cannot write") as error:
        save_frames([np.zeros((16, 20_000, 3), np.uint8)] * 2, tmp_path / "a.webp", per_s=5)
    assert "\n" not in str(error.value)
    assert not list(tmp_path.iterdir())


def test_a_png_that_is_large_is_not_read_twice() -> None:
    """Its chunks are looked at in place: a stream is copied only where something is left out."""
    data = encoded(Image.fromarray(SMOOTH), "PNG")

    class Counting(io.BytesIO):
        read_bytes = 0

        def read(self, size: int | None = -1) -> bytes:
            found = super().read(size)
            Counting.read_bytes += len(found)
            return found

    from facedial.faces.reading import decode

    decode(Counting(data), "me", 1e6)
    assert Counting.read_bytes < 2 * len(data) + 200
