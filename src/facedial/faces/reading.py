"""From a picture file, of any format that is read, to upright sRGB pixels and what goes with them."""

import io
import logging
import struct
import threading
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

from PIL import ExifTags, Image, PngImagePlugin, UnidentifiedImageError

from facedial.errors import BadPhoto
from facedial.faces import deep, exif, extras, xmp
from facedial.faces import mark as marks
from facedial.faces.colour import pixels_of
from facedial.faces.content import Content
from facedial.faces.exif import DAMAGE
from facedial.faces.memory import Memory, frozen, upright

log = logging.getLogger(__name__)

MIN_SIDE = 16
# Of the formats that Pillow reads, those made of pixels alone: EPS and WMF would run programs.
READ = (
    *("JPEG", "PNG", "WEBP", "TIFF", "GIF", "BMP", "DIB", "AVIF", "JPEG2000", "PPM", "TGA"),
    *("ICO", "PCX", "SGI", "QOI", "PSD", "DDS"),
)
HEIC_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
PNG_START = b"\x89PNG\r\n\x1a\n"
# Unpacked sizes of a PNG's texts and colour profile.  Pillow's own limit of 1 MB is below what
# press profiles and the notes of some programs need.
MAX_PNG_CHUNK = 16 << 20
MAX_PNG_TEXTS = 64 << 20
WEBP_FRAME_HEADER = 16  # bytes before the chunks of an animation's frame
AVIF_HEADER_BYTES = 1 << 16
_pillow = threading.Lock()  # its limits and the warning filters belong to the whole process


def decode(stream: IO[bytes], name: str, max_pixels: float) -> tuple[Content, list[str]]:
    """What the file `stream` holds, and a sentence for each part of it that was not kept.

    `name` is for messages.  Raises `BadPhoto` for what is no picture, damaged, cut short, of more than
    `max_pixels` (seen in the header, before decoding) or under `MIN_SIDE`.
    """
    start = stream.read(64)
    stream.seek(0)
    if not start:
        raise BadPhoto(f"{name} is empty")
    notes: list[str] = []
    with damage_as_sentence(name), _quiet_pillow():
        lossless = _is_lossless(stream, start)
        source = _without_large_texts(stream, name, notes) if start[:8] == PNG_START else stream
        with _header(source, start, name, max_pixels, notes) as image:
            check_size(image.size, name, max_pixels)
            sixteen = None
            if deep.is_deep(image):
                with Image.open(io.BytesIO(_all(source)), formats=READ) as again:
                    sixteen = deep.joined(image, again)
            content = content_of(
                image,
                name,
                max_pixels,
                notes,
                lossless=lossless,
                sixteen=sixteen,
                into_memory=sixteen is None,
            )
    return content, notes


def content_of(
    image: Image.Image,
    name: str,
    max_pixels: float,
    notes: list[str],
    *,
    lossless: bool = False,
    sixteen: deep.UInt16 | None = None,
    into_memory: bool = False,
) -> Content:
    """Content of a picture that Pillow has opened; appends to `notes`.  Raises `BadPhoto` or `DAMAGE`.

    `sixteen`: its samples where they have 16 bits (`faces.deep`). `into_memory`: a large one is
    decoded into memory of our own (`faces.memory`), for which it must not have been decoded yet.
    """
    check_size(image.size, name, max_pixels)
    notes += extras.left_out(image, name)
    if sixteen is None and deep.is_narrowed(image):
        notes.append(f"{name} has more than 8 bits a channel, of which 8 are read")
    # Of a TIFF Pillow turns the pixels upright itself, but not what is said of them.
    in_tiff = getattr(image, "tag_v2", {}).get(ExifTags.Base.Orientation, 1)
    ours = Memory.provided(image) if into_memory else None
    image.load()
    found = pixels_of(image, deep=sixteen, memory=None if ours is None else ours.filled_by(image))
    original = found.original
    # Pixels in sRGB are not what the file says of its colours, unless those are kept beside them.
    converted = bool(image.info.get("icc_profile")) and original is None
    turn, data, dpi = _exif(image, exif.TURNS.get(in_tiff), name, converted=converted, notes=notes)
    mark, packet = _xmp(image, turn, name, converted=converted, notes=notes)
    return Content(
        pixels=frozen(upright(found.pixels, turn)),
        alpha=None if found.alpha is None else frozen(exif.turned(found.alpha, turn)),
        exif=data,
        xmp=packet,
        mark=mark,
        dpi=dpi,
        lossless=lossless,
        original=None if original is None else original.upright(turn),
    )


@contextmanager
def damage_as_sentence(name: str) -> Iterator[None]:
    """Errors of Pillow's readers as `BadPhoto`."""
    try:
        yield
    except UnidentifiedImageError as error:
        raise BadPhoto(f"{name} is not a picture that can be read") from error
    except MemoryError as error:
        raise BadPhoto(f"{name} does not fit into memory") from error
    except DAMAGE as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise BadPhoto(f"{name} is damaged or cut short: {reason}") from error


@contextmanager
def _quiet_pillow() -> Iterator[None]:
    """Our own limits in place of Pillow's, whose warnings are not meant for users."""
    png = PngImagePlugin
    with _pillow, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pixels, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        chunk, png.MAX_TEXT_CHUNK = png.MAX_TEXT_CHUNK, MAX_PNG_CHUNK
        texts, png.MAX_TEXT_MEMORY = png.MAX_TEXT_MEMORY, MAX_PNG_TEXTS
        try:
            yield
        finally:
            Image.MAX_IMAGE_PIXELS = pixels
            png.MAX_TEXT_CHUNK, png.MAX_TEXT_MEMORY = chunk, texts


def _header(
    stream: IO[bytes], start: bytes, name: str, max_pixels: float, notes: list[str]
) -> Image.Image:
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
    check_size(heif.size, name, max_pixels)
    if len(heif) > 1:
        notes.append(f"{name} holds {len(heif)} pictures; one is used, {len(heif) - 1} left out")
    notes += extras.left_out_of_heic(heif.info, name)
    image: Image.Image = heif.to_pillow()
    return image


def check_size(size: tuple[int, int], name: str, max_pixels: float) -> None:
    """Raise `BadPhoto` for more than `max_pixels`, or a side under `MIN_SIDE`."""
    width, height = size
    if width * height > max_pixels:
        limit = f"{max_pixels / 1e6:.0f} megapixels are the most"
        raise BadPhoto(f"{name} is too large: {width}x{height} pixels; {limit}")
    if min(size) < MIN_SIDE:
        least = f"{MIN_SIDE}x{MIN_SIDE} is the least"
        raise BadPhoto(f"{name} is too small: {width}x{height} pixels; {least}")


def _exif(
    image: Image.Image,
    turned: Image.Transpose | None,
    name: str,
    *,
    converted: bool,
    notes: list[str],
) -> tuple[Image.Transpose | None, bytes | None, tuple[float, float] | None]:
    """The turn that makes the picture upright, the EXIF to write, and the resolution of the result.

    `turned`: how the picture has been turned already.
    """
    turn, data, found = None, None, None
    try:
        found = image.getexif()
        turn = exif.turn_of(found)
    except DAMAGE as error:
        log.info("EXIF ignored: %s", error)
        notes.append(f"the EXIF of {name} is damaged and is left out")
    dpi = exif.resolution(image, found)
    size = (image.height, image.width) if turn in exif.QUARTER_TURNS else image.size
    swapped = (turn or turned) in exif.QUARTER_TURNS
    if found is not None:
        try:
            data = exif.kept(found, size, swapped=swapped, converted=converted)
        except DAMAGE as error:
            log.info("EXIF not kept: %s", error)
            notes.append(f"the EXIF of {name} is damaged and is left out")
    return turn, data, (dpi[1], dpi[0]) if dpi and swapped else dpi


def _xmp(
    image: Image.Image,
    turn: Image.Transpose | None,
    name: str,
    *,
    converted: bool,
    notes: list[str],
) -> tuple[str | None, bytes | None]:
    """The mark that a file carries, and the XMP packet to write; from wherever its format keeps it."""
    packet = extras.packet_of(image)
    if not packet:
        return None, None
    size = (image.height, image.width) if turn in exif.QUARTER_TURNS else image.size
    try:
        packet, extended = xmp.corrected(packet, size, converted=converted)
    except ValueError as error:
        log.info("XMP not kept: %s", error)
        notes.append(f"the XMP of {name} cannot be read and is left out")
        return marks.found(packet), None
    if extended:
        notes.append(f"the part of {name}'s XMP beyond 64 KB is not read and is left out")
    return marks.found(packet), packet


def _is_lossless(stream: IO[bytes], start: bytes) -> bool:
    """Whether a WebP or AVIF holds its first picture without loss; leaves `stream` at its start."""
    try:
        if start[:4] == b"RIFF" and start[8:12] == b"WEBP":
            return _is_lossless_webp(stream)
        if start[4:8] == b"ftyp" and b"avif" in start:
            # Pixels as green, blue, red (matrix 0, ITU-T H.273) are how encoders store without loss.
            head = stream.read(AVIF_HEADER_BYTES)
            at = head.find(b"colrnclx")
            return at >= 0 and head[at + 12 : at + 14] == b"\0\0"
        return False
    finally:
        stream.seek(0)


def _is_lossless_webp(stream: IO[bytes]) -> bool:
    stream.seek(12)
    while len(header := stream.read(8)) == 8:
        name, length = struct.unpack("<4sI", header)
        if name in (b"VP8 ", b"VP8L"):
            return bool(name == b"VP8L")
        stream.seek(WEBP_FRAME_HEADER if name == b"ANMF" else length + length % 2, io.SEEK_CUR)
    return False


def _all(stream: IO[bytes]) -> bytes:
    """All of a file; leaves `stream` where it was."""
    at = stream.tell()
    stream.seek(0)
    data = stream.read()
    stream.seek(at)
    return data


def _without_large_texts(stream: IO[bytes], name: str, notes: list[str]) -> IO[bytes]:
    """A PNG without texts and a profile that are damaged, or too large when unpacked; else as it is."""
    texts = 0
    dropped: list[tuple[int, int]] = []
    at = len(PNG_START)
    while True:
        stream.seek(at)
        header = stream.read(8)
        if len(header) < 8:
            break
        length, kind = struct.unpack(">I4s", header)
        end = at + 12 + length
        if kind in (b"tEXt", b"zTXt", b"iTXt", b"iCCP"):
            size = _unpacked(stream, kind, length)
            what = "colour profile" if kind == b"iCCP" else "text"
            room = MAX_PNG_CHUNK if kind == b"iCCP" else min(MAX_PNG_CHUNK, MAX_PNG_TEXTS - texts)
            if size is None or size > room:
                dropped.append((at, end))
                how = "damaged" if size is None else "too large to be read"
                notes.append(f"a {what} in {name} is {how} and is left out")
            elif kind != b"iCCP":
                texts += size
        at = end
    stream.seek(0)
    if not dropped:
        return stream
    kept, at = io.BytesIO(), 0
    for first, end in dropped:
        kept.write(stream.read(first - at))
        stream.seek(end)
        at = end
    kept.write(stream.read())
    kept.seek(0)
    return kept


def _unpacked(stream: IO[bytes], kind: bytes, length: int) -> int | None:
    """Bytes that a chunk has when it is unpacked, counted to just beyond the limit; None for damage."""
    if kind == b"tEXt" or length > MAX_PNG_CHUNK:
        return length
    data = stream.read(length)
    name, _, rest = data.partition(b"\0")
    if kind == b"iTXt":
        if rest[:1] != b"\1":
            return length  # not compressed
        rest = rest[2:].partition(b"\0")[2].partition(b"\0")[2]  # after language, translated name
    elif not name or rest[:1] != b"\0":
        return None  # no such method of compression
    else:
        rest = rest[1:]
    try:
        return len(zlib.decompressobj().decompress(rest, MAX_PNG_CHUNK + 1))
    except zlib.error:
        return None
