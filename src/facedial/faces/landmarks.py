"""Landmark localisation in two passes: predict from the box, align the patch, predict again."""

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
    warp_quick,
)

LANDMARK_PATCH = 64
PATCH_SCALE = 1.3  # side of the first patch, in box sides
MIN_EYE_PX = 4.0


def _patch_template() -> Points:
    """The head template with eyes 19.2 pixels apart about (31.5, 26)."""
    eyes = HEAD_TEMPLATE[:2]
    scale = 19.2 / float(np.linalg.norm(eyes[1] - eyes[0]))
    return apply(similarity(scale, 0.0, eyes.mean(axis=0), np.array([31.5, 26.0])), HEAD_TEMPLATE)


PATCH_TEMPLATE: Points = _patch_template()
PATCH_TEMPLATE.flags.writeable = False


def patch_of(box: Floats, angle: float = 0.0) -> Affine:
    """Square patch around `box` [4]: patch pixel -> photo pixel [2, 3].

    Its side is `PATCH_SCALE` times the longer side of the box.  It is rotated by `angle` degrees, so
    that a face rotated clockwise by as much is upright in the patch.
    """
    side = PATCH_SCALE * float(max(box[2] - box[0], box[3] - box[1]))
    middle = np.array([(box[0] + box[2] - 1) / 2, (box[1] + box[3] - 1) / 2])
    centre = np.full(2, (LANDMARK_PATCH - 1) / 2)
    return similarity(side / LANDMARK_PATCH, angle, centre, middle)


def locate(
    pixels: UInt8,
    box: Floats,
    landmarker: Landmarker,
    passes: int = 2,
    angle: float = 0.0,
    near: Points | None = None,
) -> Floats:
    """Landmarks [5, 2] in photo pixels of the face in `box`, rotated clockwise by `angle` degrees.

    The first pass crops the box, or aligns the landmarks `near` where a detector has found some; each
    later one aligns the landmarks of the pass before to `PATCH_TEMPLATE`.  Stops at landmarks that are
    not `plausible` and returns them.
    """
    to_photo = patch_of(box, angle)
    if near is not None and plausible(near):
        to_photo = fit_similarity(PATCH_TEMPLATE, near)
    points = np.empty((5, 2))
    for _ in range(passes):
        patch = warp_quick(pixels, to_photo, LANDMARK_PATCH)
        points = apply(to_photo, np.asarray(landmarker(patch[None])[0], np.float64))
        if not plausible(points):
            break
        to_photo = fit_similarity(PATCH_TEMPLATE, points)
    return points


def plausible(landmarks: Floats) -> bool:
    """Whether landmarks [5, 2] can be a face's: finite, eyes apart, not mirrored, not collinear.

    A face whose eyes are less than `MIN_EYE_PX` apart, and no further from the mouth, is too small to
    edit.
    """
    if not np.isfinite(landmarks).all():
        return False
    eye_line = landmarks[1] - landmarks[0]
    eyes_to_mouth = landmarks[3:].mean(axis=0) - landmarks[:2].mean(axis=0)
    if max(float(np.hypot(*eye_line)), float(np.hypot(*eyes_to_mouth))) < MIN_EYE_PX:
        return False
    if float(np.hypot(*eye_line)) < 1e-6:
        return False
    # Distance of the mouth below the eyes, in eye distances: about 1 in a frontal face.
    mouth_depth = float(eye_line[0] * eyes_to_mouth[1] - eye_line[1] * eyes_to_mouth[0]) / float(
        eye_line @ eye_line
    )
    return 0.2 < mouth_depth < 5.0
