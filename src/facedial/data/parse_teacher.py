"""Teachers of the parser: two networks from elsewhere, one for classes and one for the hair matte.

BiSeNetV2 (Yu et al. 2021) trained on CelebAMask-HQ, and MediaPipe's hair network: tflite files, run by
the package `ai-edge-litert`, which nothing else needs.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter

from facedial.errors import BadRequest, FacedialError
from facedial.faces.parse import (
    BACKGROUND,
    CLASSES,
    HAIR,
    UNKNOWN,
    dilated,
    eroded,
    from_ids,
    head_distance,
)

UInt8 = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
Predict = Callable[[UInt8], tuple[UInt8, UInt8]]

# Ids background, skin, brow (2), eye (2), glasses, ear (2), earring, nose, mouth, lip (2), neck,
# necklace, clothes, hair, hat -> class.
BISENET = (0, 1, 2, 2, 3, 3, 4, 5, 5, 5, 1, 6, 7, 7, 8, 8, 9, 10, 11)
FILES = ("bisenetv2_celebamaskhq_448x448_integer_quant.tflite", "hair_segmentation.tflite")
FACE = tuple(CLASSES.index(name) for name in ("skin", "brows", "eyes", "mouth", "lips", "neck"))
MARGIN = 6 / 256  # of the head frame's side: width of the hair matte's soft edge on either side


class ParseTeacher:
    """Both networks, from a folder with the files `FILES`.

    Raises `BadRequest` if one is missing, `FacedialError` without `ai-edge-litert`.
    """

    def __init__(self, folder: Path) -> None:
        for name in FILES:
            if not (folder / name).is_file():
                raise BadRequest(
                    f"the parser's teachers are {' and '.join(FILES)}; {folder} has no {name}"
                )
        self._classes, self._hair = (_Network(folder / name) for name in FILES)

    def __call__(self, pixels: UInt8, frame: str = "head") -> tuple[UInt8, UInt8]:
        """Classes uint8 [S, S] and hair matte uint8 [S, S] (0..255) of a crop uint8 [S, S, 3].

        In a crop of the frame `portrait` the middle is predicted from the middle alone, enlarged.
        """
        wide = frame == "portrait"
        classes, hair = with_zoom(self._predict, pixels) if wide else self._predict(pixels)
        head = len(pixels) // 2 if wide else len(pixels)
        return classes, restrict_matte(hair, classes, max(1, round(MARGIN * head)))

    def _predict(self, pixels: UInt8) -> tuple[UInt8, UInt8]:
        side = len(pixels)
        ids = self._classes((_enlarged(pixels, 448) - 127.5) / 127.5)
        classes = _resized(from_ids(ids.astype(np.uint8), BISENET), side, Image.Resampling.NEAREST)
        empty = np.zeros((512, 512, 1), np.float32)
        logits = self._hair(np.concatenate([_enlarged(pixels, 512) / 255, empty], 2))[0]
        matte = 1 / (1 + np.exp(logits[..., 0] - logits[..., 1]))
        hair = _resized(np.rint(255 * matte).astype(np.uint8), side, Image.Resampling.BOX)
        return classes, hair


class _Network:
    """A tflite graph of one picture float32 [S, S, C] and one output."""

    def __init__(self, path: Path) -> None:
        try:
            from ai_edge_litert.interpreter import Interpreter
        except ImportError as lacking:
            raise FacedialError(
                "the parser's teachers need ai-edge-litert; install it with: pip install ai-edge-litert"
            ) from lacking
        self._graph: Any = Interpreter(str(path), num_threads=1)
        self._graph.allocate_tensors()

    def __call__(self, picture: Floats) -> npt.NDArray[Any]:
        self._graph.set_tensor(self._graph.get_input_details()[0]["index"], picture[None])
        self._graph.invoke()
        found: npt.NDArray[Any] = self._graph.get_tensor(
            self._graph.get_output_details()[0]["index"]
        )
        return found


def with_zoom(predict: Predict, pixels: UInt8) -> tuple[UInt8, UInt8]:
    """Predictions for a crop [S, S, 3]; its middle half, the head frame, is predicted by itself."""
    side = len(pixels)
    middle = slice(side // 4, side - side // 4)
    both = []
    for whole, part in zip(predict(pixels), predict(pixels[middle, middle]), strict=True):
        joined = whole.copy()
        joined[middle, middle] = part
        both.append(joined)
    return both[0], both[1]


def restrict_matte(hair: UInt8, classes: UInt8, radius: int) -> UInt8:
    """A hair matte uint8 [S, S] made consistent with the class hair, soft only at its edge.

    0 farther than `radius` pixels outside the class and in the face. From the edge of the class to
    `radius` pixels inside, a ramp from 0 to 255 is its lower bound.
    """
    near = dilated(classes == HAIR, radius)
    face = eroded(np.isin(classes, FACE), radius)
    half = -(-radius // 2)
    inside = Image.fromarray(255 * eroded(classes == HAIR, half).astype(np.uint8))
    ramp = np.asarray(inside.filter(ImageFilter.BoxBlur(half)))
    found: UInt8 = np.maximum(np.where(near & ~face, hair, 0), ramp).astype(np.uint8)
    return found


def without_others(
    classes: UInt8, hair: UInt8, own: Doubles, others: Doubles
) -> tuple[UInt8, UInt8]:
    """Labels of a crop with the heads of other people as background.

    `own` [3], `others` [K, 3]: x and y of the middle between the eyes, and eye distance, in crop pixels.
    Pixels of a person that are nearer to another head than to this one, but in neither, are unknown.
    """
    if not len(others):
        return classes, hair
    rows, columns = np.mgrid[: len(classes), : len(classes)]
    positions = np.stack([columns, rows], -1)
    distances = [head_distance(positions, face) for face in (own, *others)]
    nearest = np.min(distances[1:], axis=0)
    theirs = nearest < distances[0]
    elsewhere = np.where(classes == BACKGROUND, BACKGROUND, UNKNOWN)
    found = np.where(theirs, np.where(nearest < 1, BACKGROUND, elsewhere), classes)
    return found.astype(np.uint8), np.where(theirs, 0, hair).astype(np.uint8)


def _enlarged(pixels: UInt8, side: int) -> Floats:
    return np.asarray(
        Image.fromarray(pixels).resize((side, side), Image.Resampling.BICUBIC), np.float32
    )


def _resized(values: UInt8, side: int, how: Image.Resampling) -> UInt8:
    return np.asarray(Image.fromarray(values).resize((side, side), how), np.uint8)
