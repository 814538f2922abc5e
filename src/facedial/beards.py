"""Beards and moustaches of a portrait, put on at the photo's resolution."""

import dataclasses
from collections.abc import Mapping

import numpy as np

from facedial import parsing
from facedial.arrays import LUMA, Floats
from facedial.compose import growth
from facedial.compose.blend import Part
from facedial.compose.masks import smoothstep
from facedial.faces.geometry import Affine, box_in_photo, compose, from_part, scale_of, warp_float
from facedial.faces.photo import Box, Photo
from facedial.in_photo import InPhoto, Touched, some, widened
from facedial.model import Model
from facedial.portrait import Portrait

GROWS_ON = {"skin", "hair"}  # classes: a beard that is there already is parsed as either
MOUTH = {"lips", "mouth"}
# Probability of the mouth up to which hair hangs over it, and from which on it does not.
COVERED = 0.3, 0.8
# Probability of a class, and pixels of the crop with it, that show its colour.
SURELY, ENOUGH = 0.9, 40
BROWS = 0.7  # the same, of brows, which are thin
SKIN = np.array([180.0, 140.0, 120.0], np.float32)  # where a photo shows none
COLOUR = "beard colour"  # key of a portrait's cache
LEAST_STRETCH = 0.3  # of areas, by which the template follows nose and mouth
MARGIN = 3  # photo pixels that resampling touches


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Layer:
    """A beard in a rectangle x0, y0, x1, y1 of the photo.

    `planes`: see `growth.planes`, in the photo's pixels. `allowed`: where the photo shows skin, 0..1.
    """

    box: Box
    planes: Floats
    allowed: Floats

    @property
    def reaches(self) -> Floats:
        """Share of each pixel that changes where it is skin."""
        return np.asarray(self.planes[..., [0, 2]].max(2), np.float32)


def put_on(
    model: Model, portrait: Portrait, shares: Mapping[str, float], photo: Photo
) -> Part | None:
    """A part of `photo` with hair on the face, and where it lies; None where nothing grows.

    `shares`: attribute -> share of its density. `photo`: the portrait's own, perhaps changed since: then
    mouth and colours are those that it shows.
    """
    portrait = portrait.seen_in(photo)
    layer = layer_of(model, portrait, shares)
    if layer is None:
        return None
    x0, y0, x1, y1 = layer.box
    colour, skin = np.split(_colours(model, portrait), [3])
    unit = scale_of(_to_photo(model, portrait)) * growth.MILLIMETRE
    pixels = growth.grown(
        photo.pixels[y0:y1, x0:x1], layer.planes, layer.allowed, colour, float(skin[0]), unit
    )
    return pixels, (x0, y0)


def region(model: Model, portrait: Portrait, shares: Mapping[str, float]) -> Touched | None:
    """Where the photo may change, 0 or 1; None where nothing does.

    Also where it shows no skin: a mouth that closes in the same edit gives way to some.
    """
    layer = layer_of(model, portrait, shares)
    if layer is None:
        return None
    return layer.box, widened(np.asarray(layer.reaches > 0, np.float32))


def layer_of(model: Model, portrait: Portrait, shares: Mapping[str, float]) -> Layer | None:
    """Hair on a face in photo pixels; None where nothing grows, or outside the photo."""
    beards = model.beards
    if beards is None or not any(shares.values()):
        return None
    to_photo = _to_photo(model, portrait)
    left, top, right, bottom = beards.box
    box = box_in_photo(to_photo, (left, right), (top, bottom), portrait.photo.size, MARGIN)
    if box is None:
        return None
    x0, y0, x1, y1 = box
    wanted = growth.FINER * scale_of(to_photo)
    scale = next((one for one in growth.SCALES if one >= wanted), growth.SCALES[-1])
    # Pixel centres of the strands: `scale` of them to a pixel of the template.
    half = (scale - 1) / 2
    to_planes = np.array([[scale, 0, half - scale * left], [0, scale, half - scale * top]])
    size = (x1 - x0, y1 - y0)
    seen = compose(to_planes, from_part(to_photo, x0, y0))
    planes = np.clip(warp_float(growth.planes(beards, shares, scale), seen, size), 0, 1)
    classes = parsing.classes_of(model, portrait)
    mouth = smoothstep(parsing.share(classes, MOUTH), COVERED)
    grows = (parsing.share(classes, GROWS_ON) * (1 - mouth))[..., None]
    in_crop = from_part(portrait.crop.to_photo, x0, y0)
    allowed = np.clip(warp_float(grows, in_crop, size)[..., 0], 0, 1)
    return Layer(box, planes, allowed)


def _to_photo(model: Model, portrait: Portrait) -> Affine:
    """Template pixels -> photo pixels [2, 3]: nose and corners of the mouth where the face has them.

    So it follows a head that is turned, and a mouth that smiles. Of faces so far turned that these lie on
    a line, the head frame.
    """
    head = parsing.head_to_photo(portrait)
    three = [growth.NOSE, growth.LEFT, growth.RIGHT]
    points = parsing.landmarks_of(model, portrait)[three]
    source = np.concatenate([growth.TEMPLATE[three], np.ones((3, 1))], 1)
    found = np.linalg.solve(source, points).T
    stretch = float(np.linalg.det(found[:, :2]))
    return compose(head, found) if LEAST_STRETCH < stretch < 1 / LEAST_STRETCH else head


def _colours(model: Model, portrait: Portrait) -> Floats:
    """Colour of a beard [3], and luma of the skin [1]."""

    def measure() -> Floats:
        classes, pixels = parsing.classes_of(model, portrait), portrait.crop.pixels

        def of(name: str, least: float) -> Floats | None:
            there = parsing.share(classes, {name}) > least
            if there.sum() < ENOUGH:
                return None
            return np.asarray(np.median(pixels[there], 0), np.float32)

        skin = of("skin", SURELY)
        skin = SKIN if skin is None else skin
        colour = growth.hair_colour(skin, of("hair", SURELY), of("brows", BROWS))
        return np.append(colour, skin @ LUMA).astype(np.float32)

    return portrait.cache.get(COLOUR, measure)


IN_PHOTO = InPhoto(of=lambda change: some(change.beard), made=put_on, region=region)
