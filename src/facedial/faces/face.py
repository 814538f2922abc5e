"""Detections, faces, and the types of detectors and landmark networks."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from facedial.faces.geometry import Floats, Points, UInt8


@dataclass(frozen=True, slots=True, eq=False)
class Detection:
    """Output of a face detector.

    `box`: float64 [4], x0, y0, x1, y1 of the axis-aligned box around the face.
    `score`: 0..1.
    `angle`: clockwise rotation of the face in the photo, in degrees.
    `landmarks`: float64 [5, 2], where the detector finds them too.
    """

    box: Floats
    score: float
    angle: float = 0.0
    landmarks: Points | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Face:
    """A face in photo pixels.

    `box`: float64 [4], x0, y0, x1, y1.  `landmarks`: float64 [5, 2], see the package's Convention.
    `score`: the detector's, 0..1; 1 where a person pointed at the eyes.
    """

    box: Floats
    landmarks: Floats
    score: float


# Photo pixels uint8 [H, W, 3] -> detections, possibly with scores below 0.5.
Detector: TypeAlias = Callable[[UInt8], list[Detection]]
# Patches uint8 [N, P, P, 3], P = LANDMARK_PATCH -> landmarks float [N, 5, 2] in patch pixels.
Landmarker: TypeAlias = Callable[[UInt8], Floats]


def ious(box: Floats, boxes: Floats) -> Floats:
    """Intersection over union of `box` [4] with each of `boxes` [N, 4], 0..1 [N]."""
    low, high = np.maximum(box[:2], boxes[:, :2]), np.minimum(box[2:], boxes[:, 2:])
    both = np.maximum(high - low, 0).prod(1)
    areas = np.maximum(boxes[:, 2:] - boxes[:, :2], 0).prod(1)
    own = max(float(box[2] - box[0]), 0.0) * max(float(box[3] - box[1]), 0.0)
    return np.asarray(both / np.maximum(own + areas - both, 1e-12))


def iou(a: Floats, b: Floats) -> float:
    """Intersection over union of two boxes, 0..1."""
    return float(ious(np.asarray(a), np.asarray(b)[None])[0])


def suppress(boxes: Floats, scores: Floats, max_iou: float = 0.4) -> NDArray[np.int64]:
    """Numbers of the boxes [N, 4] that overlap no better one by more than `max_iou`, best first."""
    order = np.argsort(-scores, kind="stable")
    kept = []
    while len(order):
        best, order = order[0], order[1:]
        kept.append(best)
        order = order[ious(boxes[best], boxes[order]) <= max_iou]
    return np.array(kept, np.int64)


def non_max_suppression(detections: list[Detection], max_iou: float = 0.4) -> list[Detection]:
    """Detections by descending score, without those that overlap a better one by more than `max_iou`."""
    if not detections:
        return []
    boxes = np.stack([detection.box for detection in detections])
    scores = np.array([detection.score for detection in detections])
    return [detections[i] for i in suppress(boxes, scores, max_iou)]
