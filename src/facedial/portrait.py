"""Portraits: the faces of a photo, found, aligned and encoded once, to be edited often."""

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from facedial.arrays import Bytes, Doubles, Floats
from facedial.cache import Cache
from facedial.codes.attributes import ATTRIBUTES
from facedial.codes.code import Code
from facedial.codes.later import Later
from facedial.compose.blend import noise_level
from facedial.detail import decode
from facedial.errors import BadRequest
from facedial.faces.choose import FaceChoice, choose, choose_each, parsed
from facedial.faces.crop import Crop, align, head_template
from facedial.faces.detector import NetworkDetector
from facedial.faces.face import Detector, Face
from facedial.faces.find import face_from_eyes, find
from facedial.faces.geometry import apply, invert, scaling, warp
from facedial.faces.mark import GENERATED
from facedial.faces.photo import Photo
from facedial.model import CLASSIFIER_SIDE, FRAME, Model

WHOLE = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])  # crop pixels are the photo's
AROUND = 1.0  # sides of the crop from its middle, within which the person's hair is looked for


@dataclass(frozen=True, slots=True, eq=False)
class Portrait:
    """A face of a photo, opened for editing.

    `face` is None for models whose crops are cut without looking for one. `others`: the photo's other
    faces, [K, 3] of x and y between the eyes, and eye distance, in crop pixels. `cache`: what was
    computed for this face; it is freed with the portrait. `number`: of the face among the photo's,
    largest first, from 1.
    """

    photo: Photo
    face: Face | None
    crop: Crop
    code: Code
    others: Doubles = field(default_factory=lambda: np.empty((0, 3)))
    cache: Cache = field(default_factory=Cache)
    number: int = 1

    def seen_in(self, photo: Photo) -> "Portrait":
        """This portrait in `photo`: its own photo, perhaps with edits of this or other faces.

        The same portrait where nothing has changed around the head (`AROUND`). Else its crop is cut
        anew, and what was computed from the old one is forgotten; its code stays.
        """
        if photo is self.photo:
            return self
        size = self.crop.pixels.shape[0]
        far = (size - 1) / 2 + np.array([-AROUND, AROUND]) * size
        corners = apply(self.crop.to_photo, np.array([[x, y] for x in far for y in far]))
        x0, y0 = np.maximum(np.floor(corners.min(0)), 0).astype(int)
        x1, y1 = np.maximum(np.ceil(corners.max(0)) + 1, 0).astype(int)
        one, other = (shown.flattened[y0:y1, x0:x1] for shown in (self.photo, photo))
        if np.array_equal(one, other):
            return self
        pixels = warp(photo.flattened, self.crop.to_photo, size)
        crop = dataclasses.replace(self.crop, pixels=pixels)
        return dataclasses.replace(self, photo=photo, crop=crop, cache=Cache())


@dataclass(slots=True)
class PortraitReader:
    """Finds faces and encodes them. `detector`: the model's where None."""

    model: Model
    detector: Detector | None = None

    def faces(self, photo: Photo) -> list[Face]:
        """Faces of a photo, largest first; raises `NoFaceFound`."""
        detector = self.detector
        if detector is None:
            second = self.model.face_odds if self.model.has_second_stage else None
            detector = NetworkDetector(self.model.detect, second=second)
        return find(photo, detector, self.model.locate_landmarks)

    def portraits(
        self,
        photo: Photo,
        face: FaceChoice | Sequence[FaceChoice] = 1,
        eyes: Sequence[float] | None = None,
    ) -> list[Portrait]:
        """See `Editor.portraits`."""
        if eyes is not None:
            points = np.asarray(eyes, np.float64)
            if points.size != 4:
                raise BadRequest(f"two eyes are four numbers x, y, x, y, found {eyes!r}")
            return self.read(photo, [face_from_eyes(photo, points.reshape(2, 2))])
        several = None if isinstance(face, str) or not isinstance(face, Sequence) else face
        for choice in [face] if several is None else several:  # also where no face is looked for
            parsed(choice)
        if not self.model.needs_face:
            return self.read(photo)
        found = self.faces(photo)
        if several is not None:
            return self.read(photo, choose_each(found, several, photo.name), found)
        return self.read(photo, choose(found, face, photo.name), found)

    def read(
        self,
        photo: Photo,
        faces: Sequence[Face] | None = None,
        everybody: Sequence[Face] | None = None,
        codes: Sequence[Code] | None = None,
    ) -> list[Portrait]:
        """Portraits of a photo's faces (all that are found, or those given), largest first.

        One portrait for a model whose frame needs no face: its crop is a set part of the picture.
        `everybody`: all faces of the photo, these among them, where only some are read.
        `codes`: of those given, where they are known.
        """
        model = self.model
        if not model.needs_face:
            crop = align(photo, None, model.frame, model.side)
            own = self._predicted(photo, faces) if model.needs_attributes else None
            return [Portrait(photo, None, crop, self.encode(crop.pixels[None], own)[0])]
        found = self.faces(photo) if faces is None else list(faces)
        if not found:
            return []
        crops = [align(photo, face, model.frame, model.side) for face in found]
        if codes is None:
            codes = self._encoded_later([crop.pixels for crop in crops])
        among = found if everybody is None else everybody
        return [
            Portrait(
                photo,
                face,
                crop,
                code,
                _others(face, crop, among),
                number=1 + next(i for i, one in enumerate(among) if one is face),
            )
            for face, crop, code in zip(found, crops, codes, strict=True)
        ]

    def encode(self, crops: Bytes, attributes: Floats | None = None) -> list[Code]:
        """Crops uint8 [N, S, S, 3] on the model's frame -> codes; see `Model.encode`."""
        return [Code(values, self.model.space) for values in self.model.encode(crops, attributes)]

    def _encoded_later(self, crops: Sequence[Bytes]) -> list[Code]:
        """Codes of crops [S, S, 3], all encoded when one is first read: many edits need none."""
        encoded = Later(lambda: self.model.encode(np.stack(crops)))

        def values_of(number: int) -> Callable[[], Floats]:
            return lambda: np.asarray(encoded.value[number])

        space, size = self.model.space, self.model.dimensions
        return [Code.later(values_of(number), space, size) for number in range(len(crops))]

    def of_crop(self, pixels: Bytes) -> Portrait:
        """A crop [S, S, 3] on the model's frame as a photo of nothing but that crop, encoded."""
        (code,) = self.encode(pixels[None])
        return Portrait(Photo(pixels), None, Crop(pixels, WHOLE, 1.0), code)

    def of_code(self, code: Code, name: str = "face", size: int | None = None) -> Portrait:
        """The decoded face of a code as a portrait, so that new faces are edited like photos.

        The code stays as it is; the picture is not encoded again. `size`: of its photo, as for
        `Editor.decode`.
        """
        side = self.model.side if size is None else size
        (pixels,) = self.model.decode_bytes([code])
        (picture,) = decode(self.model, [code], size=size)
        photo = Photo(picture, name, mark=GENERATED)
        face = None
        if self.model.needs_face:
            face = Face(np.array([0.0, 0.0, side, side]), head_template(side), 1.0)
        scale = side / self.model.side
        return Portrait(photo, face, Crop(pixels, scaling(scale, scale), 1.0), code)

    def predict_attributes(self, portrait: Portrait) -> dict[str, float]:
        """Probability of each attribute in a portrait; computed once."""

        def predict() -> Floats:
            if self.model.frame != FRAME:
                return self._predicted(portrait.photo)
            return self.model.predict_attributes(portrait.crop.pixels[None])

        (values,) = portrait.cache.get("attributes", predict)
        return {a.name: float(v) for a, v in zip(ATTRIBUTES, values, strict=True)}

    def _predicted(self, photo: Photo, faces: Sequence[Face] | None = None) -> Floats:
        """Attributes [1, 40] of the largest face, predicted from its head crop."""
        found = self.faces(photo) if faces is None else faces
        crop = align(photo, found[0], FRAME, CLASSIFIER_SIDE)
        return self.model.predict_attributes(crop.pixels[None])


def grain(portrait: Portrait, crop: Crop) -> float:
    """`compose.blend.noise_level` of a crop of the photo, computed once for each size it is seen at."""
    # A close-up shares the portrait's cache, and shows the face at another size.
    (found,) = portrait.cache.get(
        ("noise level", crop.to_photo.tobytes(), crop.pixels.shape[0]),
        lambda: np.array([noise_level(portrait.photo, crop)], np.float32),
    )
    return float(found)


def _others(face: Face, crop: Crop, everybody: Sequence[Face]) -> Doubles:
    """`Portrait.others` of one face."""
    to_crop = invert(crop.to_photo)
    eyes = [apply(to_crop, one.landmarks[:2]) for one in everybody if one is not face]
    found = [[*pair.mean(0), np.linalg.norm(pair[1] - pair[0])] for pair in eyes]
    return np.array(found, np.float64).reshape(-1, 3)
