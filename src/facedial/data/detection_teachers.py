"""Face detectors of others, which label photos and to which ours is compared: YuNet and SCRFD.

YuNet: Wu et al. 2023 ("YuNet: a tiny millisecond-level face detector"). SCRFD: Guo et al. 2021
(arXiv 2105.04714), the 2.5-GFLOP network with landmarks; its graph takes 640x640 pixels.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from facedial.errors import BadRequest
from facedial.faces.face import Detection, suppress
from facedial.runtime.session import Session

UInt8 = NDArray[np.uint8]
Doubles = NDArray[np.float64]

YUNET, SCRFD = "face_detection_yunet_2026may.onnx", "scrfd_2.5g_kps.onnx"
STRIDES = (8, 16, 32)
SCRFD_SIDE, ANCHORS = 640, 2
Part = tuple[Doubles, Doubles, Doubles]  # scores [N], boxes [N, 4], landmarks [N, 5, 2]


class YuNet:
    """Detects faces in pixels uint8 [H, W, 3]; `min_score` of its detections, 0..1."""

    def __init__(self, path: Path, *, min_score: float = 0.5, threads: int | None = 1) -> None:
        self._session = Session(path, threads=threads)
        self.min_score = min_score

    def __call__(self, pixels: UInt8) -> list[Detection]:
        """Faces in photo pixels, best first."""
        height, width = (-(-side // 32) * 32 for side in pixels.shape[:2])
        padded = np.zeros((height, width, 3), np.float32)
        padded[: pixels.shape[0], : pixels.shape[1]] = pixels[..., ::-1]  # BGR, 0..255
        maps = self._session.every(padded.transpose(2, 0, 1)[None])
        return _detections(self._parts(maps, width), self.min_score)

    @staticmethod
    def _parts(maps: dict[str, NDArray[np.float32]], width: int) -> Iterator[Part]:
        for stride in STRIDES:
            kinds = ("cls", "obj", "bbox", "kps")
            classes, objects, boxes, points = (
                maps[f"{kind}_{stride}"][0].astype(np.float64) for kind in kinds
            )
            scores = np.sqrt(np.clip(classes[:, 0], 0, 1) * np.clip(objects[:, 0], 0, 1))
            row, column = np.divmod(np.arange(len(scores)), width // stride)
            corner = np.stack([column, row], 1).astype(np.float64)
            middle, half = (corner + boxes[:, :2]) * stride, np.exp(boxes[:, 2:]) * stride / 2
            landmarks = (points.reshape(-1, 5, 2) + corner[:, None]) * stride
            yield scores, np.concatenate([middle - half, middle + half], 1), landmarks


class Scrfd:
    """As `YuNet`, in the photo shrunk or enlarged (at most twice) to fit 640x640 pixels."""

    def __init__(self, path: Path, *, min_score: float = 0.5, threads: int | None = 1) -> None:
        self._session = Session(path, threads=threads)
        self.min_score = min_score

    def __call__(self, pixels: UInt8) -> list[Detection]:
        """Faces in photo pixels, best first."""
        scale = min(SCRFD_SIDE / max(pixels.shape[:2]), 2.0)
        size = [max(1, round(scale * side)) for side in pixels.shape[1::-1]]
        resized = Image.fromarray(pixels).resize((size[0], size[1]), Image.Resampling.BILINEAR)
        padded = np.zeros((SCRFD_SIDE, SCRFD_SIDE, 3), np.float32)
        padded[: size[1], : size[0]] = (np.asarray(resized, np.float32) - 127.5) / 128
        maps = self._session.every(padded.transpose(2, 0, 1)[None])
        return _detections(self._parts(list(maps.values()), scale), self.min_score)

    @staticmethod
    def _parts(maps: list[NDArray[np.float32]], scale: float) -> Iterator[Part]:
        for level, stride in enumerate(STRIDES):
            scores, sides, points = (
                maps[level + 3 * kind][0].astype(np.float64) for kind in range(3)
            )
            row, column = np.divmod(np.arange(len(scores)) // ANCHORS, SCRFD_SIDE // stride)
            corner = np.stack([column, row], 1).astype(np.float64)
            low, high = corner - sides[:, :2], corner + sides[:, 2:]
            landmarks = (points.reshape(-1, 5, 2) + corner[:, None]) * stride / scale
            yield scores[:, 0], np.concatenate([low, high], 1) * stride / scale, landmarks


def load(folder: Path, *, min_score: float = 0.5) -> dict[str, "YuNet | Scrfd"]:
    """`yunet` and `scrfd` from a folder of their files; raises `BadRequest` where one is missing."""
    for name in (YUNET, SCRFD):
        if not (folder / name).is_file():
            raise BadRequest(f"{folder} holds no {name}; give the folder of the face detectors")
    return {
        "yunet": YuNet(folder / YUNET, min_score=min_score),
        "scrfd": Scrfd(folder / SCRFD, min_score=min_score),
    }


def _detections(parts: Iterator[Part], min_score: float) -> list[Detection]:
    scores, boxes, points = (np.concatenate(some) for some in zip(*parts, strict=True))
    likely = np.flatnonzero(scores >= min_score)
    kept = likely[suppress(boxes[likely], scores[likely])]
    return [Detection(boxes[i], float(scores[i]), landmarks=points[i]) for i in kept]
