"""Glasses of a portrait: put on at the photo's resolution, or its own with other lenses."""

import dataclasses
import math

import numpy as np

from facedial import parsing
from facedial.arrays import LUMA, Floats
from facedial.compose.blend import Part
from facedial.compose.glasses import SHADOW_BELOW, SHADOW_REACH, Glasses, worn
from facedial.compose.masks import smoothstep, soft_mask
from facedial.composing import GlassesChange
from facedial.faces.crop import head_template
from facedial.faces.geometry import Affine, apply, from_part, invert, scale_of, warp_float
from facedial.faces.parse import SIDE
from facedial.faces.photo import Box, Photo
from facedial.in_photo import InPhoto, Touched
from facedial.model import Model
from facedial.portrait import Portrait

FACE_SKIN = ("skin", "brows", "eyes")  # before which arms of glasses are seen
SEEN_SKIN = 0.35, 0.75  # their share up to which arms are hidden, and from which on they are seen
# Share of the crop that the parser must see as glasses for a face to wear some: where the classifier may
# have seen some too, and where it saw none, so that glasses are to be put on.
OWN_GLASSES, OWN_UNSEEN = 0.004, 0.012
SKIN_LUMA = 150.0  # where a photo shows no skin
STRIP_PIXELS = 700_000  # of a photo on which glasses are drawn at a time
SHAPE = "glasses"  # in keys of a portrait's cache: the shape of glasses, with their source
LARGEST_LAYER = 6_000_000  # numbers of a layer of glasses that a portrait keeps


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Layer:
    """Glasses in a rectangle x0, y0, x1, y1 of the photo; `own`: those that it shows already."""

    glasses: Glasses
    box: Box
    planes: Floats
    own: bool

    @property
    def covered(self) -> Floats:
        """Share of each pixel that they may change."""
        covering = self.planes[..., 1:2] if self.own else self.planes[..., [0, 1, 3]]
        return np.asarray(covering.max(2), np.float32)


def put_on(model: Model, portrait: Portrait, change: GlassesChange, photo: Photo) -> Part | None:
    """A part of `photo` with glasses, or with other lenses in its own, and where it lies; or None."""
    worn_by = _worn_by(model, portrait, change)
    if worn_by is None:
        return None
    fitted, (x0, y0, x1, y1), own = worn_by
    pixels = photo.pixels[y0:y1, x0:x1].copy()
    # In strips, so that those of a large photo take little memory as floats.
    height = max(1, STRIP_PIXELS // (x1 - x0))
    halo = _halo(parsing.head_to_photo(portrait))
    for top in range(y0, y1, height):
        bottom = min(top + height, y1)
        first, last = max(y0, top - halo), min(y1, bottom + halo)
        planes = _planes(
            portrait, fitted, parsing.classes_of(model, portrait), (x0, first, x1, last)
        )
        rows = slice(top - y0, bottom - y0)
        pixels[rows] = worn(
            pixels[rows],
            fitted,
            planes[top - first : bottom - first],
            darkness=change.darkness or 0.0,
            share=1.0 if own else change.share,
            own=own,
        )
    return pixels, (x0, y0)


def region(model: Model, portrait: Portrait, change: GlassesChange) -> Touched | None:
    """Where the photo may change, 0 or 1; None where nothing does."""
    layer = layer_of(model, portrait, change)
    return None if layer is None else (layer.box, np.asarray(layer.covered > 0, np.float32))


def layer_of(model: Model, portrait: Portrait, change: GlassesChange) -> Layer | None:
    """The glasses that are put on, or those of the photo where it shows some; None for no change."""
    worn_by = _worn_by(model, portrait, change)
    if worn_by is None:
        return None
    fitted, box, own = worn_by
    planes = _planes(portrait, fitted, parsing.classes_of(model, portrait), box)
    return Layer(fitted, box, planes, own)


def _worn_by(
    model: Model, portrait: Portrait, change: GlassesChange
) -> tuple[Glasses, Box, bool] | None:
    """Glasses, where they lie in the photo, and whether it shows them already; None for no change."""
    classes = parsing.classes_of(model, portrait)
    seen = parsing.share(classes, {"glasses"})
    puts_on = bool(change.share and change.drawn)
    own = bool(seen.mean() > (OWN_UNSEEN if puts_on else OWN_GLASSES))
    if not (change.darkness if own else puts_on):
        return None
    head = parsing.head_to_photo(portrait)

    def shape() -> Floats:
        eyes = head_template(SIDE)[:2]
        if portrait.face is not None:
            eyes = apply(invert(head), portrait.face.landmarks[:2])
        if own or change.drawn is None:
            picture, mask = parsing.glasses_seen(model, portrait)
        else:
            (drawing,) = model.decode(change.drawn.values[None])
            picture, mask = parsing.glasses_drawn(model, drawing)
        light = _skin_luma(portrait, classes)
        return Glasses.of(picture, mask, eyes, light, drawn=not own).packed()

    source = b"own" if own or change.drawn is None else change.drawn.values.tobytes()
    # A close-up shares the portrait's cache, and shows the face at another size.
    values = portrait.cache.get((SHAPE, source), shape)
    glasses = Glasses.unpacked(values)
    box = glasses.box(head, portrait.photo.size)
    if box is None or (own and not glasses.fitted[0]):
        return None
    return glasses, box, own


def _planes(portrait: Portrait, glasses: Glasses, classes: Floats, box: Box) -> Floats:
    """`Glasses.layer` of a rectangle of the photo; kept where it is small."""
    head = parsing.head_to_photo(portrait)
    key = ("glasses layer", glasses.packed().tobytes(), head.tobytes(), box)
    planes = portrait.cache.peek(key)
    if planes is None:
        planes = glasses.layer(head, box, _seen_skin(portrait, classes, box))
        if planes.size < LARGEST_LAYER:
            found = planes
            portrait.cache.get(key, lambda: found)
    return planes


def _halo(to_photo: Affine) -> int:
    """Photo pixels above and below a pixel on which what `Glasses.layer` says of it depends."""
    return math.ceil((2 * SHADOW_REACH + SHADOW_BELOW) * scale_of(to_photo)) + 4


def _seen_skin(portrait: Portrait, classes: Floats, box: Box) -> Floats:
    """Where a rectangle of the photo shows the face's skin within the crop, 0..1 [H, W]."""
    x0, y0, x1, y1 = box
    skin = smoothstep(parsing.share(classes, FACE_SKIN), SEEN_SKIN) * soft_mask(classes.shape[1])
    to_crop = from_part(portrait.crop.to_photo, x0, y0)
    return np.clip(warp_float(skin[..., None], to_crop, (x1 - x0, y1 - y0))[..., 0], 0, 1)


def _skin_luma(portrait: Portrait, classes: Floats) -> float:
    skin = parsing.share(classes, {"skin"}) > 0.5
    pixels = portrait.crop.pixels[skin]
    return float(np.median(pixels @ LUMA)) if len(pixels) else SKIN_LUMA


IN_PHOTO = InPhoto(of=lambda change: change.glasses, made=put_on, region=region)
