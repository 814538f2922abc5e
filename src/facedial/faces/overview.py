"""What faces a photo shows: measures of each, and the photo with their boxes and numbers drawn."""

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from facedial import scores
from facedial.faces.choose import from_left, in_words
from facedial.faces.crop import align
from facedial.faces.face import Face
from facedial.faces.geometry import Points
from facedial.faces.photo import Photo

CROP_SIDE = 128  # of the crops whose sharpness is compared
# How far the tip of a nose lies before its eyes, in distances of the eyes, the same for all: fitted to
# the yaw that FFHQ's labels give 855 training faces.
NOSE_DEPTH = 0.64
# Pitch over the share of the way from eyes to mouth at which the nose is seen: fitted to the same faces.
PITCH_OF_NOSE = 30.0, -57.0
COLOUR, OUTLINE = (255, 214, 0), (0, 0, 0)
# Of what is drawn, in shares of the photo's longer side: readable where a screen shows all of it.
NUMBER_SHARE, MIN_NUMBER_PX = 1 / 70, 12
NUMBER_OF_BOX = 0.2  # at least, of the side of a box
MAX_OF_BOX = 0.4  # a number that would take more of its box stands above it

# Columns of tables of faces: the box's corners, and `FaceFacts` under their own names.
BOX = ("x0", "y0", "x1", "y1")
MEASURES = ("eye_distance", "yaw", "pitch", "roll", "sharpness", "inside", "score")

Corners: TypeAlias = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class FaceFacts:
    """Measures of one face of a photo.

    `face`: its number, largest first. `box`: x0, y0, x1, y1 in photo pixels. `eye_distance`: in photo
    pixels. `roll`: clockwise as seen, in degrees. `yaw`, `pitch`: see `rough_yaw`, `rough_pitch`.
    `sharpness`: `scores.sharpness` of its crop of 128 pixels; more for sharper and for noisier ones.
    `inside`: share of that crop within the photo. `place`: from left to right, from 1. `score`: the
    detector's, 0..1.
    """

    face: int
    box: tuple[float, float, float, float]
    eye_distance: float
    roll: float
    yaw: float
    pitch: float
    sharpness: float
    inside: float
    place: int
    score: float

    def in_words(self, count: int) -> str:
        """One line; `count`: faces of the photo."""
        return (
            f"face {self.face}: {in_words(np.array(self.box))}, place {self.place} of {count}, eyes "
            f"{self.eye_distance:.0f} px apart, roll {round(self.roll)} and yaw about "
            f"{round(self.yaw)} degrees, sharpness {self.sharpness:.4f}, {100 * self.inside:.0f} % of "
            f"its crop in the photo, score {self.score:.2f}"
        )


def describe(photo: Photo, faces: Sequence[Face]) -> list[FaceFacts]:
    """Measures of all faces of a photo, in their order, largest first."""
    places = {id(face): place for place, face in enumerate(from_left(faces), 1)}
    facts = []
    for number, face in enumerate(faces, 1):
        crop = align(photo, face, size=CROP_SIDE)
        eye_line = face.landmarks[1] - face.landmarks[0]
        x0, y0, x1, y1 = (round(float(edge), 1) for edge in face.box)
        facts.append(
            FaceFacts(
                face=number,
                box=(x0, y0, x1, y1),
                eye_distance=round(float(np.hypot(*eye_line)), 1),
                roll=round(math.degrees(math.atan2(eye_line[1], eye_line[0])), 1),
                yaw=round(rough_yaw(face.landmarks), 1),
                pitch=round(rough_pitch(face.landmarks), 1),
                sharpness=round(float(scores.sharpness(crop.pixels[None])[0]), 6),
                inside=round(crop.inside, 4),
                place=places[id(face)],
                score=round(face.score, 4),
            )
        )
    return facts


def rough_yaw(landmarks: Points) -> float:
    """Yaw in degrees from landmarks [5, 2]: 0 frontal, positive with the nose to the right as seen.

    Rough: the nose's offset from the middle of the eyes, along the line of the eyes, for a nose
    `NOSE_DEPTH` before them, seen from far away. Against the yaw of FFHQ's labels, of 144 faces that
    were not fitted to: mean error 4.1 degrees, 6.9 beyond 20; correlation 0.94. Landmarks in profile
    are poor.
    """
    left, right, nose = landmarks[:3]
    eye_line = right - left
    offset = float((nose - (left + right) / 2) @ eye_line / (eye_line @ eye_line))
    return math.degrees(math.atan(offset / NOSE_DEPTH))


def rough_pitch(landmarks: Points) -> float:
    """Pitch in degrees from landmarks [5, 2], negative with the nose down: hardly more than a guess.

    From where the nose is seen between eyes and mouth, which differs as much from person to person:
    against FFHQ's labels (144 faces) the correlation is 0.29, the mean error 6.5 degrees, and 6.7
    without looking.
    """
    left, right, nose = landmarks[:3]
    eye_line, middle = right - left, (left + right) / 2
    down = np.array([-eye_line[1], eye_line[0]])
    share = float((nose - middle) @ down) / float((landmarks[3:].mean(0) - middle) @ down)
    return PITCH_OF_NOSE[0] + PITCH_OF_NOSE[1] * share


def drawn(photo: Photo, faces: Sequence[Face]) -> Photo:
    """The photo, on white where it is transparent, with a box and a number for each face."""
    image = Image.fromarray(photo.flattened)
    draw = ImageDraw.Draw(image)
    boxes = [_within(face, photo.size) for face in faces]
    for box in boxes:
        _draw_box(draw, box, _font_px(box, photo.size))
    for number, box in enumerate(boxes, 1):  # on top of all boxes
        _draw_number(draw, str(number), box, photo.size)
    return dataclasses.replace(photo, pixels=np.asarray(image), alpha=None)


def _within(face: Face, size: tuple[int, int]) -> Corners:
    """Corner pixels of the part of a face's box that lies in the photo, both included."""
    edges = np.rint(face.box) - [0, 0, 1, 1]
    x0, y0, x1, y1 = np.clip(edges, 0, np.array([*size, *size]) - 1).astype(int).tolist()
    return x0, y0, max(x0, x1), max(y0, y1)


def _side(box: Corners) -> int:
    return min(box[2] - box[0], box[3] - box[1])


def _font_px(box: Corners, size: tuple[int, int]) -> float:
    """Height of a box's number."""
    return max(NUMBER_SHARE * max(size), NUMBER_OF_BOX * _side(box), MIN_NUMBER_PX)


def _line(box: Corners, font_px: float) -> int:
    """Thickness of a box's coloured line, and of the outline on either side of it."""
    return max(1, round(min(font_px / 10, _side(box) / 25)))


def _draw_box(draw: ImageDraw.ImageDraw, box: Corners, font_px: float) -> None:
    line = _line(box, font_px)
    draw.rectangle(box, outline=OUTLINE, width=3 * line)
    if _side(box) > 2 * line:
        x0, y0, x1, y1 = box
        inner = (x0 + line, y0 + line, x1 - line, y1 - line)
        draw.rectangle(inner, outline=COLOUR, width=line)


def _draw_number(
    draw: ImageDraw.ImageDraw, number: str, box: Corners, size: tuple[int, int]
) -> None:
    """A number in the upper left corner of its box; a large one above it, or below it."""
    font_px = _font_px(box, size)
    font, stroke = ImageFont.load_default(size=font_px), max(1, round(font_px / 10))
    left, top, right, bottom = draw.textbbox((0, 0), number, font=font, stroke_width=stroke)
    wide, tall = right - left, bottom - top
    if max(wide, tall) > MAX_OF_BOX * _side(box):
        x, y = float(box[0]), box[1] - tall if box[1] >= tall else box[3] + 1.0
    else:
        line = _line(box, font_px)
        x, y = box[0] + 3.0 * line, box[1] + 3.0 * line
    x, y = max(0, min(x, size[0] - wide)) - left, max(0, min(y, size[1] - tall)) - top
    draw.text((x, y), number, COLOUR, font, stroke_width=stroke, stroke_fill=OUTLINE)
