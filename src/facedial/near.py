"""The part of a photo that an edit of one face reads and changes, as a portrait of its own.

However large a photo is, only this part is copied and computed in floats.
"""

import dataclasses
import math
from dataclasses import dataclass

import numpy as np

from facedial.faces.crop import Crop
from facedial.faces.face import Face
from facedial.faces.geometry import Affine, apply, compose, translation
from facedial.faces.photo import Box, Photo
from facedial.model import FRAME, Model
from facedial.parsing import hair_box
from facedial.portrait import Portrait

# Of a crop's side, around the crop: half a side is what the parser sees of hair and shoulders (the frame
# `portrait`), the rest what resampling that reaches.
MARGIN = 0.6


@dataclass(frozen=True, slots=True, eq=False)
class Near:
    """`portrait`: a face in the rectangle `box` of its photo alone, which shares the photo's memory."""

    portrait: Portrait
    box: Box

    @staticmethod
    def of(portrait: Portrait) -> "Near":
        """The surroundings of a face, with all that an edit reads."""
        box = _around(portrait, MARGIN)
        if box == (0, 0, *portrait.photo.size):
            return Near(portrait, box)
        shift = translation(-box[0], -box[1])
        return Near(moved(portrait, portrait.photo.part(box), shift), box)

    def of_photo(self, photo: Photo) -> Photo:
        """The same rectangle of `photo`, of the size of the portrait's own."""
        whole = self.box == (0, 0, *photo.size)
        return photo if whole else photo.part(self.box)


def moved(portrait: Portrait, photo: Photo, to_photo: Affine) -> Portrait:
    """A portrait in another picture of its face, to whose pixels `to_photo` [2, 3] maps its photo's."""
    crop, face = portrait.crop, portrait.face
    if face is not None:
        box = apply(to_photo, face.box.reshape(2, 2)).ravel()
        face = Face(box, apply(to_photo, face.landmarks), face.score)
    placed = Crop(crop.pixels, compose(to_photo, crop.to_photo), crop.inside)
    return dataclasses.replace(portrait, photo=photo, face=face, crop=placed)


def surroundings(model: Model, portrait: Portrait) -> Box:
    """A face's crop and all its hair: x0, y0, x1, y1 in photo pixels, half-open."""
    x0, y0, x1, y1 = _around(portrait, 0.0)
    if model.frame == FRAME and model.has_parser:
        left, top, right, bottom = hair_box(model, portrait) or (x0, y0, x1, y1)
        x0, y0, x1, y1 = min(x0, left), min(y0, top), max(x1, right), max(y1, bottom)
    return x0, y0, max(x1, x0 + 1), max(y1, y0 + 1)


def _around(portrait: Portrait, margin: float) -> Box:
    """A face's crop, widened on each side by a share of its side, within the photo."""
    side = portrait.crop.pixels.shape[0]
    first, last = -0.5 - margin * side, side - 0.5 + margin * side
    corners = np.array([[x, y] for x in (first, last) for y in (first, last)])
    seen = apply(portrait.crop.to_photo, corners)
    x0, y0 = (max(0, math.floor(value + 0.5)) for value in seen.min(axis=0))
    x1, y1 = (
        min(limit, math.ceil(value + 0.5))
        for value, limit in zip(seen.max(axis=0), portrait.photo.size, strict=True)
    )
    # A face beyond the photo's edge (eyes pointed at) still has a pixel of it.
    x0, y0 = min(x0, portrait.photo.size[0] - 1), min(y0, portrait.photo.size[1] - 1)
    return x0, y0, max(x1, x0 + 1), max(y1, y0 + 1)
