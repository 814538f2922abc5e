"""Which face of a photo is meant: by number, by word, or by a point in it."""

import math
import numbers
import reprlib
from collections.abc import Sequence
from typing import TypeAlias

from facedial.errors import BadRequest
from facedial.faces.face import Face
from facedial.faces.geometry import Floats

ALL, LARGEST, LEFTMOST, RIGHTMOST = WORDS = ("all", "largest", "leftmost", "rightmost")
MAX_LISTED = 8  # faces that a sentence lists

# A number from 1 on (largest first), one of `WORDS`, or a point in photo pixels.
Choice: TypeAlias = int | str | tuple[float, float]
FaceChoice: TypeAlias = int | str  # before it is parsed


def parsed(choice: object) -> Choice:
    """A choice of a face as number, word, or point; raises `BadRequest` for anything else.

    >>> parsed("2"), parsed("leftmost"), parsed("120, 80.5")
    (2, 'leftmost', (120.0, 80.5))
    """
    if isinstance(choice, numbers.Integral) and not isinstance(choice, bool):
        return int(choice)
    if isinstance(choice, str):
        if choice in WORDS:
            return choice
        if choice.isascii() and choice.isdecimal() and len(choice) < 19:
            return int(choice)
        point = _point(choice)
        if point is not None:
            return point
    words = ", ".join(map(repr, WORDS))
    raise BadRequest(
        f"a face is a number from 1 on, {words}, or a point 'X,Y' in photo pixels, found "
        f"{reprlib.repr(choice)}"
    )


def choose(faces: Sequence[Face], choice: object, name: str = "the photo") -> list[Face]:
    """The faces that are meant, of all faces of a photo, largest first.

    `choice`: as for `parsed`. A point means the smallest face whose box holds it; leftmost and
    rightmost go by the middles of the boxes. `name`: of the photo, for messages. Raises `BadRequest`
    where no face is meant.
    """
    meant = parsed(choice)
    if meant == ALL:
        return list(faces)
    if isinstance(meant, tuple):
        return [_at(faces, meant, name)]
    if meant == LARGEST:
        meant = 1
    if isinstance(meant, int):
        if not 1 <= meant <= len(faces):
            raise BadRequest(f"{name} has {_counted(faces)}, so there is no face {meant}")
        return [faces[meant - 1]]
    if not faces:
        raise BadRequest(f"{name} has 0 faces, so none is {meant}")
    ordered = from_left(faces)
    return [ordered[0] if meant == LEFTMOST else ordered[-1]]


def choose_each(
    faces: Sequence[Face], choices: Sequence[object], name: str = "the photo"
) -> list[Face]:
    """The face that each choice means, in their order; none may be `"all"`.

    Raises `BadRequest` where two choices mean one face, and as `choose` does.
    """
    chosen: list[Face] = []
    for i, choice in enumerate(choices):
        if parsed(choice) == ALL:
            raise BadRequest("'all' means every face, so it cannot be one choice among several")
        (face,) = choose(faces, choice, name)
        for other, earlier in zip(choices[:i], chosen, strict=True):
            if earlier is face:
                raise BadRequest(f"{name}: {other} and {choice} are one face; name each face once")
        chosen.append(face)
    return chosen


def from_left(faces: Sequence[Face]) -> list[Face]:
    """Faces by the middles of their boxes, leftmost first; one above the other in their order."""
    return sorted(faces, key=lambda face: float(face.box[0] + face.box[2]))


def in_words(box: Floats) -> str:
    """A box in whole pixels.

    >>> in_words([10.2, 20, 110.9, 121])
    '10,20..111,121'
    """
    x0, y0, x1, y1 = (round(float(edge)) for edge in box)
    return f"{x0},{y0}..{x1},{y1}"


def _point(text: str) -> tuple[float, float] | None:
    try:
        x, y = (float(part) for part in text.split(","))
    except ValueError:
        return None
    return (x, y) if math.isfinite(x) and math.isfinite(y) else None


def _at(faces: Sequence[Face], point: tuple[float, float], name: str) -> Face:
    held = [face for face in faces if _holds(face.box, point)]
    if held:
        return min(held, key=lambda face: _area(face.box))
    listed = [f"{i} at {in_words(face.box)}" for i, face in enumerate(faces[:MAX_LISTED], 1)]
    if len(faces) > MAX_LISTED:
        listed.append(f"and {len(faces) - MAX_LISTED} smaller")
    where = f": {', '.join(listed)}" if listed else ""
    raise BadRequest(f"{name} has {_counted(faces)}, none at {point[0]:g},{point[1]:g}{where}")


def _holds(box: Floats, point: tuple[float, float]) -> bool:
    """Whether a box holds a point; pixel x covers x - 0.5 to x + 0.5."""
    x, y = point[0] + 0.5, point[1] + 0.5
    return bool(box[0] <= x < box[2] and box[1] <= y < box[3])


def _area(box: Floats) -> float:
    return float((box[2] - box[0]) * (box[3] - box[1]))


def _counted(faces: Sequence[Face]) -> str:
    return "1 face" if len(faces) == 1 else f"{len(faces)} faces"
