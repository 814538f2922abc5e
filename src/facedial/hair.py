"""Hair of a portrait in other colours, at the photo's resolution."""

import numpy as np

from facedial import parsing
from facedial.arrays import Floats
from facedial.changes import Change
from facedial.compose.blend import Part
from facedial.compose.recolour import NATURAL, HairColour, Transfer, mixed, recoloured, shading
from facedial.editing.regions import region_of
from facedial.faces.photo import Photo
from facedial.faces.sheet import as_bytes
from facedial.model import Model
from facedial.portrait import Portrait

STRIP_PIXELS = 500_000  # of hair that are recoloured at a time
COLOURS = "hair colours"  # key of a portrait's cache for `colours`


def colours(model: Model, portrait: Portrait) -> Floats:
    """Mean and deviation in CIELAB of a portrait's hair and of its skin, [2, 2, 3]; NaN for none."""

    def measure() -> Floats:
        classes = parsing.classes_of(model, portrait)
        found = np.full((2, 2, 3), np.nan, np.float32)
        for i, name in enumerate(("hair", "skin")):
            colour = HairColour.of(portrait.crop.pixels, parsing.share(classes, {name}))
            if colour is not None:
                found[i] = colour.mean, colour.sd
        return found

    return portrait.cache.get(COLOURS, measure)


def recolour(model: Model, portrait: Portrait, change: Change, photo: Photo) -> Part | None:
    """The portrait's hair in `photo` in other colours, and where it lies; None where there is no hair."""
    redrawn = any("hair" in region_of(name).drawn for name in change.drawn_names)
    if redrawn or change.bald:
        # Hair of another shape: its matte is that of the picture with it.
        portrait = portrait.seen_in(photo)
    box = parsing.hair_box(model, portrait)
    classes = parsing.classes_of(model, portrait)
    own = parsing.share(classes, {"hair"})
    source, skin = (
        None if np.isnan(one).any() else HairColour(*one) for one in colours(model, portrait)
    )
    if box is None or source is None:
        return None
    parts = [(share, _colour(name, skin)) for name, share in change.recolour.items()]
    transfer = Transfer.of(source, mixed(source, parts), sum(change.recolour.values()))
    drawing = model.decode(change.after.values[None])
    drawn = parsing.share(parsing.classes_drawn(model, drawing)[0], {"hair"})
    shade = shading(portrait.crop.pixels, own, as_bytes(drawing[0]), drawn, transfer)
    x0, y0, x1, y1 = box
    pixels = photo.pixels[y0:y1, x0:x1].copy()
    # In strips, so that a large photo's hair takes little memory as floats.
    height = max(1, STRIP_PIXELS // (x1 - x0))
    for top in range(y0, y1, height):
        strip = (x0, top, x1, min(top + height, y1))
        layer = parsing.hair_layer(model, portrait, strip, shade, keep=height >= y1 - y0)
        rows = slice(strip[1] - y0, strip[3] - y0)
        pixels[rows] = recoloured(pixels[rows], *layer[:2], transfer, layer[2])
    return pixels, (x0, y0)


def _colour(name: str, skin: HairColour | None) -> HairColour:
    return NATURAL[name].beside(skin) if name in NATURAL else HairColour.parse(name)
