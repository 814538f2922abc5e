"""The hair of a portrait's head taken off, at the photo's resolution."""

from itertools import product

import numpy as np

from facedial import parsing
from facedial.arrays import Floats
from facedial.compose import scalp
from facedial.compose.blend import DetailLoss, Part, changed_part
from facedial.compose.completion import Places
from facedial.compose.masks import box_mean, soft_mask
from facedial.compose.retouch import OFFSET
from facedial.faces.geometry import apply, from_part, invert, warp_float, warp_strips
from facedial.faces.parse import SIDE
from facedial.faces.photo import Photo
from facedial.in_photo import InPhoto, everywhere
from facedial.model import Model
from facedial.new_skin import grain_of, known_skin
from facedial.portrait import Portrait, grain

STAYS = ("eyes", "brows", "mouth", "lips", "ears", "glasses", "hat")
SMOOTHER = 0.6  # of the face's grain: scalps have less
EDGE = 0.05  # share of the side over which hair that reaches beyond the crop comes back
RIM, REACH = 0.02, 2  # share of the region, and px, around what is new
LEAST_COPIED = 0.5 / 255  # share of a place that is copied, below which no level changes
# Planes of `_bald` after its three colours.
NEW, SKIN, ROUGH, COPIED = 3, 4, 5, slice(6, 8)
NOWHERE = -1.0
LEAST = 0.05  # share of a place that is new, below which nothing has changed


def taken_off(model: Model, portrait: Portrait, share: float | Floats, photo: Photo) -> Part | None:
    """A part of `photo` without a share 0..1 of the hair, and where it lies; None where there is none.

    `share`: everywhere, or at each place of the head crop [256, 256]. `photo`: the portrait's own,
    perhaps changed since.
    """
    portrait = portrait.seen_in(photo)
    found = _bald(model, portrait)
    crop = parsing.head_crop(portrait)
    if found is None:
        return None
    new = share * found[..., NEW]
    changed = share * (found[..., NEW] > 0)
    difference = changed[..., None] * (found[..., :3] - crop.pixels)
    skin = share * found[..., SKIN]
    copied, behind = np.asarray(found[..., COPIED], np.intp), new - skin
    copies = bool((copied != NOWHERE).all())
    loss = DetailLoss(new, grain(portrait, crop) * (1 - (new if copies else skin)))
    part = changed_part(photo, crop, difference, soft_mask(SIDE, EDGE), loss=loss)
    if part is not None and copies:
        part = _sharp(portrait, photo, part, behind * soft_mask(SIDE, EDGE), copied)
    return None if part is None else _rough(portrait, part, skin, found[..., ROUGH])


def _sharp(portrait: Portrait, photo: Photo, part: Part, behind: Floats, copied: Places) -> Part:
    """The same where `behind` [256, 256] shows background with what 256 px lack of the photo's own.

    `copied` [256, 256, 2]: row and column of the head crop from which a place of it comes. Pixels are
    copied by whole pixels of the photo, so that they stay as sharp; where neighbours come from different
    places those are blended.
    """
    pixels, (x0, y0) = part
    height, width = pixels.shape[:2]
    to_photo = parsing.head_to_photo(portrait)
    to_crop = from_part(to_photo, x0, y0)
    crop = parsing.head_crop(portrait).pixels
    smooth = crop[copied[..., 0], copied[..., 1]].astype(np.float32)
    planes = np.concatenate([smooth, behind[..., None]], 2)
    source, (last_x, last_y) = photo.flattened, np.array(photo.size) - 1
    for top, strip in warp_strips(planes, to_crop, (width, height)):
        rows, columns = np.nonzero(strip[..., 3] > LEAST_COPIED)
        seen = strip[rows, columns]
        rows += top
        at = apply(to_crop, np.stack([columns, rows], 1).astype(np.float64))
        first = np.floor(at).astype(np.intp)
        beyond = at - first
        found = np.zeros((len(rows), 3), np.float32)
        for right, down in product((0, 1), (0, 1)):
            column, row = np.clip(first + np.array([right, down]), 0, SIDE - 1).T
            away = copied[row, column][:, ::-1] - np.stack([column, row], 1)
            x, y = np.rint(away @ to_photo[:, :2].T).astype(np.intp).T
            x, y = np.clip(x + columns + x0, 0, last_x), np.clip(y + rows + y0, 0, last_y)
            weight = np.abs(1 - right - beyond[:, 0]) * np.abs(1 - down - beyond[:, 1])
            found += weight[:, None].astype(np.float32) * source[y, x]
        share = np.minimum(seen[:, 3:], 1)
        sharp = pixels[rows, columns] + share * (found - seen[:, :3])
        pixels[rows, columns] = np.clip(np.rint(sharp), 0, 255)
    return pixels, (x0, y0)


def _rough(portrait: Portrait, part: Part, skin: Floats, known: Floats) -> Part:
    """The same where `skin` [256, 256] is new with the grain of the photo's own, which is `known`."""
    pixels, (x, y) = part
    height, width = pixels.shape[:2]
    to_crop = from_part(parsing.head_to_photo(portrait), x, y)
    new = np.clip(warp_float(skin[..., None], to_crop, (width, height)), 0, 1)
    rough = SMOOTHER * new * grain_of(portrait, known, (x, y, x + width, y + height))[..., None]
    found = (pixels.astype(np.float32) + OFFSET) * np.exp(rough) - OFFSET
    lit = np.where(new > 0, np.clip(np.rint(found), 0, 255), pixels)
    return lit.astype(np.uint8), (x, y)


def region(model: Model, portrait: Portrait) -> Floats | None:
    """Where the photo may change, 0..1 [H, W]; None where there is no hair."""
    found = _bald(model, portrait)
    if found is None:
        return None
    # Resampling reaches a little beyond what is new.
    new = np.maximum(found[..., NEW], RIM * (box_mean(found[..., NEW], REACH) > 0))
    inside = (new * soft_mask(SIDE, EDGE))[..., None].astype(np.float32)
    to_crop = invert(parsing.head_to_photo(portrait))
    # Bicubic resampling swings below 0 beside an edge, and what it changes there is changed too.
    return np.minimum(np.abs(warp_float(inside, to_crop, portrait.photo.size)[..., 0]), 1)


def _bald(model: Model, portrait: Portrait) -> Floats | None:
    """The head crop without hair [256, 256, 8]; None where there is none.

    Its colours, what is new of it, new skin, skin that shows the photo's grain, and row and column of the
    place that background is copied from, `NOWHERE` where it is not.
    """
    heads = model.bald_heads
    if heads is None:
        return None

    def make() -> Floats:
        crop, there = parsing.head_crop(portrait), seen_of(model, portrait)
        landmarks = parsing.landmarks_of(model, portrait)
        found = scalp.bald(crop.pixels, landmarks, there, heads)
        single = (found.new, found.skin, known_skin(model, portrait))
        places = np.full((2, SIDE, SIDE), NOWHERE) if found.copied is None else found.copied
        planes = [found.pixels, *(one[..., None] for one in (*single, *places))]
        return np.concatenate(planes, 2).astype(np.float32)

    found = portrait.cache.get("bald head", make)
    return found if found[..., NEW].max() > LEAST else None


def seen_of(model: Model, portrait: Portrait) -> scalp.Seen:
    """What a portrait's head crop shows of a head and its hair."""

    def seen(*classes: str) -> Floats:
        return parsing.seen(model, portrait, classes)

    return scalp.Seen(
        hair=seen("hair"),
        skin=seen("skin"),
        features=seen(*STAYS),
        ears=seen("ears"),
        background=seen("background"),
        inside=parsing.inside(portrait),
    )


IN_PHOTO = InPhoto(
    of=lambda change: change.bald or None,
    made=taken_off,
    region=lambda model, portrait, share: everywhere(portrait.photo, region(model, portrait)),
)
