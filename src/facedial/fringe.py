"""A fringe of a portrait's own hair, at the photo's resolution."""

import dataclasses

import numpy as np

from facedial import parsing
from facedial.arrays import Floats
from facedial.changes import Change
from facedial.compose import fringe
from facedial.compose.blend import Part
from facedial.composing import BANGS, FringeChange, recolours_hair
from facedial.editing.request import Edit
from facedial.faces.geometry import apply, compose, from_part, scale_of, warp, warp_float
from facedial.faces.photo import Box, Photo
from facedial.model import Model
from facedial.portrait import Portrait

SCALES = 1, 2, 4  # pixels of strands to one of the head crop; as many at least as the photo has
MARGIN = 2  # photo pixels that resampling touches
LEAST = 1e-3  # share of a pixel that changes
NONE = np.zeros(0, np.float32)
NONE.flags.writeable = False


def possible(model: Model, portrait: Portrait, change: Change) -> Change:
    """A change as a portrait's photo allows it: where no hair is seen above a forehead, it is drawn."""
    asked = change.fringe
    if asked is None or _columns(model, portrait) is not None:
        return change
    drawn = change.also_drawn(asked.step, asked.detail_replacement)
    return dataclasses.replace(drawn, fringe=None)


def unseen(model: Model, portrait: Portrait, edit: Edit) -> tuple[str, ...]:
    """`BANGS` where an edit asks for some and the photo shows no hair of which they could be."""
    asked = edit.targets.get(BANGS, 0.0) > 0 or edit.shifts.get(BANGS, 0.0) > 0
    hidden = asked and recolours_hair(model) and _columns(model, portrait) is None
    return (BANGS,) if hidden else ()


def put_on(model: Model, portrait: Portrait, change: FringeChange, photo: Photo) -> Part | None:
    """A part of `photo` with a fringe, and where it lies; None where there is none to grow.

    `photo`: the portrait's own, perhaps changed since.
    """
    found = _layer(model, portrait, change, photo)
    if found is None:
        return None
    (x0, y0, x1, y1), planes = found
    part = photo.flattened[y0:y1, x0:x1]
    covers, shade = np.clip(planes[..., 3:4], 0, 1), np.clip(planes[..., 4:], 0, 1)
    levels = part * (1 - shade) * (1 - covers) + planes[..., :3]
    there = np.maximum(covers, shade) > LEAST
    pixels = np.where(there, np.clip(np.rint(levels), 0, 255), part)
    return pixels.astype(np.uint8), (x0, y0)


def region(model: Model, portrait: Portrait, change: FringeChange) -> tuple[Box, Floats] | None:
    """A rectangle of the photo, and where it may change: 0 or 1 [h, w]; None where nothing does."""
    found = _layer(model, portrait, change, portrait.photo)
    if found is None:
        return None
    box, planes = found
    return box, np.asarray(planes[..., 3:].max(2) > LEAST, np.float32)


def _layer(
    model: Model, portrait: Portrait, change: FringeChange, photo: Photo
) -> tuple[Box, Floats] | None:
    """A rectangle of the photo and planes there [h, w, 5]: colours times cover, cover and shade."""
    columns = _columns(model, portrait)
    if columns is None or change.share <= 0:
        return None
    to_photo = parsing.head_to_photo(portrait)
    x0, y0, x1, y1 = fringe.box_of(columns)
    scale = next((one for one in SCALES if one >= scale_of(to_photo)), SCALES[-1])
    half = (scale - 1) / 2
    to_crop = np.array([[1 / scale, 0, x0 - half / scale], [0, 1 / scale, y0 - half / scale]])
    size = ((x1 - x0) * scale, (y1 - y0) * scale)
    to_photo = compose(to_photo, to_crop)
    corners = np.array([[x, y] for x in (0, size[0]) for y in (0, size[1])], np.float64)
    seen_at = apply(to_photo, corners)
    left, top = np.maximum(np.floor(seen_at.min(0)) - MARGIN, 0).astype(int).tolist()
    right, bottom = (np.ceil(seen_at.max(0)) + MARGIN + 1).astype(int).tolist()
    box = left, top, min(right, photo.size[0]), min(bottom, photo.size[1])
    if box[0] >= box[2] or box[1] >= box[3]:
        return None
    pixels = warp(photo.flattened, to_photo, size)
    found = fringe.grown(_seen(model, portrait), columns, change.share, pixels, scale)
    covers = found.covers[..., None]
    planes = np.concatenate([covers * found.colours, covers, found.shade[..., None]], 2)
    in_photo = (box[2] - box[0], box[3] - box[1])
    return box, warp_float(planes, from_part(to_photo, left, top), in_photo, linear=True)


def _seen(model: Model, portrait: Portrait) -> fringe.Seen:
    skin, brows = (parsing.seen(model, portrait, {one}) for one in ("skin", "brows"))
    return fringe.Seen(
        pixels=parsing.head_crop(portrait).pixels,
        hair=parsing.own_head_hair(model, portrait) * parsing.inside(portrait),
        skin=skin,
        brows=brows,
        eyes=parsing.landmarks_of(model, portrait)[:2],
    )


def _columns(model: Model, portrait: Portrait) -> fringe.Columns | None:
    """`fringe.columns` of a portrait; computed once."""

    def found() -> Floats:
        columns = fringe.columns(_seen(model, portrait))
        return NONE if columns is None else np.stack(columns).astype(np.float32)

    kept = portrait.cache.get("fringe", found)
    return fringe.Columns(*kept.astype(np.float64)) if kept.size else None
