"""Laws of what a photo carries beside its pixels: read, corrected, and written where there is a place."""

import io
import stat
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from PIL import ExifTags, Image, PngImagePlugin

from facedial.errors import FacedialError
from facedial.faces import Photo, mark
from facedial.faces.exif import TURNS
from facedial.files import WRITABLE

from .smooth_photos import SMOOTH, encoded
from .test_photo import linear_rgb_profile

ALPHA = np.broadcast_to(np.linspace(0, 255, 48).astype(np.uint8), (36, 48)).copy()
WITH_ALPHA = np.dstack([SMOOTH, ALPHA])
CARRIERS = sorted(set(WRITABLE) - {".bmp"})


def again(photo: Photo, ending: str) -> Photo:
    """The photo as it comes back from a file of that ending."""
    return Photo.from_bytes(photo.encoded(ending), f"again{ending}")


def exif_of(photo: Photo) -> Image.Exif:
    exif = Image.Exif()
    assert photo.exif is not None
    exif.load(photo.exif)
    return exif


def camera_exif() -> Image.Exif:
    """Every sub-directory, a text beyond ASCII, signed and unsigned fractions, and stale facts."""
    exif = Image.Exif()
    exif[ExifTags.Base.Artist] = "Zoë".encode()
    exif[ExifTags.Base.Model] = "a camera"
    camera = exif.get_ifd(ExifTags.IFD.Exif)
    camera[ExifTags.Base.DateTimeOriginal] = "2020:01:02 03:04:05"
    camera[ExifTags.Base.ExposureTime] = 0.01
    camera[ExifTags.Base.ExposureBiasValue] = -1.5
    camera[ExifTags.Base.MakerNote] = bytes(range(256))
    camera[ExifTags.Base.ExifImageWidth] = 4000
    camera[ExifTags.Base.ExifImageHeight] = 3000
    camera[ExifTags.Base.ColorSpace] = 65535
    camera[ExifTags.IFD.Interop] = {1: "R03"}
    gps = exif.get_ifd(ExifTags.IFD.GPSInfo)
    gps[ExifTags.GPS.GPSLatitudeRef] = "N"
    gps[ExifTags.GPS.GPSLatitude] = (52.0, 31.0, 12.5)
    return exif


@pytest.mark.parametrize("ending", CARRIERS)
@pytest.mark.parametrize("start", ["JPEG", "TIFF"])
def test_exif_with_all_its_directories_goes_through_every_format(ending: str, start: str) -> None:
    image = Image.fromarray(SMOOTH)
    first = Photo.from_bytes(encoded(image, "JPEG", exif=camera_exif().tobytes()), "me")
    photo = first if start == "JPEG" else again(first, ".tiff")
    exif = exif_of(again(photo, ending))
    assert exif[ExifTags.Base.Artist].encode("latin-1") == "Zoë".encode()
    assert exif[ExifTags.Base.Model] == "a camera"
    camera, gps = (exif.get_ifd(tag) for tag in (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo))
    assert camera[ExifTags.Base.DateTimeOriginal] == "2020:01:02 03:04:05"
    assert camera[ExifTags.Base.ExposureTime] == pytest.approx(0.01)
    assert camera[ExifTags.Base.ExposureBiasValue] == pytest.approx(-1.5)
    assert camera[ExifTags.Base.MakerNote] == bytes(range(256))
    assert gps[ExifTags.GPS.GPSLatitudeRef] == "N"
    assert [float(x) for x in gps[ExifTags.GPS.GPSLatitude]] == [52.0, 31.0, 12.5]
    assert exif.get_ifd(ExifTags.IFD.Interop)[1] == "R03"


@pytest.mark.parametrize("order", [b"II", b"MM"])
def test_exif_of_either_byte_order_goes_into_a_tiff(order: bytes) -> None:
    exif = camera_exif()
    exif.endian = "<" if order == b"II" else ">"
    data = encoded(Image.fromarray(SMOOTH), "JPEG", exif=exif.tobytes())
    assert b"Exif\0\0" + order in data
    tiff = again(Photo.from_bytes(data, "me"), ".tif")
    assert exif_of(tiff).get_ifd(ExifTags.IFD.GPSInfo)[ExifTags.GPS.GPSLatitudeRef] == "N"


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
@pytest.mark.parametrize("profile", [None, linear_rgb_profile()])
def test_exif_says_the_size_and_colour_space_of_what_is_written(
    orientation: int, profile: bytes | None
) -> None:
    exif = camera_exif()
    exif[ExifTags.Base.Orientation] = orientation
    exif[ExifTags.Base.XResolution], exif[ExifTags.Base.YResolution] = 300.0, 150.0
    options = {} if profile is None else {"icc_profile": profile}
    image = Image.fromarray(SMOOTH)
    photo = Photo.from_bytes(encoded(image, "JPEG", exif=exif.tobytes(), **options), "me")
    kept = exif_of(photo)
    camera = kept.get_ifd(ExifTags.IFD.Exif)
    assert photo.size == ((36, 48) if orientation > 4 else (48, 36))
    size = camera[ExifTags.Base.ExifImageWidth], camera[ExifTags.Base.ExifImageHeight]
    assert size == photo.size
    resolution = kept[ExifTags.Base.XResolution], kept[ExifTags.Base.YResolution]
    assert resolution == ((150, 300) if orientation > 4 else (300, 150))
    # The colours are kept as the file has them, and so is what the camera said of them.
    assert camera[ExifTags.Base.ColorSpace] == 65535
    assert kept.get_ifd(ExifTags.IFD.Interop)[1] == "R03"


def test_sizes_that_exif_did_not_state_are_not_added() -> None:
    exif = Image.Exif()
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.DateTimeOriginal] = "2020:01:02 03:04:05"
    photo = Photo.from_bytes(encoded(Image.fromarray(SMOOTH), "PNG", exif=exif.tobytes()), "me")
    assert list(exif_of(photo).get_ifd(ExifTags.IFD.Exif)) == [ExifTags.Base.DateTimeOriginal]


def test_exif_too_long_for_jpeg_is_kept_elsewhere_and_said(tmp_path: Path) -> None:
    exif = camera_exif()
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.MakerNote] = bytes(100_000)
    photo = Photo.from_bytes(encoded(Image.fromarray(SMOOTH), "PNG", exif=exif.tobytes()), "me")
    (note,) = photo.save(tmp_path / "a.jpg")
    assert "too many for JPEG" in note
    assert photo.save(tmp_path / "a.png") == ()
    kept = exif_of(Photo.open(tmp_path / "a.png")).get_ifd(ExifTags.IFD.Exif)
    assert kept[ExifTags.Base.MakerNote] == bytes(100_000)


@pytest.mark.parametrize("ending", [".png", ".webp", ".tiff", ".avif"])
@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_transparency_is_kept(ending: str, mode: str) -> None:
    image = Image.fromarray(WITH_ALPHA)
    if mode == "P":
        image = Image.fromarray(SMOOTH).quantize(16)
        data = encoded(image, "PNG", transparency=bytes(range(0, 256, 16)))
        alpha = np.asarray(Image.open(io.BytesIO(data)).convert("RGBA"))[..., 3]
    else:
        data, alpha = encoded(image.convert(mode), "PNG"), ALPHA
    photo = Photo.from_bytes(data, "me.png")
    assert photo.alpha is not None
    assert_array_equal(photo.alpha, alpha)
    found = again(photo, ending)
    assert found.alpha is not None
    if ending == ".avif":
        assert np.abs(found.alpha.astype(int) - alpha).max() <= 12
    else:
        assert_array_equal(found.alpha, alpha)
    if ending in (".png", ".tiff"):
        assert_array_equal(found.pixels, photo.pixels)


def test_colours_that_nobody_sees_come_back_too(tmp_path: Path) -> None:
    (tmp_path / "in.png").write_bytes(encoded(Image.fromarray(WITH_ALPHA), "PNG"))
    Photo.open(tmp_path / "in.png").save(tmp_path / "out.png")
    assert_array_equal(np.asarray(Image.open(tmp_path / "out.png")), WITH_ALPHA)


@pytest.mark.parametrize("orientation", [3, 6])
def test_transparency_is_turned_with_the_pixels(orientation: int) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    photo = Photo.from_bytes(encoded(Image.fromarray(WITH_ALPHA), "PNG", exif=exif.tobytes()), "me")
    turned = np.asarray(Image.fromarray(WITH_ALPHA).transpose(TURNS[orientation]))
    assert photo.alpha is not None
    assert_array_equal(np.dstack([photo.pixels, photo.alpha]), turned)


@pytest.mark.parametrize("ending", [".jpg", ".bmp"])
def test_where_there_is_no_transparency_it_is_laid_on_white_and_said(
    tmp_path: Path, ending: str
) -> None:
    photo = Photo(SMOOTH, "me", alpha=ALPHA)
    path = tmp_path / f"a{ending}"
    (note,) = photo.save(path)
    assert "a" + ending in note
    assert "laid on white" in note
    found = Photo.open(path)
    assert found.alpha is None
    assert np.abs(found.pixels.astype(int) - photo.flattened).mean() < 2
    opaque = Photo(SMOOTH, "me", alpha=np.full_like(ALPHA, 255))
    assert opaque.save(path, overwrite=True) == ()


def test_what_a_viewer_shows_is_between_the_colour_and_white() -> None:
    photo = Photo(SMOOTH, alpha=ALPHA)
    expected = SMOOTH * (ALPHA[..., None] / 255) + 255 * (1 - ALPHA[..., None] / 255)
    assert np.abs(photo.flattened - expected).max() <= 1
    assert Photo(SMOOTH).flattened is not None
    assert_array_equal(Photo(SMOOTH).flattened, SMOOTH)


NOISE = np.random.default_rng(0).integers(0, 256, (40, 44, 4), dtype=np.uint8)


@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize("frames", [1, 2])
def test_lossless_webp_comes_back_without_loss(channels: int, frames: int) -> None:
    pixels = np.ascontiguousarray(NOISE[..., :channels])
    image = Image.fromarray(pixels)
    more = {"save_all": True, "append_images": [image.rotate(90)]} if frames > 1 else {}
    data = encoded(image, "WEBP", lossless=True, exact=True, **more)
    pixels = np.asarray(Image.open(io.BytesIO(data)))  # animations lose colours that nobody sees
    photo = Photo.from_bytes(data, "me")
    assert photo.lossless
    found = again(photo, ".webp")
    assert found.lossless
    assert_array_equal(found.pixels, pixels[..., :3])
    assert (found.alpha is None) == (channels == 3)
    if found.alpha is not None:
        assert_array_equal(found.alpha, pixels[..., 3])
    # A quality that was asked for is not overruled.
    assert not Photo.from_bytes(photo.encoded(".webp", quality=80), "me").lossless


@pytest.mark.parametrize("kind", ["WEBP", "AVIF"])
@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_lossy_files_are_not_taken_for_lossless(kind: str, mode: str) -> None:
    photo = Photo.from_bytes(encoded(Image.fromarray(NOISE).convert(mode), kind), "me")
    assert not photo.lossless


def test_lossless_avif_is_known_and_written_as_well_as_can_be(tmp_path: Path) -> None:
    """Pillow writes none: the header of one of its files is given the matrix of lossless ones."""
    data = bytearray(encoded(Image.fromarray(NOISE).convert("RGB"), "AVIF", subsampling="4:4:4"))
    at = data.find(b"colrnclx") + 12
    data[at : at + 2] = b"\0\0"
    photo = Photo.from_bytes(bytes(data), "me")
    assert photo.lossless
    (note,) = photo.save(tmp_path / "a.avif")
    assert "without loss" in note
    found = Photo.open(tmp_path / "a.avif")
    assert np.abs(found.pixels.astype(int) - photo.pixels).max() <= 4


@pytest.mark.parametrize("ending", sorted(WRITABLE))
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "BMP"])
def test_the_resolution_is_kept(ending: str, kind: str) -> None:
    photo = Photo.from_bytes(encoded(Image.fromarray(SMOOTH), kind, dpi=(300, 240)), "me")
    assert photo.dpi == pytest.approx((300, 240), abs=0.1)
    assert again(photo, ending).dpi == pytest.approx((300, 240), abs=0.1)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF"])
def test_a_turn_swaps_the_resolutions(kind: str) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    data = encoded(Image.fromarray(SMOOTH), kind, dpi=(300, 240), exif=exif.tobytes())
    assert Photo.from_bytes(data, "me").dpi == pytest.approx((240, 300), abs=0.1)


def test_a_file_that_states_no_resolution_gets_none() -> None:
    photo = Photo.from_bytes(encoded(Image.fromarray(SMOOTH), "PNG"), "me")
    assert photo.dpi is None
    for ending in CARRIERS:
        assert again(photo, ending).dpi is None


@given(st.floats(), st.floats())
def test_any_resolution_is_written_or_left_out(x: float, y: float) -> None:
    exif = Image.Exif()
    try:
        exif[ExifTags.Base.XResolution], exif[ExifTags.Base.YResolution] = x, y
        data = encoded(Image.new("RGB", (20, 20)), "PNG", exif=exif.tobytes())
    except (struct.error, ValueError, OverflowError):
        return  # Pillow cannot make such a file
    for ending in (".png", ".jpg", ".tiff", ".webp"):
        again(Photo.from_bytes(data, "me"), ending)


AUTHOR = """<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/">
 <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
  <rdf:Description rdf:about="uuid:1" xmlns:dc="http://purl.org/dc/elements/1.1/"
    xmlns:tiff="http://ns.adobe.com/tiff/1.0/" xmlns:exif="http://ns.adobe.com/exif/1.0/"
    xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmlns:i="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
    xmp:Rating="5" tiff:Orientation="6" {attributes}>
   <dc:creator><rdf:Seq><rdf:li>Zoë &amp; Max</rdf:li></rdf:Seq></dc:creator>
   <exif:PixelXDimension>4000</exif:PixelXDimension>
   {elements}
  </rdf:Description>
 </rdf:RDF>
</x:xmpmeta>
<?xpacket end="w"?>"""


def author(attributes: str = "", elements: str = "") -> bytes:
    return AUTHOR.format(attributes=attributes, elements=elements).encode()


def with_xmp(packet: bytes, kind: str = "PNG") -> bytes:
    image = Image.fromarray(SMOOTH)
    if kind == "PNG":
        texts = PngImagePlugin.PngInfo()
        texts.add_itxt("XML:com.adobe.xmp", packet.decode())
        return encoded(image, "PNG", pnginfo=texts)
    if kind == "TIFF":
        return encoded(image, "TIFF", tiffinfo={700: packet})
    return encoded(image, kind, xmp=packet)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "TIFF", "AVIF"])
@pytest.mark.parametrize("ending", CARRIERS)
@pytest.mark.parametrize("term", [None, mark.EDITED])
def test_the_authors_xmp_is_kept_with_the_mark_in_it(
    kind: str, ending: str, term: str | None
) -> None:
    read = Photo.from_bytes(with_xmp(author(), kind), "me")
    assert read.notes == ()
    assert read.mark is None
    photo = Photo(read.pixels, "me", xmp=read.xmp, mark=term)
    for _ in range(2):  # once more of what was written
        photo = again(photo, ending)
        assert photo.mark == term
        assert photo.xmp is not None
        text = photo.xmp.decode()
        assert "Zoë &amp; Max" in text
        assert 'xmp:Rating="5"' in text
        assert text.count("DigitalSourceType") == (0 if term is None else 1)
        # One subject: a second rdf:about would be another thing's description.
        assert text.count('rdf:about="uuid:1"') == (1 if term is None else 2)


@pytest.mark.parametrize(
    "form",
    [
        {"attributes": f'i:DigitalSourceType="{mark.VOCABULARY}digitalCapture"'},
        {"elements": f"<i:DigitalSourceType>{mark.VOCABULARY}digitalCapture</i:DigitalSourceType>"},
        {"elements": f'<i:DigitalSourceType rdf:resource="{mark.VOCABULARY}digitalCapture"/>'},
    ],
)
def test_the_mark_replaces_the_source_type_of_the_photo(form: dict[str, str]) -> None:
    photo = Photo(SMOOTH, xmp=author(**form), mark=mark.EDITED)
    found = again(photo, ".png")
    assert found.mark == mark.EDITED
    assert found.xmp is not None
    assert b"digitalCapture" not in found.xmp
    assert found.xmp.count(b"DigitalSourceType") == 1


def test_a_mark_that_is_there_leaves_the_packet_as_it_is() -> None:
    packet = author(f'i:DigitalSourceType="{mark.VOCABULARY}{mark.EDITED}"')
    photo = Photo.from_bytes(Photo(SMOOTH, xmp=packet, mark=mark.EDITED).encoded(".png"), "me")
    assert photo.mark == mark.EDITED
    assert photo.xmp is not None
    assert photo.xmp.count(b"Description") == packet.count(b"Description")


def test_xmp_says_what_is_true_of_the_picture() -> None:
    stale = "<xmp:Thumbnails>the unchanged face</xmp:Thumbnails>"
    photo = Photo.from_bytes(with_xmp(author('exif:PixelYDimension="3000"', stale)), "me")
    assert photo.xmp is not None
    text = photo.xmp.decode()
    assert 'tiff:Orientation="1"' in text
    assert photo.size == (36, 48)  # EXIF says nothing of a turn, XMP does
    assert "<exif:PixelXDimension>36</exif:PixelXDimension>" in text
    assert 'exif:PixelYDimension="48"' in text
    assert "unchanged face" not in text
    assert "Zoë &amp; Max" in text


BOMB = (
    '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>'
    '<x xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:RDF>&b;</rdf:RDF></x>'
)
NO_XMP = [
    BOMB,
    BOMB.replace('"aaaaaaaaaa"', 'SYSTEM "file:///etc/passwd"'),
    "no XML at all",
    author().decode()[:400],
    "<a/>",
    "<a>" * 5000 + "</a>" * 5000,
]


@pytest.mark.parametrize("packet", NO_XMP)
def test_xmp_that_cannot_be_read_is_left_out_and_said(packet: str) -> None:
    photo = Photo.from_bytes(with_xmp(packet.encode()), "me")
    assert photo.xmp is None
    (note,) = photo.notes
    assert note == "the XMP of me cannot be read and is left out"
    # Given by a caller, it is not written with a mark either.
    found = again(Photo(SMOOTH, xmp=packet.encode(), mark=mark.EDITED), ".png")
    assert found.mark == mark.EDITED
    assert b"aaaa" not in (found.xmp or b"")


@given(st.binary(max_size=300), st.integers(0, len(author())), st.integers(0, 40))
def test_any_packet_is_kept_or_left_out(junk: bytes, at: int, gone: int) -> None:
    packet = author()[:at] + junk + author()[at + gone :]
    found = again(Photo(SMOOTH, xmp=packet, mark=mark.EDITED), ".webp")
    assert found.mark == mark.EDITED


def test_xmp_in_another_encoding_is_read() -> None:
    photo = Photo.from_bytes(with_xmp(author().decode().encode("utf-16"), "WEBP"), "me")
    assert photo.xmp is not None
    assert "Zoë" in photo.xmp.decode()


def test_xmp_too_long_for_jpeg_is_kept_elsewhere_and_said(tmp_path: Path) -> None:
    photo = Photo.from_bytes(with_xmp(author(f'xmp:Nickname="{"n" * 70_000}"')), "me")
    assert photo.notes == ()
    (note,) = Photo(SMOOTH, xmp=photo.xmp, mark=mark.EDITED).save(tmp_path / "a.jpg")
    assert "too many for JPEG" in note
    assert Photo.open(tmp_path / "a.jpg").mark == mark.EDITED
    assert photo.save(tmp_path / "a.png") == ()
    assert Photo.open(tmp_path / "a.png").xmp == photo.xmp


def test_bmp_says_what_it_has_no_place_for(tmp_path: Path) -> None:
    exif = camera_exif().tobytes()
    notes = Photo(SMOOTH, exif=exif, mark=mark.EDITED).save(tmp_path / "a.bmp")
    assert ["EXIF" in notes[0], "mark" in notes[1]] == [True, True]
    assert Photo(SMOOTH).save(tmp_path / "b.bmp") == ()


def test_other_pixels_keep_all_the_rest() -> None:
    photo = Photo(
        SMOOTH, "me", b"exif", mark.EDITED, ALPHA, b"xmp", (300, 300), lossless=True, notes=("cut",)
    )
    other = photo.with_pixels(255 - SMOOTH)
    assert_array_equal(other.pixels, 255 - SMOOTH)
    for name in ("name", "exif", "mark", "xmp", "dpi", "lossless", "notes"):
        assert getattr(other, name) == getattr(photo, name)
    assert other.alpha is not None
    assert_array_equal(other.alpha, ALPHA)
    with pytest.raises(ValueError, match="not the sizes"):
        photo.with_pixels(SMOOTH[1:])


def test_overwriting_keeps_mode_and_link(tmp_path: Path) -> None:
    path, link = tmp_path / "private.png", tmp_path / "link.png"
    Photo(SMOOTH).save(path)
    path.chmod(0o600)
    link.symlink_to(path)
    Photo(255 - SMOOTH).save(link, overwrite=True)
    assert link.is_symlink()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert_array_equal(Photo.open(path).pixels, 255 - SMOOTH)


@pytest.mark.parametrize("ending", sorted(WRITABLE))
@given(exif=st.binary(max_size=200), head=st.sampled_from([b"", b"Exif\0\0II*\0\x08\0\0\0"]))
def test_any_exif_gives_a_file_or_one_sentence(ending: str, exif: bytes, head: bytes) -> None:
    """Whatever Pillow's writers raise: a RuntimeError of libtiff among them."""
    try:
        Photo(SMOOTH, "me", head + exif, dpi=(72, 72)).encoded(ending)
    except FacedialError as error:
        assert str(error).startswith("cannot write me: ")
        assert "\n" not in str(error)
