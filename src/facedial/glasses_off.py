"""Glasses of a portrait taken off by the photo's own pixels, where one sees through their lenses."""

import numpy as np

from facedial import parsing, retouching
from facedial.arrays import Floats
from facedial.changes import Change, lowers
from facedial.compose import rims, worn
from facedial.composing import GLASSES, PhotoChange
from facedial.editing.request import Edit
from facedial.model import Model
from facedial.new_skin import NewSkin, uncovering
from facedial.portrait import Portrait

NONE = np.zeros(0, np.float32)
NONE.flags.writeable = False


def possible(model: Model, portrait: Portrait, change: Change) -> Change:
    """A change as a portrait's photo allows it: eyes that no lens shows are drawn."""
    return change if _found(model, portrait).size else change.drawing("glasses_off")


def unseen(model: Model, portrait: Portrait, edit: Edit) -> tuple[str, ...]:
    """`GLASSES` where an edit takes glasses off behind which the photo shows no eyes."""
    hidden = model.bare_eyes is not None and lowers(edit, GLASSES)
    return (GLASSES,) if hidden and not _found(model, portrait).size else ()


def face_under(model: Model, portrait: Portrait, off: PhotoChange) -> NewSkin | None:
    """The face that glasses leave that are taken off; None where none are, or none are seen."""
    found = _found(model, portrait)
    if not off.share or not found.size:
        return None
    light, rim, grain, known = np.split(found, [3, 4, 5], 2)
    goes = np.clip(off.share, 0, 1) * rim[..., 0]
    return NewSkin.of(portrait, light, goes, known[..., 0], grain[..., 0])


def _found(model: Model, portrait: Portrait) -> Floats:
    """Planes of the head crop [256, 256, 6], or none: light, rims, where skin has grain, known skin."""
    eyes = model.bare_eyes

    def make() -> Floats:
        if eyes is None:
            return NONE
        seen = worn.Seen(
            pixels=parsing.head_crop(portrait).pixels,
            points=retouching.points_of(model, portrait),
            landmarks=parsing.landmarks_of(model, portrait),
            classes=parsing.classes_at_256(model, portrait),
        )
        bare = rims.bare(seen, eyes) if rims.see_through(seen) else None
        if bare is None:
            return NONE
        single = (bare.rim, bare.face, bare.known)
        planes = [bare.light, *(one[..., None] for one in single)]
        return np.concatenate(planes, 2).astype(np.float32)

    return portrait.cache.get("without glasses", make)


IN_PHOTO = uncovering(lambda change: change.glasses_off, face_under, possible)
