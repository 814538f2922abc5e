"""A fringe of a portrait's own hair, at the photo's resolution."""

import dataclasses

import numpy as np

from facedial import parsing
from facedial.arrays import Floats
from facedial.changes import Change
from facedial.compose import fringe
from facedial.compose.blend import Part
from facedial.compose.retouch import OFFSET
from facedial.composing import BANGS, PhotoChange, is_composed
from facedial.editing.request import Edit
from facedial.faces.geometry import box_in_photo, compose, from_part, scale_of, warp, warp_float
from facedial.faces.photo import Box, Photo
from facedial.in_photo import InPhoto, Touched
from facedial.model import Model
from facedial.new_skin import grain_of, known_skin
from facedial.portrait import Portrait

SCALES = 1, 2, 4  # pixels of strands to one of the head crop, where the photo has as many
MARGIN = 2  # photo pixels that resampling touches
LEAST = 1e-3  # share of a pixel that changes
LOST = 0.8  # share of the photo's grain that stretching takes from hair
RECEDING = "Receding_Hairline"  # beside which a fringe is drawn, as it is
COLUMNS = "fringe"  # key of a portrait's cache for `columns`
NONE = np.zeros(0, np.float32)
NONE.flags.writeable = False


def possible(model: Model, portrait: Portrait, change: Change) -> Change:
    """A change as a portrait's photo allows it: where no hair is seen above a forehead, it is drawn.

    A head that is made bald gets none.
    """
    if change.bald > 0:
        return dataclasses.replace(change, fringe=None)
    drawn = RECEDING in change.drawn_names or not columns(model, portrait).size
    return change.drawing("fringe") if drawn else change


def unseen(model: Model, portrait: Portrait, edit: Edit) -> tuple[str, ...]:
    """`BANGS` where an edit sets some and the photo shows no hair of which they could be."""
    sets = edit.targets.get(BANGS, 0.0) > 0 or edit.shifts.get(BANGS, 0.0) > 0
    hidden = sets and is_composed(model, BANGS) and not columns(model, portrait).size
    return (BANGS,) if hidden else ()


def put_on(model: Model, portrait: Portrait, change: PhotoChange, photo: Photo) -> Part | None:
    """A part of `photo` with a fringe, and where it lies; None where there is none to grow.

    `photo`: the portrait's own, perhaps changed since.
    """
    found = _layer(model, portrait, change, photo)
    if found is None:
        return None
    box, planes, light = found
    x0, y0, x1, y1 = box
    own = photo.pixels[y0:y1, x0:x1]
    covers, shade = np.clip(planes[..., 3:4], 0, 1), np.clip(planes[..., 4:], 0, 1)
    levels = own * (1 - shade) * (1 - covers) + planes[..., :3]
    # As many levels as on the skin: a share of dark hair's would be none.
    rough = grain_of(portrait, known_skin(model, portrait), box)[..., None]
    levels += LOST * covers * rough * (light + OFFSET)
    there = np.maximum(covers, shade) > LEAST
    pixels = np.where(there, np.clip(np.rint(levels), 0, 255), own)
    return pixels.astype(np.uint8), (x0, y0)


def region(model: Model, portrait: Portrait, change: PhotoChange) -> Touched | None:
    """Where the photo may change, 0 or 1; None where nothing does."""
    found = _layer(model, portrait, change, portrait.photo)
    if found is None:
        return None
    box, planes, _ = found
    return box, np.asarray(planes[..., 3:].max(2) > LEAST, np.float32)


def columns(model: Model, portrait: Portrait) -> Floats:
    """`fringe.Columns` of a portrait [4, 256], or none; computed once."""

    def found() -> Floats:
        seen = fringe.columns(_seen(model, portrait))
        return NONE if seen is None else np.stack(seen).astype(np.float32)

    return portrait.cache.get(COLUMNS, found)


def _layer(
    model: Model, portrait: Portrait, change: PhotoChange, photo: Photo
) -> tuple[Box, Floats, float] | None:
    """A rectangle of the photo, planes there [h, w, 5] and luma of the skin below.

    Planes: colours times cover, cover and shade.
    """
    kept = columns(model, portrait)
    if not kept.size or change.share <= 0:
        return None
    by_column = fringe.Columns(*kept.astype(np.float64))
    to_photo = parsing.head_to_photo(portrait)
    x0, y0, x1, y1 = fringe.box_of(by_column, change.share)
    scale = next((one for one in SCALES if one >= scale_of(to_photo)), SCALES[-1])
    half = (scale - 1) / 2
    to_crop = np.array([[1 / scale, 0, x0 - half / scale], [0, 1 / scale, y0 - half / scale]])
    size = ((x1 - x0) * scale, (y1 - y0) * scale)
    to_photo = compose(to_photo, to_crop)
    box = box_in_photo(to_photo, (0, size[0]), (0, size[1]), photo.size, MARGIN)
    if box is None:
        return None
    seen, pixels = _seen(model, portrait), warp(photo.flattened, to_photo, size)
    hair = _colours(portrait, seen, by_column)
    found = fringe.grown(seen, by_column, hair, change.share, pixels, scale)
    covers = found.covers[..., None]
    planes = np.concatenate([covers * found.colours, covers, found.shade[..., None]], 2)
    left, top, right, bottom = box
    in_photo = (right - left, bottom - top)
    planes = warp_float(planes, from_part(to_photo, left, top), in_photo, linear=True)
    return box, planes, hair.skin


def _seen(model: Model, portrait: Portrait) -> fringe.Seen:
    skin, brows = (parsing.seen(model, portrait, {one}) for one in ("skin", "brows"))
    return fringe.Seen(
        pixels=parsing.head_crop(portrait).pixels,
        hair=parsing.own_head_hair(model, portrait),
        skin=skin,
        brows=brows,
        inside=parsing.inside(portrait),
        eyes=parsing.landmarks_of(model, portrait)[:2],
    )


def _colours(portrait: Portrait, seen: fringe.Seen, by_column: fringe.Columns) -> fringe.Colours:
    """`fringe.colours` of a portrait; computed once."""

    def found() -> Floats:
        near, *numbers = fringe.colours(seen, by_column)
        return np.append(near.ravel(), numbers).astype(np.float32)

    *near, deviation, skin = np.split(portrait.cache.get("colours of a fringe", found), [-2, -1])
    side = fringe.COARSE
    return fringe.Colours(near[0].reshape(side, side, -1), float(deviation[0]), float(skin[0]))


IN_PHOTO = InPhoto(of=lambda change: change.fringe, made=put_on, region=region, possible=possible)
