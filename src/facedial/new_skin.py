"""Skin that comes to light where a beard or glasses go, with the grain of the photo's own."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from facedial import parsing
from facedial.arrays import Floats
from facedial.changes import Change
from facedial.compose.blend import Part
from facedial.compose.grain import FINE, even, grain
from facedial.compose.masks import box_mean
from facedial.compose.retouch import OFFSET, log_luma
from facedial.faces.geometry import apply, scale_of
from facedial.faces.photo import Box, Photo
from facedial.faces.placed import Placed
from facedial.in_photo import InPhoto, T, Touched, as_it_is
from facedial.model import Model
from facedial.portrait import Portrait

BARE = 0.95  # share of skin whose grain is continued
LEAST = 0.01  # share of what goes that counts
# Px of a crop whose grain is continued; of the photo, at least and at most.
PATCH, SMALLEST, LARGEST = 24, 8, 96
TILE = 256  # photo pixels after which grain repeats


@dataclass(frozen=True, slots=True, eq=False)
class NewSkin:
    """Skin in a portrait's photo. `known` [256, 256]: skin of its head crop that shows its grain.

    `placed`: planes [256, 256, 6]: log of light, the share of what is before it that goes, the share of
    skin's grain, and 1 where anything goes.
    """

    portrait: Portrait
    placed: Placed
    known: Floats

    @staticmethod
    def of(
        portrait: Portrait, light: Floats, goes: Floats, known: Floats, rough: Floats | None = None
    ) -> "NewSkin | None":
        """Skin of that `light` [256, 256, 3] where a share `goes` [256, 256]; None where nothing does.

        `rough` [256, 256]: share of skin's grain; all of it where None.
        """
        grainy = np.ones_like(goes) if rough is None else rough
        planes = np.concatenate([light, np.stack([goes, grainy, goes > LEAST], 2)], 2)
        to_photo = parsing.head_to_photo(portrait)
        placed = Placed.of(planes.astype(np.float32), to_photo, portrait.photo.size)
        return None if placed is None else NewSkin(portrait, placed, known)

    def shown(self, photo: Photo) -> Part:
        """A part of `photo` with it, and where that lies. `photo`: the portrait's, perhaps changed."""
        x0, y0, x1, y1 = self.placed.box
        _, there = self.placed.in_box(parsing.head_to_photo(self.portrait))
        source = photo.flattened
        part = source[y0:y1, x0:x1]
        log = np.log(part.astype(np.float32) + OFFSET)
        rough = grain_of(self.portrait, self.known, self.placed.box)
        skin = there[..., :3] + there[..., 4:5] * rough[..., None]
        goes = np.clip(there[..., 3:4], 0, 1) * (there[..., 5:] > 0)
        found = np.exp(log + goes * (skin - log)) - OFFSET
        own = photo.pixels[y0:y1, x0:x1]
        pixels = np.where(goes > 0, np.clip(np.rint(found), 0, 255), own)
        return pixels.astype(np.uint8), (x0, y0)

    def region(self) -> Touched:
        """Where the photo may change, 0 or 1."""
        _, there = self.placed.in_box(parsing.head_to_photo(self.portrait))
        return self.placed.box, np.asarray(there[..., 5] > 0, np.float32)


def uncovering(
    of: Callable[[Change], T | None],
    under: Callable[[Model, Portrait, T], NewSkin | None],
    possible: Callable[[Model, Portrait, Change], Change] = as_it_is,
) -> InPhoto[T]:
    """A kind of change that leaves skin: `under` what goes."""

    def made(model: Model, portrait: Portrait, what: T, photo: Photo) -> Part | None:
        skin = under(model, portrait, what)
        return None if skin is None else skin.shown(photo)

    def region(model: Model, portrait: Portrait, what: T) -> Touched | None:
        skin = under(model, portrait, what)
        return None if skin is None else skin.region()

    return InPhoto(of=of, made=made, region=region, possible=possible)


def known_skin(model: Model, portrait: Portrait) -> Floats:
    """Skin of the head crop that shows the photo's grain, 0 or 1 [256, 256]; computed once."""

    def found() -> Floats:
        skin = parsing.seen(model, portrait, {"skin"}) > BARE
        return even(log_luma(parsing.head_crop(portrait).pixels), skin).astype(np.float32)

    return portrait.cache.get("even skin", found)


def grain_of(portrait: Portrait, known: Floats, box: Box) -> Floats:
    """Grain of the photo's own skin, as log of light, in a rectangle of the photo [h, w].

    `known` [256, 256]: skin of the head crop that shows it.
    """
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
        return grain(fine, TILE)

    key = ("grain of skin", side, round(float(x)), round(float(y)))
    own = portrait.cache.get(key, tile)
    # The same at a place of the head, in the photo and in a close-up of it.
    left, top = np.rint(apply(to_photo, np.zeros((1, 2)))[0]).astype(int)
    rows = (np.arange(box[1], box[3]) - top) % TILE
    columns = (np.arange(box[0], box[2]) - left) % TILE
    return own[np.ix_(rows, columns)]
