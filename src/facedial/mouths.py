"""Mouths of portraits that smile, open or close, by the photo's own pixels, at the photo's resolution."""

import dataclasses

import numpy as np

from facedial import parsing
from facedial.arrays import LUMA, Bytes, Doubles, Floats
from facedial.changes import Change
from facedial.compose import smile
from facedial.compose.blend import Part
from facedial.compose.maps import grid, on_map
from facedial.compose.masks import beside_nose, smoothstep
from facedial.compose.mouth import Warp, contours, face_mask, gap
from facedial.compose.smile import COARSE, DARK, OWN, STEP, Opening
from facedial.composing import MouthChange
from facedial.faces.geometry import apply
from facedial.faces.parse import SIDE
from facedial.faces.photo import Photo
from facedial.faces.placed import Placed
from facedial.faces.remap import remapped
from facedial.in_photo import InPhoto, Touched
from facedial.model import Model
from facedial.portrait import Portrait

GLASSES = 0.02  # share of a crop, from which on eyes behind them stay as they are
CONTOURS = "mouth"  # key of a portrait's cache
LEAST = 1e-3  # px, and log of light, that count


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class _Layer:
    """What a change of a mouth does to a head crop.

    `placed`: planes [64, 64, 8]: displacements of the upper lip's side and of the lower's, px; log of
    light; 1 where anything changes.
    """

    start: Doubles
    end: Doubles
    landmarks: Doubles
    placed: Placed


def possible(model: Model, portrait: Portrait, change: Change) -> Change:
    """A change as a portrait's photo allows it: a mouth that is not seen whole is drawn, not moved."""
    return change.drawing("mouth") if _contours(model, portrait) is None else change


def moved(model: Model, portrait: Portrait, change: MouthChange, photo: Photo) -> Part | None:
    """A part of `photo` with the mouth moved, and where it lies; None where nothing moves.

    `photo`: the portrait's own, perhaps changed since.
    """
    portrait = portrait.seen_in(photo)
    layer = _layer(model, portrait, change)
    if layer is None:
        return None
    x0, y0, x1, y1 = layer.placed.box
    to_photo = parsing.head_to_photo(portrait)
    to_crop, planes = layer.placed.in_box(to_photo)
    rows, columns = np.nonzero(planes[..., -1] > 0)
    here = np.stack([columns, rows], 1).astype(np.float64)
    places, steps = apply(to_crop, here), planes[rows, columns]
    source = photo.flattened
    below = smile.below_seam(layer.end, places)[:, None].astype(np.float32)
    found = np.zeros((len(here), 3), np.float32)
    for side, weight in ((steps[:, :2], 1 - below), (steps[:, 2:4], below)):
        there = weight[:, 0] > 0
        x, y = (here[there] + np.array([x0, y0]) + side[there] @ to_photo[:, :2].T).T
        found[there] += weight[there] * remapped(source, x, y)
    opening = Opening.of(layer.end, places)
    seen = opening.share > 0
    if seen.any():
        shown = _inside(model, portrait, layer, change, opening.at(seen), source)
        found[seen] += opening.share[seen, None].astype(np.float32) * (shown - found[seen])
    found *= np.exp(steps[:, 4:7])
    part = photo.pixels[y0:y1, x0:x1].copy()
    part[rows, columns] = np.clip(np.rint(found), 0, 255)
    return part, (x0, y0)


def _inside(
    model: Model,
    portrait: Portrait,
    layer: _Layer,
    change: MouthChange,
    opening: Opening,
    source: Bytes,
) -> Floats:
    """What a mouth shows [N, 3]: what it shows in the photo, and teeth that are drawn where it opens."""
    x, y = apply(parsing.head_to_photo(portrait), opening.before(layer.start)).T
    shown = remapped(source, x, y)
    skin = smile.skin_of(parsing.head_crop(portrait).pixels.astype(np.float32))
    if change.opened <= 0 or skin is None or model.mouths is None:
        return shown
    lit = max(change.smile[1], smile.LIT)
    colours = model.mouths.inside(skin, lit)
    drawn = smile.teeth(colours, layer.end, layer.landmarks, opening, lit)
    return drawn + _own(layer, shown, colours, change) * (shown - drawn)


def region(model: Model, portrait: Portrait, change: MouthChange) -> Touched | None:
    """Where the photo may change, 0 or 1; None where nothing does."""
    layer = _layer(model, portrait, change)
    if layer is None:
        return None
    _, planes = layer.placed.in_box(parsing.head_to_photo(portrait))
    return layer.placed.box, np.asarray(planes[..., -1] > 0, np.float32)


def _own(layer: _Layer, shown: Floats, colours: Floats, change: MouthChange) -> float:
    """Share 0..1 of what a mouth that opens shows that is its own, not drawn."""
    own = float(smoothstep(np.array(gap(layer.start)), OWN))
    smiles = change.smile[1] - change.smile[0]
    if smiles > 0 and own:
        bright = float((shown @ LUMA).mean() / max(float((colours @ LUMA).mean()), 1.0))
        own *= 1 - smiles * (1 - float(smoothstep(np.array(bright), DARK)))
    return own


def _layer(model: Model, portrait: Portrait, change: MouthChange) -> _Layer | None:
    """None where the mouth is not seen, or nothing moves."""
    mouths, start = model.mouths, _contours(model, portrait)
    if mouths is None or start is None:
        return None
    landmarks = parsing.landmarks_of(model, portrait)
    end = mouths.moved(start, landmarks, change.smile, change.opened)
    seen = parsing.seen(model, portrait, {"glasses"})
    more = change.smile[1] - change.smile[0]
    closer = 0.0 if float(seen.mean()) > GLASSES else smile.NARROWS * more
    warp = Warp(start, end, landmarks, closer)
    places = grid(COARSE)
    upper, lower = warp.displacements(places)
    face = face_mask(1 - parsing.seen(model, portrait, parsing.BESIDE_HEAD)) * beside_nose(
        landmarks, SIDE
    )
    stays = face.reshape(COARSE, STEP, COARSE, STEP).min((1, 3)).reshape(-1, 1)
    upper, lower = upper * stays, lower * stays
    if more > 0:
        light = smile.FOLDS * more * mouths.folds(end, landmarks)
    else:
        before = smile.UNFOLDS * more * mouths.folds(start, landmarks)
        side = smile.below_seam(end, places)[:, None]
        light = on_map(before, places + upper + side * (lower - upper))
    light = light.reshape(COARSE, COARSE, 3) * stays.reshape(COARSE, COARSE, 1)
    moves = np.concatenate([upper, lower], 1).astype(np.float32).reshape(COARSE, COARSE, 4)
    changes = (np.abs(moves).max(2) > LEAST) | (np.abs(light).max(2) > LEAST)
    changes &= stays.reshape(COARSE, COARSE) > 0
    planes = np.concatenate([moves, light, changes[..., None]], 2).astype(np.float32)
    placed = Placed.of(planes, parsing.head_to_photo(portrait), portrait.photo.size)
    return None if placed is None else _Layer(start, end, landmarks, placed)


def _contours(model: Model, portrait: Portrait) -> Doubles | None:
    """Contours of a portrait's mouth in its head crop [4, 17, 2]; None where it is not seen whole."""

    def found() -> Floats:
        lips, interior = (parsing.seen(model, portrait, {one}) for one in ("lips", "mouth"))
        pixels = parsing.head_crop(portrait).pixels
        mouth = contours(pixels, lips, interior, parsing.landmarks_of(model, portrait))
        return np.zeros(0, np.float32) if mouth is None else mouth.astype(np.float32)

    mouth = portrait.cache.get(CONTOURS, found)
    return mouth.astype(np.float64) if mouth.size else None


IN_PHOTO = InPhoto(of=lambda change: change.mouth, made=moved, region=region, possible=possible)
