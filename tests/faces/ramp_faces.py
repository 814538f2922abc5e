"""Photos whose colours tell where one is, and a detector and landmarks that read them.

Red rises with x, green with y, blue says "photo".  Whoever sees any shrunk, turned or padded part
of such a photo can tell exactly which part it is, and so where a face would be: an exact detector
and an exact landmark network, that see nothing but pixels, as the real ones do.
"""

from dataclasses import dataclass, field

import numpy as np

from facedial.faces import HEAD_TEMPLATE, Detection, Photo
from facedial.faces.detector import roll
from facedial.faces.face_boxes import FaceBoxes
from facedial.faces.geometry import Affine, Floats, Points, UInt8, apply, invert, similarity

BLUE = 200
LOW, HIGH = 8.0, 247.0


def ramp_photo(width: int, height: int) -> Photo:
    """Dithered, so that the mean of some pixels is exact."""
    rng = np.random.default_rng(0)
    pixels = np.full((height, width, 3), BLUE, np.float64)
    pixels[..., 0] = np.linspace(LOW, HIGH, width)[None, :]
    pixels[..., 1] = np.linspace(LOW, HIGH, height)[:, None]
    pixels[..., :2] += rng.uniform(0.0, 1.0, (height, width, 2))
    return Photo(np.floor(pixels).astype(np.uint8), "ramp")


def face_points(middle: tuple[float, float], eyes_px: float, degrees: float = 0.0) -> Points:
    """Landmarks of a face whose eyes' middle is `middle`, turned clockwise."""
    eyes = HEAD_TEMPLATE[:2]
    scale = eyes_px / float(eyes[1, 0] - eyes[0, 0])
    place = similarity(scale, degrees, eyes.mean(axis=0), np.array(middle))
    return apply(place, HEAD_TEMPLATE)


def seen(picture: UInt8, size: tuple[int, int]) -> Affine:
    """Picture pixel -> pixel of the ramp photo of `size`, by least squares on its colours.

    Raises `ValueError` where the colours tell nothing.
    """
    every = max(1, int((picture.size / 60_000) ** 0.5))
    red, green, blue = np.moveaxis(picture[::every, ::every].astype(np.float64), -1, 0)
    good = (np.abs(blue - BLUE) < 3) & (np.minimum(red, green) > LOW + 2)
    good &= np.maximum(red, green) < HIGH - 2
    if good.mean() < 0.02 or np.array_equal(red, green):
        raise ValueError("not the ramp's colours")
    rows, columns = np.nonzero(good)
    design = np.stack([columns * every, rows * every, np.ones(len(rows))], axis=1)
    per_pixel = (HIGH - LOW) / (np.array(size) - 1)
    targets = (np.stack([red[good], green[good]], axis=1) - LOW) / per_pixel
    return np.linalg.lstsq(design, targets, rcond=None)[0].T


@dataclass
class RampLandmarks:
    """Exact landmarks of whichever face is nearest to the patch's middle."""

    size: tuple[int, int]
    faces: list[Points]
    tilts: list[float] = field(default_factory=list)

    def __call__(self, patches: UInt8) -> Floats:
        return np.stack([self._one(patch) for patch in patches])

    def _one(self, patch: UInt8) -> Floats:
        to_patch = invert(seen(patch, self.size))
        found = [apply(to_patch, points) for points in self.faces]
        best = min(found, key=lambda p: float(np.abs(p.mean(axis=0) - 31.5).sum()))
        self.tilts.append(tilt(best))
        return best


@dataclass
class RampDetector:
    """Finds faces as the network would: at any roll, large enough, with some air around."""

    size: tuple[int, int]
    faces: list[Points]
    score: float = 0.9
    least_px: float = 40.0
    air: float = 0.0
    shapes: list[tuple[int, int]] = field(default_factory=list)

    def __call__(self, pixels: UInt8) -> list[Detection]:
        self.shapes.append(pixels.shape[:2])
        try:
            to_picture = invert(seen(pixels, self.size))
        except ValueError:
            return []
        detections = []
        for points in self.faces:
            own = apply(to_picture, points)
            box = FaceBoxes.of_landmarks(own[None]).boxes[0]
            side = float(np.sqrt((box[2:] - box[:2]).prod()))
            room = min(box[:2].min(), pixels.shape[1] - box[2], pixels.shape[0] - box[3])
            if side >= self.least_px and room >= self.air * side:
                # A detector's landmarks are rough.
                near = own + 0.04 * side * np.array([[1, 0], [0, 1], [-1, 0], [0, -1], [1, 1]])
                detections.append(Detection(box, self.score, roll(near), near))
        return detections


def tilt(points: Points) -> float:
    """Degrees that the eyes are turned clockwise."""
    across = points[1] - points[0]
    return float(np.degrees(np.arctan2(across[1], across[0])))
