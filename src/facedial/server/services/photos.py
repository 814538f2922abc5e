"""Photos opened for editing: their faces, what is known of each, and pictures after edits."""

import base64
import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from facedial import identity
from facedial.changes import Change
from facedial.closeup import CloseUp
from facedial.editing.request import Edit
from facedial.editor import Editor
from facedial.errors import BadRequest
from facedial.faces.photo import Photo
from facedial.near import surroundings
from facedial.portrait import Portrait
from facedial.server.limits import Limits

OTHER_SIZES = 1  # close-ups of a face that are kept beside the newest


@dataclass(frozen=True, slots=True, eq=False)
class OpenPhoto:
    """A photo open for editing: its portraits, largest first, and a cache of their close-ups.

    `close_ups`: (face, size in pixels) -> close-up. `small`: face -> close-up of the size of previews;
    `previews`: (face, look) -> JPEG.
    """

    photo: Photo
    portraits: tuple[Portrait, ...]
    close_ups: dict[tuple[int, int], CloseUp] = field(default_factory=dict)
    small: dict[int, CloseUp] = field(default_factory=dict)
    previews: dict[tuple[int, str], bytes] = field(default_factory=dict)

    def portrait(self, number: int) -> Portrait:
        """Face `number`, counted from 1; raises `BadRequest`."""
        if number > len(self.portraits):
            count = len(self.portraits)
            faces = "1 face" if count == 1 else f"{count} faces"
            raise BadRequest(f"the photo has {faces}, so there is no face {number}")
        return self.portraits[number - 1]


@dataclass(frozen=True, slots=True)
class RenderedPicture:
    """A picture's file, its box in the photo (x0, y0, x1, y1), and the implied attributes set.

    `identity`: face -> the cosine that its edit keeps, where it was measured: of whole photos.
    """

    data: bytes
    box: tuple[int, int, int, int]
    implied: dict[str, float]
    identity: dict[int, float] = field(default_factory=dict)


def load_photo(data: bytes, limits: Limits) -> Photo:
    """The photo in a file, without its EXIF, which may say where it was taken."""
    found = Photo.from_bytes(data, "the photo", max_pixels=limits.photo_pixels)
    return dataclasses.replace(found, exif=None, xmp=None)


def find_faces(editor: Editor, limits: Limits, data: bytes) -> dict[str, Any]:
    """A photo's faces, as `schemas.Faces` has them; raises `BadPhoto`, `NoFaceFound`."""
    photo = load_photo(data, limits)
    width, height = photo.size
    rows = [
        {
            "number": number,
            "box": [float(value) for value in face.box],
            "landmarks": [[float(value) for value in point] for point in face.landmarks],
            "score": face.score,
        }
        for number, face in enumerate(editor.faces(photo)[: limits.faces], 1)
    ]
    return {"width": width, "height": height, "faces": rows}


def open_photo(editor: Editor, limits: Limits, data: bytes) -> OpenPhoto:
    """A photo with its faces; raises `BadPhoto`, `NoFaceFound`."""
    photo = load_photo(data, limits)
    faces = editor.faces(photo)[: limits.faces]
    return OpenPhoto(photo, tuple(editor.read(photo, faces)))


def encode_faces(editor: Editor, limits: Limits, data: bytes) -> list[str]:
    """Codes of a photo's faces, largest first, in base64."""
    portraits = open_photo(editor, limits, data).portraits
    return [base64.b64encode(one.code.to_bytes()).decode() for one in portraits]


def describe(editor: Editor, opened: OpenPhoto) -> list[dict[str, Any]]:
    """What is known of each face, as `schemas.PortraitFace` has it."""
    rows = []
    for number, portrait in enumerate(opened.portraits, 1):
        box = None if portrait.face is None else [float(v) for v in portrait.face.box]
        rows.append(
            {
                "number": number,
                "box": box,
                "close_up": list(surroundings(editor.model, portrait)),
                "attributes": editor.predict_attributes(portrait),
                "current_values": editor.current_values(portrait),
            }
        )
    return rows


def parse_edit(editor: Editor, facts: Mapping[str, Any]) -> Edit:
    """An edit whose names the editor knows; raises `BadRequest`, `UnknownName`."""
    return Edit.from_json(json.dumps(facts)).checked(editor.model.directions.names)


def render_close_up(
    editor: Editor,
    opened: OpenPhoto,
    edits: Sequence[tuple[int, Edit]],
    *,
    size: int,
    ending: str,
    method: tuple[str, str],
) -> RenderedPicture:
    """One face at `size` pixels after its one (face, edit); `method`: as for `render_photo`."""
    near, change = changed_close_up(
        editor, opened, edits, size=size, method=method, what="a face seen close takes"
    )
    picture = near.render(editor.model, change)
    return RenderedPicture(picture.encoded(ending, quality=85), near.box, dict(change.implied))


def render_photo(
    editor: Editor,
    opened: OpenPhoto,
    edits: Sequence[tuple[int, Edit]],
    *,
    ending: str,
    method: tuple[str, str],
) -> RenderedPicture:
    """The whole photo after edits of (face, edit); `method`: method and quality of `Editor.change`."""
    asked = [(opened.portrait(number), edit) for number, edit in edits]
    made = editor.edited_all(asked, method=method[0], quality=method[1])
    picture = made[-1].photo if made else opened.photo
    implied = {name: amount for one in made for name, amount in one.change.implied.items()}
    kept = {
        number: one.identity
        for (number, _), one in zip(edits, made, strict=True)
        if one.identity is not None
    }
    width, height = picture.size
    return RenderedPicture(picture.encoded(ending), (0, 0, width, height), implied, kept)


def changed_close_up(
    editor: Editor,
    opened: OpenPhoto,
    edits: Sequence[tuple[int, Edit]],
    *,
    size: int,
    method: tuple[str, str],
    what: str,
) -> tuple[CloseUp, Change]:
    """The close-up of the one face that is edited, and its change; `what` begins the error's sentence."""
    if len(edits) != 1:
        raise BadRequest(f"{what} one edit, found {len(edits)}")
    number, edit = edits[0]
    near = close_up(editor, opened, number, size)
    if edit.min_identity is None:
        return near, editor.change(near.portrait, edit, *method)
    made = identity.edited(
        editor.model,
        near.portrait,
        edit,
        lambda asked: editor.change(near.portrait, asked, *method),
        lambda change: near.render(editor.model, change),
    )
    return near, made.change


def close_up(editor: Editor, opened: OpenPhoto, number: int, size: int) -> CloseUp:
    """The cached close-up; two threads may both make one, and make the same."""
    key = (number, size)
    cached = opened.close_ups.get(key)
    if cached is None:
        cached = CloseUp.of(editor.model, opened.portrait(number), size)
        for other in [k for k in list(opened.close_ups) if k[0] == number][:-OTHER_SIZES]:
            opened.close_ups.pop(other, None)
        opened.close_ups[key] = cached
    return cached
