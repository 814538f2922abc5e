"""A photo as upright sRGB pixels: read from any picture file, written back whole or not at all."""

import io
import logging
import os
import secrets
import struct
import threading
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from PIL import ExifTags, Image, PngImagePlugin, UnidentifiedImageError

from facedial.errors import BadPhoto, BadRequest, FacedialError
from facedial.faces import mark as marks
from facedial.faces.colour import to_srgb
from facedial.faces.geometry import UInt8

log = logging.getLogger(__name__)

MAX_PIXELS = 200e6
MIN_SIDE = 16
MAX_EXIF_BYTES = 65_000  # what one JPEG segment holds, less its header
SAVED = {
    ".png": "PNG",
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".webp": "WEBP",
    ".tif": "TIFF",
    ".tiff": "TIFF",
    ".avif": "AVIF",
    ".bmp": "BMP",
}
# Of the formats that Pillow reads, those made of pixels alone: EPS and WMF would run programs.
READ = (
    *("JPEG", "PNG", "WEBP", "TIFF", "GIF", "BMP", "DIB", "AVIF", "JPEG2000", "PPM", "TGA"),
    *("ICO", "PCX", "SGI", "QOI", "PSD", "DDS"),
)
HEIC_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
# Who took what, where and when; the rest of a TIFF's directory says how its pixels are stored.
KEPT_TAGS = {
    ExifTags.Base.ImageDescription,
    ExifTags.Base.Make,
    ExifTags.Base.Model,
    ExifTags.Base.Software,
    ExifTags.Base.DateTime,
    ExifTags.Base.Artist,
    ExifTags.Base.Copyright,
    ExifTags.Base.XResolution,
    ExifTags.Base.YResolution,
    ExifTags.Base.ResolutionUnit,
    ExifTags.IFD.Exif,
    ExifTags.IFD.GPSInfo,
}
# Pillow's readers raise all of these on damaged files.
DAMAGE = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    LookupError,
    TypeError,
    AttributeError,
    ArithmeticError,
    RuntimeError,
    AssertionError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
)
XMP_TAG = 700  # of a TIFF directory
PNG_XMP = "XML:com.adobe.xmp"
_pillow = threading.Lock()  # its limit and the warning filters belong to the whole process


@dataclass(frozen=True, slots=True, eq=False)
class Photo:
    """Upright pixels uint8 [H, W, 3] in sRGB, read-only.

    `name` is for messages.  `exif` is what the file carried, without orientation, thumbnail
    and the tags that describe its storage; it is written back by `save`.  `mark` is the digital
    source type that it states, or that `save` is to write (`faces.mark`); None for none.
    """

    pixels: UInt8
    name: str = "picture"
    exif: bytes | None = None
    mark: str | None = None

    def __post_init__(self) -> None:
        if self.pixels.dtype != np.uint8 or self.pixels.ndim != 3 or self.pixels.shape[2] != 3:
            found = f"{self.pixels.dtype} {list(self.pixels.shape)}"
            raise ValueError(f"a photo is uint8 [H, W, 3], got {found}")
        view = self.pixels.view()
        view.flags.writeable = False
        object.__setattr__(self, "pixels", view)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self.pixels.shape[1], self.pixels.shape[0]

    @staticmethod
    def open(path: str | Path) -> "Photo":
        """Photo from a file; of an animated file the first picture.

        Raises `BadPhoto`: missing, a folder, unreadable, not a picture, damaged, cut short,
        of more than `MAX_PIXELS` (seen in the header, before decoding) or under `MIN_SIDE`.
        """
        path = Path(path)
        try:
            if path.is_dir():
                raise BadPhoto(f"{path} is a folder, not a picture")
            if path.exists() and not path.is_file():
                raise BadPhoto(f"{path} is not an ordinary file")
            with path.open("rb") as stream:
                return _read(stream, path.name)
        except FileNotFoundError as error:
            raise BadPhoto(f"there is no file {path}") from error
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise BadPhoto(f"cannot read {path}: {reason}") from error

    @staticmethod
    def from_bytes(data: bytes, name: str, *, most: float = MAX_PIXELS) -> "Photo":
        """Photo from a file's content, of at most `most` pixels; raises `BadPhoto` as `open` does."""
        return _read(io.BytesIO(data), name, most)

    def save(self, path: str | Path, *, overwrite: bool = False, quality: int = 95) -> None:
        """Write the photo in the format of its ending, whole or not at all.

        `quality`: 1..100, for JPEG, WebP and AVIF. The mark goes with it, except into BMP, which has
        no place for one.
        Raises `BadRequest` for an unknown ending or a file that exists, `FacedialError` where
        the disk is full, the folder missing or the right to write lacking.
        """
        path = Path(path)
        kind = SAVED.get(path.suffix.lower())
        if kind is None:
            known = " ".join(SAVED)
            raise BadRequest(f"cannot write {path.name}: its ending must be one of {known}")
        if path.is_dir() or (path.exists() and not overwrite):
            raise BadRequest(f"{path} exists already; choose another name or allow overwriting")
        temporary = path.with_name(f".{secrets.token_hex(8)}.part")
        try:
            encoded = self._encoded(kind, quality)  # first: a full disk is no encoder's error
            with temporary.open("xb") as stream:
                stream.write(encoded)
            os.replace(temporary, path)
        except (OSError, ValueError, KeyError, struct.error) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise FacedialError(f"cannot write {path}: {reason}") from error
        finally:
            temporary.unlink(missing_ok=True)

    def encoded(self, ending: str, *, quality: int = 95) -> bytes:
        """What `save` would write into a file of that ending; raises `BadRequest` for an unknown one."""
        kind = SAVED.get(ending.lower())
        if kind is None:
            raise BadRequest(f"no pictures end in {ending!r}; known: {' '.join(SAVED)}")
        return self._encoded(kind, quality)

    def _encoded(self, kind: str, quality: int) -> bytes:
        options: dict[str, Any] = {}
        if kind in ("JPEG", "WEBP", "AVIF"):
            options["quality"] = min(max(quality, 1), 100)
        if kind == "JPEG":
            options["subsampling"] = 0 if quality >= 90 else 2
        if kind == "TIFF":
            options["compression"] = "tiff_deflate"
        if self.exif is not None and kind != "BMP":
            options["exif"] = self.exif
        if self.mark is not None:
            options |= _marked(kind, self.mark, self.exif)
        stream = io.BytesIO()
        Image.fromarray(self.pixels).save(stream, kind, **options)
        return stream.getvalue()


def _marked(kind: str, mark: str, exif: bytes | None) -> dict[str, Any]:
    """Options of Pillow's writer of that kind that put the mark into the file."""
    packet = marks.packet(mark)
    if kind in ("JPEG", "WEBP", "AVIF"):
        return {"xmp": packet}
    if kind == "PNG":
        texts = PngImagePlugin.PngInfo()
        texts.add_itxt(PNG_XMP, packet.decode())
        return {"pnginfo": texts}
    if kind == "TIFF":
        tags = Image.Exif()
        if exif is not None:
            tags.load(exif)
        tags[XMP_TAG] = packet
        return {"exif": tags}
    return {}


@contextmanager
def _quiet_pillow() -> Iterator[None]:
    """Our own limit in place of Pillow's, whose warnings are not meant for users."""
    with _pillow, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            yield
        finally:
            Image.MAX_IMAGE_PIXELS = limit


def _read(stream: IO[bytes], name: str, most: float = MAX_PIXELS) -> Photo:
    start = stream.read(64)
    stream.seek(0)
    if not start:
        raise BadPhoto(f"{name} is empty")
    try:
        with _quiet_pillow(), _header(stream, start, name, most) as image:
            _check_size(image.size, name, most)
            image.load()
            turn, exif = _exif(image)
            mark = marks.found(_xmp(image))
            rgb = to_srgb(image)
    except UnidentifiedImageError as error:
        raise BadPhoto(f"{name} is not a picture that can be read") from error
    except MemoryError as error:
        raise BadPhoto(f"{name} does not fit into memory") from error
    except DAMAGE as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise BadPhoto(f"{name} is damaged or cut short: {reason}") from error
    return Photo(np.asarray(rgb if turn is None else rgb.transpose(turn)), name, exif, mark)


def _header(stream: IO[bytes], start: bytes, name: str, most: float) -> Image.Image:
    """The picture, not decoded yet."""
    if start[4:8] != b"ftyp" or start[8:12] not in HEIC_BRANDS or b"avif" in start:
        return Image.open(stream, formats=READ)
    try:
        import pillow_heif  # an extra
    except ImportError as error:
        raise BadPhoto(
            f"{name} is a HEIC picture; to read it, pip install 'facedial[heic]'"
        ) from error
    heif = pillow_heif.open_heif(stream)
    _check_size(heif.size, name, most)
    image: Image.Image = heif.to_pillow()
    return image


def _check_size(size: tuple[int, int], name: str, most: float) -> None:
    width, height = size
    if width * height > most:
        limit = f"{most / 1e6:.0f} megapixels are the most"
        raise BadPhoto(f"{name} is too large: {width}x{height} pixels; {limit}")
    if min(size) < MIN_SIDE:
        least = f"{MIN_SIDE}x{MIN_SIDE} is the least"
        raise BadPhoto(f"{name} is too small: {width}x{height} pixels; {least}")


def _xmp(image: Image.Image) -> bytes | str | None:
    """The XMP packet of a picture, wherever its format keeps it."""
    in_tiff = getattr(image, "tag_v2", {}).get(XMP_TAG)
    found = image.info.get("xmp") or image.info.get(PNG_XMP) or in_tiff
    return found if isinstance(found, bytes | str) else None


def _exif(image: Image.Image) -> tuple[Image.Transpose | None, bytes | None]:
    """The turn that makes `image` upright, and EXIF for the file that `save` will write."""
    try:
        exif = image.getexif()
        turn = TURNS.get(exif.get(ExifTags.Base.Orientation, 1))
    except DAMAGE as error:
        log.info("EXIF ignored: %s", error)
        return None, None
    try:
        for tag in set(exif) - KEPT_TAGS:
            del exif[tag]
        data = exif.tobytes() if len(exif) else None
    except DAMAGE as error:
        log.info("EXIF not kept: %s", error)
        return turn, None
    return turn, data if data is not None and len(data) <= MAX_EXIF_BYTES else None
