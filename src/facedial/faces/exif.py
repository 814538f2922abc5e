"""EXIF of a photo that is turned upright, converted to sRGB and edited: what is kept, and made right.

Tags and types: CIPA DC-008 (Exif 3.0).
"""

import math
import struct
import zlib
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
from PIL import ExifTags, Image

Number = TypeVar("Number", bound=np.generic)

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
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
QUARTER_TURNS = {TURNS[orientation] for orientation in (5, 6, 7, 8)}  # these swap width and height
# Turns as flips of rows and of columns, of quarter turns after rows and columns are exchanged.
FLIPS = {
    Image.Transpose.FLIP_LEFT_RIGHT: (False, True),
    Image.Transpose.ROTATE_180: (True, True),
    Image.Transpose.FLIP_TOP_BOTTOM: (True, False),
    Image.Transpose.TRANSPOSE: (False, False),
    Image.Transpose.ROTATE_270: (False, True),
    Image.Transpose.TRANSVERSE: (True, True),
    Image.Transpose.ROTATE_90: (True, False),
}
# Who took what, where and when; the rest of a TIFF's directory says how its pixels are stored.
KEPT_TAGS: set[int] = {
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
SUB_DIRECTORIES = (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo, ExifTags.IFD.Interop)
SRGB = 1  # of ColorSpace
INTEROP_INDEX, ADOBE_RGB_FILE, SRGB_FILE = 1, "R03", "R98"
RESOLUTION = (ExifTags.Base.XResolution, ExifTags.Base.YResolution)
PER_INCH = {2: 1.0, 3: 2.54}  # of ResolutionUnit: inch, centimetre
# What every format that states a resolution can hold; Pillow gives 1 for a TIFF that states none.
DPI_RANGE = 2.0, 65535.0


def turn_of(exif: Image.Exif) -> Image.Transpose | None:
    """The transposition that makes the picture upright; None for none, or an unknown orientation."""
    return TURNS.get(exif.get(ExifTags.Base.Orientation, 1))


def turned(pixels: npt.NDArray[Number], turn: Image.Transpose | None) -> npt.NDArray[Number]:
    """An array [H, W, ...] with a picture's turn made, C-contiguous; itself where there is none."""
    return pixels if turn is None else np.ascontiguousarray(flipped(pixels, turn))


def flipped(pixels: npt.NDArray[Number], turn: Image.Transpose) -> npt.NDArray[Number]:
    """A view of an array [H, W, ...] with a picture's turn made."""
    made = pixels.swapaxes(0, 1) if turn in QUARTER_TURNS else pixels
    down, across = FLIPS[turn]
    return made[:: -1 if down else 1, :: -1 if across else 1]


def kept(
    exif: Image.Exif, size: tuple[int, int], *, swapped: bool, converted: bool
) -> bytes | None:
    """EXIF to write with the upright picture of `size` (width, height); None where nothing remains.

    Orientation, thumbnail and tags of storage are left out; the sizes are those of the upright picture;
    where width and height are `swapped`, so are the resolutions; where `converted`, the colour space is
    sRGB.  Raises one of `DAMAGE` where it cannot be read.
    """
    own = _own(exif)
    if swapped and all(tag in own for tag in RESOLUTION):
        own[RESOLUTION[0]], own[RESOLUTION[1]] = own[RESOLUTION[1]], own[RESOLUTION[0]]
    camera: dict[int, Any] = own.get(ExifTags.IFD.Exif, {})
    right: dict[int, int] = {
        ExifTags.Base.ExifImageWidth: size[0],
        ExifTags.Base.ExifImageHeight: size[1],
    }
    camera.update({tag: value for tag, value in right.items() if tag in camera})
    if converted:
        _say_srgb(camera)
    return own.tobytes() if len(own) else None


def in_srgb(data: bytes) -> bytes:
    """EXIF of pixels that have been converted to sRGB."""
    exif = loaded(data)
    _say_srgb(exif.get(ExifTags.IFD.Exif, {}))
    return exif.tobytes()


def with_resolution(data: bytes | None, dpi: tuple[float, float]) -> bytes:
    """EXIF that states the resolution, for formats that have no other place for it."""
    exif = loaded(data) if data is not None else Image.Exif()
    if RESOLUTION[0] not in exif:
        exif[RESOLUTION[0]], exif[RESOLUTION[1]] = dpi
        exif[ExifTags.Base.ResolutionUnit] = 2
    return exif.tobytes()


def resolution(image: Image.Image, exif: Image.Exif | None) -> tuple[float, float] | None:
    """Dots per inch in x and y as the file states them, in its header or EXIF; None where it does not."""
    found = image.info.get("dpi")
    per_inch = 1.0
    if found is None and exif is not None:
        found = tuple(exif.get(tag) for tag in RESOLUTION)
        per_inch = PER_INCH.get(exif.get(ExifTags.Base.ResolutionUnit, 2), math.nan)
    try:
        x, y = (float(value) * per_inch for value in found or ())
    except DAMAGE:
        return None
    least, most = DPI_RANGE
    return (x, y) if least <= x <= most and least <= y <= most else None


def loaded(data: bytes) -> Image.Exif:
    """The tags to keep of EXIF, all read, so that its byte order may be changed."""
    exif = Image.Exif()
    exif.load(data)
    return _own(exif)


def directory_entries(exif: Image.Exif, order: str, offset: int) -> tuple[dict[int, bytes], bytes]:
    """A directory for a TIFF file: its entries of 12 bytes by tag, and the bytes that lie at `offset`.

    `order`: "<" or ">", the file's.  Entries refer to those bytes, sub-directories included.
    """
    exif.endian = order
    data = exif.tobytes(offset)[14:]  # after "Exif\0\0" and a header of 8 bytes
    return entries_at(data, order, 0), data


def entries_at(data: bytes, order: str, offset: int) -> dict[int, bytes]:
    """Entries of 12 bytes, by tag, of the TIFF directory at `offset`."""
    (count,) = struct.unpack_from(f"{order}H", data, offset)
    rows = (data[at : at + 12] for at in range(offset + 2, offset + 2 + 12 * count, 12))
    return {struct.unpack_from(f"{order}H", row)[0]: row for row in rows}


def _say_srgb(camera: dict[int, Any]) -> None:
    """Change what the camera's table says of the colour space, where it says anything."""
    if ExifTags.Base.ColorSpace in camera:
        camera[ExifTags.Base.ColorSpace] = SRGB
    interop: dict[int, Any] = camera.get(ExifTags.IFD.Interop, {})
    if interop.get(INTEROP_INDEX) == ADOBE_RGB_FILE:
        interop[INTEROP_INDEX] = SRGB_FILE


def _own(exif: Image.Exif) -> Image.Exif:
    """A copy of the tags to keep, with the sub-directories as tables."""
    own = Image.Exif()
    own.endian = exif.endian
    for tag in sorted(KEPT_TAGS - set(SUB_DIRECTORIES)):
        if tag in exif:
            own[tag] = _exact(exif[tag])
    tables = {
        directory: {tag: _exact(value) for tag, value in exif.get_ifd(directory).items()}
        for directory in SUB_DIRECTORIES
    }
    interop = tables.pop(ExifTags.IFD.Interop)
    tables[ExifTags.IFD.Exif].pop(ExifTags.IFD.Interop, None)  # where it lay in the file
    if interop:
        tables[ExifTags.IFD.Exif][ExifTags.IFD.Interop] = interop
    for directory, table in tables.items():
        if table:
            own[directory] = table
    return own


def _exact(value: Any) -> Any:
    """Text beyond ASCII as the bytes that it was, which Pillow reads as Latin-1 and writes as "?"."""
    if isinstance(value, str) and not value.isascii():
        return value.encode("latin-1", "replace")
    return value
