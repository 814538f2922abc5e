"""Coded faces (`.fd`): codes of a model in some hundred bytes, by the coder that its bundle holds."""

from pathlib import Path

from facedial.codes.code import Code
from facedial.codes.entropy import CodedFace, Coder, step_of
from facedial.errors import BadBundle, BadRequest, CodeSpaceMismatch
from facedial.faces.geometry import Affine
from facedial.files import atomic_write
from facedial.model import Model

CODER = "coder.npz"  # in a bundle
QUALITY = 90.0
LARGEST = 1 << 20  # bytes of a file that is read: a coded face has some hundred


def coder_of(model: Model) -> Coder:
    """A model's coder; raises `BadRequest` where its bundle has none, `BadBundle` where it is damaged."""
    if not model.bundle.has_file(CODER):
        raise BadRequest(
            f"the model {model.name} has no coder, so it writes and reads no coded faces (.fd); use a "
            ".npz file"
        )
    path = model.bundle.file(CODER)
    try:
        coder = Coder.load(path)
    except (OSError, KeyError, ValueError) as error:
        raise BadBundle(f"cannot read a coder from {path}: {error}") from error
    if coder.space != model.space:
        raise CodeSpaceMismatch(
            f"the coder of {model.name} is for codes of {coder.space}, the model's are of {model.space}; "
            "fit it again"
        )
    return coder


def packed(
    model: Model,
    code: Code,
    *,
    quality: float = QUALITY,
    size: int | None = None,
    to_photo: Affine | None = None,
) -> bytes:
    """The `.fd` file of a code.

    `quality` 0..100: of the quantisation. `size`: the largest number of bytes, instead of a quality.
    `to_photo`: map from crop to photo pixels, kept in the file. Raises `BadRequest`, `CodeSpaceMismatch`.
    """
    coder = coder_of(model)
    if size is not None:
        return coder.best(code, size, to_photo)
    return coder.write(code, step=step_of(quality), to_photo=to_photo)


def unpacked(model: Model, data: bytes, *, partial: bool = False) -> CodedFace:
    """The face in a `.fd` file; `partial`: also of a file that was cut.

    Raises `BadRequest` for anything else, `CodeSpaceMismatch` for another model's.
    """
    return coder_of(model).read(data, partial=partial)


def save(path: Path, data: bytes) -> None:
    """Write a `.fd` file; raises `FacedialError` when it cannot be written."""
    with atomic_write(path) as temporary:
        temporary.write_bytes(data)


def load(model: Model, path: Path, *, partial: bool = False) -> CodedFace:
    """`unpacked`, of a file; raises `BadRequest` too where it cannot be read."""
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST)
    except OSError as error:
        raise BadRequest(f"cannot read {path}: {error.strerror}") from error
    try:
        return unpacked(model, data, partial=partial)
    except BadRequest as error:
        raise BadRequest(f"{path.name}: {error}") from error
