"""New faces, and morphs between faces that are open."""

import base64
from collections.abc import Mapping, Sequence
from typing import Any

from facedial.editor import Editor
from facedial.errors import BadRequest
from facedial.faces import sheet
from facedial.faces.mark import GENERATED
from facedial.faces.photo import Photo
from facedial.portrait import Portrait
from facedial.server.limits import Limits
from facedial.server.services.photos import OpenPhoto


def generate(
    editor: Editor, count: int, seed: int, targets: Mapping[str, float], **sampling: Any
) -> list[str]:
    """New faces as data URLs of PNGs; `sampling`: further arguments of `Editor.generate`."""
    codes = editor.generate(count, seed=seed, targets=targets, **sampling)
    return [
        _data_url(Photo(pixels, "face", mark=GENERATED).encoded(".png"), "png")
        for pixels in editor.decode(codes, size=editor.size())
    ]


def implied(
    editor: Editor, targets: Mapping[str, float], prior: str | None, exactly: bool
) -> dict[str, float]:
    """Attributes that the targets imply; none where `exactly`."""
    return {} if exactly else editor.implied(targets, editor.prior(prior))


def open_generated(
    editor: Editor, number: int, seed: int, targets: Mapping[str, float], **sampling: Any
) -> OpenPhoto:
    """Face `number` of a seed, counted from 0, open like a photo."""
    (code,) = editor.generate(1, first=number, seed=seed, targets=targets, **sampling)
    portrait = editor.reader.of_code(code, f"face {number} of seed {seed}", editor.size())
    return OpenPhoto(portrait.photo, (portrait,))


def interpolate(
    editor: Editor, limits: Limits, faces: Sequence[Portrait], steps: int, linear: bool
) -> list[Any]:
    """Pictures uint8 [S, S, 3] of a latent interpolation through faces; `linear`: of codes.

    Raises `BadRequest` for more frames than the limit.
    """
    count = (len(faces) - 1) * (steps - 1) + 1
    if count > limits.frames:
        raise BadRequest(f"{count} pictures are too many; give fewer steps or faces")
    codes = editor.interpolate(faces, steps, linear=linear)
    return list(editor.decode(codes, size=editor.size()))


def animation(frames: Sequence[Any], ending: str, per_second: float) -> bytes:
    """Pictures as the file of an animation, `.webp` or `.gif`."""
    return sheet.moving(frames, ending, per_s=per_second)


def frame_urls(frames: Sequence[Any]) -> list[str]:
    """Pictures as data URLs of JPEGs."""
    return [
        _data_url(Photo(frame, "face", mark=GENERATED).encoded(".jpg", quality=88), "jpeg")
        for frame in frames
    ]


def _data_url(data: bytes, kind: str) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"
