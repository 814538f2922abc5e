"""Glasses of a portrait: put on at the photo's resolution, or its own with other lenses."""

import dataclasses

import numpy as np

from facedial import parsing
from facedial.arrays import Floats
from facedial.changes import GlassesChange
from facedial.compose.blend import Part
from facedial.compose.glasses import LUMA, Glasses, worn
from facedial.compose.masks import smoothstep, soft_mask
from facedial.faces.crop import head_template
from facedial.faces.geometry import apply, compose, invert, warp_float
from facedial.faces.parse import SIDE
from facedial.faces.photo import Box, Photo
from facedial.model import Model
from facedial.portrait import Portrait

FACE_SKIN = ("skin", "brows", "eyes")  # before which arms of glasses are seen
SEEN_SKIN = 0.35, 0.75  # their share up to which arms are hidden, and from which on they are seen
OWN_GLASSES = 0.004  # share of the crop that the parser must see as glasses for a face to wear some
SKIN_LUMA = 150.0  # where a photo shows no skin
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


def put_on(model: Model, portrait: Portrait, asked: GlassesChange, photo: Photo) -> Part | None:
    """A part of `photo` with glasses, or with other lenses in its own, and where it lies; or None."""
    layer = layer_of(model, portrait, asked)
    if layer is None:
        return None
    x0, y0, x1, y1 = layer.box
    pixels = worn(
        photo.pixels[y0:y1, x0:x1],
        layer.glasses,
        layer.planes,
        darkness=asked.darkness or 0.0,
        share=1.0 if layer.own else asked.share,
        own=layer.own,
    )
    return pixels, (x0, y0)


def layer_of(model: Model, portrait: Portrait, asked: GlassesChange) -> Layer | None:
    """The glasses that are put on, or those of the photo where it shows some; None for no change."""
    classes = parsing.classes_of(model, portrait)
    seen = parsing.share(classes, {"glasses"})
    own = bool(seen.mean() > OWN_GLASSES)
    if not (asked.darkness if own else asked.share and asked.drawn):
        return None
    head = parsing.head_to_photo(portrait)

    def shape() -> Floats:
        eyes = head_template(SIDE)[:2]
        if portrait.face is not None:
            eyes = apply(invert(head), portrait.face.landmarks[:2])
        if own or asked.drawn is None:
            picture, mask = parsing.glasses_seen(model, portrait)
        else:
            (drawing,) = model.decode(asked.drawn.values[None])
            picture, mask = parsing.glasses_drawn(model, drawing)
        light = _skin_luma(portrait, classes)
        return Glasses.of(picture, mask, eyes, light, drawn=not own).packed()

    source = b"own" if own or asked.drawn is None else asked.drawn.values.tobytes()
    # A close-up shares the portrait's cache, and shows the face at another size.
    values = portrait.cache.get(("glasses", source), shape)
    glasses = Glasses.unpacked(values)
    box = glasses.box(head, portrait.photo.size)
    if box is None or (own and not glasses.fitted[0]):
        return None
    key = ("glasses layer", source, head.tobytes(), box)
    planes = portrait.cache.peek(key)
    if planes is None:
        planes = glasses.layer(head, box, _seen_skin(portrait, classes, box))
        if planes.size < LARGEST_LAYER:
            found = planes
            portrait.cache.get(key, lambda: found)
    return Layer(glasses, box, planes, own)


def _seen_skin(portrait: Portrait, classes: Floats, box: Box) -> Floats:
    """Where a rectangle of the photo shows the face's skin within the crop, 0..1 [H, W]."""
    x0, y0, x1, y1 = box
    skin = smoothstep(parsing.share(classes, FACE_SKIN), SEEN_SKIN) * soft_mask(classes.shape[1])
    to_crop = compose(invert(portrait.crop.to_photo), np.array([[1.0, 0.0, x0], [0.0, 1.0, y0]]))
    return np.clip(warp_float(skin[..., None], to_crop, (x1 - x0, y1 - y0))[..., 0], 0, 1)


def _skin_luma(portrait: Portrait, classes: Floats) -> float:
    skin = parsing.share(classes, {"skin"}) > 0.5
    pixels = portrait.crop.pixels[skin]
    return float(np.median(pixels @ LUMA)) if len(pixels) else SKIN_LUMA
