import io
import struct
import subprocess
import sys
import zlib

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from PIL import ExifTags, Image, ImageCms

from facedial.errors import BadRequest, FacedialError
from facedial.faces import Photo
from facedial.faces.exif import TURNS
from facedial.files import WRITABLE

from .smooth_photos import SMOOTH, encoded, png


def read(image, kind="PNG", **options):
    return Photo.from_bytes(encoded(image, kind, **options), "me").pixels.astype(int)


@pytest.fixture
def image():
    return Image.fromarray(SMOOTH)


LOSSLESS = ("PNG", "TIFF", "BMP", "PPM", "TGA", "JPEG2000")


@pytest.mark.parametrize("kind", [*LOSSLESS, "JPEG", "WEBP", "AVIF", "GIF"])
def test_any_format_is_read(image, kind):
    error = np.abs(read(image, kind) - SMOOTH)
    assert error.mean() < {"GIF": 12}.get(kind, 0.01 if kind in LOSSLESS else 4)


@pytest.mark.parametrize(
    ("mode", "kind", "atol"),
    [
        ("RGBA", "PNG", 0),
        ("RGBA", "TIFF", 0),
        ("RGBA", "WEBP", 15),
        ("YCbCr", "TIFF", 3),
        ("LAB", "TIFF", 20),
        ("CMYK", "TIFF", 0),
        ("CMYK", "JPEG", 15),
        ("P", "PNG", 60),
    ],
)
def test_any_mode_is_read(image, mode, kind, atol):
    if mode == "LAB":
        srgb, lab = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
        converted = ImageCms.profileToProfile(image, srgb, lab, outputMode="LAB")
    else:
        converted = image.convert(mode)
    assert np.abs(read(converted, kind) - SMOOTH).max() <= atol


@pytest.mark.parametrize("mode", ["1", "L", "LA"])
def test_greys_are_grey(image, mode):
    grey = image.convert(mode)
    pixels = read(grey)
    assert_array_equal(pixels, np.repeat(np.asarray(grey.convert("L"))[..., None], 3, axis=-1))


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (SMOOTH[..., 0].astype(np.uint16) * 257, "PNG"),
        (SMOOTH[..., 0].astype(np.uint16) * 257, "TIFF"),
        (SMOOTH[..., 0].astype(np.int32) * 257, "TIFF"),
        (SMOOTH[..., 0].astype(np.int32), "TIFF"),
        (SMOOTH[..., 0].astype(np.float32) / 255, "TIFF"),
        (SMOOTH[..., 0].astype(np.float32), "TIFF"),
        (SMOOTH[..., 0].astype(np.float32) * 257, "TIFF"),
    ],
)
def test_wide_greys_are_scaled_by_their_range(values, kind):
    pixels = read(Image.fromarray(values), kind)
    full = next(full for full in (1, 255, 65535) if values.max() <= full)
    expected = values / full * 255
    assert np.abs(pixels - expected[..., None]).max() <= 0.51


def test_floats_that_are_not_numbers_are_black():
    values = np.full((20, 20), 0.5, np.float32)
    values[3, 3], values[4, 4], values[5, 5] = np.nan, np.inf, -np.inf
    pixels = read(Image.fromarray(values), "TIFF")
    assert pixels[0, 0, 0] == 128
    assert not pixels[[3, 4, 5], [3, 4, 5]].any()


def test_sixteen_bit_colour_is_read():
    rows = [b"\0" + (row.astype(">u2") * 257).tobytes() for row in SMOOTH]
    data = png(48, 36, bits=16, colour=2, body=zlib.compress(b"".join(rows)))
    assert_array_equal(Photo.from_bytes(data, "deep").pixels, SMOOTH)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "PA"])
def test_transparency_is_laid_on_white(mode):
    image = Image.new("RGBA", (20, 20), (100, 100, 100, 0))
    image.paste((100, 100, 100, 255), (10, 0, 20, 20))
    image.putpixel((0, 0), (0, 0, 0, 128))
    kind = "TIFF" if mode == "PA" else "PNG"
    photo = Photo.from_bytes(encoded(image.convert(mode), kind), "me")
    pixels = photo.flattened
    assert (pixels[5, 5] == 255).all()
    assert photo.alpha[5, 5] == 0
    assert photo.alpha[5, 15] == 255
    assert np.abs(pixels[5, 15].astype(int) - 100).max() <= 1
    assert abs(int(pixels[0, 0, 0]) - 127) <= 1 or mode == "PA"


@pytest.mark.parametrize("mode", ["P", "L", "RGB"])
def test_a_transparent_colour_is_white(mode):
    image = Image.new(mode, (20, 20), 0)
    key = 0 if mode != "RGB" else (0, 0, 0)
    photo = Photo.from_bytes(encoded(image, "PNG", transparency=key), "me")
    assert (photo.flattened == 255).all()
    assert not photo.alpha.any()


def test_a_transparent_grey_of_sixteen_bits_is_white():
    values = np.full((20, 20), 300, np.uint16)
    values[:, 10:] = 60_000
    photo = Photo.from_bytes(encoded(Image.fromarray(values), "PNG", transparency=300), "me")
    assert (photo.flattened[:, :10] == 255).all()
    assert np.abs(photo.pixels[:, 10:].astype(float) - 60_000 / 257).max() <= 0.51
    assert (photo.alpha[:, 10:] == 255).all()


def test_transparent_gif_frame_one(image):
    frames = [Image.new("RGB", (20, 20), colour) for colour in ("red", "blue", "lime")]
    for kind in ("GIF", "PNG", "WEBP", "TIFF"):
        options = {"lossless": True} if kind == "WEBP" else {}
        pixels = read(frames[0], kind, save_all=True, append_images=frames[1:], **options)
        assert np.abs(pixels - [255, 0, 0]).max() <= 2, kind


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["PNG", "TIFF", "JPEG", "WEBP", "AVIF"])
def test_all_eight_orientations_are_one_photo(image, orientation, kind):
    back = {5: 5, 6: 8, 7: 7, 8: 6}.get(orientation, orientation)
    stored = image.transpose(TURNS[back]) if orientation > 1 else image
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    exif[ExifTags.Base.Artist] = "me"
    photo = Photo.from_bytes(encoded(stored, kind, exif=exif.tobytes()), "me")
    assert photo.size == (48, 36)
    error = np.abs(photo.pixels.astype(int) - SMOOTH)
    assert error.max() <= (0 if kind in LOSSLESS else 25)
    assert error.mean() < 4
    kept = Image.Exif()
    kept.load(photo.exif)
    assert kept[ExifTags.Base.Artist] == "me"
    assert ExifTags.Base.Orientation not in kept


@pytest.mark.parametrize("orientation", [0, 9, 65535])
def test_an_impossible_orientation_is_no_turn(image, orientation):
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    assert_array_equal(read(image, exif=exif.tobytes()), SMOOTH)


def test_damaged_exif_costs_only_the_exif(image):
    exif = b"Exif\0\0MM\0*\0\0\0\x08\0\x02\x01\x12\0\x03\0\0\0\xff\0\xff\xff"
    photo = Photo.from_bytes(encoded(image, "JPEG", exif=exif, quality=100), "me")
    assert np.abs(photo.pixels.astype(int) - SMOOTH).max() <= 6


def test_a_profile_is_obeyed(image):
    """A linear-light profile: a stored half is a brightness that sRGB writes as 188."""
    profile = linear_rgb_profile()
    grey = Image.new("RGB", (20, 20), (128, 128, 128))
    assert np.abs(read(grey, icc_profile=profile) - 188).max() <= 2
    with_alpha = Image.new("RGBA", (20, 20), (128, 128, 128, 255))
    assert np.abs(read(with_alpha, icc_profile=profile) - 188).max() <= 2
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert_array_equal(read(image, icc_profile=srgb), SMOOTH)


def test_a_damaged_or_foreign_profile_is_ignored(image):
    assert_array_equal(read(image, icc_profile=b"no profile at all"), SMOOTH)
    assert_array_equal(read(image, icc_profile=linear_rgb_profile()[:200]), SMOOTH)
    grey = image.convert("L")
    foreign = read(grey, icc_profile=linear_rgb_profile())
    assert_array_equal(foreign[..., 0], np.asarray(grey))


def linear_rgb_profile():
    """sRGB's primaries with gamma 1, by replacing the curves of Pillow's own profile."""
    data = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    for i in range(struct.unpack(">I", data[128:132])[0]):
        tag, start, _ = struct.unpack(">4sII", data[132 + 12 * i : 144 + 12 * i])
        if tag in (b"rTRC", b"gTRC", b"bTRC"):
            kind = bytes(data[start : start + 4])
            assert kind in (b"para", b"curv")
            # A curve of no points, or a power of one, is a straight line.
            if kind == b"curv":
                data[start + 8 : start + 12] = struct.pack(">I", 0)
            else:
                data[start + 8 : start + 16] = struct.pack(">HHi", 0, 0, 65536)
        if tag == b"desc":
            data[start + 4 :] = bytes(data[start + 4 :]).replace(b"s\0R\0G\0B", b"L\0i\0n\0e")
    return bytes(data)


@pytest.mark.parametrize("view", [lambda a: a, lambda a: a[::-1], lambda a: a[2:, ::2]])
def test_pixels_are_read_only_and_never_the_callers(image, view):
    array, alpha = SMOOTH.copy(), np.zeros((36, 48), np.uint8)
    seen, seen_alpha = view(array), view(alpha)
    locked = seen.view()
    locked.flags.writeable = False  # which does not lock what it looks at
    for pixels in (seen, locked):
        photo = Photo(pixels, alpha=seen_alpha)
        before = photo.pixels.copy()
        for own in (photo.pixels, photo.alpha):
            with pytest.raises(ValueError, match="read-only"):
                own[0, 0] = 0
            with pytest.raises(ValueError, match="WRITEABLE"):
                own.flags.writeable = True
        array[...] += 1
        alpha[...] += 1
        assert_array_equal(photo.pixels, before)
        assert not photo.alpha.any() or pixels is locked
    assert not Photo.from_bytes(encoded(image, "PNG"), "me").pixels.flags.writeable


def test_pixels_that_nobody_can_write_are_not_copied():
    array = SMOOTH.copy()
    array.flags.writeable = False
    assert Photo(array).pixels.base is array
    assert Photo(Photo(array).pixels).pixels.base is array


@pytest.mark.parametrize("shape", [(4, 4), (4, 4, 4)])
def test_a_photo_is_rgb_bytes(shape):
    with pytest.raises(ValueError, match="uint8"):
        Photo(np.zeros(shape, np.uint8))
    with pytest.raises(ValueError, match="uint8"):
        Photo(np.zeros((4, 4, 3), np.float32))


def test_heic_is_read_where_the_extra_is_there(image):
    pillow_heif = pytest.importorskip("pillow_heif")
    stream = io.BytesIO()
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    pillow_heif.from_pillow(image).save(stream, quality=95, exif=exif.tobytes())
    photo = Photo.from_bytes(stream.getvalue(), "me.heic")
    turned = np.asarray(image.transpose(Image.Transpose.ROTATE_270)).astype(int)
    assert np.abs(photo.pixels.astype(int) - turned).mean() < 4


@pytest.mark.parametrize("ending", sorted(WRITABLE))
def test_saved_and_read_again(tmp_path, ending):
    path = tmp_path / f"out{ending.upper()}"
    exif = Image.Exif()
    exif[ExifTags.Base.Artist] = "me"
    Photo(SMOOTH, "me", exif.tobytes()).save(path)
    again = Photo.open(path)
    lossless = ending in (".png", ".tif", ".tiff", ".bmp")
    assert np.abs(again.pixels.astype(int) - SMOOTH).max() <= (0 if lossless else 25)
    assert again.exif is not None or ending == ".bmp"
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_exif_is_kept_for_saving(image):
    exif = Image.Exif()
    exif[ExifTags.Base.Model] = "a camera"
    exif.get_ifd(ExifTags.IFD.GPSInfo)[1] = "N"
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.DateTimeOriginal] = "2020:01:02 03:04:05"
    photo = Photo.from_bytes(encoded(image, "JPEG", exif=exif.tobytes()), "me")
    kept = Image.Exif()
    kept.load(photo.exif)
    assert kept[ExifTags.Base.Model] == "a camera"
    assert kept.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.DateTimeOriginal].startswith("2020")
    assert kept.get_ifd(ExifTags.IFD.GPSInfo)[1] == "N"
    assert Photo.from_bytes(encoded(image, "TIFF"), "me").exif is None  # its tags are of storage


def test_the_thumbnail_of_the_unchanged_face_is_not_kept(image):
    artist = struct.pack(">HHHI4sI", 1, ExifTags.Base.Artist, 2, 3, b"me\0\0", 26)
    thumbnail = struct.pack(">HHHIIHHIII", 2, 513, 4, 1, 56, 514, 4, 1, 5, 0) + b"THUMB"
    exif = b"Exif\0\0MM\0*" + struct.pack(">I", 8) + artist + thumbnail
    data = encoded(image, "JPEG", exif=exif)
    assert b"THUMB" in data
    photo = Photo.from_bytes(data, "me")
    assert b"me\0" in photo.exif
    assert b"THUMB" not in photo.exif


def test_an_existing_file_is_kept_unless_asked(tmp_path):
    path = tmp_path / "a.png"
    path.write_text("mine")
    with pytest.raises(BadRequest, match="exists already"):
        Photo(SMOOTH).save(path)
    assert path.read_text() == "mine"
    Photo(SMOOTH).save(path, overwrite=True)
    assert_array_equal(Photo.open(path).pixels, SMOOTH)
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(BadRequest, match="exists already"):
        Photo(SMOOTH).save(tmp_path / "folder.png", overwrite=True)


@pytest.mark.parametrize("name", ["a", "a.doc", "a.gif2", ".png"])
def test_unknown_endings_are_refused(tmp_path, name):
    with pytest.raises(BadRequest, match=r"cannot write .* one of \.png \.jpg"):
        Photo(SMOOTH).save(tmp_path / name)


def test_missing_folder_for_output(tmp_path):
    with pytest.raises(FacedialError, match=r"cannot write .*No such file or directory"):
        Photo(SMOOTH).save(tmp_path / "no" / "a.png")


def test_a_full_disk_leaves_nothing(tmp_path):
    """In a process of its own, where no file may grow beyond a hundred bytes."""
    pytest.importorskip("resource")
    code = (
        "import resource, sys, numpy\n"
        "from facedial.errors import FacedialError\n"
        "from facedial.faces import Photo\n"
        "noise = numpy.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=numpy.uint8)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))\n"
        "try:\n    Photo(noise).save(sys.argv[1])\n"
        "except FacedialError as error:\n    print(error)\n"
    )
    path = tmp_path / "a.png"
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-B", "-c", code, str(path)], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == f"cannot write {path}: File too large"
    assert not list(tmp_path.iterdir())


def test_a_picture_too_wide_for_its_format_is_one_sentence(tmp_path):
    with pytest.raises(FacedialError, match=r"cannot write .*a\.webp"):
        Photo(np.zeros((16, 20000, 3), np.uint8)).save(tmp_path / "a.webp")
    assert not list(tmp_path.iterdir())
