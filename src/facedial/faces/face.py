"""What detectors and landmark networks give, and the face that is made of both."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from facedial.faces.geometry import Floats, UInt8


@dataclass(frozen=True, slots=True, eq=False)
class Detection:
    """A place where a face seems to be.

    `box`: float64 [4], x0, y0, x1, y1 of the upright square about the face.
    `score`: 0..1; a half is the detector's own threshold.
    `angle`: degrees that the face is turned clockwise as seen in the photo.
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


# Photo pixels uint8 [H, W, 3] -> detections; weak ones (score under a half) may be among them.
Detector: TypeAlias = Callable[[UInt8], list[Detection]]
# Patches uint8 [N, P, P, 3], P = LANDMARK_PATCH -> landmarks float [N, 5, 2] in patch pixels.
Landmarker: TypeAlias = Callable[[UInt8], Floats]


def overlap(a: Floats, b: Floats) -> float:
    """Intersection over union of two boxes, 0..1."""
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    both = width * height
    return float(both / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - both))


def strongest(detections: list[Detection], most_overlap: float = 0.4) -> list[Detection]:
    """Detections of different faces, strongest first: of two that overlap more, the stronger."""
    kept: list[Detection] = []
    for detection in sorted(detections, key=lambda d: -d.score):
        if all(overlap(detection.box, other.box) <= most_overlap for other in kept):
            kept.append(detection)
    return kept
