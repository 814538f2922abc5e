"""Portraits made older, manlier or made up by the photo's own pixels, at the photo's resolution."""

from collections.abc import Mapping

import numpy as np

from facedial import parsing
from facedial.arrays import Doubles, Floats
from facedial.compose import features, wrinkles
from facedial.compose.blend import Part
from facedial.compose.retouch import (
    AGE,
    OFFSET,
    SHADE,
    OnFace,
    Planes,
    Retouch,
    Seen,
    bands,
    log_luma,
)
from facedial.faces.geometry import scale_of
from facedial.faces.photo import Photo
from facedial.faces.placed import Placed
from facedial.faces.remap import remapped
from facedial.in_photo import InPhoto, Touched, some
from facedial.model import Model
from facedial.portrait import Portrait

LINES_GO, DEEPEST = (
    0.7,
    0.15,
)  # share of lines that goes, and log of light of the deepest, of the younger
LEAST_BARE = 0.02  # share of skin that gets wrinkles
LEAST_WAY, LEAST_LIGHT = 0.02, 2e-3  # px of a crop, and log of light, that count
SMALLEST = 0.6  # photo pixels to one of the crop, below which skin shows no roughness


def retouched(
    model: Model, portrait: Portrait, shares: Mapping[str, float], photo: Photo
) -> Part | None:
    """A part of `photo` with the face retouched, and where it lies; None where nothing changes.

    `shares`: attribute -> share of what it adds, negative where it is taken away. `photo`: the
    portrait's own, perhaps changed since.
    """
    placed = _placed(model, portrait, shares)
    if placed is None:
        return None
    x0, y0, x1, y1 = placed.box
    to_photo = parsing.head_to_photo(portrait)
    _, there = placed.in_box(to_photo)
    source = photo.flattened
    part = source[y0:y1, x0:x1].astype(np.float32)
    changes = there[..., -1] > 0
    moves = changes & (np.abs(there[..., :2]).max(2) > LEAST_WAY)
    rows, columns = np.nonzero(moves)
    ways = there[rows, columns, :2].astype(np.float64) @ to_photo[:, :2].T
    moved = remapped(source, columns + x0 + ways[:, 0], rows + y0 + ways[:, 1])
    part[rows, columns] = np.clip(moved, 0, 255)
    light = there[..., 2:5]
    scale = scale_of(to_photo)
    younger, lines = shares.get(AGE, 0.0), there[..., 7:10]
    if younger < 0:
        light = light + _lines(lines, -younger, scale, portrait.number - 1)
    if scale >= SMALLEST and (younger > 0 or np.abs(there[..., 5:7]).max() > LEAST_LIGHT):
        for k, band in enumerate(bands(log_luma(part), scale)):
            more = there[..., 5 + k]
            # Lines deepen, and what lies between them does not shine.
            changed = np.where(more > 0, np.minimum(band, 0), band)
            light = light + (np.expm1(more) * changed)[..., None]
            if younger > 0:
                goes = LINES_GO * min(younger, 1.0) * lines[..., 2]
                # What is deeper than a wrinkle is none.
                light = light - (goes * np.clip(band, -DEEPEST, DEEPEST))[..., None]
    lit = (part + OFFSET) * np.exp(light) - OFFSET
    found = photo.pixels[y0:y1, x0:x1].copy()
    found[changes] = np.clip(np.rint(lit), 0, 255)[changes]
    return found, (x0, y0)


def _lines(where: Floats, older: float, scale: float, variant: int) -> Floats:
    """Log of light that wrinkles add, [h, w, 3].

    `where` [h, w, 3]: places on the usual face, and share of skin.
    """
    light = np.zeros((*where.shape[:2], 3), np.float32)
    rows, columns = np.nonzero(where[..., 2] > LEAST_BARE)
    places, share = where[rows, columns, :2], where[rows, columns, 2:]
    lines = wrinkles.at(places, older, scale, variant)
    light[rows, columns] = (share * lines[:, None]) * SHADE
    return light


def region(model: Model, portrait: Portrait, shares: Mapping[str, float]) -> Touched | None:
    """Where the photo may change, 0 or 1; None where nothing does."""
    placed = _placed(model, portrait, shares)
    if placed is None:
        return None
    _, there = placed.in_box(parsing.head_to_photo(portrait))
    return placed.box, np.asarray(there[..., -1] > 0, np.float32)


def _placed(model: Model, portrait: Portrait, shares: Mapping[str, float]) -> Placed | None:
    """`retouch.Planes` and where anything changes [128, 128, 8 or 11], in the photo."""
    retouch = model.retouch
    if retouch is None:
        return None
    found = _planes(model, portrait, retouch, shares)
    changes = np.abs(found.back).max(2) > LEAST_WAY
    changes |= np.abs(found.light).max(2) > LEAST_LIGHT
    changes |= np.abs(found.roughness).max(2) > LEAST_LIGHT
    changes |= (found.lines[..., 2:] > LEAST_BARE).any(2)
    every = (found.back, found.light, found.roughness, found.lines, changes[..., None])
    together = np.concatenate(every, 2).astype(np.float32)
    return Placed.of(together, parsing.head_to_photo(portrait), portrait.photo.size)


def _planes(
    model: Model, portrait: Portrait, retouch: Retouch, shares: Mapping[str, float]
) -> Planes:
    shown = (features.FACE, {"skin"}, {"eyes"}, {"glasses"})
    classes = (parsing.seen(model, portrait, one) for one in shown)
    beside = parsing.seen(model, portrait, parsing.BESIDE_HEAD)
    landmarks = parsing.landmarks_of(model, portrait)
    seen = Seen(points_of(model, portrait), landmarks, 1 - beside, *classes)
    return OnFace(retouch, seen, portrait.cache.get).planes(shares)


def points_of(model: Model, portrait: Portrait) -> Doubles:
    """Points of a portrait's features in its head crop [121, 2], NaN where unseen; computed once."""

    def found() -> Floats:
        pixels = parsing.head_crop(portrait).pixels
        landmarks = parsing.landmarks_of(model, portrait)
        classes = parsing.classes_at_256(model, portrait)
        return features.points(pixels, classes, landmarks).astype(np.float32)

    points = portrait.cache.get("features", found).astype(np.float64)
    assert points.shape == (features.COUNT, 2)
    return points


IN_PHOTO = InPhoto(of=lambda change: some(change.retouch), made=retouched, region=region)
