"""From a change of a code to the photo: both codes decoded, their difference masked and added."""

import dataclasses

import numpy as np

from facedial.arrays import Floats
from facedial.changes import Change
from facedial.compose.blend import DetailLoss, noise_level, paste_change
from facedial.compose.inpaint import inpaint_background
from facedial.compose.masks import (
    changed_mask,
    detail_loss,
    disocclusion_mask,
    edit_mask,
    face_oval,
    resize_mask,
    soft_mask,
)
from facedial.faces.mark import EDITED
from facedial.faces.photo import Photo
from facedial.model import FRAME, Model
from facedial.portrait import Portrait


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Composite:
    """A change in crop pixels: `difference` [S, S, 3] in levels, and which fine detail it removes."""

    difference: Floats
    detail_loss: Floats
    noise_level: float | Floats


def paste(
    model: Model,
    portrait: Portrait,
    change: Change,
    *,
    onto: Photo | None = None,
    before: Floats | None = None,
    residual: Floats | None = None,
) -> Photo:
    """The photo (or `onto`) with the difference of a change's two decoded faces added at full size.

    The photo's high-frequency residual over its crop is kept as far as both decoded faces have the
    same fine detail. `before` [S, S, 3] and `residual` [H, W, 3]: the decoded code before the
    change and the photo's residual (`compose.blend.high_frequency`), where they are known.
    Unchanged codes give the same pixels; anything else is marked as edited (`faces.mark`).
    """
    photo = portrait.photo if onto is None else onto
    if np.array_equal(change.after.values, change.before.values):
        return photo
    composite = composed(model, portrait, change, before)
    changed = paste_change(
        photo,
        portrait.crop,
        composite.difference,
        soft_mask(model.side),
        loss=DetailLoss(composite.detail_loss, composite.noise_level, residual),
        source=portrait.photo,
    )
    return changed if changed is photo else dataclasses.replace(changed, mark=EDITED)


def composed(
    model: Model, portrait: Portrait, change: Change, before: Floats | None = None
) -> Composite:
    """The change in crop pixels, masked to the person and the attributes that are edited."""
    after, before = _decoded(model, change, before)
    difference = after - before
    loss = detail_loss(before, after)
    noise: float | Floats = _noise_level(portrait)
    if change.detail_replacement:
        share = change.detail_replacement * changed_mask(difference)[..., None]
        difference += share * (after - portrait.crop.pixels - difference)
    if change.mask is not None:
        mask = resize_mask(change.mask, len(difference))
        difference *= mask[..., None]
        loss = loss * mask
    if model.frame != FRAME:
        return Composite(difference, loss, noise)
    person = _person(model, portrait)
    if person is not None and change.reshapes:
        # Mattes of two decoded faces are compared, so that small changes uncover nothing.
        key = ("person", change.before.values.tobytes())
        first = portrait.cache.get(key, lambda: model.person_matte(before))
        last = model.person_matte(after)
        gone = disocclusion_mask(first, last)
        background = _background(portrait, person)
        difference += gone[..., None] * (background - portrait.crop.pixels - difference)
        loss, noise = np.maximum(loss, gone), noise * (1 - gone)
        person = np.maximum(np.maximum(person, last), gone)
    mask = edit_mask(difference, face_oval(model.side), person)
    difference *= mask[..., None]
    return Composite(difference, loss * mask, noise)


def _decoded(model: Model, change: Change, before: Floats | None) -> tuple[Floats, Floats]:
    """Decoded faces after and before, clipped to 0..255 as the photo's own pixels are."""
    if before is None:
        after, before = model.decode(np.stack([change.after.values, change.before.values]))
    else:
        (after,) = model.decode(change.after.values[None])
    return np.clip(after, 0, 255), np.clip(before, 0, 255)


def _noise_level(portrait: Portrait) -> float:
    """`compose.blend.noise_level`, computed once for each size the face is seen at."""
    photo, crop = portrait.photo, portrait.crop
    # A close-up shares the portrait's cache, and shows the face at another size.
    (found,) = portrait.cache.get(
        ("noise level", crop.to_photo.tobytes()),
        lambda: np.array([noise_level(photo, crop)], np.float32),
    )
    return float(found)


def _background(portrait: Portrait, person: Floats) -> Floats:
    """The crop [S, S, 3] with its background continued behind the person."""
    return portrait.cache.get(
        "background", lambda: inpaint_background(portrait.crop.pixels, person)
    )


def _person(model: Model, portrait: Portrait) -> Floats | None:
    """Person matte [S, S] of a portrait's crop; None where the model has no matte."""
    if not model.has_matte:
        return None
    return portrait.cache.get("person", lambda: model.person_matte(portrait.crop.pixels))
