"""Colours of 16 bits a channel, which Pillow reads and writes as 8: PNG and TIFF.

Reading: Pillow's decoders unpack the higher byte of each sample, and on request the lower one, so two
readings are the whole.  Writing: PNG (ISO 15948) and TIFF 6.0 around samples packed here.
"""

import io
import struct
import sys
import zlib
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image, PngImagePlugin

from facedial.faces.geometry import UInt8
from facedial.faces.spaces import STRIP_PIXELS, strips

UInt16: TypeAlias = npt.NDArray[np.uint16]

# Channels by kinds of raw modes (Pillow's names for how samples lie in a file) of 16 bits.
DEEP = {"RGB": 3, "RGBA": 4, "CMYK": 4}
GREY_ALPHA = "LA;16B"  # read as RGBA of 8 bits: the two bytes of grey and of transparency
OTHER = {"B": "L", "L": "B", "N": "B" if sys.byteorder == "little" else "L"}
PNG_COLOUR_TYPES = {1: 0, 2: 4, 3: 2, 4: 6}  # by channels
ZLIB_LEVEL = 6
PNG_START = b"\x89PNG\r\n\x1a\n"
MAX_IDAT = 1 << 20
WIDTH, BITS_PER_SAMPLE, PHOTOMETRIC, SAMPLES_PER_PIXEL, EXTRA_SAMPLES = 256, 258, 262, 277, 338
SHORT, LONG = 3, 4  # types of TIFF's values
TIFF_GREY, TIFF_RGB, TIFF_INKS = 1, 2, 5
PHOTOMETRIC_OF = {1: TIFF_GREY, 3: TIFF_RGB, 4: TIFF_INKS}  # by channels that are colours
STRAIGHT_ALPHA = 2


def is_deep(image: Image.Image) -> bool:
    """Whether a picture that is opened, but not decoded, has colours of 16 bits that `joined` reads."""
    found = _raw_modes(image)
    if len(found) != 1 or image.format not in ("PNG", "TIFF"):
        return False
    (raw,) = found
    kind, _, depth = raw.partition(";")
    return raw == GREY_ALPHA or (kind in DEEP and depth in ("16B", "16L", "16N"))


def is_narrowed(image: Image.Image) -> bool:
    """Whether Pillow decodes samples of 16 bits, which lie in the file, to 8."""
    return any(";16" in raw for raw in _raw_modes(image)) and not image.mode.startswith("I;16")


def joined(image: Image.Image, again: Image.Image) -> UInt16:
    """Samples uint16 [H, W, C] of one picture opened twice; `is_deep` is true.

    C: grey and transparency 2, RGB 3, RGBA or inks 4.  `image` is decoded as Pillow does, to its higher
    bytes.  Raises what Pillow raises for damage.
    """
    (raw,) = _raw_modes(again)
    if raw == GREY_ALPHA:
        low = _decoded(again, "RGBA")
        channels = 2
    else:
        low = _decoded(again, f"{raw[:-1]}{OTHER[raw[-1]]}")
        channels = DEEP[raw.partition(";")[0]]
    image.load()
    width, height = image.size
    samples = np.empty((height, width, channels), np.uint16)
    for rows in strips(height, width):
        box = (0, rows.start, width, rows.stop)
        lower = np.asarray(low.crop(box)).astype(np.uint16)
        if raw == GREY_ALPHA:
            samples[rows] = lower[..., 0::2] << 8 | lower[..., 1::2]
        else:
            samples[rows] = np.asarray(image.crop(box)).astype(np.uint16) << 8 | lower
    return samples


def png(samples: UInt16, template: bytes) -> bytes:
    """A PNG of samples [H, W, C] with the metadata of `template`, a PNG file of any picture."""
    height, width, channels = samples.shape
    colour = PNG_COLOUR_TYPES[channels]
    header = struct.pack(">IIBBBBB", width, height, 16, colour, 0, 0, 0)
    out = io.BytesIO()
    out.write(PNG_START)
    at, written = len(PNG_START), False
    while at < len(template):
        length, kind = struct.unpack_from(">I4s", template, at)
        end = at + 12 + length
        if kind == b"IHDR":
            PngImagePlugin.putchunk(out, b"IHDR", header)
        elif kind != b"IDAT":
            out.write(template[at:end])
        elif not written:
            written = True
            _put_pixels(out, samples)
        at = end
    return out.getvalue()


def tiff_rows(samples: UInt16) -> Image.Image:
    """Samples [H, W, C] as a grey picture C times as wide, whose rows are the same bytes."""
    height, width, channels = samples.shape
    return Image.fromarray(np.ascontiguousarray(samples).reshape(height, width * channels))


def tiff_entries(
    samples: UInt16, colours: int, order: str, offset: int
) -> tuple[dict[int, bytes], bytes]:
    """Entries that make a TIFF of `tiff_rows` one of colours, by tag, and the bytes they put at `offset`.

    `colours`: how many of the channels are: 1 grey, 3 RGB, 4 inks; one more is transparency.
    `order`: "<" or ">", the file's.
    """
    _, width, channels = samples.shape
    extra = struct.pack(f"{order}{channels}H", *[16] * channels)
    inline = channels <= 2
    values: dict[int, tuple[int, int, bytes]] = {
        WIDTH: (LONG, 1, struct.pack(f"{order}I", width)),
        BITS_PER_SAMPLE: (SHORT, channels, extra if inline else struct.pack(f"{order}I", offset)),
        PHOTOMETRIC: (SHORT, 1, struct.pack(f"{order}H", PHOTOMETRIC_OF[colours])),
        SAMPLES_PER_PIXEL: (SHORT, 1, struct.pack(f"{order}H", channels)),
    }
    if channels > colours:
        values[EXTRA_SAMPLES] = (SHORT, 1, struct.pack(f"{order}H", STRAIGHT_ALPHA))
    entries = {
        tag: struct.pack(f"{order}HHI", tag, kind, count) + value.ljust(4, b"\0")
        for tag, (kind, count, value) in values.items()
    }
    return entries, b"" if inline else extra


def _raw_modes(image: Image.Image) -> set[str]:
    """How the samples of all parts of an undecoded picture lie in its file."""
    tiles: list[Any] = getattr(image, "tile", [])
    args = (tile[3] for tile in tiles)
    return {str(one[0] if isinstance(one, tuple) else one) for one in args}


def _decoded(image: Any, raw: str) -> Image.Image:
    """The picture, with its samples unpacked as `raw` says."""
    image.tile = [
        tile._replace(args=(raw, *tile.args[1:]) if isinstance(tile.args, tuple) else raw)
        for tile in image.tile
    ]
    image.load()
    opened: Image.Image = image
    return opened


def _put_pixels(out: io.BytesIO, samples: UInt16) -> None:
    """Samples as chunks IDAT, each row as its difference from the row above (filter Up)."""
    packer = zlib.compressobj(ZLIB_LEVEL)
    height, width, channels = samples.shape
    above: UInt8 = np.zeros(2 * width * channels, np.uint8)
    for rows in strips(height, max(width, STRIP_PIXELS // 64)):
        packed = samples[rows].astype(">u2").reshape(rows.stop - rows.start, -1).view(np.uint8)
        filtered = np.full((len(packed), packed.shape[1] + 1), 2, np.uint8)
        filtered[0, 1:] = packed[0] - above
        filtered[1:, 1:] = packed[1:] - packed[:-1]
        above = packed[-1]
        data = packer.compress(filtered.tobytes())
        for start in range(0, len(data), MAX_IDAT):
            PngImagePlugin.putchunk(out, b"IDAT", data[start : start + MAX_IDAT])
    PngImagePlugin.putchunk(out, b"IDAT", packer.flush())
