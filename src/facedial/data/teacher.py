"""The landmark teacher: YuNet (Wu et al. 2023) with test-time augmentation.

A single prediction of YuNet is as inaccurate as our network: it predicts points on a coarse grid, so
shifting a photo by a few pixels moves them by a few percent of the eye distance. The mean over
shifted, mirrored and resized copies has less variance; the landmark network is distilled from it and
evaluated against it.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facedial.faces import sheet
from facedial.runtime.session import Session

Points = NDArray[np.float64]
UInt8 = NDArray[np.uint8]
Detect = Callable[[UInt8], list[Points]]  # pixels -> landmarks of each face that is found

LOOKS = 12
MIN_DETECTED = 2 / 3  # of the augmented copies
MARGIN = 16
SWAPPED = [1, 0, 2, 4, 3]
STRIDES = (8, 16, 32)
CONFIDENT = 0.5


class Teacher:
    """YuNet's ONNX file: detects the five landmarks of faces in pixels uint8 [H, W, 3]."""

    def __init__(self, path: Path) -> None:
        self._session = Session(path, threads=1)

    def __call__(self, pixels: UInt8) -> list[Points]:
        """Landmarks [5, 2] of every detection with a score above 0.5, before suppression."""
        height, width = (-(-side // 32) * 32 for side in pixels.shape[:2])
        padded = np.zeros((height, width, 3), np.float32)
        padded[: pixels.shape[0], : pixels.shape[1]] = pixels[..., ::-1]  # BGR, 0..255
        maps = self._session.every(padded.transpose(2, 0, 1)[None])
        found = []
        for stride in STRIDES:
            score = np.sqrt(
                np.clip(maps[f"cls_{stride}"][0, :, 0], 0, 1)
                * np.clip(maps[f"obj_{stride}"][0, :, 0], 0, 1)
            )
            for cell in np.flatnonzero(score > CONFIDENT):
                corner = np.array([cell % (width // stride), cell // (width // stride)])
                offsets = maps[f"kps_{stride}"][0, cell].reshape(5, 2)
                found.append((offsets + corner).astype(np.float64) * stride)
        return found

    def apart(self, pixels: UInt8) -> list[Points]:
        """One detection of each face: suppresses those within one eye distance of another one."""
        kept: list[Points] = []
        for points in self(pixels):
            eyes = float(np.linalg.norm(points[1] - points[0]))
            middles = [np.linalg.norm(points[:2].mean(0) - other[:2].mean(0)) for other in kept]
            if not middles or min(middles) > eyes:
                kept.append(points)
        return kept


def steady(
    detect: Detect,
    pixels: UInt8,
    near: Points,
    rng: np.random.Generator,
    looks: int = LOOKS,
) -> Points | None:
    """Mean landmarks [5, 2] over `looks` augmented copies, of the face around `near` [5, 2].

    Copies are upsampled 1.4 to 2.8 times,
    shifted by up to 16 px, every other one is mirrored. None if fewer than two thirds of the copies
    have a detection near `near`.
    """
    eyes = float(np.linalg.norm(near[1] - near[0]))
    seen = []
    for look in range(looks):
        side = round(pixels.shape[0] * float(np.exp(rng.uniform(np.log(1.4), np.log(2.8)))))
        picture = sheet.resized(pixels, (side, side))
        mirrored = look % 2 == 1
        if mirrored:
            picture = picture[:, ::-1]
        x, y = (int(v) for v in rng.integers(0, MARGIN, 2))
        canvas = np.zeros((side + MARGIN, side + MARGIN, 3), np.uint8)
        canvas[y : y + side, x : x + side] = picture
        candidates = []
        for points in detect(canvas):
            points = points - [x, y]
            if mirrored:
                points = np.stack([side - 1 - points[:, 0], points[:, 1]], 1)[SWAPPED]
            candidates.append((points + 0.5) * pixels.shape[0] / side - 0.5)
        off = [float(np.linalg.norm(p[:2] - near[:2], axis=1).mean()) for p in candidates]
        if off and min(off) < 0.4 * eyes:
            seen.append(candidates[int(np.argmin(off))])
    return np.mean(seen, axis=0) if len(seen) >= MIN_DETECTED * looks else None
