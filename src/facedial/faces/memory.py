"""Large pictures in one piece of memory: Pillow decodes into it, arrays view it, Pillow encodes from it.

Pillow stores RGB in four bytes a pixel and copies them to make an array of three, and again to write
one: of 100 megapixels 400, 300 and 400 MB.  Here an array of four bytes is the only copy.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import ExifTags, Image

from facedial.faces.exif import flipped, turned
from facedial.faces.geometry import UInt8

LARGE = 16e6  # pixels from which on it is worth an array whose pixels are four bytes apart
# Formats whose readers decode into memory that is there already.
FILLING = ("JPEG", "MPO", "PNG", "TIFF", "WEBP", "AVIF", "BMP")
# Formats whose writers take four bytes a pixel, of which they leave out the fourth.
TAKING = ("JPEG", "WEBP")


@dataclass(frozen=True, slots=True, eq=False)
class Memory:
    """Memory uint8 [H, W, 4] that a picture is decoded into; `core`: Pillow's view of it."""

    pixels: UInt8
    core: object

    @staticmethod
    def provided(image: Any) -> "Memory | None":
        """Memory that `image`, opened but not decoded, will be decoded into; None where it cannot be."""
        width, height = image.size
        fits = image.mode == "RGB" and image.format in FILLING and "transparency" not in image.info
        # Of a TIFF Pillow turns the pixels itself, into memory of its own.
        fits &= getattr(image, "tag_v2", {}).get(ExifTags.Base.Orientation, 1) == 1
        if not fits or width * height < LARGE or not getattr(image, "tile", None):
            return None
        pixels = np.empty((height, width, 4), np.uint8)
        image.im = _image(pixels).im
        return Memory(pixels, image.im)

    def filled_by(self, image: Image.Image) -> UInt8:
        """Pixels uint8 [H, W, 3] of the decoded picture."""
        if image.im is not self.core:  # decoded elsewhere after all
            return np.asarray(image)[..., :3]
        return self.pixels[..., :3]


def upright(pixels: UInt8, turn: Image.Transpose | None) -> UInt8:
    """Pixels [H, W, 3] with a turn made, in memory of the same kind."""
    whole = _whole(pixels)
    if whole is None or turn is None:
        return turned(pixels, turn)
    numbers = flipped(whole.view(np.uint32)[..., 0], turn)  # four bytes at once
    made = np.empty((*numbers.shape, 4), np.uint8)
    made.view(np.uint32)[..., 0] = numbers
    return made[..., :3]


def frozen(pixels: UInt8) -> UInt8:
    """The same array, which nobody can write any more, so that a photo need not copy it."""
    owner: Any = pixels
    while isinstance(owner.base, np.ndarray):
        owner = owner.base
    owner.flags.writeable = False
    pixels.flags.writeable = False
    return pixels


def picture(pixels: UInt8, kind: str) -> Image.Image:
    """Pixels [H, W, 3] for Pillow's writer of `kind`: a view of their memory where it can be one."""
    whole = _whole(pixels) if kind in TAKING else None
    return Image.fromarray(np.ascontiguousarray(pixels)) if whole is None else _image(whole)


def _whole(pixels: UInt8) -> UInt8 | None:
    """The memory [H, W, 4] of which `pixels` are the first three bytes each; None for other arrays."""
    owner: Any = pixels
    while isinstance(owner.base, np.ndarray):
        owner = owner.base
        if owner.shape == (*pixels.shape[:2], 4) and owner.dtype == np.uint8:
            same = owner.flags.c_contiguous and owner.ctypes.data == pixels.ctypes.data
            return owner if same and owner.strides == pixels.strides else None
    return None


def _image(memory: UInt8) -> Image.Image:
    """A view of memory [H, W, 4] as a Pillow image."""
    size = memory.shape[1], memory.shape[0]
    return Image.frombuffer("RGBX", size, memory, "raw", "RGBX", 0, 1)
