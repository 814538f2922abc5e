"""One picture's bytes to one crop of a store: decode, detect the face, align, resize."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from PIL import Image

from facedial.data.item import Doubles, Floats, Item
from facedial.errors import BadPhoto, NoFaceFound
from facedial.faces.crop import FRAMES, align
from facedial.faces.face import Face
from facedial.faces.geometry import apply, compose, invert, scaling, translation
from facedial.faces.photo import Photo

Bytes = npt.NDArray[np.uint8]
Locate = Callable[[Photo], list[Face]]


@dataclass(frozen=True, slots=True, eq=False)
class CropResult:
    """A crop and its position in the photo.

    `pixels`: uint8 [S, S, 3]. `landmarks`: float32 [5, 2] in crop pixels, NaN unknown. `inside`:
    share of the crop inside the photo. `to_photo`: float64 [2, 3], crop pixel to photo pixel, NaN
    unknown. `photo_size`: width and height of the photo, 0 unknown.
    """

    pixels: Bytes
    landmarks: Floats
    inside: float
    to_photo: Doubles
    photo_size: tuple[int, int]


@dataclass(frozen=True, slots=True)
class CropMaker:
    """Makes crops of one frame and size.

    `locate`: finds faces if the labels have no landmarks; it must be picklable, because it is sent
    to worker processes. `pick`: which of several faces is cropped.
    """

    frame: str
    size: int
    locate: Locate | None = None
    pick: Literal["largest", "central"] = "largest"

    def make(self, item: Item, data: bytes) -> CropResult:
        """Crop `item`, whose file has the bytes `data`.

        Raises `BadPhoto` if they are not a picture or a ready crop is not square, and `NoFaceFound`.
        """
        photo = Photo.from_bytes(data, item.file)
        if item.ready or (item.head_box is not None and self.frame == "head"):
            return self._resize(item, photo)
        points = item.landmarks
        if points is not None and not np.isfinite(points).all():
            points = None
        face = None if points is None else _face(points)
        if face is None and FRAMES[self.frame].needs_face:
            face = self._find(photo)
            points = face.landmarks
        try:
            crop = align(photo, face, self.frame, self.size)
        except ValueError as wrong:
            raise BadPhoto(f"the landmarks are not those of a face: {wrong}") from wrong
        height, width = photo.pixels.shape[:2]
        return CropResult(
            pixels=crop.pixels,
            landmarks=_known(None if points is None else apply(invert(crop.to_photo), points)),
            inside=float(crop.inside),
            to_photo=np.asarray(crop.to_photo, np.float64),
            photo_size=(width, height),
        )

    def _resize(self, item: Item, photo: Photo) -> CropResult:
        height, width = photo.pixels.shape[:2]
        x0, y0, x1, y1 = item.head_box or (0, 0, width, height)
        side = x1 - x0
        if x1 > width or y1 > height:
            raise BadPhoto(f"is {width}x{height}, too small for the crop rows {y0} to {y1}")
        if side != y1 - y0:
            raise BadPhoto(f"is {width}x{height}; a ready crop is square")
        pixels = photo.flattened[y0:y1, x0:x1]
        if side != self.size:
            image = Image.fromarray(np.ascontiguousarray(pixels))
            # Pillow's Lanczos scales its window when downsampling, so there is no aliasing
            resized = image.resize((self.size, self.size), Image.Resampling.LANCZOS)
            pixels = np.asarray(resized)
        scale = self.size / side
        points = item.landmarks
        if points is not None:
            points = (points - (x0, y0) + 0.5) * scale - 0.5
        to_photo, photo_size = np.full((2, 3), np.nan), (0, 0)
        if item.head_box is not None:
            to_photo, photo_size = _resized(np.eye(2, 3), scale, (x0, y0)), (width, height)
        elif item.to_photo is not None:
            to_photo, photo_size = _resized(item.to_photo, scale, (0, 0)), item.photo_size
        return CropResult(pixels, _known(points), item.inside, to_photo, photo_size)

    def _find(self, photo: Photo) -> Face:
        if self.locate is None:
            raise NoFaceFound("no landmarks in the labels, and no face detector was given")
        faces = self.locate(photo)
        if not faces:
            raise NoFaceFound("no face found")
        boxes = np.array([face.box for face in faces])
        if self.pick == "largest":
            return faces[int(np.argmax(np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)))]
        height, width = photo.pixels.shape[:2]
        offsets = (boxes[:, :2] + boxes[:, 2:]) / 2 - (width / 2, height / 2)
        return faces[int(np.argmin(np.linalg.norm(offsets, axis=1)))]


def _face(points: Doubles) -> Face:
    points = np.asarray(points, np.float64)
    box = np.concatenate([points.min(axis=0), points.max(axis=0)])
    return Face(box=box, landmarks=points, score=1.0)


def _known(points: Doubles | None) -> Floats:
    if points is None:
        return np.full((5, 2), np.nan, np.float32)
    return np.asarray(points, np.float32)


def _resized(to_photo: Doubles, scale: float, corner: tuple[int, int]) -> Doubles:
    """Crop pixel to photo pixel, of a picture cropped at `corner` and then resized by `scale`."""
    cut = translation(*corner)
    return compose(np.asarray(to_photo, np.float64), compose(cut, scaling(1 / scale, 1 / scale)))
