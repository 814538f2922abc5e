"""From a box to five landmarks: the network looks, turns the face upright and looks again."""

import numpy as np

from facedial.faces.crop import HEAD_TEMPLATE
from facedial.faces.face import Landmarker
from facedial.faces.geometry import (
    Affine,
    Floats,
    Points,
    UInt8,
    apply,
    fit_similarity,
    similarity,
    warp,
)

LANDMARK_PATCH = 64
FIRST_LOOK = 1.3  # side of the first patch in sides of the box
MIN_EYE_PX = 4.0


def _patch_template() -> Points:
    """The head template with eyes 19.2 pixels apart about (31.5, 26)."""
    eyes = HEAD_TEMPLATE[:2]
    scale = 19.2 / float(np.linalg.norm(eyes[1] - eyes[0]))
    return apply(similarity(scale, 0.0, eyes.mean(axis=0), np.array([31.5, 26.0])), HEAD_TEMPLATE)


PATCH_TEMPLATE: Points = _patch_template()
PATCH_TEMPLATE.flags.writeable = False


def patch_of(box: Floats, angle: float = 0.0) -> Affine:
    """Square patch about `box` [4], patch pixel -> photo pixel [2, 3].

    It has `FIRST_LOOK` times the longer side, and is turned with a face that is turned `angle`
    degrees clockwise, so that the patch shows it upright.
    """
    side = FIRST_LOOK * float(max(box[2] - box[0], box[3] - box[1]))
    middle = np.array([(box[0] + box[2] - 1) / 2, (box[1] + box[3] - 1) / 2])
    centre = np.full(2, (LANDMARK_PATCH - 1) / 2)
    return similarity(side / LANDMARK_PATCH, angle, centre, middle)


def locate(
    pixels: UInt8, box: Floats, landmarker: Landmarker, passes: int = 2, angle: float = 0.0
) -> Floats:
    """Landmarks [5, 2] in photo pixels of the face in `box`, turned `angle` degrees clockwise.

    The first pass sees the box, each later one the points found so far laid on `PATCH_TEMPLATE`.
    Points too degenerate for another pass are returned as they are; `plausible` tells.
    """
    to_photo = patch_of(box, angle)
    points = np.empty((5, 2))
    for _ in range(passes):
        patch = warp(pixels, to_photo, LANDMARK_PATCH)
        points = apply(to_photo, np.asarray(landmarker(patch[None])[0], np.float64))
        if not plausible(points):
            break
        to_photo = fit_similarity(PATCH_TEMPLATE, points)
    return points


def plausible(landmarks: Floats) -> bool:
    """Whether five points may be a face: finite, eyes apart, not mirrored, not all on a line.

    Eyes nearer than `MIN_EYE_PX` pixels leave nothing to edit.
    """
    if not np.isfinite(landmarks).all():
        return False
    across = landmarks[1] - landmarks[0]
    if float(np.hypot(*across)) < MIN_EYE_PX:
        return False
    down = landmarks[3:].mean(axis=0) - landmarks[:2].mean(axis=0)
    # Part of the eye distance that the mouth lies below the eyes: about 1 in a frontal face.
    depth = float(across[0] * down[1] - across[1] * down[0]) / float(across @ across)
    return 0.2 < depth < 5.0
