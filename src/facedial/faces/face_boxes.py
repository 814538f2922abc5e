"""What a face's box is, and how it moves when a picture is turned, scaled, mirrored or squeezed.

A face is an ellipse upright in the face: from the middle of the forehead to just below the chin, and
from ear to ear, about the middle between eyes and mouth. Its box is the smallest upright one about that
ellipse, however the face is turned. That lies between the boxes that people draw (which begin at the
eyebrows) and those of WIDER FACE, on which YuNet and SCRFD were trained (which begin at the hair).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facedial.faces.face import ious
from facedial.faces.geometry import Affine, apply, scale_of

Doubles = NDArray[np.float64]
Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]

# Half axes in units of the longer of eye distance and distance of eyes and mouth: medians over 1,800
# faces of groups, of the mean of hand-drawn boxes and YuNet's.
ACROSS, DOWN = 1.09, 1.32
PROFILE = 0.4  # by how much of the nose's distance from the middle the box lies on the other side
UPRIGHT = 0.94  # cosine of the roll up to which a given box is taken for the face's own
SWAPPED = [1, 0, 2, 4, 3]  # the landmarks' order in a mirrored face


@dataclass(frozen=True, slots=True)
class FaceBoxes:
    """K faces in a picture, in its pixels.

    `middle` [K, 2]; `axes` [K, 2]: half axes across and down the face; `down` [K, 2]: unit vectors from
    the forehead to the chin. `landmarks` [K, 5, 2], NaN where unknown. `sure` [K]: False for what may be
    a face or not, or is too covered or too small, on which nothing is learnt.
    """

    middle: Doubles
    axes: Doubles
    down: Doubles
    landmarks: Doubles
    sure: Bools

    def __len__(self) -> int:
        return len(self.middle)

    @staticmethod
    def none() -> "FaceBoxes":
        """No face."""
        two = np.zeros((0, 2))
        return FaceBoxes(two, two, two, np.zeros((0, 5, 2)), np.zeros(0, np.bool_))

    @staticmethod
    def of_landmarks(landmarks: Doubles) -> "FaceBoxes":
        """Faces of known landmarks [K, 5, 2], all sure."""
        points = np.asarray(landmarks, np.float64).reshape(-1, 5, 2)
        eyes, mouth = points[:, :2].mean(1), points[:, 3:].mean(1)
        down = mouth - eyes
        length = np.maximum(np.linalg.norm(down, axis=1), 1e-6)
        down = down / length[:, None]
        unit = np.maximum(length, np.linalg.norm(points[:, 1] - points[:, 0], axis=1))
        across = np.stack([down[:, 1], -down[:, 0]], 1)
        middle = (eyes + mouth) / 2
        aside = ((points[:, 2] - middle) * across).sum(1)
        middle = middle - PROFILE * aside[:, None] * across
        axes = unit[:, None] * np.array([ACROSS, DOWN])
        return FaceBoxes(middle, axes, down, points, np.ones(len(points), np.bool_))

    @staticmethod
    def of_boxes(boxes: Doubles, landmarks: Doubles, sure: Bools) -> "FaceBoxes":
        """Faces of given boxes [K, 4]; of strongly turned ones with known landmarks, of these."""
        boxes = np.asarray(boxes, np.float64).reshape(-1, 4)
        turned = FaceBoxes.of_landmarks(np.nan_to_num(landmarks))
        known: Bools = np.asarray(np.isfinite(landmarks).all((1, 2)))
        upright = np.asarray(~known | (turned.down[:, 1] > UPRIGHT))
        middle = (boxes[:, :2] + boxes[:, 2:] - 1) / 2
        axes = (boxes[:, 2:] - boxes[:, :2]) / 2
        down = np.where(known[:, None], turned.down, np.array([0.0, 1.0]))
        return FaceBoxes(
            np.where(upright[:, None], middle, turned.middle),
            np.where(upright[:, None], axes, turned.axes),
            down,
            landmarks,
            sure,
        )

    @property
    def boxes(self) -> Doubles:
        """[K, 4]: x0, y0, x1, y1, half-open."""
        squares = self.axes**2
        along = self.down**2
        half = np.sqrt(
            np.stack(
                [
                    squares[:, 0] * along[:, 1] + squares[:, 1] * along[:, 0],
                    squares[:, 0] * along[:, 0] + squares[:, 1] * along[:, 1],
                ],
                1,
            )
        )
        return np.concatenate([self.middle + 0.5 - half, self.middle + 0.5 + half], 1)

    @property
    def sizes(self) -> Doubles:
        """Geometric mean of each box's sides [K]."""
        boxes = self.boxes
        return np.asarray(np.sqrt(np.maximum(boxes[:, 2:] - boxes[:, :2], 0).prod(1)))

    def moved(self, to_picture: Affine, squeeze: float = 1.0) -> "FaceBoxes":
        """The faces where the map [2, 3] takes them.

        `squeeze`: by which factor it scales across the faces beside down them.
        """
        linear = to_picture[:, :2]
        down = self.down @ linear.T
        length = np.maximum(np.linalg.norm(down, axis=1, keepdims=True), 1e-9)
        landmarks = apply(to_picture, self.landmarks.reshape(-1, 2)).reshape(-1, 5, 2)
        if np.linalg.det(linear) < 0:
            landmarks = landmarks[:, SWAPPED]
        scale = scale_of(to_picture) / np.sqrt(squeeze)
        return FaceBoxes(
            apply(to_picture, self.middle),
            self.axes * scale * np.array([squeeze, 1.0]),
            down / length,
            landmarks,
            self.sure,
        )

    def but_sure(self, sure: Bools) -> "FaceBoxes":
        """With another `sure`."""
        return FaceBoxes(self.middle, self.axes, self.down, self.landmarks, sure)

    def chosen(self, which: NDArray[np.int64] | Bools) -> "FaceBoxes":
        """Some of the faces."""
        return FaceBoxes(
            self.middle[which],
            self.axes[which],
            self.down[which],
            self.landmarks[which],
            self.sure[which],
        )

    def and_also(self, other: "FaceBoxes") -> "FaceBoxes":
        """These faces, then those."""
        return FaceBoxes(
            np.concatenate([self.middle, other.middle]),
            np.concatenate([self.axes, other.axes]),
            np.concatenate([self.down, other.down]),
            np.concatenate([self.landmarks, other.landmarks]),
            np.concatenate([self.sure, other.sure]),
        )


def covered(box: Doubles, boxes: Doubles) -> Doubles:
    """Share of each of `boxes` [N, 4] that lies in `box` [4]: [N]."""
    low, high = np.maximum(box[:2], boxes[:, :2]), np.minimum(box[2:], boxes[:, 2:])
    areas = np.maximum(boxes[:, 2:] - boxes[:, :2], 1e-9).prod(1)
    return np.asarray(np.maximum(high - low, 0).prod(1) / areas)


HIT, FALSE, NOT_JUDGED = 1, 0, -1
UNSURE_IOU = 0.3  # a detection that overlaps an unsure face so much is neither right nor wrong


def matched(found: Doubles, boxes: Doubles, sure: Bools, min_iou: float) -> tuple[Ints, Ints]:
    """Which of the boxes `found` [K, 4], best first, are faces: `HIT`, `FALSE` or `NOT_JUDGED` each [K].

    A face counts once, for the best detection that overlaps it by `min_iou`. Also the number of that
    face, -1 for others [K].
    """
    kind, which = np.full(len(found), FALSE), np.full(len(found), -1)
    free = np.array(sure, np.bool_)
    for i, box in enumerate(found):
        overlap = ious(box, boxes) if len(boxes) else np.zeros(0)
        open_to = np.where(free, overlap, 0.0)
        if len(boxes) and open_to.max() >= min_iou:
            which[i], kind[i] = int(open_to.argmax()), HIT
            free[which[i]] = False
        elif len(boxes) and np.where(sure, 0.0, overlap).max() >= UNSURE_IOU:
            kind[i] = NOT_JUDGED
    return kind, which
