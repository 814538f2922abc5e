"""How much of a person an edit keeps, and the strength at which an edit keeps enough.

The measure is the cosine between the embeddings of a face before and after (`Model.embed_identity`): 1
for the same picture; two photos of one person are often well below.
"""

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from facedial.arrays import Floats
from facedial.changes import Change
from facedial.editing.request import Edit
from facedial.errors import BadRequest, IdentityLost
from facedial.faces.geometry import warp
from facedial.faces.photo import Photo
from facedial.model import FRAME, Model
from facedial.portrait import Portrait

SMALLEST = 0.1  # share of an edit's strength below which there is not much of an edit left
HALVINGS = 5  # of the range of strengths, so that the strength found is at most 0.03 too low


@dataclass(frozen=True, eq=False)
class Edited:
    """A photo after an edit of one face; `change.edit.strength` is the one that was applied.

    `last`: the photo after the edits of other faces that followed, None where there are none.
    """

    model: Model
    portrait: Portrait
    change: Change
    photo: Photo
    last: Photo | None = None

    @cached_property
    def identity(self) -> float | None:
        """Cosine between the face before all edits and after; computed when asked for.

        None: not measured.
        """
        return identity_kept(self.model, self.portrait, self.last or self.photo)


def is_measured(model: Model) -> bool:
    """Whether a model's edits can be measured: its crops are heads, and there is an identity network."""
    return model.frame == FRAME and model.has_identity


def check_people(model: Model) -> None:
    """Raise `BadRequest` for a model that cannot tell people apart."""
    if not is_measured(model):
        raise BadRequest(
            f"the model {model.name} has no identity network for its crops, so it cannot tell people "
            "apart; use another model"
        )


def check(model: Model, edit: Edit) -> None:
    """Raise `BadRequest` for an edit with `min_identity` where identity is not measured."""
    if edit.min_identity is not None and not is_measured(model):
        raise BadRequest(
            f"the model {model.name} has no identity network for its crops, so min_identity cannot be "
            "kept; leave it out, or use another model"
        )


def identity_kept(model: Model, portrait: Portrait, result: Photo) -> float | None:
    """Cosine, -1..1, between the portrait's face in its photo and in `result`, a photo of that size.

    None where identity is not measured (`is_measured`).
    """
    before = embedded_before(model, portrait)
    if before is None:
        return None
    return float(np.clip((before * _embedded(model, portrait, result)).sum(), -1, 1))


def embedded_before(model: Model, portrait: Portrait) -> Floats | None:
    """Embedding [1, D] of a portrait's face in its photo, kept in its cache; None where not measured."""
    if not is_measured(model):
        return None
    # A close-up shares the portrait's cache, and shows the face at another size.
    key = ("identity", portrait.crop.to_photo.tobytes())
    return portrait.cache.get(key, lambda: _embedded(model, portrait, portrait.photo))


def _embedded(model: Model, portrait: Portrait, photo: Photo) -> Floats:
    pixels = warp(photo.flattened, portrait.crop.to_photo, model.side)
    return model.embed_identity(pixels[None])


def edited(
    model: Model,
    portrait: Portrait,
    edit: Edit,
    change: Callable[[Edit], Change],
    paste: Callable[[Change], Photo],
) -> Edited:
    """The photo after an edit, at the largest strength found that keeps the edit's `min_identity`.

    `change` and `paste`: how an edit is computed and rendered. The edit's own strength is tried, then a
    tenth of it, then strengths between by bisection, which assumes that identity falls as strength grows;
    where it does not, what is returned still keeps it, but a larger strength may have, too. Raises
    `IdentityLost` where a tenth does not keep it, `BadRequest` where identity is not measured.
    """
    check(model, edit)

    def at(share: float) -> Edited:
        # Four digits can be repeated by hand.
        strength = edit.strength if share == 1 else round(share * edit.strength, 4)
        made = change(dataclasses.replace(edit, strength=strength))
        return Edited(model, portrait, made, paste(made))

    def keeps(one: Edited) -> bool:
        assert one.identity is not None and edit.min_identity is not None
        return one.identity >= edit.min_identity

    whole = at(1)
    if edit.min_identity is None or edit.is_zero or keeps(whole):
        return whole
    best = at(SMALLEST)
    if not keeps(best):
        raise IdentityLost(
            f"{portrait.photo.name}: even a tenth of the edit's strength leaves an identity of "
            f"{best.identity:.2f}, and {edit.min_identity:g} was asked for; ask for less of either"
        )
    low, high = SMALLEST, 1.0
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        tried = at(middle)
        if keeps(tried):
            low, best = middle, tried
        else:
            high = middle
    return best


def edited_in_turn(
    edits: Sequence[tuple[Portrait, Edit]],
    edited: Callable[[Portrait, Edit, Photo | None], Edited],
) -> list[Edited]:
    """Edits of several faces of one photo, each pasted into the result of those before it.

    `edited(portrait, edit, onto)`: how one is made. The identity of every face is that in the last
    photo. Raises `BadRequest` for portraits of several photos and for a face with two edits;
    `IdentityLost` where a later edit takes from a face what its `min_identity` kept.
    """
    for i, (portrait, _) in enumerate(edits):
        if portrait.photo is not edits[0][0].photo:
            raise BadRequest("edits made together are of faces of one photo, read from it once")
        for other, _ in edits[:i]:
            if np.array_equal(other.crop.to_photo, portrait.crop.to_photo):
                raise BadRequest(
                    f"{portrait.photo.name}: face {portrait.number} is given two edits; give each "
                    "face one"
                )
    made: list[Edited] = []
    for portrait, edit in edits:
        made.append(edited(portrait, edit, made[-1].photo if made else None))
    made = [dataclasses.replace(one, last=made[-1].photo) for one in made]
    for one, (portrait, edit) in zip(made, edits, strict=True):
        least = edit.min_identity
        if least is not None and one.identity is not None and one.identity < least:
            raise IdentityLost(
                f"{portrait.photo.name}: the edits of faces beside it leave face {portrait.number} an "
                f"identity of {one.identity:.2f}, and {least:g} was asked for; edit them one by one"
            )
    return made
