"""Hair of a portrait in other colours, at the photo's resolution."""

from itertools import product

import numpy as np

from facedial import parsing
from facedial.arrays import Floats
from facedial.changes import Change
from facedial.compose import hair_planes
from facedial.compose.blend import Part
from facedial.compose.maps import Halves
from facedial.compose.masks import soft_mask
from facedial.compose.recolour import (
    NATURAL,
    SHARES,
    HairColour,
    Transfer,
    mean_colour,
    mixed,
    recoloured,
    shading,
)
from facedial.editing.regions import region_of
from facedial.faces.geometry import (
    Affine,
    apply,
    compose,
    from_part,
    scale_of,
    translation,
    warp_float,
)
from facedial.faces.parse import SIDE
from facedial.faces.photo import Box, Photo
from facedial.faces.sheet import as_bytes
from facedial.in_photo import InPhoto, Touched, some, widened
from facedial.model import Model
from facedial.portrait import Portrait

STRIP_PIXELS = 500_000  # of hair that are recoloured at a time
LARGEST_KEPT = STRIP_PIXELS * hair_planes.LAYER  # numbers of a layer that a portrait keeps
TILE = 128  # photo pixels along the side of what is looked at at a time: many have no hair
WIDE_SMOOTHED = 2  # as `hair_planes.SMOOTHED`, of the frame twice as wide
COLOURS = "hair colours"  # key of a portrait's cache for `colours`
# Key under which a clip says that its frames move: strands that are added would flicker.
MOVES = "moves"
_HAIR = 3 + len(SHARES) + 4  # numbers of `colours` that are the hair's


def colours(model: Model, portrait: Portrait) -> Floats:
    """A portrait's hair and skin, [17]; NaN where it shows none.

    Mean in CIELAB, lightness at shares and deviations of its hair (`HairColour`), mean of its skin.
    """

    def measure() -> Floats:
        found = np.full(_HAIR + 3, np.nan, np.float32)
        crop = parsing.head_crop(portrait)
        hair = HairColour.seen(hair_planes.layer(crop.pixels, _head_planes(model, portrait)))
        if hair is not None:
            found[:_HAIR] = np.concatenate([hair.mean, hair.lightness, hair.deviations])
        classes = parsing.classes_of(model, portrait)
        skin = mean_colour(portrait.crop.pixels, parsing.share(classes, {"skin"}))
        if skin is not None:
            found[_HAIR:] = skin
        return found

    return portrait.cache.get(COLOURS, measure)


def recolour(model: Model, portrait: Portrait, change: Change, photo: Photo) -> Part | None:
    """The portrait's hair in `photo` in other colours, and where it lies; None where there is no hair."""
    redrawn = any("hair" in region_of(name).drawn for name in change.drawn_names)
    if redrawn or change.covered is not None or change.bald or change.fringe is not None:
        # Hair of another shape: its matte is that of the picture with it.
        portrait = portrait.seen_in(photo)
    box = parsing.hair_box(model, portrait)
    source, skin = _known(colours(model, portrait))
    if box is None or source is None:
        return None
    parts = [(share, _colour(name, skin, source.mean)) for name, share in change.recolour.items()]
    transfer = Transfer.of(source, mixed(source, parts), sum(change.recolour.values()))
    drawing = model.decode(change.after.values[None])
    drawn = parsing.share(parsing.classes_drawn(model, drawing)[0], {"hair"})
    own = parsing.share(parsing.classes_of(model, portrait), {"hair"})
    shade = shading(own, as_bytes(drawing[0]), drawn, transfer)
    x0, y0, x1, y1 = box
    pixels = photo.pixels[y0:y1, x0:x1].copy()
    # In strips, so that a large photo's hair takes little memory as floats.
    height = max(1, STRIP_PIXELS // (x1 - x0))
    for top in range(y0, y1, height):
        strip = (x0, top, x1, min(top + height, y1))
        rows = slice(strip[1] - y0, strip[3] - y0)
        seen = layer(model, portrait, strip, keep=height >= y1 - y0)
        shaded = _warped(shade[..., None], portrait.crop.to_photo, strip)[..., 0]
        pixels[rows] = recoloured(pixels[rows], seen, transfer, shaded)
    return pixels, (x0, y0)


def layer(model: Model, portrait: Portrait, box: Box, *, keep: bool = True) -> Halves:
    """A person's hair in a rectangle of the photo, [H, W, 19] (`hair_planes.layer`).

    By the parser's mattes of the head and of its surroundings. `keep`: the layer is kept for the next
    time, where it is not too large.
    """
    x0, y0, x1, y1 = box
    key = ("hair", portrait.crop.to_photo.tobytes(), box)
    kept = portrait.cache.peek(key)
    if kept is not None:
        return kept  # type: ignore[return-value]
    # Halves are enough for levels.
    found = np.zeros((y1 - y0, x1 - x0, hair_planes.LAYER), np.float16)
    for top, left in product(range(y0, y1, TILE), range(x0, x1, TILE)):
        tile = (left, top, min(left + TILE, x1), min(top + TILE, y1))
        rows, columns = slice(top - y0, tile[3] - y0), slice(left - x0, tile[2] - x0)
        found[rows, columns] = _tile(model, portrait, tile)
    if keep and found.size <= LARGEST_KEPT:
        portrait.cache.put(key, found)  # type: ignore[arg-type]
    return found


def _tile(model: Model, portrait: Portrait, box: Box) -> Floats | float:
    """`layer` of a small rectangle; 0 where it has no hair."""
    head, wide = parsing.head_to_photo(portrait), parsing.wide_to_photo(portrait)
    x0, y0, x1, y1 = box
    pixels = portrait.photo.flattened[y0:y1, x0:x1]
    inside = np.clip(_warped(soft_mask(SIDE)[..., None], head, box), 0, 1)
    parts = (
        (1 - inside, wide, _wide_planes(model, portrait)),
        (inside, head, _head_planes(model, portrait)),
    )
    found: Floats | float = 0.0
    for weight, to_photo, planes in parts:
        most = planes[..., hair_planes.MOST, None]
        if weight.any() and _warped(most, to_photo, box).any():
            found = found + weight * hair_planes.layer(pixels, _warped(planes, to_photo, box))
    return found


def _head_planes(model: Model, portrait: Portrait) -> Floats:
    """Planes of the frame `head` [256, 256, 19]; computed once."""

    def compute() -> Floats:
        own = parsing.own_head_hair(model, portrait)
        crop = parsing.head_crop(portrait)
        skin = parsing.seen(model, portrait, {"skin"})
        return hair_planes.planes(crop.pixels, own, skin, with_strands=not _moves(portrait))

    return portrait.cache.get(("hair planes", "head"), compute)


def _wide_planes(model: Model, portrait: Portrait) -> Floats:
    """Planes of the frame `portrait` [256, 256, 19]; computed once."""

    def compute() -> Floats:
        pixels, hair = parsing.wide_crop(portrait), parsing.wide_hair(model, portrait)
        still = not _moves(portrait)
        planes = hair_planes.planes(pixels, hair, None, WIDE_SMOOTHED, with_strands=still)
        # Its pixels are twice as large: what is fine there is of middle size in the head's frame.
        for one in (hair_planes.BANDS, hair_planes.STRANDS):
            planes[..., one] = np.roll(planes[..., one], 1, -1)
            planes[..., one.start] = 0
        return planes

    return portrait.cache.get(("hair planes", "wide"), compute)


def _moves(portrait: Portrait) -> bool:
    return portrait.cache.peek(MOVES) is not None


def _warped(planes: Floats, to_photo: Affine, box: Box) -> Floats:
    """Planes [S, S, C] of a frame in a rectangle of the photo, [H, W, C]; 0 outside the frame."""
    x0, y0, x1, y1 = box
    to_frame = from_part(to_photo, x0, y0)
    size = (x1 - x0, y1 - y0)
    if scale_of(to_frame) > 1:
        return warp_float(planes, to_frame, size, linear=True)
    # Enlarged, only what the rectangle sees is worked on.
    corners = apply(
        to_frame, np.array([[x, y] for x in (0, size[0] - 1) for y in (0, size[1] - 1)])
    )
    side = len(planes)
    first = np.clip(np.floor(corners.min(0)) - 3, 0, side).astype(int)
    end = np.clip(np.ceil(corners.max(0)) + 3, 0, side).astype(int)
    if (end <= first).any():
        return np.zeros((*size[::-1], planes.shape[2]), np.float32)
    part = planes[first[1] : end[1], first[0] : end[0]]
    return warp_float(part, compose(translation(*-first), to_frame), size, linear=True)


def _known(found: Floats) -> tuple[HairColour | None, Floats | None]:
    """Hair, and mean colour of skin, of `colours`; None where unknown."""
    hair, skin = found[:_HAIR], found[_HAIR:]
    own = HairColour(*np.split(hair, [3, 3 + len(SHARES)]))
    return None if np.isnan(hair).any() else own, None if np.isnan(skin).any() else skin


def _colour(name: str, skin: Floats | None, hair: Floats) -> HairColour:
    return NATURAL[name].beside(skin, hair) if name in NATURAL else HairColour.parse(name)


def region(model: Model, portrait: Portrait, change: Change) -> Touched | None:
    """The matte of a portrait's hair, 0..1; None where the photo shows none."""
    box = parsing.hair_box(model, portrait)
    if box is None:
        return None
    matte = np.asarray(layer(model, portrait, box)[..., hair_planes.SHARE], np.float32)
    kept = change.fringe is None and change.covered is None
    return box, matte if kept else widened(matte)


IN_PHOTO = InPhoto(
    of=lambda change: change if some(change.recolour) else None, made=recolour, region=region
)
