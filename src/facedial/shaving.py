"""Beards of a portrait taken off, at the photo's resolution."""

from collections.abc import Mapping

import numpy as np

from facedial import parsing, retouching
from facedial.arrays import Floats
from facedial.compose import shave
from facedial.compose.blend import Part
from facedial.compose.masks import box_mean
from facedial.compose.retouch import OFFSET, log_luma
from facedial.faces.geometry import apply, scale_of
from facedial.faces.photo import Box, Photo
from facedial.faces.placed import Placed
from facedial.model import Model
from facedial.portrait import Portrait

LEAST = 0.01  # share of hair that counts
# Px of a crop whose grain is continued; of the photo, at least and at most.
PATCH, SMALLEST, LARGEST = 24, 8, 96
FINE = 3  # px of a crop: grain is finer
TILE = 256  # photo pixels after which grain repeats


def taken_off(
    model: Model, portrait: Portrait, shares: Mapping[str, float], photo: Photo
) -> Part | None:
    """A part of `photo` without hair on the face, and where it lies; None where there is none.

    `shares`: attribute -> share of its hair that goes. `photo`: the portrait's own, perhaps changed
    since.
    """
    found = _found(model, portrait, shares)
    if found is None:
        return None
    placed, known = found
    x0, y0, x1, y1 = placed.box
    _, there = placed.in_box(parsing.head_to_photo(portrait))
    source = photo.flattened
    part = source[y0:y1, x0:x1]
    log = np.log(part.astype(np.float32) + OFFSET)
    skin = there[..., :3] + _grain(portrait, known, placed.box)[..., None]
    hair = np.clip(there[..., 3:4], 0, 1) * (there[..., 4:] > 0)
    found_pixels = np.exp(log + hair * (skin - log)) - OFFSET
    pixels = np.where(hair > 0, np.clip(np.rint(found_pixels), 0, 255), part)
    return pixels.astype(np.uint8), (x0, y0)


def region(
    model: Model, portrait: Portrait, shares: Mapping[str, float]
) -> tuple[Box, Floats] | None:
    """A rectangle of the photo, and where it may change: 0 or 1 [h, w]; None where nothing does."""
    found = _found(model, portrait, shares)
    if found is None:
        return None
    placed, _ = found
    _, there = placed.in_box(parsing.head_to_photo(portrait))
    return placed.box, np.asarray(there[..., 4] > 0, np.float32)


def _found(
    model: Model, portrait: Portrait, shares: Mapping[str, float]
) -> tuple[Placed, Floats] | None:
    """Planes of a head crop [256, 256, 5] in the photo, and known skin; None where no hair goes.

    Log of light of the skin, share of hair that goes, and 1 where any does.
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
    planes = np.concatenate([light, goes[..., None], goes[..., None] > LEAST], 2)
    to_photo = parsing.head_to_photo(portrait)
    placed = Placed.of(planes.astype(np.float32), to_photo, portrait.photo.size)
    return None if placed is None else (placed, known[..., 0])


def _grain(portrait: Portrait, known: Floats, box: Box) -> Floats:
    """Grain of the photo's own skin, as log of light, in a rectangle of the photo [h, w]."""
    to_photo = parsing.head_to_photo(portrait)
    scale = scale_of(to_photo)
    side = int(np.clip(round(PATCH * scale), SMALLEST, LARGEST))
    around = box_mean(known, PATCH // 2)
    middle = np.unravel_index(int(np.argmax(around)), around.shape)
    x, y = apply(to_photo, np.array([[middle[1], middle[0]]], np.float64))[0]
    width, height = portrait.photo.size
    if min(width, height) < side or not known.any():
        return np.zeros((box[3] - box[1], box[2] - box[0]), np.float32)

    def tile() -> Floats:
        left, top = (
            int(np.clip(round(at - side / 2), 0, most - side))
            for at, most in ((x, width), (y, height))
        )
        luma = log_luma(portrait.photo.flattened[top : top + side, left : left + side])
        fine = luma - box_mean(luma, max(1, round(FINE * scale)))
        return shave.grain(fine, TILE)

    own = portrait.cache.get(("grain of skin", side, round(float(x)), round(float(y))), tile)
    # Of a place of the photo always the same.
    rows, columns = np.arange(box[1], box[3]) % TILE, np.arange(box[0], box[2]) % TILE
    return own[np.ix_(rows, columns)]
