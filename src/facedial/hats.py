"""A cap put on a portrait's head, at the photo's resolution."""

import numpy as np

from facedial import parsing, scalp
from facedial.arrays import Floats
from facedial.changes import Change
from facedial.compose import hats
from facedial.compose.blend import Part
from facedial.compose.retouch import OFFSET
from facedial.compose.scalp import Head, head_of
from facedial.composing import PhotoChange
from facedial.faces.geometry import apply, box_in_photo, invert
from facedial.faces.parse import SIDE
from facedial.faces.photo import Box, Photo
from facedial.in_photo import InPhoto, Touched, everywhere, include
from facedial.model import Model
from facedial.new_skin import grain_of, known_skin
from facedial.portrait import Portrait

GRAIN = 0.8  # of the skin's
LEAST = 1e-3  # share of a pixel that changes
HEAD = "head without hair"  # key of a portrait's cache


def possible(model: Model, portrait: Portrait, change: Change) -> Change:
    """A change as a portrait's photo allows it: where the head is not seen, a hat is drawn."""
    return change.drawing("hat") if _cap(model, portrait) is None else change


def put_on(model: Model, portrait: Portrait, change: PhotoChange, photo: Photo) -> Part | None:
    """A part of `photo` with a cap, and where it lies; None where there is none.

    Hair above its edge, and beside it, goes. `photo`: the portrait's own, perhaps changed since.
    """
    found = _cap(model, portrait)
    if found is None or change.share <= 0:
        return None
    cap, head = found
    box, worn = _worn(portrait, cap, head)
    share = np.float32(change.share)
    first = scalp.taken_off(model, portrait, share * hats.beneath(cap), photo)
    bared = photo if first is None else photo.with_part(*first)
    x0, y0, x1, y1 = box
    own = bared.pixels[y0:y1, x0:x1]
    light = 1 - share * worn.shade[..., None]
    covers = share * worn.covers[..., None]
    rough = grain_of(portrait, known_skin(model, portrait), box)[..., None]
    fabric = (worn.colours + OFFSET) * np.exp(GRAIN * rough) - OFFSET
    levels = own * light + covers * (fabric - own * light)
    there = np.maximum(covers, 1 - light) > LEAST
    pixels = np.where(there, np.clip(np.rint(levels), 0, 255), own).astype(np.uint8)
    return bared.with_part(pixels, (x0, y0)).pixels, (0, 0)


def region(model: Model, portrait: Portrait, change: PhotoChange) -> Touched | None:
    """Where the photo may change, 0..1; None where nothing does."""
    found = _cap(model, portrait)
    if found is None or change.share <= 0:
        return None
    cap, head = found
    mask = scalp.region(model, portrait)
    width, height = portrait.photo.size
    mask = np.zeros((height, width), np.float32) if mask is None else mask
    box, worn = _worn(portrait, cap, head)
    inside = np.maximum(worn.covers, worn.shade) * change.share > LEAST
    include(mask, (box, inside.astype(np.float32)))
    return everywhere(portrait.photo, mask)


def _worn(portrait: Portrait, cap: hats.Cap, head: Head) -> tuple[Box, hats.Worn]:
    """A rectangle of the photo, which holds all of a cap, and the cap at its pixels."""
    to_photo = parsing.head_to_photo(portrait)
    box = box_in_photo(to_photo, (0, SIDE - 1), hats.rows_of(cap), portrait.photo.size)
    x0, y0, x1, y1 = box or (0, 0, 1, 1)  # of a head beyond the photo's edge nothing is seen
    rows, columns = np.mgrid[y0:y1, x0:x1]
    places = apply(invert(to_photo), np.stack([columns, rows], 2).astype(np.float64))
    return (x0, y0, x1, y1), hats.worn(cap, places, head)


def _cap(model: Model, portrait: Portrait) -> tuple[hats.Cap, Head] | None:
    """The cap of a portrait's head and the head; computed once."""
    heads = model.bald_heads
    if heads is None:
        return None
    landmarks = parsing.landmarks_of(model, portrait)

    def found() -> Floats:
        return np.stack(head_of(landmarks, scalp.seen_of(model, portrait), heads))

    head = Head(*portrait.cache.get(HEAD, found))
    skin, brows = (parsing.seen(model, portrait, {one}) for one in ("skin", "brows"))
    pixels = parsing.head_crop(portrait).pixels
    cap = hats.fitted(pixels, skin, brows, landmarks[:2], head)
    return None if cap is None else (cap, head)


IN_PHOTO = InPhoto(of=lambda change: change.hat, made=put_on, region=region, possible=possible)
