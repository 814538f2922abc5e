"""What a picture file holds: what reading gives and writing takes."""

from dataclasses import dataclass

from facedial.faces.geometry import UInt8
from facedial.faces.original import Original


@dataclass(frozen=True, slots=True, eq=False)
class Content:
    """Fields as in `faces.photo.Photo`, which has a name and notes besides."""

    pixels: UInt8
    alpha: UInt8 | None = None
    exif: bytes | None = None
    xmp: bytes | None = None
    mark: str | None = None
    dpi: tuple[float, float] | None = None
    lossless: bool = False
    original: Original | None = None
