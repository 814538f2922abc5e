"""From a photo to a picture file's bytes, with transparency and metadata where the format has a place."""

import contextlib
import dataclasses
import io
import logging
import struct
from typing import Any

from PIL import Image, PngImagePlugin

from facedial.errors import FacedialError
from facedial.faces import deep, exif, xmp
from facedial.faces import mark as marks
from facedial.faces.content import Content
from facedial.faces.storing import Stored, stored

log = logging.getLogger(__name__)

QUALITY = 95
# From this quality on colours are stored as finely as brightness.
FULL_CHROMA_QUALITY = 90
WITH_QUALITY = ("JPEG", "WEBP", "AVIF")
WITHOUT_METADATA = ("BMP",)
WITHOUT_DPI = ("WEBP", "AVIF")  # but in EXIF
# Of the one segment that each may fill in a JPEG, less their headers.
MAX_JPEG_EXIF_BYTES = 65_533
MAX_JPEG_XMP_BYTES = 65_504
XMP_TAG = 700  # of a TIFF directory
LOSSLESS_WEBP_EFFORT = 80


def encode(content: Content, kind: str, name: str, quality: int | None) -> tuple[bytes, list[str]]:
    """A file of format `kind` (Pillow's name), and a sentence for each thing that it cannot hold.

    `name` is for messages.  `quality`: 1..100 for JPEG, WebP and AVIF; None for `QUALITY`, or for no loss
    where `content` was stored without loss.  Raises `FacedialError` where the format cannot hold the
    picture, e.g. for its size.
    """
    notes: list[str] = []
    options = _quality(kind, name, quality, notes, lossless=content.lossless and quality is None)
    if content.dpi is not None and kind not in WITHOUT_DPI:
        options["dpi"] = content.dpi
    try:
        found = stored(content, kind, name, notes)
        if found.is_srgb:
            content = _said_srgb(content)
        if found.profile is not None:
            options["icc_profile"] = found.profile
        data = _exif_for(content, kind, name, notes)
        packet = _packet_for(content, kind, name, notes)
        if packet is not None:
            options |= _xmp_options(kind, packet)
        if data is not None and kind != "TIFF":
            options["exif"] = data
        written = _file(found, kind, options, data if kind == "TIFF" else None)
    except FacedialError:
        raise
    except Exception as error:  # Pillow's writers raise anything, RuntimeError and struct.error too
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise FacedialError(f"cannot write {name}: {' '.join(reason.split())}") from error
    for note in notes:
        log.info("%s", note)
    return written, notes


def _quality(
    kind: str, name: str, quality: int | None, notes: list[str], *, lossless: bool
) -> dict[str, Any]:
    """Options that say how finely pixels are stored."""
    number = min(max(QUALITY if quality is None else quality, 1), 100)
    if kind == "TIFF":
        return {"compression": "tiff_deflate"}
    if kind not in WITH_QUALITY:
        return {}
    if kind == "WEBP" and lossless:
        # "exact": colours where nothing is opaque are kept too.
        return {"lossless": True, "exact": True, "quality": LOSSLESS_WEBP_EFFORT}
    if kind == "AVIF" and lossless:
        notes.append(
            f"{name} is stored with an error of a few levels: AVIF cannot be written without loss; "
            "PNG can"
        )
        number = 100
    options: dict[str, Any] = {"quality": number}
    if kind == "JPEG":
        options["subsampling"] = 0 if number >= FULL_CHROMA_QUALITY else 2
    if kind == "AVIF" and number >= FULL_CHROMA_QUALITY:
        options["subsampling"] = "4:4:4"
    return options


def _file(found: Stored, kind: str, options: dict[str, Any], tiff_exif: bytes | None) -> bytes:
    """The file of what is stored; `tiff_exif`: EXIF for the directory of a TIFF."""
    deep_samples = found.deep
    stream = io.BytesIO()
    if deep_samples is None:
        found.picture(kind).save(stream, kind, **options)
    elif kind == "PNG":
        Image.new("RGB", (1, 1)).save(stream, kind, **options)
        return deep.png(deep_samples, stream.getvalue())
    else:
        deep.tiff_rows(deep_samples).save(stream, kind, **options)
    written = stream.getvalue()
    if kind != "TIFF":
        return written
    return _tiff_with(written, tiff_exif, deep_samples, found.samples.shape[2])


def _said_srgb(content: Content) -> Content:
    """Metadata that says sRGB, of a photo whose own colours could not be written."""
    packet = content.xmp
    if packet is not None:
        height, width = content.pixels.shape[:2]
        with contextlib.suppress(ValueError):  # one that a caller gave, which cannot be read
            packet, _ = xmp.corrected(packet, (width, height), converted=True)
    data = None if content.exif is None else exif.in_srgb(content.exif)
    return dataclasses.replace(content, xmp=packet, exif=data)


def _exif_for(content: Content, kind: str, name: str, notes: list[str]) -> bytes | None:
    """EXIF to write, with the resolution where the format has no other place for it."""
    data = content.exif
    if kind in WITHOUT_METADATA:
        if data is not None:
            notes.append(f"{name} has no EXIF: {kind} has no place for it")
        return None
    if kind in WITHOUT_DPI and content.dpi is not None:
        data = exif.with_resolution(data, content.dpi)
    if data is not None and kind == "JPEG" and len(data) > MAX_JPEG_EXIF_BYTES:
        notes.append(f"{name} has no EXIF: {len(data):,} bytes are too many for JPEG, not for PNG")
        return None
    return data


def _packet_for(content: Content, kind: str, name: str, notes: list[str]) -> bytes | None:
    """The XMP packet to write: the author's with the mark, the author's, the mark's alone, or none."""
    packet, mark = content.xmp, content.mark
    if kind in WITHOUT_METADATA:
        if packet is not None or mark is not None:
            notes.append(f"{name} has no XMP, nor the mark in it: {kind} has no place for it")
        return None
    if packet is None:
        return None if mark is None else marks.packet(mark)
    if mark is not None and marks.found(packet) != mark:
        try:
            packet = xmp.with_mark(packet, mark)
        except ValueError as error:  # given by a caller: what was read has been checked
            log.info("XMP not kept: %s", error)
            notes.append(f"{name} has the mark alone: the photo's XMP cannot be read")
            return marks.packet(mark)
    if kind == "JPEG" and len(packet) > MAX_JPEG_XMP_BYTES:
        notes.append(
            f"{name} lacks the photo's XMP: {len(packet):,} bytes are too many for JPEG, not for PNG"
        )
        return None if mark is None else marks.packet(mark)
    return packet


def _xmp_options(kind: str, packet: bytes) -> dict[str, Any]:
    """Options of Pillow's writer of that kind that put the packet into the file."""
    if kind == "PNG":
        texts = PngImagePlugin.PngInfo()
        texts.add_itxt("XML:com.adobe.xmp", packet.decode("utf-8", "replace"))
        return {"pnginfo": texts}
    return {"tiffinfo": {XMP_TAG: packet}} if kind == "TIFF" else {"xmp": packet}


def _tiff_with(tiff: bytes, data: bytes | None, samples: deep.UInt16 | None, colours: int) -> bytes:
    """A TIFF file whose first directory, written anew at its end, has EXIF and says what `samples` are.

    Pillow cannot write sub-directories (camera, GPS) into a compressed TIFF, nor text beyond ASCII, nor
    colours of 16 bits (`deep.tiff_rows`). `colours`: how many of their channels are.
    """
    if data is None and samples is None:
        return tiff
    order = "<" if tiff[:2] == b"II" else ">"
    (first,) = struct.unpack_from(f"{order}I", tiff, 4)
    offset = len(tiff) + len(tiff) % 2
    added: dict[int, bytes] = {}
    extra = b""
    if data is not None:
        added, extra = exif.directory_entries(exif.loaded(data), order, offset)
    entries = added | exif.entries_at(tiff, order, first)  # what the pixels need is the writer's
    if samples is not None:
        extra += b"\0" * (len(extra) % 2)
        said, more = deep.tiff_entries(samples, colours, order, offset + len(extra))
        entries |= said
        extra += more
    start = offset + len(extra) + len(extra) % 2
    directory = struct.pack(f"{order}H", len(entries))
    directory += b"".join(entries[tag] for tag in sorted(entries)) + bytes(4)  # no further picture
    body = tiff[8:].ljust(offset - 8, b"\0") + extra.ljust(start - offset, b"\0") + directory
    return tiff[:4] + struct.pack(f"{order}I", start) + body
