"""What is measured of the faces of a photo: place, pose, sharpness, attributes, how open the eyes are."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from facedial import parsing
from facedial.arrays import Doubles, Floats
from facedial.editor import Editor
from facedial.faces.crop import head_template
from facedial.faces.geometry import apply, invert
from facedial.faces.overview import FaceFacts, describe
from facedial.faces.parse import SIDE
from facedial.faces.photo import Photo
from facedial.identity import is_measured
from facedial.model import FRAME, Model
from facedial.portrait import Portrait

# Window around each eye, in eye distances to each side, across and down.
ACROSS, DOWN = 0.3, 0.21
WIDTH = 0.15  # of the columns of an eye where it is highest, in eye distances
OPEN = 0.11  # `eyes_open` from which on eyes are open
WEARS = 0.004  # share of the crop that is glasses, from which on eyes may be hidden


@dataclass(frozen=True, slots=True, eq=False)
class FaceMeasures:
    """Measures of one face.

    `facts`: box, pose, sharpness (`faces.overview`). `attributes`: probabilities. `eyes_open`: see
    `eyes_open`. `embedding`: of identity [D]; None where the model has no such network.
    """

    facts: FaceFacts
    attributes: dict[str, float]
    eyes_open: float | None
    embedding: Floats | None


def measure(editor: Editor, photo: Photo, portraits: Sequence[Portrait]) -> list[FaceMeasures]:
    """Measures of portraits of a photo."""
    found = []
    for portrait in portraits:
        assert portrait.face is not None
        (facts,) = describe(photo, [portrait.face])
        facts = dataclasses.replace(facts, face=portrait.number)
        embedding = None
        if is_measured(editor.model):
            (embedding,) = editor.model.embed_identity(portrait.crop.pixels[None])
        found.append(
            FaceMeasures(
                facts,
                editor.predict_attributes(portrait),
                eyes_open(editor.model, portrait),
                embedding,
            )
        )
    return found


def eyes_open(model: Model, portrait: Portrait) -> float | None:
    """Height of the more open eye over the distance of the eyes: the parser's class, where it is highest.

    Against hand-made masks (203 validation people, CelebAMask-HQ) the correlation is 0.88. The median of
    446 unseen faces is 0.146. Weak as an absolute measure, since the parser takes lids for eyes: of the
    48 lowest of those faces (0.07 to 0.115), looked at one by one, six had closed or lowered lids, at
    ranks 1 to 41. So compare photos of one person. None without a parser, and where glasses hide the
    eyes. The more open eye, since hair, a nose in profile and a wink hide one.
    """
    if model.frame != FRAME or not model.has_parser or portrait.face is None:
        return None
    eyes = parsing.seen(model, portrait, {"eyes"})
    points = apply(invert(parsing.head_to_photo(portrait)), portrait.face.landmarks[:2])
    height = max(_height(eyes, points, side) for side in (0, 1))
    if height < OPEN and parsing.seen(model, portrait, {"glasses"}).mean() > WEARS:
        return None
    return height


def _height(eyes: Floats, points: Doubles, side: int) -> float:
    template = head_template(SIDE)[:2]
    distance = float(
        np.linalg.norm(points[1] - points[0]) or np.linalg.norm(template[1] - template[0])
    )
    x, y = points[side]
    left, right = (round(x + sign * ACROSS * distance) for sign in (-1, 1))
    top, bottom = (round(y + sign * DOWN * distance) for sign in (-1, 1))
    window = eyes[max(0, top) : bottom + 1, max(0, left) : right + 1]
    if not window.size:
        return 0.0
    highest = np.sort(window.sum(0))[-max(1, int(WIDTH * distance)) :]
    return float(highest.mean() / distance)
