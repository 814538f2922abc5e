"""Face detection: one look at the photo, and others only where they help."""

import math
from dataclasses import dataclass

import numpy as np

from facedial.errors import BadRequest, NoFaceFound
from facedial.faces.crop import HEAD_TEMPLATE
from facedial.faces.detector import shrunk
from facedial.faces.face import (
    Detection,
    Detector,
    Face,
    Landmarker,
    ious,
    non_max_suppression,
)
from facedial.faces.face_boxes import FaceBoxes, covered
from facedial.faces.geometry import Affine, Floats, Points, UInt8, apply, fit_similarity, scaling
from facedial.faces.landmarks import MIN_EYE_PX, locate, plausible
from facedial.faces.photo import Photo

GREY = 114
SAME_FACE = 0.3  # largest distance of two detections' eye centres for one face, in face units
PART_INSIDE, PART_OF = 0.75, 0.6  # shares of a box in a face's, and of their areas
# Overlap with a better face, from which on another must score so much.
OVERLAP, ANOTHER = 0.15, 0.8
SMALL = 32.0  # a face of fewer pixels in the detector's picture may have smaller ones beside it


@dataclass(frozen=True, slots=True)
class Transform:
    """How the photo is transformed before it goes to the detector.

    `side`: the photo is shrunk so that its longer side has at most so many pixels, or enlarged up to
    them but at most `enlarge` times.  `pad`: border added on each side in grey, as a share of that side.
    """

    side: int
    enlarge: float = 1.0
    pad: float = 0.0


@dataclass(frozen=True, slots=True)
class Stage:
    """Transforms whose detections are pooled; those that score less than `min_score` are dropped.

    `beside_small`: it also runs where faces were found, but so small ones that there may be smaller ones.
    """

    name: str
    transforms: tuple[Transform, ...]
    min_score: float
    beside_small: bool = False


# Photo pixels: a smaller face is not looked for; up to so many there is little to see, and a face must
# score more. Sizes are geometric means of a box's sides.
LEAST_SIDE, TINY, MIN_SCORE_TINY = 16.0, 20.0, 0.9
# By both stages of the detector; on validation photos no box where no face is, 0.93 of the faces.
MIN_SCORE, MIN_SCORE_AGAIN = 0.45, 0.75
AS_IS = Transform(640, enlarge=1.5)
CLOSER = Transform(2048, enlarge=2.0)
PADDED = Transform(512, enlarge=2.0, pad=0.5)
DETECTION_STAGES = (
    Stage("as it is", (AS_IS,), MIN_SCORE),
    Stage("closer", (CLOSER,), MIN_SCORE_AGAIN, beside_small=True),
    Stage("padded", (PADDED,), MIN_SCORE_AGAIN),
)


def find(
    photo: Photo,
    detector: Detector,
    landmarker: Landmarker,
    *,
    stages: tuple[Stage, ...] = DETECTION_STAGES,
) -> list[Face]:
    """Faces of `photo`, largest first, in photo pixels.

    Each stage runs where the earlier ones found nothing, or only small faces (`Stage.beside_small`).
    Raises `NoFaceFound` where no stage finds a face with plausible landmarks.
    """
    pixels = photo.flattened
    faces: list[Face] = []
    seen: list[Detection] = []
    looked = 0.0  # the largest scale at which the photo was looked at
    for stage in stages:
        scale = max(_scale(pixels, transform) for transform in stage.transforms)
        if faces and not (stage.beside_small and _small(faces, looked) and scale > 1.2 * looked):
            continue
        looked = max(looked, scale)
        seen += [
            detection
            for transform in stage.transforms
            for detection in _detect(pixels, transform, detector)
            if _likely(detection, stage.min_score)
        ]
        faces = _faces(pixels, non_max_suppression(seen), landmarker)
    if not faces:
        width, height = photo.size
        raise NoFaceFound(
            f"no face found in {photo.name} ({width}x{height}), nor enlarged or padded; if there is "
            "one, point at its eyes"
        )
    return sorted(faces, key=lambda face: -_area(face.box))


def face_from_eyes(photo: Photo, eyes: Points) -> Face:
    """The face whose two eyes a person pointed at; its box and other landmarks follow from the template.

    `eyes`: float [2, 2] in photo pixels, in any order.
    Raises `BadRequest` where they lie outside the photo or too near to one another.
    """
    eyes = np.asarray(eyes, np.float64)
    if eyes.shape != (2, 2) or not np.isfinite(eyes).all():
        raise BadRequest("two eyes are four numbers: x, y of the one and x, y of the other")
    width, height = photo.size
    if (eyes < -0.5).any() or (eyes >= np.array([width, height]) - 0.5).any():
        raise BadRequest(f"an eye lies outside {photo.name} ({width}x{height})")
    distance = float(np.hypot(*(eyes[1] - eyes[0])))
    if distance < MIN_EYE_PX:
        raise BadRequest(f"the eyes must be at least {MIN_EYE_PX:.0f} pixels apart")
    if eyes[0, 0] > eyes[1, 0]:
        eyes = eyes[::-1]
    landmarks = apply(fit_similarity(HEAD_TEMPLATE[:2], eyes), HEAD_TEMPLATE)
    return Face(FaceBoxes.of_landmarks(landmarks[None]).boxes[0], landmarks, 1.0)


def _likely(detection: Detection, min_score: float) -> bool:
    side = math.sqrt(_area(detection.box))
    least = max(min_score, MIN_SCORE_TINY) if side < TINY else min_score
    return side >= LEAST_SIDE and detection.score >= least


def _faces(pixels: UInt8, detections: list[Detection], landmarker: Landmarker) -> list[Face]:
    faces: list[Face] = []
    for detection in detections:
        if any(_part_of(detection.box, f.box) or _beside(detection, f.box) for f in faces):
            continue
        landmarks = _located(pixels, detection, landmarker)
        if plausible(landmarks) and not any(_same(landmarks, f.landmarks) for f in faces):
            faces.append(Face(detection.box, landmarks, detection.score))
    return faces


def _part_of(box: Floats, face: Floats) -> bool:
    """Whether a box is but a part of a face that scores better, such as an eye."""
    return bool(covered(face, box[None])[0] > PART_INSIDE and _area(box) < PART_OF * _area(face))


def _beside(detection: Detection, face: Floats) -> bool:
    """Whether a detection may be the hair or the chin of a face that scores better."""
    overlaps = float(ious(detection.box, face[None])[0]) > OVERLAP
    return overlaps and detection.score < ANOTHER


def _located(pixels: UInt8, detection: Detection, landmarker: Landmarker) -> Floats:
    """Landmarks by the network; the detector's where the network's are not in the box."""
    near = detection.landmarks
    found = locate(pixels, detection.box, landmarker, angle=detection.angle, near=near)
    if near is None or (plausible(found) and _holds(detection.box, found.mean(axis=0))):
        return found
    return near


def _holds(box: Floats, point: Points) -> bool:
    return bool((point >= box[:2] - 0.5).all() and (point <= box[2:] - 0.5).all())


def _small(faces: list[Face], scale: float) -> bool:
    """Whether the smallest face has fewer than `SMALL` pixels in a picture of that scale."""
    return scale * math.sqrt(min(_area(face.box) for face in faces)) < SMALL


def _scale(pixels: UInt8, transform: Transform) -> float:
    """Picture pixels per photo pixel."""
    side = transform.side / (1 + 2 * transform.pad)
    return float(min(side / max(pixels.shape[:2]), transform.enlarge))


def _same(a: Floats, b: Floats) -> bool:
    """Whether two sets of landmarks are of one face."""
    apart = float(np.hypot(*(a[:2].mean(axis=0) - b[:2].mean(axis=0))))
    unit = max(np.hypot(*(a[1] - a[0])), np.hypot(*(a[3:].mean(axis=0) - a[:2].mean(axis=0))))
    return apart < SAME_FACE * float(unit)


def _area(box: Floats) -> float:
    return float((box[2] - box[0]) * (box[3] - box[1]))


def _detect(pixels: UInt8, transform: Transform, detector: Detector) -> list[Detection]:
    """Detections in the transformed photo, in photo pixels."""
    picture, to_photo = _transformed(pixels, transform)
    scale, offset = to_photo[[0, 1], [0, 1]], to_photo[:, 2]
    corner = offset - 0.5 * scale + 0.5  # of a box at the picture's corner; boxes are half-open
    detections = []
    for found in detector(picture):
        box = found.box * np.tile(scale, 2) + np.tile(corner, 2)
        points = None if found.landmarks is None else apply(to_photo, found.landmarks)
        detections.append(Detection(box, found.score, found.angle, points))
    return detections


def _transformed(pixels: UInt8, transform: Transform) -> tuple[UInt8, Affine]:
    """The transformed photo, and the map from its pixels to photo pixels."""
    room = 1 + 2 * transform.pad
    picture = shrunk(pixels, max(1, round(transform.side / room)), transform.enlarge)
    height, width = picture.shape[:2]
    to_photo = scaling(pixels.shape[1] / width, pixels.shape[0] / height)
    if not transform.pad:
        return picture, to_photo
    across, down = (math.ceil(transform.pad * side) for side in (width, height))
    whole = np.full((height + 2 * down, width + 2 * across, 3), GREY, np.uint8)
    whole[down : down + height, across : across + width] = picture
    to_photo[:, 2] -= [across * to_photo[0, 0], down * to_photo[1, 1]]
    return whole, to_photo
