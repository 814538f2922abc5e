"""A close-up of a face: its part of a photo at screen size, rendered at every step of a slider."""

from dataclasses import dataclass

import numpy as np

from facedial.arrays import Floats
from facedial.cache import Cache
from facedial.changes import Change
from facedial.errors import BadRequest
from facedial.faces.photo import Photo
from facedial.faces.sheet import resized
from facedial.model import Model
from facedial.near import moved, surroundings
from facedial.parsing import parse_photo
from facedial.portrait import Portrait
from facedial.render import composes_finely, paste, region

LARGEST = 1024
SMALLEST = 64


@dataclass(frozen=True, slots=True, eq=False)
class CloseUp:
    """The smallest upright rectangle of a photo that holds all that an edit of one face may change.

    `box`: x0, y0, x1, y1 in photo pixels, half-open. `portrait`: the face in a photo of that
    rectangle alone, made smaller where its longer side exceeds what was asked for. `before`: its
    decoded code, float32 [S, S, 3]. `residuals`: the photo's high-frequency residuals over its crops
    (`compose.blend.high_frequency`), by their sides.
    """

    portrait: Portrait
    box: tuple[int, int, int, int]
    before: Floats
    residuals: Cache

    @staticmethod
    def of(model: Model, portrait: Portrait, side: int = 512) -> "CloseUp":
        """The close-up of at most `side` pixels along its longer side; raises `BadRequest`."""
        if not SMALLEST <= side <= LARGEST:
            raise BadRequest(f"a close-up has {SMALLEST}..{LARGEST} pixels a side, found {side}")
        # Not from the smaller picture, which has other classes and less detail.
        parse_photo(model, portrait)
        composes_finely(model, portrait)
        photo = portrait.photo
        x0, y0, x1, y1 = surroundings(model, portrait)
        scale = min(1.0, side / max(x1 - x0, y1 - y0))
        size = (max(1, round((x1 - x0) * scale)), max(1, round((y1 - y0) * scale)))
        part = photo.flattened[y0:y1, x0:x1]
        small = part if scale == 1 else resized(np.ascontiguousarray(part), size)
        sx, sy = size[0] / (x1 - x0), size[1] / (y1 - y0)
        # Centres of pixels: x of the photo lies at (x - x0 + 0.5) s - 0.5 of the small picture.
        shift = [(0.5 - x0) * sx - 0.5, (0.5 - y0) * sy - 0.5]
        to_small = np.array([[sx, 0.0, shift[0]], [0.0, sy, shift[1]]])
        near = moved(portrait, Photo(small, photo.name, mark=photo.mark), to_small)
        (before,) = model.decode(portrait.code.values[None])
        return CloseUp(near, (x0, y0, x1, y1), before, Cache(2))

    def render(self, model: Model, change: Change) -> Photo:
        """The close-up after a change of its portrait: what `render.paste` gives there, at this size."""
        known = self.before if change.before is self.portrait.code else None
        return paste(model, self.portrait, change, before=known, residuals=self.residuals)

    def region(self, model: Model, change: Change) -> Floats:
        """Where a change of its portrait may alter the close-up: 0..1, [H, W] (`render.region`)."""
        return region(model, self.portrait, change)
