"""Crop frames: which square of a photo becomes a model's input."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facedial.errors import BadRequest, UnknownName
from facedial.faces.face import Face
from facedial.faces.geometry import (
    Affine,
    Points,
    UInt8,
    apply,
    compose,
    fit_similarity,
    invert,
    scaling,
    similarity,
    warp,
)
from facedial.faces.photo import Photo
from facedial.folder import nearest

TEMPLATE_SIZE = 128
# Mean landmarks of CelebA's aligned photos in the central head crop; eye distance 0.22 of the side.
HEAD_TEMPLATE: Points = np.array(
    [[49.7, 66.25], [77.8, 66.25], [63.75, 82.6], [51.85, 94.65], [75.65, 94.65]]
)
HEAD_TEMPLATE.flags.writeable = False


@dataclass(frozen=True, slots=True, eq=False)
class Crop:
    """An aligned square of a photo.

    `pixels`: uint8 [S, S, 3].  `to_photo`: [2, 3], crop pixel -> photo pixel.
    `inside`: fraction of the crop that lies inside the photo, 0..1; the rest repeats its edge.
    """

    pixels: UInt8
    to_photo: Affine
    inside: float


@dataclass(frozen=True, slots=True)
class Frame:
    """A rule for cropping.  `place`: (photo's width and height, face, S) -> `Crop.to_photo`."""

    name: str
    needs_face: bool
    place: Callable[[tuple[int, int], Face | None, int], Affine]


def head_template(size: int) -> Points:
    """`HEAD_TEMPLATE` [5, 2] for a crop of `size` pixels."""
    return apply(scaling(size / TEMPLATE_SIZE, size / TEMPLATE_SIZE), HEAD_TEMPLATE)


def _head(_photo: tuple[int, int], face: Face | None, size: int) -> Affine:
    if face is None:
        raise BadRequest("the frame head needs a face")
    return invert(fit_similarity(face.landmarks, head_template(size)))


def _portrait(photo: tuple[int, int], face: Face | None, size: int) -> Affine:
    """Twice as wide as `head`, about the same centre: long hair and shoulders, at half the scale."""
    middle = np.full(2, (size - 1) / 2)
    return compose(_head(photo, face, size), similarity(2.0, 0.0, middle, middle))


def _center150(photo: tuple[int, int], _face: Face | None, size: int) -> Affine:
    """The middle 60 % of the shorter side: of LFW's 250 pixels, 50..199."""
    width, height = photo
    middle = np.array([(width - 1) / 2, (height - 1) / 2])
    return similarity(0.6 * min(photo) / size, 0.0, np.full(2, (size - 1) / 2), middle)


def _squash128(photo: tuple[int, int], _face: Face | None, size: int) -> Affine:
    """The whole picture, resized to a square; not a similarity."""
    return scaling(photo[0] / size, photo[1] / size)


FRAMES: dict[str, Frame] = {
    frame.name: frame
    for frame in (
        Frame("head", needs_face=True, place=_head),
        Frame("portrait", needs_face=True, place=_portrait),
        Frame("center150", needs_face=False, place=_center150),
        Frame("squash128", needs_face=False, place=_squash128),
    )
}


def align(photo: Photo, face: Face | None, frame: str = "head", size: int = 128) -> Crop:
    """Crop `photo` to the square of `frame`, resampled to `size` pixels.

    Raises `UnknownName` for an unknown frame, `BadRequest` where the frame needs a face and
    there is none, `ValueError` where the face's landmarks coincide.
    """
    if frame not in FRAMES:
        raise UnknownName(nearest(frame, FRAMES, "frame"))
    to_photo = FRAMES[frame].place(photo.size, face, size)
    inside = float(inside_photo(photo.size, to_photo, size).mean())
    return Crop(warp(photo.flattened, to_photo, size), to_photo, inside)


def inside_photo(photo: tuple[int, int], to_photo: Affine, size: int) -> NDArray[np.bool_]:
    """Which pixels of a crop have their centre inside a photo of (width, height): bool [size, size]."""
    rows, columns = np.mgrid[:size, :size]
    seen = apply(to_photo, np.stack([columns, rows], axis=-1))
    return np.asarray(((seen >= -0.5) & (seen < np.array(photo) - 0.5)).all(axis=-1), np.bool_)
