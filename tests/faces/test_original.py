"""Laws of what an edit leaves alone: samples that sRGB bytes cannot hold are written as they were."""

import io

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from PIL import ExifTags, Image

from facedial.faces import Photo, extras
from facedial.faces.exif import TURNS

from .wide_photos import (
    DEEP_NOISE,
    NOISE,
    SIZE,
    bytes_of,
    curved_profile,
    deep_png,
    deep_tiff,
    wide_primaries_profile,
)

WIDE = wide_primaries_profile()
GREY_PROFILE = curved_profile(1.8, b"GRAY")
BOX = (slice(8, 20), slice(10, 30))  # what is edited
RGB, GREY, INKS = Image.fromarray(NOISE[..., :3]), Image.fromarray(NOISE[..., 0]), None
INKS = Image.frombytes("CMYK", SIZE, NOISE.tobytes())
OUTSIDE = np.ones((SIZE[1], SIZE[0]), bool)
OUTSIDE[BOX] = False


def read(data: bytes) -> Photo:
    return Photo.from_bytes(data, "me")


def edited(photo: Photo, change: int = 40) -> Photo:
    """The photo with one rectangle lighter or darker, by as much in each channel."""
    pixels = photo.pixels.copy()
    pixels[BOX] = np.where(pixels[BOX] < 128, pixels[BOX] + change, pixels[BOX] - change)
    return photo.with_pixels(pixels)


def samples_of(data: bytes) -> np.ndarray:
    """What Pillow reads of a file, in its own colours."""
    image = Image.open(io.BytesIO(data))
    return np.asarray(image).reshape(*image.size[::-1], -1)


@pytest.mark.parametrize(
    ("image", "kind", "ending", "profile"),
    [
        (RGB, "PNG", ".png", WIDE),
        (RGB, "TIFF", ".tif", WIDE),
        (RGB, "WEBP", ".webp", WIDE),
        (Image.fromarray(NOISE), "PNG", ".png", WIDE),
        (Image.fromarray(NOISE), "TIFF", ".tif", WIDE),
        (GREY, "PNG", ".png", None),
        (GREY, "PNG", ".png", GREY_PROFILE),
        (GREY, "TIFF", ".tif", GREY_PROFILE),
        (GREY, "BMP", ".bmp", None),
        (INKS, "TIFF", ".tif", None),
    ],
)
def test_outside_an_edit_samples_stay_as_the_file_has_them(
    image: Image.Image, kind: str, ending: str, profile: bytes | None
) -> None:
    data = bytes_of(image, kind, profile)
    photo = edited(read(data))
    written = photo.encoded(ending)
    again = Image.open(io.BytesIO(written))
    assert again.mode == image.mode
    assert again.info.get("icc_profile") == profile
    before, after = samples_of(data), samples_of(written)
    assert_array_equal(after[OUTSIDE], before[OUTSIDE])
    assert (after[BOX] != before[BOX]).any(-1).mean() > 0.9
    # The edited part looks as the edit says: colours beyond sRGB keep some of what they had.
    apart = np.abs(read(written).pixels[BOX].astype(int) - photo.pixels[BOX])
    assert apart.mean() < 6


@pytest.mark.parametrize("profile", [None, WIDE])
@pytest.mark.parametrize(
    ("kind", "channels"), [*(("png", n) for n in (1, 2, 3, 4)), *(("tif", n) for n in (1, 3, 4))]
)
def test_sixteen_bits_stay_sixteen_bits(channels: int, profile: bytes | None, kind: str) -> None:
    if profile is not None and channels < 3:
        profile = GREY_PROFILE
    noise = DEEP_NOISE[..., :channels]
    if kind == "tif":
        tags = [] if profile is None else [(34675, "B", len(profile), profile, True)]
        data = deep_tiff(noise, extratags=tags)
    else:
        data = deep_png(noise, profile)
    photo = edited(read(data))
    written = photo.encoded(f".{kind}")
    found = read(written).original
    assert found is not None and found.bits == 16 and found.profile == profile
    colours = noise[..., :-1] if channels in (2, 4) else noise
    assert_array_equal(found.samples[OUTSIDE], colours[OUTSIDE])
    assert (found.samples[BOX] != colours[BOX]).any(-1).mean() > 0.9
    if channels in (2, 4):
        assert_array_equal(found.alpha, noise[..., -1])


def test_sixteen_bits_are_what_other_programs_read() -> None:
    import av
    import tifffile

    photo = read(deep_png(DEEP_NOISE[..., :3]))
    assert_array_equal(tifffile.imread(io.BytesIO(photo.encoded(".tif"))), DEEP_NOISE[..., :3])
    with av.open(io.BytesIO(photo.encoded(".png"))) as file:
        (frame,) = file.decode(video=0)
    assert frame.format.name.startswith("rgb48")
    raw = frame.to_ndarray()
    assert_array_equal(raw, DEEP_NOISE[..., :3])


@pytest.mark.parametrize("options", [{}, {"compression": "zlib", "predictor": True}])
@pytest.mark.parametrize("order", ["<", ">"])
def test_a_deep_tiff_of_any_kind_is_read_whole(options: dict[str, object], order: str) -> None:
    data = deep_tiff(DEEP_NOISE[..., :3], byteorder=order, **options)
    assert_array_equal(read(data).original.samples, DEEP_NOISE[..., :3])


def test_inks_of_sixteen_bits_stay_in_a_tiff() -> None:
    photo = edited(read(deep_tiff(DEEP_NOISE, inks=True)))
    found = read(photo.encoded(".tif")).original
    assert found.channels == 4 and found.bits == 16
    assert_array_equal(found.samples[OUTSIDE], DEEP_NOISE[OUTSIDE])


@pytest.mark.parametrize("orientation", range(2, 9))
def test_samples_are_turned_with_the_pixels(orientation: int) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    turned = TURNS[orientation]
    stream = io.BytesIO()
    RGB.save(stream, "PNG", icc_profile=WIDE, exif=exif)
    expected = np.asarray(RGB.transpose(turned))
    assert_array_equal(samples_of(read(stream.getvalue()).encoded(".png")), expected)


@pytest.mark.parametrize("image", [RGB, GREY, INKS])
def test_an_unchanged_photo_keeps_its_colours_in_jpeg(image: Image.Image) -> None:
    profile = WIDE if image.mode == "RGB" else None
    data = bytes_of(image.resize(SIZE, box=(0, 0, 2, 2)), "JPEG", profile)
    again = Image.open(io.BytesIO(read(data).encoded(".jpg", quality=100)))
    assert again.mode == image.mode and again.info.get("icc_profile") == profile
    assert np.abs(np.asarray(again).astype(int) - samples_of(data).squeeze()).max() <= 4


def test_a_smooth_gradient_stays_smooth_where_it_is_edited() -> None:
    """Steps finer than a byte go on within an edit, instead of bands of 257."""
    ramp = np.linspace(20_000, 22_000, SIZE[0]).astype(np.uint16)
    samples = np.broadcast_to(ramp[None, :, None], (SIZE[1], SIZE[0], 3))
    photo = read(deep_png(samples))
    lighter = photo.with_pixels(photo.pixels + 10)
    found = read(lighter.encoded(".png")).original.samples.astype(int)
    # The edit keeps most of what lies between bytes: 10 of 64 levels of it are gone.
    steps = np.diff(found[0, :, 0])
    assert steps.max() < 120 and np.abs(found - samples - 2570).max() <= 40


def test_a_colour_edit_of_a_grey_photo_is_in_colour_and_said(tmp_path) -> None:
    photo = read(bytes_of(GREY, "PNG"))
    pixels = photo.pixels.copy()
    pixels[BOX] = (200, 60, 30)
    notes = photo.with_pixels(pixels).save(tmp_path / "a.png")
    assert len(notes) == 1 and "in colour" in notes[0]
    assert_array_equal(Photo.open(tmp_path / "a.png").pixels, pixels)
    pixels = photo.pixels.copy()
    pixels[BOX] = (120, 118, 126)  # a drawing's noise is no colour
    assert photo.with_pixels(pixels).save(tmp_path / "b.png") == ()
    assert Photo.open(tmp_path / "b.png").original.channels == 1


@pytest.mark.parametrize(
    ("data", "ending", "says"),
    [
        (bytes_of(INKS, "TIFF"), ".png", "holds no CMYK"),
        (bytes_of(INKS, "TIFF"), ".webp", "holds no CMYK"),
        (bytes_of(RGB, "PNG", WIDE), ".bmp", "no place for the photo's colour profile"),
        (deep_png(DEEP_NOISE[..., :3]), ".jpg", "8 of the photo's 16 bits"),
        (deep_png(DEEP_NOISE[..., :1]), ".jpg", "8 of the photo's 16 bits"),
    ],
)
def test_what_a_format_cannot_hold_is_one_sentence(
    tmp_path, data: bytes, ending: str, says: str
) -> None:
    photo = read(data)
    (note,) = photo.save(tmp_path / f"me{ending}")
    assert says in note
    again = Photo.open(tmp_path / f"me{ending}").pixels.astype(int)
    if ending in (".png", ".bmp"):
        assert_array_equal(again, photo.pixels)


def test_metadata_says_srgb_where_the_own_colours_are_left() -> None:
    exif = Image.Exif()
    exif[ExifTags.IFD.Exif] = {ExifTags.Base.ColorSpace: 65535}
    stream = io.BytesIO()
    INKS.save(stream, "JPEG", exif=exif)
    photo = read(stream.getvalue())
    for ending, expected in ((".jpg", 65535), (".png", 1)):
        found = Image.open(io.BytesIO(photo.encoded(ending))).getexif()
        assert found.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.ColorSpace] == expected


@pytest.mark.parametrize(
    ("packet", "says"),
    [
        (
            b'xmlns:hdrgm="http://ns.adobe.com/hdr-gain-map/1.0/" hdrgm:Version="1.0"',
            "HDR gain map",
        ),
        (
            b'xmlns:G="http://ns.google.com/photos/1.0/camera/" G:MotionPhoto="1"',
            "motion photo",
        ),
    ],
)
def test_what_a_phone_adds_to_a_photo_is_left_out_and_said(packet: bytes, says: str) -> None:
    rdf = b"http://www.w3.org/1999/02/22-rdf-syntax-ns#"
    xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><r:RDF xmlns:r="%b"><r:Description %b/></r:RDF>'
    xmp += b"</x:xmpmeta>"
    stream = io.BytesIO()
    RGB.save(stream, "JPEG", xmp=xmp % (rdf, packet))
    photo = read(stream.getvalue() + b"\0\0\0\x18ftypmp42, a video")
    assert len(photo.notes) == 1 and says in photo.notes[0]
    again = Image.open(io.BytesIO(photo.encoded(".jpg")))
    packet = again.info.get("xmp", b"")
    assert b"hdrgm:Version" not in packet and b"MotionPhoto=" not in packet
    assert read(photo.encoded(".jpg")).notes == ()


def test_what_a_phone_adds_to_a_heic_photo_is_said() -> None:
    aux = {"urn:com:apple:photo:2020:aux:hdrgainmap": [3]}
    notes = extras.left_out_of_heic({"aux": aux, "depth_images": [1], "bit_depth": 10}, "me")
    assert [
        words in note for note, words in zip(notes, ("gain map", "depth", "10 bits"), strict=True)
    ] == [True] * 3
    assert extras.left_out_of_heic({"aux": {}, "depth_images": [], "bit_depth": 8}, "me") == []


def test_both_pictures_of_a_stereo_photo_are_counted() -> None:
    stream = io.BytesIO()
    RGB.save(stream, "MPO", save_all=True, append_images=[RGB.rotate(180)])
    (note,) = read(stream.getvalue()).notes
    assert "holds 2 pictures" in note
