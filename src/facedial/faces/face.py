"""Detections, faces, and the types of detectors and landmark networks."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from facedial.faces.geometry import Floats, UInt8


@dataclass(frozen=True, slots=True, eq=False)
class Detection:
    """Output of a face detector.

    `box`: float64 [4], x0, y0, x1, y1 of the axis-aligned square around the face.
    `score`: 0..1; 0.5 is the detector's own threshold.
    `angle`: clockwise rotation of the face in the photo, in degrees.
    """

    box: Floats
    score: float
    angle: float = 0.0


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


def iou(a: Floats, b: Floats) -> float:
    """Intersection over union of two boxes, 0..1."""
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    both = width * height
    return float(both / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - both))


def non_max_suppression(detections: list[Detection], max_iou: float = 0.4) -> list[Detection]:
    """Detections by descending score, without those that overlap a better one by more than `max_iou`."""
    kept: list[Detection] = []
    for detection in sorted(detections, key=lambda d: -d.score):
        if all(iou(detection.box, other.box) <= max_iou for other in kept):
            kept.append(detection)
    return kept
