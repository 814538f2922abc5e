"""Mouths of portraits that smile, open or close, by the photo's own pixels, at the photo's resolution."""

import dataclasses

import numpy as np

from facedial import parsing
from facedial.arrays import LUMA, Doubles, Floats
from facedial.changes import Change
from facedial.compose import smile
from facedial.compose.blend import Part
from facedial.compose.masks import smoothstep
from facedial.compose.mouth import Warp, contours, face_mask, gap, sampled
from facedial.compose.smile import COARSE, DARK, OWN, STEP, Opening
from facedial.composing import MouthChange
from facedial.faces.geometry import Affine, apply, compose, invert, scale_of, warp_float
from facedial.faces.mesh import displaced, nodes
from facedial.faces.photo import Box, Photo
from facedial.model import Model
from facedial.portrait import Portrait

BESIDE = {"background", "clothes", "hat"}  # classes that stay
CELL = 3  # px of the head crop between places whose displacement is computed
GLASSES = 0.02  # share of a crop, from which on eyes behind them stay as they are
MARGIN = 8  # photo pixels around what moves from which it comes, beside the largest displacement
CONTOURS = "mouth"  # key of a portrait's cache
LEAST = 1e-3  # px, and log of light, that count


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class _Layer:
    """What a change of a mouth does to a head crop.

    `box`: x0, y0, x1, y1 of the photo that holds all of it. `planes` [64, 64, 8]: displacements of the
    upper lip's side and of the lower's, px; log of light; 1 where anything changes.
    """

    box: Box
    start: Doubles
    end: Doubles
    landmarks: Doubles
    planes: Floats


def possible(model: Model, portrait: Portrait, change: Change) -> Change:
    """A change as a portrait's photo allows it: a mouth that is not seen whole is drawn, not moved."""
    mouth = change.mouth
    if mouth is None or _contours(model, portrait) is not None:
        return change
    replaced = max(change.detail_replacement, mouth.detail_replacement)
    return dataclasses.replace(change, drawn=mouth.drawn, mouth=None, detail_replacement=replaced)


def moved(model: Model, portrait: Portrait, change: MouthChange, photo: Photo) -> Part | None:
    """A part of `photo` with the mouth moved, and where it lies; None where nothing moves.

    `photo`: the portrait's own, perhaps changed since.
    """
    portrait = portrait.seen_in(photo)
    mouths, layer = model.mouths, _layer(model, portrait, change)
    if mouths is None or layer is None:
        return None
    x0, y0, x1, y1 = layer.box
    size = (x1 - x0, y1 - y0)
    to_photo = parsing.head_to_photo(portrait)
    from_box = np.array([[1.0, 0.0, x0], [0.0, 1.0, y0]])
    to_crop = compose(invert(to_photo), from_box)
    corners = nodes(size, max(2, round(CELL * scale_of(to_photo))))
    steps = _seen(layer.planes[..., :4], apply(to_crop, corners)).astype(np.float64)
    reach = int(np.ceil(np.abs(steps).max() * scale_of(to_photo))) + MARGIN
    left, top = max(0, x0 - reach), max(0, y0 - reach)
    around = photo.flattened[top : y1 + reach, left : x1 + reach]
    here = corners + np.array([x0 - left, y0 - top])
    upper, lower = (
        displaced(around, corners, here + part @ to_photo[:, :2].T).astype(np.float32)
        for part in (steps[..., :2], steps[..., 2:])
    )
    places = apply(to_crop, np.stack(np.meshgrid(np.arange(size[0]), np.arange(size[1])), 2))
    below = smile.below_seam(layer.end, places)[..., None].astype(np.float32)
    found = upper + below * (lower - upper)
    opening = Opening.of(layer.end, places)
    if opening.share.any():
        rows, columns = np.nonzero(opening.share)
        part = slice(rows.min(), rows.max() + 1), slice(columns.min(), columns.max() + 1)
        inside = Opening(
            *(getattr(opening, one)[part] for one in ("across", "down", "share", "gap"))
        )
        from_around = np.array([[1.0, 0.0, -left], [0.0, 1.0, -top]])
        seen = apply(compose(from_around, to_photo), inside.before(layer.start))
        shown = sampled(around, seen[..., 0], seen[..., 1])
        skin = smile.skin_of(parsing.head_crop(portrait).pixels.astype(np.float32))
        if change.opened > 0 and skin is not None:
            colours = mouths.inside(skin, change.smile[1])
            own = _own(layer, shown, colours, change)
            drawn = smile.teeth(colours, layer.end, layer.landmarks, inside)
            shown = drawn + own * (shown - drawn)
        found[part] += inside.share[..., None].astype(np.float32) * (shown - found[part])
    planes = warp_float(layer.planes[..., 4:], _from_coarse(to_crop), size)
    found *= np.exp(planes[..., :3])
    own_pixels = photo.flattened[y0:y1, x0:x1]
    changed = np.where(planes[..., 3:] > 0, np.clip(np.rint(found), 0, 255), own_pixels)
    return changed.astype(np.uint8), (x0, y0)


def region(model: Model, portrait: Portrait, change: MouthChange) -> tuple[Box, Floats] | None:
    """A rectangle of the photo, and where it may change: 0 or 1 [h, w]; None where nothing does."""
    layer = _layer(model, portrait, change)
    if layer is None:
        return None
    x0, y0, x1, y1 = layer.box
    to_crop = compose(
        invert(parsing.head_to_photo(portrait)), np.array([[1.0, 0.0, x0], [0.0, 1.0, y0]])
    )
    seen = warp_float(layer.planes[..., 7:], _from_coarse(to_crop), (x1 - x0, y1 - y0))
    return layer.box, np.asarray(seen[..., 0] > 0, np.float32)


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
    places = smile.grid()
    upper, lower = warp.displacements(places)
    face = face_mask(1 - parsing.seen(model, portrait, BESIDE))
    stays = face.reshape(COARSE, STEP, COARSE, STEP).min((1, 3)).reshape(-1, 1)
    upper, lower = upper * stays, lower * stays
    if more > 0:
        light = smile.FOLDS * more * mouths.folds(end, landmarks)
    else:
        before = smile.UNFOLDS * more * mouths.folds(start, landmarks)
        side = smile.below_seam(end, places)[:, None]
        light = _seen(before, places + upper + side * (lower - upper))
    light = light.reshape(COARSE, COARSE, 3) * stays.reshape(COARSE, COARSE, 1)
    moves = np.concatenate([upper, lower], 1).astype(np.float32).reshape(COARSE, COARSE, 4)
    changes = (np.abs(moves).max(2) > LEAST) | (np.abs(light).max(2) > LEAST)
    changes &= stays.reshape(COARSE, COARSE) > 0
    if not changes.any():
        return None
    planes = np.concatenate([moves, light, changes[..., None]], 2).astype(np.float32)
    rows, columns = np.nonzero(changes)
    edges = [(one.min() - 1, one.max() + 1) for one in (columns, rows)]
    crop = np.array([[x, y] for x in edges[0] for y in edges[1]], np.float64) * STEP
    seen_at = apply(parsing.head_to_photo(portrait), crop + (STEP - 1) / 2)
    x0, y0 = np.maximum(np.floor(seen_at.min(0)), 0).astype(int)
    x1, y1 = np.minimum(np.ceil(seen_at.max(0)) + 1, portrait.photo.size).astype(int)
    if x0 >= x1 or y0 >= y1:
        return None
    return _Layer((int(x0), int(y0), int(x1), int(y1)), start, end, landmarks, planes)


def _contours(model: Model, portrait: Portrait) -> Doubles | None:
    """Contours of a portrait's mouth in its head crop [4, 17, 2]; None where it is not seen whole."""

    def found() -> Floats:
        lips, interior = (parsing.seen(model, portrait, {one}) for one in ("lips", "mouth"))
        pixels = parsing.head_crop(portrait).pixels
        mouth = contours(pixels, lips, interior, parsing.landmarks_of(model, portrait))
        return np.zeros(0, np.float32) if mouth is None else mouth.astype(np.float32)

    mouth = portrait.cache.get(CONTOURS, found)
    return mouth.astype(np.float64) if mouth.size else None


def _seen(planes: Floats, places: Doubles) -> Floats:
    """Planes [64, 64, C] at places of the head crop [..., 2]."""
    return sampled(planes, *np.moveaxis((places - (STEP - 1) / 2) / STEP, -1, 0))


def _from_coarse(to_crop: Affine) -> Affine:
    """Box -> pixels of the maps [64, 64], where box -> head crop is known."""
    shrink = np.array(
        [[1 / STEP, 0.0, -(STEP - 1) / 2 / STEP], [0.0, 1 / STEP, -(STEP - 1) / 2 / STEP]]
    )
    return compose(shrink, to_crop)
