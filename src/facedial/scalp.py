"""The hair of a portrait's head taken off, at the photo's resolution."""

import numpy as np

from facedial import parsing
from facedial.arrays import Floats
from facedial.compose import scalp
from facedial.compose.blend import DetailLoss, Part, changed_part
from facedial.compose.grain import even
from facedial.compose.masks import box_mean, soft_mask
from facedial.compose.retouch import OFFSET, log_luma
from facedial.faces.crop import Crop
from facedial.faces.geometry import apply, compose, invert, translation, warp_float
from facedial.faces.parse import SIDE
from facedial.faces.photo import Photo
from facedial.model import Model
from facedial.new_skin import grain_of
from facedial.portrait import Portrait, grain

STAYS = ("eyes", "brows", "mouth", "lips", "ears", "glasses", "hat")
BARE = 0.95  # share of skin whose grain is continued
SMOOTHER = 0.6  # of the face's grain: scalps have less
RIM, REACH = 0.02, 2  # share of the region, and px, around what is new
LEAST = 0.05  # share of a place that is new, below which nothing has changed


def taken_off(model: Model, portrait: Portrait, share: float, photo: Photo) -> Part | None:
    """A part of `photo` without a share 0..1 of the hair, and where it lies; None where there is none.

    `photo`: the portrait's own, perhaps changed since.
    """
    portrait = portrait.seen_in(photo)
    found = _bald(model, portrait)
    crop = parsing.head_crop(portrait)
    if found is None:
        return None
    new = share * found[..., 3]
    difference = share * (found[..., :3] - crop.pixels) * (found[..., 3:4] > 0)
    skin = share * found[..., 4]
    loss = DetailLoss(new, grain(portrait, crop) * (1 - skin))
    part = changed_part(photo, crop, difference, soft_mask(SIDE), loss=loss)
    return None if part is None else _rough(portrait, part, skin, found[..., 5])


def _rough(portrait: Portrait, part: Part, skin: Floats, known: Floats) -> Part:
    """The same where `skin` [256, 256] is new with the grain of the photo's own, which is `known`."""
    pixels, (x, y) = part
    height, width = pixels.shape[:2]
    to_photo = parsing.head_to_photo(portrait)
    to_crop = compose(invert(to_photo), translation(x, y))
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
    new = np.maximum(found[..., 3], RIM * (box_mean(found[..., 3], REACH) > 0))
    inside = (new * soft_mask(SIDE))[..., None].astype(np.float32)
    to_crop = invert(parsing.head_to_photo(portrait))
    # Bicubic resampling swings below 0 beside an edge, and what it changes there is changed too.
    return np.minimum(np.abs(warp_float(inside, to_crop, portrait.photo.size)[..., 0]), 1)


def _bald(model: Model, portrait: Portrait) -> Floats | None:
    """The head crop without hair [256, 256, 6]; None where there is none.

    Its colours, what is new of it, new skin, and skin that shows the photo's grain.
    """
    heads = model.bald_heads
    if heads is None:
        return None

    def make() -> Floats:
        crop = parsing.head_crop(portrait)

        def seen(*classes: str) -> Floats:
            return parsing.seen(model, portrait, classes)

        there = scalp.Seen(
            hair=seen("hair"),
            skin=seen("skin"),
            features=seen(*STAYS),
            ears=seen("ears"),
            background=seen("background"),
            inside=_inside(portrait, crop),
        )
        landmarks = parsing.landmarks_of(model, portrait)
        found = scalp.bald(crop.pixels, landmarks, there, heads)
        own = there.skin * (1 - found.skin)
        single = (found.new, found.skin, even(log_luma(crop.pixels), own > BARE))
        planes = [found.pixels, *(one[..., None] for one in single)]
        return np.concatenate(planes, 2).astype(np.float32)

    found = portrait.cache.get("bald head", make)
    return found if found[..., 3].max() > LEAST else None


def _inside(portrait: Portrait, crop: Crop) -> Floats:
    """Which pixels of a crop lie in its photo, 0 or 1 [S, S]."""
    size = crop.pixels.shape[0]
    y, x = np.mgrid[:size, :size].astype(np.float64)
    seen = apply(crop.to_photo, np.stack([x, y], 2))
    width, height = portrait.photo.size
    there = (seen >= -0.5).all(2) & (seen[..., 0] <= width - 0.5) & (seen[..., 1] <= height - 0.5)
    return there.astype(np.float32)
