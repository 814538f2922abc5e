"""Looks of a face: which there are, small previews of them, and the region that an edit may touch."""

import dataclasses
import json
from collections.abc import Sequence
from typing import Any

from facedial import looks
from facedial.closeup import CloseUp
from facedial.editing.request import Edit
from facedial.editor import Editor
from facedial.errors import BadRequest
from facedial.faces.sheet import mask_png
from facedial.server.services.photos import OpenPhoto, RenderedPicture, changed_close_up

PREVIEW_SIDE = 128  # pixels of the longer side
REGION_COLOUR = (255, 0, 128)  # a colour that faces and hair have not


def listed(editor: Editor, opened: OpenPhoto, number: int) -> list[dict[str, Any]]:
    """The looks of face `number`, as `schemas.Look` has them; raises `BadRequest`."""
    portrait = opened.portrait(number)
    return [
        {
            "name": one.name,
            "label": one.label,
            "is_hair_colour": one.is_hair_colour,
            "edit": json.loads(one.edit.to_json()),
            "unavailable": looks.unavailable(editor, portrait, one),
        }
        for one in looks.LOOKS
    ]


def preview(editor: Editor, opened: OpenPhoto, number: int, name: str) -> bytes:
    """A JPEG of face `number` with a look, `PREVIEW_SIDE` large, as the look will be but for fine detail.

    What the flow computes for it stays with the photo, so that the look is there when it is taken. It
    is kept with the photo. Raises `BadRequest` for a look that the face cannot be given.
    """
    known = opened.previews.get((number, name))
    if known is not None:
        return known
    one = looks.look(name)
    reason = looks.unavailable(editor, opened.portrait(number), one)
    if reason is not None:
        raise BadRequest(f"{one.label} is not available: {reason}")
    # Not among the close-ups of sliders, of which only the newest are kept.
    near = opened.small.get(number)
    if near is None:
        near = CloseUp.of(editor.model, opened.portrait(number), PREVIEW_SIDE)
        opened.small[number] = near
    change = editor.change(near.portrait, one.edit)
    small = dataclasses.replace(change, fine=False)
    data = near.render(editor.model, small).encoded(".jpg", quality=85)
    opened.previews[number, name] = data
    return data


def region(
    editor: Editor,
    opened: OpenPhoto,
    edits: Sequence[tuple[int, Edit]],
    *,
    size: int,
    method: tuple[str, str],
) -> RenderedPicture:
    """A PNG of the region that the one (face, edit) may alter, over the close-up at `size` pixels."""
    near, change = changed_close_up(
        editor, opened, edits, size=size, method=method, what="a region is that of"
    )
    data = mask_png(near.region(editor.model, change), REGION_COLOUR)
    return RenderedPicture(data, near.box, dict(change.implied))
