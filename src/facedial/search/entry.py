"""What an index keeps of a photo and its faces, and how it is computed."""

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from facedial.arrays import Doubles, Floats
from facedial.editing.directions import Directions
from facedial.editor import Editor
from facedial.errors import BadPhoto, NoFaceFound
from facedial.faces.overview import FaceFacts, describe
from facedial.faces.photo import Photo
from facedial.files import is_text
from facedial.model import Model
from facedial.portrait import Portrait

PERSON, CODE = KINDS = ("person", "code")  # by what faces are found


@dataclass(frozen=True, slots=True, eq=False)
class FaceEntry:
    """One face of a photo.

    `facts`: number, box, angles, sharpness (`faces.overview`). `landmarks` float64 [5, 2] in photo
    pixels. `attributes` float32 [40]: probabilities in CelebA's order. `identity` float32 [D]: unit
    embedding. `code` float32 [1024], standard deviations. `likeness` float32 [K]: see `likeness`.
    """

    facts: FaceFacts
    landmarks: Doubles
    attributes: Floats
    identity: Floats
    code: Floats
    likeness: Floats


@dataclass(frozen=True, slots=True)
class PhotoEntry:
    """A photo: its absolute path, `size` in bytes and `modified` in ns since 1970, and its faces."""

    path: str
    size: int
    modified: int
    faces: tuple[FaceEntry, ...]


def absolute(path: str | Path) -> str:
    """The path by which an index knows a photo; raises `BadPhoto` for a name that is no text."""
    found = os.path.abspath(path)
    if not is_text(found):
        raise BadPhoto(
            f"the name of {path} is not text in UTF-8, so an index cannot hold it; rename the file"
        )
    return found


def likeness(directions: Directions, codes: Floats) -> Floats:
    """Codes [N, D] -> unit vectors float32 [N, K] whose cosine says how alike two faces are.

    Of a code, the part that tells attributes: its K linear readings, each in standard deviations.
    Whitened numbers are uncorrelated, so all 1,024 of them weigh the last detail like the sex of a
    person; the reasons are in docs/decisions/0034-search.md.
    """
    weights = directions.read_weights
    found = codes @ (weights / np.linalg.norm(weights, axis=1, keepdims=True)).T
    return np.asarray(found / np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-12))


def identity(model: Model, portrait: Portrait) -> Floats:
    """Unit embedding float32 [D] of a portrait's face: high cosines mean one person."""
    (found,) = model.embed_identity(portrait.crop.pixels[None])
    return np.asarray(found, np.float32)


def query(model: Model, portrait: Portrait, kind: str) -> Floats:
    """What `Index.nearest` takes: a portrait's `identity` for "person", its `likeness` for "code"."""
    if kind == PERSON:
        return identity(model, portrait)
    return _likeness(model, portrait)


def entry_of(editor: Editor, path: Path, photo: Photo) -> PhotoEntry:
    """Detect, encode and measure all faces of a photo; there may be none.

    `path`: its file. Raises `BadPhoto` where the file's name is no text, `OSError` where it is gone.
    """
    name, stat = absolute(path), path.stat()
    try:
        portraits = editor.portraits(photo, "all")
    except NoFaceFound:
        portraits = []
    facts = describe(photo, [one.face for one in portraits if one.face is not None])
    faces = [face_entry(editor, *one) for one in zip(portraits, facts, strict=True)]
    return PhotoEntry(name, stat.st_size, stat.st_mtime_ns, tuple(faces))


def face_entry(editor: Editor, portrait: Portrait, facts: FaceFacts) -> FaceEntry:
    """The entry of one portrait with its measures."""
    assert portrait.face is not None
    return FaceEntry(
        facts,
        np.asarray(portrait.face.landmarks, np.float64),
        np.array(list(editor.predict_attributes(portrait).values()), np.float32),
        identity(editor.model, portrait),
        portrait.code.values,
        _likeness(editor.model, portrait),
    )


def _likeness(model: Model, portrait: Portrait) -> Floats:
    (found,) = likeness(model.directions, portrait.code.values[None])
    return np.asarray(found, np.float32)
