"""Face detection in stages: each runs only where the earlier ones found nothing."""

import math
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageOps

from facedial.errors import BadRequest, NoFaceFound
from facedial.faces.crop import HEAD_TEMPLATE
from facedial.faces.face import Detection, Detector, Face, Landmarker, non_max_suppression
from facedial.faces.geometry import (
    Affine,
    Floats,
    Points,
    UInt8,
    apply,
    block_means,
    compose,
    fit_similarity,
    pillow_coefficients,
    scale_of,
    scaling,
    similarity,
)
from facedial.faces.landmarks import MIN_EYE_PX, locate, plausible
from facedial.faces.photo import Photo

MEGAPIXEL = 1.0e6
GREY = 128
SAME_FACE = 0.3  # largest distance of two detections' eye centres for one face, in eye distances
# The box that dlib draws about a face, in eye distances: medians over 496 photos of LFW.
BOX_SIDE = 2.41
BOX_BELOW_EYES = 0.55


@dataclass(frozen=True, slots=True)
class Transform:
    """How the photo is transformed before it goes to the detector.

    `pixels`: the photo is shrunk to at most so many, or enlarged up to them but at most `enlarge` times.
    `pad`: border added on each side in grey, as a share of that side.  `angle`: faces in the photo are
    assumed to be rotated clockwise by so many degrees, and rotated back.  `stretch`: contrast is
    stretched.
    """

    pixels: float = MEGAPIXEL
    enlarge: float = 1.0
    pad: float = 0.0
    angle: float = 0.0
    stretch: bool = False


@dataclass(frozen=True, slots=True)
class Stage:
    """Transforms whose detections are pooled; those that score less than `min_score` are dropped."""

    name: str
    transforms: tuple[Transform, ...]
    min_score: float


AS_IS = Transform()
CLOSER = Transform(pixels=4 * MEGAPIXEL, enlarge=2.0)
PADDED = Transform(pad=0.5, enlarge=2.0)
STRETCHED = Transform(stretch=True, enlarge=2.0)
# Thresholds from 171 photos of groups and 158 without a face: false alarms in 3 % of the latter,
# but in 18 % with rotations in the last stage too.
DETECTION_STAGES = (
    Stage("as it is", (AS_IS,), 0.6),
    Stage("closer", (CLOSER,), 0.6),
    Stage("padded", (PADDED,), 0.6),
    Stage(
        "turned 30", (Transform(angle=-30.0, enlarge=2.0), Transform(angle=30.0, enlarge=2.0)), 0.85
    ),
    Stage(
        "turned 60", (Transform(angle=-60.0, enlarge=2.0), Transform(angle=60.0, enlarge=2.0)), 0.85
    ),
    Stage("stretched", (STRETCHED,), 0.6),
    Stage("lower threshold", (AS_IS, CLOSER, PADDED, STRETCHED), 0.3),
)


def find(
    photo: Photo,
    detector: Detector,
    landmarker: Landmarker,
    *,
    stages: tuple[Stage, ...] = DETECTION_STAGES,
) -> list[Face]:
    """Faces of `photo`, largest first, in photo pixels.

    Raises `NoFaceFound` where no stage finds a face with plausible landmarks.
    """
    pixels = photo.flattened
    detected: dict[Transform, list[Detection]] = {}
    for stage in stages:
        for transform in stage.transforms:
            if transform not in detected:
                detected[transform] = _detect(pixels, transform, detector)
        seen = [
            d
            for transform in stage.transforms
            for d in detected[transform]
            if d.score >= stage.min_score
        ]
        faces = _faces(pixels, non_max_suppression(seen), landmarker)
        if faces:
            return faces
    width, height = photo.size
    raise NoFaceFound(
        f"no face found in {photo.name} ({width}x{height}), nor enlarged, padded, turned or with "
        "more contrast; if there is one, point at its eyes"
    )


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
    to_photo = fit_similarity(HEAD_TEMPLATE[:2], eyes)
    template_eyes = HEAD_TEMPLATE[:2]
    template_distance = float(template_eyes[1, 0] - template_eyes[0, 0])
    below = template_eyes.mean(axis=0) + np.array([0.0, BOX_BELOW_EYES * template_distance])
    box = _box(apply(to_photo, below), BOX_SIDE * distance, BOX_SIDE * distance)
    return Face(box, apply(to_photo, HEAD_TEMPLATE), 1.0)


def _faces(pixels: UInt8, detections: list[Detection], landmarker: Landmarker) -> list[Face]:
    faces: list[Face] = []
    for detection in detections:
        landmarks = locate(pixels, detection.box, landmarker, angle=detection.angle)
        if plausible(landmarks) and not any(_same(landmarks, f.landmarks) for f in faces):
            faces.append(Face(detection.box, landmarks, detection.score))
    return sorted(faces, key=lambda face: -_area(face.box))


def _same(a: Floats, b: Floats) -> bool:
    """Whether two sets of landmarks are of one face."""
    apart = float(np.hypot(*(a[:2].mean(axis=0) - b[:2].mean(axis=0))))
    return apart < SAME_FACE * float(np.hypot(*(a[1] - a[0])))


def _area(box: Floats) -> float:
    return float((box[2] - box[0]) * (box[3] - box[1]))


def _box(middle: Points, width: float, height: float) -> Floats:
    """Box of given sides about `middle`, a point between pixel centres."""
    half = np.array([width / 2, height / 2])
    return np.concatenate([middle + 0.5 - half, middle + 0.5 + half])


def _detect(pixels: UInt8, transform: Transform, detector: Detector) -> list[Detection]:
    """Detections in the transformed photo, in photo pixels."""
    picture, to_photo = _transformed(pixels, transform)
    scale = scale_of(to_photo)
    detections = []
    for found in detector(picture):
        x0, y0, x1, y1 = found.box
        middle = apply(to_photo, np.array([(x0 + x1 - 1) / 2, (y0 + y1 - 1) / 2]))
        box = _box(middle, scale * (x1 - x0), scale * (y1 - y0))
        detections.append(Detection(box, found.score, found.angle + transform.angle))
    return detections


def _transformed(pixels: UInt8, transform: Transform) -> tuple[UInt8, Affine]:
    """The transformed photo, and the map from its pixels to photo pixels."""
    height, width = pixels.shape[:2]
    turn = math.radians(transform.angle)
    cos, sin = abs(math.cos(turn)), abs(math.sin(turn))
    canvas_width = (width * cos + height * sin) * (1 + 2 * transform.pad)
    canvas_height = (width * sin + height * cos) * (1 + 2 * transform.pad)
    scale = min(transform.enlarge, math.sqrt(transform.pixels / (canvas_width * canvas_height)))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    image = _resized(pixels, size)
    if transform.stretch:
        image = ImageOps.equalize(ImageOps.autocontrast(image.convert("L"))).convert("RGB")
    to_photo = scaling(width / size[0], height / size[1])
    if transform.pad or transform.angle:
        canvas = math.ceil(canvas_width * scale), math.ceil(canvas_height * scale)
        middle, canvas_middle = (np.array([(n - 1) / 2 for n in s]) for s in (size, canvas))
        to_image = similarity(1.0, transform.angle, canvas_middle, middle)
        image = image.transform(
            canvas,
            Image.Transform.AFFINE,
            pillow_coefficients(to_image),
            Image.Resampling.BILINEAR,
            fillcolor=(GREY, GREY, GREY),
        )
        to_photo = compose(to_photo, to_image)
    return np.asarray(image), to_photo


def _resized(pixels: UInt8, size: tuple[int, int]) -> Image.Image:
    """`pixels` in another size; whole blocks are averaged first, which is much faster."""
    block = max(1, min(pixels.shape[1] // size[0], pixels.shape[0] // size[1]))
    box = (0.0, 0.0, pixels.shape[1] / block, pixels.shape[0] / block)
    blocks = Image.fromarray(block_means(pixels, block, block))
    return blocks.resize(size, Image.Resampling.BILINEAR, box=box)
