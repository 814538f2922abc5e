"""Classes of a parsed head, their colours, and their overlap with other parses."""

from collections.abc import Iterable
from typing import TypeVar

import numpy as np
import numpy.typing as npt

UInt8 = npt.NDArray[np.uint8]
Number = TypeVar("Number", bound=np.generic)
Bools = npt.NDArray[np.bool_]

SIDE = 256  # pixels along the side of the parser's crops
CLASSES = (
    "background", "skin", "brows", "eyes", "glasses", "ears", "mouth", "lips", "neck", "clothes",
    "hair", "hat",
)  # fmt: skip
BACKGROUND, HAIR, HAT = (CLASSES.index(name) for name in ("background", "hair", "hat"))
UNKNOWN = 255
# Half axes of a head around the middle between the eyes, in eye distances, across and down.
HEAD = np.array([1.45, 1.9])
HEAD.flags.writeable = False
# CelebAMask-HQ (Lee et al. 2020): id 0..18 -> class. The nose is skin, an earring ear, a necklace neck.
CELEBAMASK = (0, 1, 1, 4, 3, 3, 2, 2, 5, 5, 6, 7, 7, 10, 11, 5, 8, 8, 9)
# RGB of each class in sheets.
COLOURS: UInt8 = np.array(
    [
        [0, 0, 0], [255, 205, 170], [130, 60, 0], [40, 130, 255], [255, 0, 255], [255, 140, 0],
        [120, 0, 30], [255, 0, 70], [0, 190, 110], [130, 130, 140], [255, 230, 0], [0, 220, 255],
    ],
    np.uint8,
)  # fmt: skip
COLOURS.flags.writeable = False


def head_distance(
    places: npt.NDArray[np.float64], head: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Distance of places [..., 2] from a head (x and y between the eyes, eye distance), 1 at its rim."""
    return np.asarray(np.linalg.norm((places - head[:2]) / (HEAD * head[2]), axis=-1))


def from_ids(ids: UInt8, table: tuple[int, ...] = CELEBAMASK) -> UInt8:
    """Ids of another scheme, uint8 [...], as classes by `table`; 255 for ids that it lacks."""
    whole = np.full(256, UNKNOWN, np.uint8)
    whole[: len(table)] = table
    return whole[ids]


def coloured(pixels: UInt8, classes: UInt8, strength: float = 0.6) -> UInt8:
    """Pictures uint8 [..., S, S, 3] with the colours of `classes` [..., S, S] over them.

    Background and unknown pixels are left as they are.
    """
    shown = (classes != UNKNOWN) & (classes != BACKGROUND)
    colour = COLOURS[np.where(shown, classes, 0)]
    mixed = np.rint((1 - strength) * pixels + strength * colour.astype(np.float32))
    return np.where(shown[..., None], mixed, pixels).astype(np.uint8)


def dilated(values: npt.NDArray[Number], radius: int) -> npt.NDArray[Number]:
    """Largest of values or a mask [H, W] in a square of 2 `radius` + 1 pixels round each pixel."""
    return _extremes(values, radius, np.maximum)


def eroded(values: npt.NDArray[Number], radius: int) -> npt.NDArray[Number]:
    """The smallest, as `dilated`; of a mask, pixels outside the picture count as part of it."""
    return _extremes(values, radius, np.minimum)


def _extremes(values: npt.NDArray[Number], radius: int, of_two: np.ufunc) -> npt.NDArray[Number]:
    found = values
    for axis in (0, 1):
        ends = [(radius, radius) if a == axis else (0, 0) for a in (0, 1)]
        around = np.pad(found, ends, mode="edge")
        # By doubling: of each pixel the extreme of ever more that follow it.
        width, whole = 1, 2 * radius + 1
        while width < whole:
            by = min(width, whole - width)
            kept = around.shape[axis] - by
            two = (np.take(around, range(first, first + kept), axis) for first in (0, by))
            around = of_two(*two)
            width += by
        found = around
    return found


def share(
    probabilities: npt.NDArray[np.float32], classes: Iterable[str]
) -> npt.NDArray[np.float32]:
    """Probability of any of some classes, from [12, S, S]: [S, S]."""
    chosen = [CLASSES.index(name) for name in sorted(classes)]
    return np.asarray(probabilities[chosen].sum(0), np.float32)


def class_overlap(found: UInt8, truth: UInt8) -> npt.NDArray[np.float64]:
    """`mask_overlap` of each class in two parses [H, W], where `truth` is a class: [2, 12]."""
    known = truth < len(CLASSES)
    return np.stack([mask_overlap(found == c, truth == c, known) for c in range(len(CLASSES))], 1)


def mask_overlap(one: Bools, other: Bools, known: Bools) -> npt.NDArray[np.float64]:
    """Number of known pixels in the intersection and in the union of two masks: [2]."""
    return np.array([(one & other & known).sum(), ((one | other) & known).sum()], np.float64)


def mean_iou(overlap: npt.NDArray[np.float64]) -> float:
    """Mean intersection over union of pixel counts [2, C], over classes with a union; else NaN."""
    intersection, union = overlap
    there = union > 0
    return float((intersection[there] / union[there]).mean()) if there.any() else float("nan")
