"""From a change to the photo: what is drawn is pasted, then each kind of `IN_PHOTO` makes its part."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from facedial import (
    beards,
    detail,
    fringe,
    glasses,
    glasses_off,
    hair,
    hats,
    mouths,
    parsing,
    retouching,
    scalp,
    shaving,
)
from facedial.arrays import Floats
from facedial.cache import Cache
from facedial.changes import Change
from facedial.compose import completion, facial_hair, hue
from facedial.compose.blend import (
    DetailLoss,
    Part,
    changed_part,
    high_frequency,
)
from facedial.compose.inpaint import inpaint_background, membrane
from facedial.compose.masks import (
    beside_nose,
    changed_mask,
    detail_loss,
    disocclusion_mask,
    enlarged,
    grown,
    resize_mask,
    soft_mask,
)
from facedial.compose.monochrome import Tone
from facedial.editing.regions import EVERYTHING, JAW, Region, region_of
from facedial.faces.crop import Crop, head_template, inside_photo
from facedial.faces.geometry import apply, invert, warp_float
from facedial.faces.mark import EDITED
from facedial.faces.photo import Photo
from facedial.in_photo import InPhoto, include
from facedial.model import FRAME, Model
from facedial.near import Near
from facedial.portrait import Portrait, grain

# What is made in the photo, in this order, after what is drawn.
IN_PHOTO: tuple[InPhoto[Any], ...] = tuple(
    one.IN_PHOTO
    for one in (
        glasses_off, mouths, shaving, retouching, scalp, fringe, hair, hats, beards, glasses,
    )
)  # fmt: skip
SKIN = ("skin", "brows", "ears")
LEAST_FILLED = 0.7  # of 256 px that a head has in its photo to be composed at 256 px
# Share of hair, and pixels with it, from which on the crop shows its colour.
SURELY, MIN_HAIR = 0.9, 40
BESIDE_FRINGE = 0.45  # of the side: hair above it is lit as hair that comes is
STRANDS = 0.03  # of the side, around hair
# Share of background that is copied, of the person beside it at most, and of a place that is uncovered.
BARE, HAZE, LEAST_GONE = 0.9, 0.3, 0.02
BESIDE = 0.06  # of the side, around what is uncovered


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Composite:
    """A change in crop pixels: `difference` [S, S, 3] in levels, and which fine detail it removes.

    `kept_noise` [S, S]: share of the photo's noise that stays where detail is removed. `region`: where
    the difference may differ from 0, 0..1 [S, S].
    """

    difference: Floats
    detail_loss: Floats
    kept_noise: Floats
    region: Floats


def paste(
    model: Model,
    portrait: Portrait,
    change: Change,
    *,
    onto: Photo | None = None,
    before: Floats | None = None,
    residuals: Cache | None = None,
    in_place: bool = False,
) -> Photo:
    """The photo (or `onto`) with a change, at full size.

    What is drawn is confined to the regions of the attributes (`editing.regions`); the rest is made in
    the photo, at its resolution (`IN_PHOTO`). `before` [S, S, 3]: the decoded code before the change,
    where it is known. `residuals`: keeps the photo's residuals (`compose.blend.high_frequency`), for
    photos that are rendered often. `in_place`: as for `Photo.with_part`, which saves a copy of the
    photo. A change of nothing gives the same photo; anything else is marked as edited (`faces.mark`).
    """
    photo = portrait.photo if onto is None else onto
    corner = (0, 0)
    if residuals is None:  # else a close-up, which is no larger than it must be
        near = Near.of(portrait)
        part, portrait, corner = near.of_photo(photo), near.portrait, near.box[:2]
    else:
        part = photo
    if onto is not None:
        # Edits of other faces may have changed what lies around this one.
        portrait = portrait.seen_in(part)
    change = _possible(model, portrait, change)
    drawn = _drawn(model, portrait, change, part, before, residuals)
    found = _made(model, portrait, change, part, drawn)
    if found is None:
        return photo
    pixels, (x, y) = found
    # A hair colour by its number is asked for whatever colours the photo has.
    if change.edit.hair_colour is None and (tone := _tone(portrait)) is not None:
        own = part.pixels[y : y + pixels.shape[0], x : x + pixels.shape[1]]
        pixels = tone.kept(own, pixels)
    changed = photo.with_part(pixels, (x + corner[0], y + corner[1]), in_place=in_place)
    return dataclasses.replace(changed, mark=EDITED)


def _drawn(
    model: Model,
    portrait: Portrait,
    change: Change,
    photo: Photo,
    before: Floats | None,
    residuals: Cache | None,
) -> Part | None:
    """A part of `photo` with what is drawn of a change, and where it lies; None where nothing is."""
    if not change.draws:
        return None
    composite, crop = composed(model, portrait, change, before), portrait.crop
    if change.fine and composes_finely(model, portrait):
        crop = parsing.head_crop(portrait)
        composite = finer(model, portrait.crop, crop, composite)
    residual = None
    if residuals is not None:
        size = crop.pixels.shape[0]
        residual = residuals.get(size, lambda: high_frequency(portrait.photo, crop))
    noise = composite.kept_noise * grain(portrait, crop)
    return changed_part(
        photo,
        crop,
        composite.difference,
        soft_mask(crop.pixels.shape[0]),
        loss=DetailLoss(composite.detail_loss, noise, residual),
    )


def _made(
    model: Model, portrait: Portrait, change: Change, photo: Photo, drawn: Part | None
) -> Part | None:
    """The pixels of `photo` that a change touches, changed, and where they lie; None for nothing.

    `drawn`: the part with what is drawn of it.
    """
    found, changed = drawn, photo
    for kind in IN_PHOTO:
        what = kind.of(change)
        if what is not None:
            so_far = changed if found is None else changed.with_part(*found)
            part = kind.made(model, portrait, what, so_far)
            if part is not None:
                found, changed = part, so_far
    # Of one change its own part, of several the whole with all of them.
    return (
        found if found is None or changed is photo else (changed.with_part(*found).pixels, (0, 0))
    )


def _possible(model: Model, portrait: Portrait, change: Change) -> Change:
    """A change as a portrait's photo allows it: what it does not show is drawn."""
    for kind in IN_PHOTO:
        if kind.of(change) is not None:
            change = kind.possible(model, portrait, change)
    return change


def composed(
    model: Model, portrait: Portrait, change: Change, before: Floats | None = None
) -> Composite:
    """What is drawn of a change in crop pixels, confined to the regions of its attributes.

    Where the drawing's fine detail changes, it replaces the photo; else the difference of both
    drawings is added, and the photo's own detail stays.
    """
    after, before = _decoded(model, change, before)
    crop = portrait.crop.pixels
    loss = change.detail_replacement * detail_loss(before, after)
    noise = np.ones_like(loss)
    if model.frame != FRAME or not model.has_parser:
        # What the decoded face lacks of the photo: kept where the photo is, continued where it goes.
        lacking = crop - before
        difference = after - before - loss[..., None] * (lacking - membrane(lacking, 1 - loss))
        return Composite(difference, loss, noise, np.ones_like(loss))
    regions = [region_of(name) for name in change.drawn_names] or [EVERYTHING]
    own = parsing.classes_of(model, portrait)
    last = parsing.classes_drawn(model, after[None])[0]
    # Drawings are compared, so that small changes do little where the drawing errs about the photo.
    key = ("drawn", change.before.values.tobytes())
    first = portrait.cache.get(key, lambda: parsing.classes_drawn(model, before[None])[0])
    after = after - parsing.broad_tone(regions, after - before, first, last)
    bared = np.zeros_like(loss)
    drawn = after
    # What is drawn anew shows nothing of the drawing before.
    anew = np.zeros_like(loss)
    if change.covered is not None:
        anew = resize_mask(change.covered, len(loss))
    if not any(one.recolours for one in regions):
        after = hue.kept(before, after, parsing.unchanged(first, last) * (1 - anew))
    if all(one.adds_hair for one in regions):
        inside = _mask(portrait, regions, own, last, np.ones_like(loss))
        on_head = crop[parsing.share(own, {"hair"}) > SURELY]
        colour = np.median(on_head, 0) if len(on_head) > MIN_HAIR else None
        after = facial_hair.over_skin(before, after, inside, colour)
    if any(one.shaves for one in regions):
        jaw = parsing.region_mask(JAW, own, last)
        bared = facial_hair.bared(before, drawn, jaw)
        after = after + bared[..., None] * (drawn - after)
    # A rim or a fringe that goes takes its detail with it, however the drawing shows what it hid.
    other = np.minimum(parsing.other_classes(own, last), parsing.other_classes(first, last))
    other = grown(other, max(one.rim for one in regions))
    whole = [parsing.replaced(one, own, first, last) for one in regions]
    loss = np.maximum(loss, change.detail_replacement * np.max([other, bared, *whole], axis=0))
    much = np.maximum(changed_mask(after - before), other)
    loss = np.maximum(loss, anew)
    where = anew if not anew.any() else anew / anew.max()
    mask = np.maximum(_mask(portrait, regions, own, last, much), where)
    uncovers = any(one.uncovers for one in regions)
    known = 1 - loss * mask
    if uncovers:
        # Skin that comes to light has the colours of the face's skin, not those of hair or wall.
        known = known * parsing.share(own, SKIN) * parsing.share(last, SKIN)
    # Where the drawing replaces the photo, it meets what lies around: the photo with the drawing's
    # change inside the region, the photo itself outside.
    around = crop + mask[..., None] * (after - before)
    lacking = membrane(around - after, known)
    difference = after - before + loss[..., None] * (before - crop + lacking)
    if any(one.own_hair for one in regions) and not any(one.recolours for one in regions):
        above = slice(round(BESIDE_FRINGE * len(crop)))
        own_hair = crop[above][parsing.share(own, {"hair"})[above] > SURELY].astype(np.float32)
        new = loss * mask * parsing.share(last, {"hair"})
        difference += hue.like_hair(crop + difference, new, own_hair)
    if uncovers:
        # By what the drawings show, so that a small change does little.
        bare = np.maximum(parsing.share(last, SKIN) - parsing.share(first, SKIN), 0)
        bare *= 1 - parsing.share(own, SKIN)
        face = crop[parsing.share(own, {"skin"}) > SURELY].astype(np.float32)
        difference += hue.like_skin(crop + difference, bare, face)
        gone = _gone(regions, own, first, last, mask)
        if change.covered is None:
            background = _background(portrait, grown(parsing.person(own), STRANDS))
        else:
            background = _copied(portrait, own, gone)
        difference += gone[..., None] * (background - crop - difference)
        loss, noise = np.maximum(loss, gone), 1 - gone
        mask = np.maximum(mask, gone)
    difference *= mask[..., None]
    return Composite(difference, loss * mask, noise, mask)


def _gone(
    regions: Sequence[Region], own: Floats, first: Floats, last: Floats, mask: Floats
) -> Floats:
    """Where the background is to be seen, 0..1 [S, S]: what the person uncovers, and around it.

    `own`, `first`, `last`: class probabilities [12, S, S] of the crop and of the drawings before and
    after; `mask` [S, S]: where the crop may change.
    """
    remains = parsing.person(last)
    # Loose strands around a head are parsed as background, and go with the hair.
    gone = grown(disocclusion_mask(parsing.person(first), remains), STRANDS) * (1 - remains)
    gone = gone * np.max([parsing.uncovered(one, own) for one in regions], axis=0)
    # Of what is background before and after, the drawing's change is nobody's wish: a halo.
    beside = (1 - parsing.person(own)) * (1 - remains) * (mask > 0) * grown(gone, BESIDE)
    return np.asarray(np.maximum(gone, beside), np.float32)


def composes_finely(model: Model, portrait: Portrait) -> bool:
    """Whether changes of a portrait are composed at 256 px: its head fills about so many in its photo."""
    if not detail.draws_detail(model):
        return False
    step = float(np.sqrt(abs(np.linalg.det(portrait.crop.to_photo[:, :2]))))
    # Of the photo itself, which a close-up made smaller shares the cache with.
    (side,) = portrait.cache.get(
        "head side", lambda: np.array([step * portrait.crop.pixels.shape[0]], np.float32)
    )
    return float(side) >= LEAST_FILLED * detail.SIDE


def finer(model: Model, coarse: Crop, fine: Crop, composite: Composite) -> Composite:
    """A change composed in `coarse` [S, S], with detail of the larger crop `fine` [256, 256]."""
    own = composed_in(coarse, fine, composite)
    if not own.detail_loss.any():
        return own
    added = detail.added(model, fine.pixels + own.difference, redrawn(own))
    return dataclasses.replace(own, difference=own.difference + added)


def composed_in(coarse: Crop, fine: Crop, composite: Composite) -> Composite:
    """A change composed in `coarse` [S, S], in the larger crop `fine` [F, F] of the same frame."""
    size = fine.pixels.shape[0]
    own = enlarged(coarse.pixels.astype(np.float32), size)
    loss, noise, mask = (
        resize_mask(one, size)
        for one in (composite.detail_loss, composite.kept_noise, composite.region)
    )
    # What the enlarged crop lacks of the finer one goes where detail is lost.
    lost = loss[..., None] * (own - fine.pixels)
    difference = enlarged(composite.difference, size) + lost
    difference *= (mask > 0)[..., None]
    return Composite(difference, loss, noise, mask)


def redrawn(composite: Composite) -> Floats:
    """Share of a crop's pixels [S, S] that the detail network draws anew.

    None where background is uncovered: a smooth continuation has none, and would get a grid.
    """
    return np.asarray(composite.detail_loss * composite.kept_noise, np.float32)


def region(model: Model, portrait: Portrait, change: Change) -> Floats:
    """Where a change may alter the portrait's photo: 0..1, [H, W].

    Of what is drawn the regions of its attributes in the photo's parse and in the drawing's, or the whole
    crop for models without a parser; and the regions of what is made in the photo (`IN_PHOTO`).
    """
    photo, crop = portrait.photo, portrait.crop
    change = _possible(model, portrait, change)
    width, height = photo.size
    mask = np.zeros((height, width), np.float32)
    if change.draws:
        inside = soft_mask(model.side) * composed(model, portrait, change).region
        seen = warp_float(inside[..., None], invert(crop.to_photo), photo.size)
        mask = np.clip(seen[..., 0], 0, 1)
    for kind in IN_PHOTO:
        what = kind.of(change)
        if what is not None:
            include(mask, kind.region(model, portrait, what))
    return mask


def _mask(
    portrait: Portrait, regions: Sequence[Region], own: Floats, last: Floats, much: Floats
) -> Floats:
    """Where any of the regions may change the crop, [S, S]; `much`: where the drawing changes much."""
    beside = _beside_nose(portrait) if any(one.spares_nose for one in regions) else 1
    masks = [
        parsing.region_mask(one, own, last)
        * (much if one.changed else 1)
        * (beside if one.spares_nose else 1)
        for one in regions
    ]
    return np.asarray(np.max(masks, axis=0), np.float32)


def _beside_nose(portrait: Portrait) -> Floats:
    """`compose.masks.beside_nose` of a portrait's crop."""
    size = portrait.crop.pixels.shape[0]
    landmarks = head_template(size)  # of a crop alone, which is on the frame
    if portrait.face is not None:
        landmarks = apply(invert(portrait.crop.to_photo), portrait.face.landmarks)
    return beside_nose(landmarks, size)


def _decoded(model: Model, change: Change, before: Floats | None) -> tuple[Floats, Floats]:
    """Decoded faces after and before, clipped to 0..255 as the photo's own pixels are."""
    if before is None:
        after, before = model.decode(np.stack([change.pasted.values, change.before.values]))
    else:
        (after,) = model.decode(change.pasted.values[None])
    return np.clip(after, 0, 255), np.clip(before, 0, 255)


def _tone(portrait: Portrait) -> Tone | None:
    """The one tone of a portrait's crop, None for colours; computed once."""

    def coefficients() -> Floats:
        tone = Tone.of(portrait.crop.pixels)
        return np.zeros(0, np.float32) if tone is None else tone.coefficients

    found = portrait.cache.get("tone", coefficients)
    return Tone(found) if found.size else None


def _background(portrait: Portrait, person: Floats) -> Floats:
    """The crop [S, S, 3] with its background continued behind the person."""
    return portrait.cache.get(
        "background", lambda: inpaint_background(portrait.crop.pixels, person)
    )


def _copied(portrait: Portrait, own: Floats, gone: Floats) -> Floats:
    """The crop [S, S, 3] with places beside copied to where `gone` [S, S] uncovers the background.

    `own` [12, S, S]: class probabilities of the crop.
    """
    crop = portrait.crop.pixels.astype(np.float32)
    background = 1 - parsing.person(own)
    known = (background > BARE) & (grown(1 - background, STRANDS) < HAZE)
    known &= inside_photo(portrait.photo.size, portrait.crop.to_photo, len(crop)) > 0
    missing = (gone >= LEAST_GONE) & ~known
    places = completion.sources(crop, known, missing)
    if places is None:
        return _background(portrait, grown(parsing.person(own), STRANDS))
    return np.asarray(crop[places], np.float32)
