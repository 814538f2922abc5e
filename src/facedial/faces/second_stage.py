"""The detector's second stage: a small network looks at each candidate again, closely.

A cascade (Viola and Jones 2001; Zhang et al. 2016, "Joint face detection and alignment using multitask
cascaded convolutional networks"): the first stage proposes more than it is sure of, the second drops what
is no face and raises what is one.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from facedial.faces.face import Detection
from facedial.faces.geometry import UInt8, similarity, warp_quick

# So wide that hair, a hood and shoulders are seen: they tell faces that are covered or turned away.
PATCH = 96
AROUND = 2.25  # side of a patch, in longer sides of the box
# A detection that scores more is a face without a second look; of the others, the best so many are
# looked at, and the rest dropped.
SURE, MOST = 0.97, 128
# The log-odds of a face are the second stage's, and so many times the first's, and a constant.
FIRST_WEIGHT, BIAS = 0.7, -1.7
# Patches uint8 [N, 96, 96, 3] -> log-odds of a face float32 [N].
SecondStage: TypeAlias = Callable[[UInt8], NDArray[np.float32]]


def patch(pixels: UInt8, detection: Detection) -> UInt8:
    """The square around a detection, turned so that the face is upright: uint8 [96, 96, 3]."""
    box = detection.box
    side = AROUND * float(max(box[2] - box[0], box[3] - box[1]))
    middle = np.array([(box[0] + box[2] - 1) / 2, (box[1] + box[3] - 1) / 2])
    centre = np.full(2, (PATCH - 1) / 2)
    return warp_quick(pixels, similarity(side / PATCH, detection.angle, centre, middle), PATCH)


def joined(second: NDArray[Any], first: NDArray[Any]) -> NDArray[np.float64]:
    """Log-odds by both stages [N], but for `BIAS`: the second's log-odds, and the first's scores 0..1."""
    scores = np.clip(first.astype(np.float64), 1e-4, 1 - 1e-4)
    return np.asarray(second + FIRST_WEIGHT * np.log(scores / (1 - scores)), np.float64)


def rescored(
    pixels: UInt8, detections: Sequence[Detection], second: SecondStage
) -> list[Detection]:
    """The detections of a picture, best first, with scores 0..1 by both stages."""
    again = [one for one in detections if one.score <= SURE][:MOST]
    if not again:
        return list(detections)
    found = second(np.stack([patch(pixels, one) for one in again]))
    odds = joined(found, np.array([one.score for one in again])) + BIAS
    scores = 1 / (1 + np.exp(-odds))
    sure = [one for one in detections if one.score > SURE]
    seen = [replace(one, score=float(p)) for one, p in zip(again, scores, strict=True)]
    return sorted([*sure, *seen], key=lambda one: -one.score)
