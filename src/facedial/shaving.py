"""Beards of a portrait taken off, at the photo's resolution."""

import numpy as np

from facedial import parsing, retouching
from facedial.arrays import Floats
from facedial.changes import Change
from facedial.compose import shave
from facedial.model import Model
from facedial.new_skin import NewSkin, in_photo
from facedial.portrait import Portrait


def skin_under(model: Model, portrait: Portrait, change: Change) -> NewSkin | None:
    """The skin that a beard leaves where shares of it go; None where no hair goes."""
    faces, shares = model.clean_faces, change.shave
    if faces is None or not any(shares.values()):
        return None

    def make() -> Floats:
        def seen(*classes: str) -> Floats:
            return parsing.seen(model, portrait, classes)

        there = shave.Seen(
            pixels=parsing.head_crop(portrait).pixels,
            points=retouching.points_of(model, portrait),
            landmarks=parsing.landmarks_of(model, portrait),
            skin=seen("skin"),
            face=seen("skin", "brows", "eyes"),
            mouth=seen("lips", "mouth"),
            hair=seen("hair"),
        )
        found = shave.shaved(there, faces)
        planes = [found.light, found.hair[..., None], found.known[..., None], found.parts]
        return np.concatenate(planes, 2).astype(np.float32)

    found = portrait.cache.get("shaved", make)
    light, hair, known, parts = np.split(found, [3, 4, 5], 2)
    most = np.zeros(hair.shape[:2], np.float32)
    for name, share in shares.items():
        part = parts[..., shave.PARTS.index(name)] if name in shave.PARTS else 1.0
        most = np.maximum(most, share * part)
    goes = hair[..., 0] * np.clip(most, 0, 1)
    return NewSkin.of(portrait, light, goes, known[..., 0])


IN_PHOTO = in_photo(lambda change: any(change.shave.values()), skin_under)
