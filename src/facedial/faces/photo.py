"""A photo as upright sRGB pixels: read from any picture file, written back whole or not at all."""

import dataclasses
import io
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from facedial import files
from facedial.errors import BadPhoto, BadRequest
from facedial.faces import reading, writing
from facedial.faces.colour import on_white
from facedial.faces.content import Content
from facedial.faces.geometry import UInt8
from facedial.faces.original import Original

log = logging.getLogger(__name__)

Box = tuple[int, int, int, int]  # x0, y0, x1, y1 in photo pixels, half-open

MAX_PIXELS = 200e6
GREY_ALPHA, COLOUR, COLOUR_ALPHA = 2, 3, 4  # channels


@dataclass(frozen=True, slots=True, eq=False)
class Photo:
    """Upright pixels uint8 [H, W, 3] in sRGB, with what belongs to them; all arrays are read-only copies.

    `name` is for messages.
    `exif`: what the file carried, without orientation, thumbnail and the tags that describe its
    storage; sizes and colour space are those of `pixels`.
    `mark`: the digital source type that the file states, or that `save` is to write (`faces.mark`);
    None for none.
    `alpha`: uint8 [H, W], 255 opaque; None where the picture has no transparency.  `pixels` are then
    the colours as stored; `flattened` is what a viewer shows.
    `xmp`: the XMP packet that the file carried.  `dpi`: dots per inch in x and y.
    `lossless`: whether it came from a WebP or AVIF without loss, so that `save` writes one without loss.
    `original`: the samples as the file stores them, where `pixels` cannot hold them exactly: a wide
    gamut, 16 bits, greys, inks.  `save` writes those whose pixels are unchanged as they are, in their own
    colour space and depth where the format can.
    `notes`: a sentence for each part of the file that was not kept, e.g. further frames of an animation.

    Arrays that are read-only themselves and own their numbers, or view such, are not copied.
    """

    pixels: UInt8
    name: str = "picture"
    exif: bytes | None = None
    mark: str | None = None
    alpha: UInt8 | None = None
    xmp: bytes | None = None
    dpi: tuple[float, float] | None = None
    lossless: bool = False
    original: Original | None = None
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.pixels.dtype != np.uint8 or self.pixels.ndim != 3 or self.pixels.shape[2] != COLOUR:
            found = f"{self.pixels.dtype} {list(self.pixels.shape)}"
            raise ValueError(f"a photo is uint8 [H, W, 3], got {found}; see Photo.of")
        object.__setattr__(self, "pixels", _read_only(self.pixels))
        if self.alpha is not None:
            if self.alpha.dtype != np.uint8 or self.alpha.shape != self.pixels.shape[:2]:
                found = f"{self.alpha.dtype} {list(self.alpha.shape)}"
                raise ValueError(f"alpha is uint8 {list(self.pixels.shape[:2])}, got {found}")
            object.__setattr__(self, "alpha", _read_only(self.alpha))
        own = self.original
        if own is not None and own.samples.shape[:2] != self.pixels.shape[:2]:
            raise ValueError(
                f"{list(own.samples.shape)} are no samples of {list(self.pixels.shape)}"
            )

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self.pixels.shape[1], self.pixels.shape[0]

    @property
    def flattened(self) -> UInt8:
        """Pixels uint8 [H, W, 3] as seen on white: `pixels` where there is no transparency."""
        return self.pixels if self.alpha is None else on_white(self.pixels, self.alpha)

    def part(self, box: Box) -> "Photo":
        """The rectangle x0, y0, x1, y1 (half-open) of the photo in sRGB, without metadata; no copy."""
        x0, y0, x1, y1 = box
        alpha = None if self.alpha is None else self.alpha[y0:y1, x0:x1]
        return Photo(self.pixels[y0:y1, x0:x1], self.name, mark=self.mark, alpha=alpha)

    def with_part(self, part: UInt8, corner: tuple[int, int], *, in_place: bool = False) -> "Photo":
        """The photo with pixels [h, w, 3] whose upper left one is `corner` (x, y) of the photo.

        `in_place`: written into this photo's own memory where it was read from a file, which saves a
        copy; neither this photo nor anything that views its pixels may be used afterwards.
        """
        x, y = corner
        pixels = _writable(self.pixels) if in_place else None
        if pixels is None:
            pixels = self.pixels.copy()
        pixels[y : y + part.shape[0], x : x + part.shape[1]] = part
        owner = pixels if pixels.base is None else pixels.base
        owner.flags.writeable = pixels.flags.writeable = False  # not copied again
        return self.with_pixels(pixels)

    def with_pixels(self, pixels: UInt8) -> "Photo":
        """The photo with other pixels of the same size, all else kept.

        Raises `ValueError` for another size: EXIF and transparency would not fit.
        """
        if pixels.shape != self.pixels.shape:
            raise ValueError(f"{list(pixels.shape)} are not the sizes of {list(self.pixels.shape)}")
        return dataclasses.replace(self, pixels=pixels)

    @staticmethod
    def open(path: str | Path) -> "Photo":
        """Photo from a file; of an animation or several pages the first, which `notes` says.

        Raises `BadPhoto`: missing, a folder, unreadable, not a picture, damaged, cut short,
        of more than `MAX_PIXELS` (seen in the header, before decoding) or under 16 pixels a side.
        """
        path = Path(path)
        try:
            if path.is_dir():
                raise BadPhoto(f"{path} is a folder, not a picture")
            if path.exists() and not path.is_file():
                raise BadPhoto(f"{path} is not an ordinary file")
            with path.open("rb") as stream:
                content, notes = reading.decode(stream, path.name, MAX_PIXELS)
        except FileNotFoundError as error:
            raise BadPhoto(f"there is no file {path}") from error
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise BadPhoto(f"cannot read {path}: {reason}") from error
        return _photo(content, notes, path.name)

    @staticmethod
    def from_bytes(data: bytes, name: str, *, max_pixels: float = MAX_PIXELS) -> "Photo":
        """Photo from a file's content, of at most `max_pixels`; raises `BadPhoto` as `open` does."""
        return _photo(*reading.decode(io.BytesIO(data), name, max_pixels), name)

    @staticmethod
    def of(picture: npt.ArrayLike | Image.Image, name: str = "picture") -> "Photo":
        """Photo from an array or a PIL image, copied.

        Arrays are uint8: grey [H, W] or [H, W, 1], with alpha [H, W, 2], RGB [H, W, 3], RGBA [H, W, 4].
        Other numbers are refused, because their range cannot be known: a float picture of 0..1 is
        `(255 * picture).round().astype("uint8")`.  PIL images may have any mode; their EXIF
        orientation, colour profile, EXIF, XMP and resolution count as those of a file do.
        Raises `BadRequest` for what is neither, `BadPhoto` for a size that `open` refuses or a PIL image
        that cannot be decoded.
        """
        notes: list[str] = []
        if isinstance(picture, Image.Image):
            with reading.damage_as_sentence(name):
                content = reading.content_of(picture, name, MAX_PIXELS, notes)
            return _photo(content, notes, name)
        pixels, alpha = _channels(picture)
        reading.check_size((pixels.shape[1], pixels.shape[0]), name, MAX_PIXELS)
        return Photo(pixels, name, alpha=alpha)

    def save(
        self, path: str | Path, *, overwrite: bool = False, quality: int | None = None
    ) -> tuple[str, ...]:
        """Write the photo in the format of its ending, whole or not at all.

        `quality`: 1..100, for JPEG, WebP and AVIF; by default 95, or no loss for a photo that is
        `lossless`.  Returns a sentence for each thing that the format cannot hold, e.g. transparency in
        JPEG or the mark in BMP.  An existing file keeps its mode, a symbolic link its target.
        Raises `BadRequest` for an unknown ending or a file that exists, `FacedialError` where the format
        cannot hold the picture, the disk is full, the folder missing or the right to write lacking.
        """
        path = Path(path)
        kind = files.WRITABLE.get(path.suffix.lower())
        if kind is None:
            known = " ".join(files.WRITABLE)
            raise BadRequest(f"cannot write {path.name}: its ending must be one of {known}")
        files.refuse_existing(path, overwrite=overwrite)
        # First, because an encoder's error is no full disk's.
        data, notes = writing.encode(self._content(), kind, str(path), quality)
        files.write(path, data, overwrite=overwrite)
        return tuple(notes)

    def encoded(self, ending: str, *, quality: int | None = None) -> bytes:
        """What `save` would write into a file of that ending; raises as `save` does."""
        return self.encoded_with_notes(ending, quality=quality)[0]

    def encoded_with_notes(
        self, ending: str, *, quality: int | None = None
    ) -> tuple[bytes, tuple[str, ...]]:
        """As `encoded`, with the sentences that `save` returns."""
        kind = files.WRITABLE.get(ending.lower())
        if kind is None:
            raise BadRequest(f"no pictures end in {ending!r}; known: {' '.join(files.WRITABLE)}")
        data, notes = writing.encode(self._content(), kind, self.name, quality)
        return data, tuple(notes)

    def _content(self) -> Content:
        return Content(**{f.name: getattr(self, f.name) for f in dataclasses.fields(Content)})


def _photo(content: Content, notes: list[str], name: str) -> Photo:
    for note in notes:
        log.info("%s", note)
    fields: dict[str, Any] = {f.name: getattr(content, f.name) for f in dataclasses.fields(content)}
    return Photo(name=name, notes=tuple(notes), **fields)


def _read_only(array: UInt8) -> UInt8:
    """`array` as a view that cannot be written, of a copy where anybody could write to it."""
    owner: Any = array
    while isinstance(owner, np.ndarray):
        if owner.flags.writeable:
            array = np.array(array)
            array.flags.writeable = False
            break
        owner = owner.base
    return array.view()


def _writable(pixels: UInt8) -> UInt8 | None:
    """A view of the same memory that can be written; None where it is not numpy's own."""
    owner: Any = pixels
    while isinstance(owner.base, np.ndarray):
        owner = owner.base
    if owner.base is not None:
        return None
    owner.flags.writeable = True
    view = pixels.view()
    view.flags.writeable = True
    return view


def _channels(picture: npt.ArrayLike) -> tuple[UInt8, UInt8 | None]:
    """Pixels [H, W, 3] and alpha [H, W] or None of an array of numbers; raises `BadRequest`."""
    if isinstance(picture, str | bytes | Path):
        raise BadRequest("a picture is an array or a PIL image; Photo.open reads a file")
    try:
        array = np.asarray(picture)
    except (ValueError, TypeError) as error:
        raise BadRequest(f"a picture is an array or a PIL image, got {type(picture)}") from error
    expected = "expected uint8 [H, W], or [H, W, C] with 1 to 4 channels"
    if array.dtype != np.uint8:
        scaled = '; scale 0..1 by (255 * picture).round().astype("uint8")'
        hint = scaled if array.dtype.kind == "f" else ""
        raise BadRequest(f"a picture of {array.dtype} has no known range: {expected}{hint}")
    if array.ndim == 2:
        array = array[..., None]
    if array.ndim != 3 or not 1 <= array.shape[2] <= COLOUR_ALPHA:
        hint = "; channels come last" if array.ndim == 3 and array.shape[0] <= COLOUR_ALPHA else ""
        raise BadRequest(f"no picture has the shape {list(array.shape)}: {expected}{hint}")
    count = array.shape[2]
    colours = array[..., :COLOUR] if count >= COLOUR else np.repeat(array[..., :1], COLOUR, axis=2)
    return colours, array[..., -1] if count in (GREY_ALPHA, COLOUR_ALPHA) else None
