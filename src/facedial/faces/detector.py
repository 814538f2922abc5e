"""From the detector network's maps to faces: decoding, and suppression of overlapping detections."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from facedial.faces.face import Detection, suppress
from facedial.faces.geometry import Floats, UInt8, block_means
from facedial.faces.second_stage import SecondStage, rescored

STRIDES = (8, 16, 32, 64)
MULTIPLE = 64  # of the network's pictures' sides
UNIT = 4.0  # a face of the stride's own size is so many cells wide
MOST = 1000  # cells that are decoded, the best
Float32 = NDArray[np.float32]
# Pictures uint8 [N, H, W, 3], sides multiples of 64 -> cells float32 [N, A, 15] of all strides.
DetectorCells: TypeAlias = Callable[[UInt8], Float32]


@dataclass(frozen=True, slots=True)
class NetworkDetector:
    """A `Detector` by a network, or by two: then `second` scores again what the first proposes.

    `min_score`: of the first network's detections, 0..1.
    """

    cells: DetectorCells
    min_score: float = 0.12
    second: SecondStage | None = None

    def __call__(self, pixels: UInt8) -> list[Detection]:
        """Faces in `pixels` uint8 [H, W, 3], best first: box, landmarks, roll."""
        picture = padded(pixels)
        found = self.cells(picture[None])[0]
        scores, boxes, landmarks = decoded(found, picture.shape[:2], self.min_score)
        kept = suppress(boxes, scores)
        detections = [
            Detection(boxes[i], float(scores[i]), roll(landmarks[i]), landmarks[i]) for i in kept
        ]
        return detections if self.second is None else rescored(pixels, detections, self.second)


def padded(pixels: UInt8) -> UInt8:
    """A picture with grey at its right and lower edge, so that its sides are multiples of `MULTIPLE`."""
    height, width = pixels.shape[:2]
    whole = tuple(-(-side // MULTIPLE) * MULTIPLE for side in (height, width))
    if whole == (height, width):
        return pixels
    larger = np.full((*whole, 3), 114, np.uint8)
    larger[:height, :width] = pixels
    return larger


def decoded(
    cells: Float32, size: tuple[int, int], min_score: float
) -> tuple[Floats, Floats, Floats]:
    """Scores [K], boxes [K, 4] and landmarks [K, 5, 2] of cells that score at least `min_score`.

    `cells` [A, 15]: score, box, landmarks (the network `Detector`), of a picture of `size`, height and
    width, which are multiples of `MULTIPLE`.
    """
    best = np.flatnonzero(cells[:, 0] >= min_score)
    best = best[np.argsort(-cells[best, 0], kind="stable")[:MOST]]
    values = cells[best].astype(np.float64)
    middle, unit = np.empty((len(best), 2)), np.empty((len(best), 1))
    first = 0
    for stride in STRIDES:
        columns = size[1] // stride
        count = columns * (size[0] // stride)
        own = (best >= first) & (best < first + count)
        row, column = np.divmod(best[own] - first, columns)
        middle[own] = (np.stack([column, row], 1) + 0.5) * stride - 0.5
        unit[own] = UNIT * stride
        first += count
    half = np.exp(np.clip(values[:, 3:5], -8, 8)) * unit / 2
    centre = middle + values[:, 1:3] * unit
    boxes = np.concatenate([centre + 0.5 - half, centre + 0.5 + half], 1)
    landmarks = middle[:, None] + values[:, 5:].reshape(-1, 5, 2) * unit[:, None]
    return values[:, 0], boxes, landmarks


def roll(landmarks: Floats) -> float:
    """Clockwise rotation of a face in degrees, -180..180, from landmarks [5, 2].

    From the line between eyes and mouth, which a turn of the head to the side leaves as long as it is.
    """
    down = landmarks[3:].mean(0) - landmarks[:2].mean(0)
    return float(np.degrees(np.arctan2(-down[0], down[1])))


def shrunk(pixels: UInt8, side: int, enlarge: float = 1.0) -> UInt8:
    """A picture whose longer side has at most `side` pixels; whole blocks are averaged first.

    Smaller ones are enlarged up to it, but at most by `enlarge`.
    """
    height, width = pixels.shape[:2]
    scale = min(side / max(height, width), enlarge)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    if size == (width, height):
        return pixels
    block = max(1, min(width // size[0], height // size[1]))
    box = (0.0, 0.0, width / block, height / block)
    blocks = Image.fromarray(block_means(pixels, block, block))
    return np.asarray(blocks.resize(size, Image.Resampling.BILINEAR, box=box))
