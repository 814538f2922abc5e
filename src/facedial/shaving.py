"""Beards of a portrait taken off, at the photo's resolution."""

from collections.abc import Mapping

import numpy as np

from facedial import parsing, retouching
from facedial.arrays import Floats
from facedial.compose import shave
from facedial.in_photo import some
from facedial.model import Model
from facedial.new_skin import NewSkin, uncovering
from facedial.portrait import Portrait


def skin_under(model: Model, portrait: Portrait, shares: Mapping[str, float]) -> NewSkin | None:
    """The skin that a beard leaves where shares of it go; None where no hair goes.

    `shares`: attribute -> share of its hair that goes.
    """
    faces = model.clean_faces
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
            ears=seen("ears"),
            behind=seen("background", "neck", "clothes") * parsing.inside(portrait),
        )
        found = shave.shaved(there, faces)
        single = (found.hair, found.skin, found.known)
        planes = [found.light, *(one[..., None] for one in single), found.parts]
        return np.concatenate(planes, 2).astype(np.float32)

    found = portrait.cache.get("shaved", make)
    light, hair, skin, known, parts = np.split(found, [3, 4, 5, 6], 2)
    most = np.zeros(hair.shape[:2], np.float32)
    for name, share in shares.items():
        part = parts[..., shave.PARTS.index(name)] if name in shave.PARTS else 1.0
        most = np.maximum(most, share * part)
    goes = hair[..., 0] * np.clip(most, 0, 1)
    return NewSkin.of(portrait, light, goes, known[..., 0], skin[..., 0])


IN_PHOTO = uncovering(lambda change: some(change.shave), skin_under)
