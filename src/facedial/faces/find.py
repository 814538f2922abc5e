"""Finding faces: each rung of a ladder is climbed only where those below found nothing."""

import math
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageOps

from facedial.errors import BadRequest, NoFaceFound
from facedial.faces.crop import HEAD_TEMPLATE
from facedial.faces.face import Detection, Detector, Face, Landmarker, strongest
from facedial.faces.geometry import (
    Affine,
    Floats,
    Points,
    UInt8,
    apply,
    averaged,
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
SAME_FACE = 0.3  # eye distances between the eyes' middles of two findings of one face
# The box that dlib draws about a face, in eye distances: medians over 496 photos of LFW.
BOX_SIDE = 2.41
BOX_BELOW_EYES = 0.55


@dataclass(frozen=True, slots=True)
class Look:
    """A picture made from the photo for the detector.

    `pixels`: the photo is shrunk to at most so many, or enlarged up to them but at most
    `enlarge` times.  `pad`: share of the sides added all around, in grey.  `angle`: degrees that
    faces in the photo are taken to be turned clockwise.  `stretch`: contrast is stretched.
    """

    pixels: float = MEGAPIXEL
    enlarge: float = 1.0
    pad: float = 0.0
    angle: float = 0.0
    stretch: bool = False


@dataclass(frozen=True, slots=True)
class Rung:
    """Looks taken together; detections that score less than `least` do not count."""

    name: str
    looks: tuple[Look, ...]
    least: float


AS_IS = Look()
CLOSER = Look(pixels=4 * MEGAPIXEL, enlarge=2.0)
PADDED = Look(pad=0.5, enlarge=2.0)
STRETCHED = Look(stretch=True, enlarge=2.0)
# Thresholds from 171 photos of groups and 158 without a face: false alarms in 3 % of the latter,
# but in 18 % with turned looks on the last rung too.
LADDER = (
    Rung("as it is", (AS_IS,), 0.6),
    Rung("closer", (CLOSER,), 0.6),
    Rung("padded", (PADDED,), 0.6),
    Rung("turned 30", (Look(angle=-30.0, enlarge=2.0), Look(angle=30.0, enlarge=2.0)), 0.85),
    Rung("turned 60", (Look(angle=-60.0, enlarge=2.0), Look(angle=60.0, enlarge=2.0)), 0.85),
    Rung("stretched", (STRETCHED,), 0.6),
    Rung("lower threshold", (AS_IS, CLOSER, PADDED, STRETCHED), 0.3),
)


def find(
    photo: Photo, detector: Detector, landmarker: Landmarker, *, ladder: tuple[Rung, ...] = LADDER
) -> list[Face]:
    """Faces of `photo`, largest first, in photo pixels.

    Raises `NoFaceFound` where no rung of `ladder` finds a face with plausible landmarks.
    """
    looked: dict[Look, list[Detection]] = {}
    for rung in ladder:
        for look in rung.looks:
            if look not in looked:
                looked[look] = _detect(photo.pixels, look, detector)
        seen = [d for look in rung.looks for d in looked[look] if d.score >= rung.least]
        faces = _faces(photo.pixels, strongest(seen), landmarker)
        if faces:
            return faces
    width, height = photo.size
    raise NoFaceFound(
        f"no face found in {photo.name} ({width}x{height}), nor enlarged, padded, turned or with "
        "more contrast; if there is one, point at its eyes"
    )


def face_from_eyes(photo: Photo, eyes: Points) -> Face:
    """The face whose two eyes a person pointed at, in any order; the rest follows the template.

    `eyes`: float [2, 2] in photo pixels.
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
    """Whether two boxes led to one face."""
    apart = float(np.hypot(*(a[:2].mean(axis=0) - b[:2].mean(axis=0))))
    return apart < SAME_FACE * float(np.hypot(*(a[1] - a[0])))


def _area(box: Floats) -> float:
    return float((box[2] - box[0]) * (box[3] - box[1]))


def _box(middle: Points, width: float, height: float) -> Floats:
    """Box of given sides about `middle`, a point between pixel centres."""
    half = np.array([width / 2, height / 2])
    return np.concatenate([middle + 0.5 - half, middle + 0.5 + half])


def _detect(pixels: UInt8, look: Look, detector: Detector) -> list[Detection]:
    """Detections in photo pixels of what one look shows."""
    picture, to_photo = _show(pixels, look)
    scale = scale_of(to_photo)
    detections = []
    for found in detector(picture):
        x0, y0, x1, y1 = found.box
        middle = apply(to_photo, np.array([(x0 + x1 - 1) / 2, (y0 + y1 - 1) / 2]))
        box = _box(middle, scale * (x1 - x0), scale * (y1 - y0))
        detections.append(Detection(box, found.score, found.angle + look.angle))
    return detections


def _show(pixels: UInt8, look: Look) -> tuple[UInt8, Affine]:
    """The picture of `look` and its pixel -> photo pixel."""
    height, width = pixels.shape[:2]
    turn = math.radians(look.angle)
    cos, sin = abs(math.cos(turn)), abs(math.sin(turn))
    canvas_width = (width * cos + height * sin) * (1 + 2 * look.pad)
    canvas_height = (width * sin + height * cos) * (1 + 2 * look.pad)
    scale = min(look.enlarge, math.sqrt(look.pixels / (canvas_width * canvas_height)))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    image = _resized(pixels, size)
    if look.stretch:
        image = ImageOps.equalize(ImageOps.autocontrast(image.convert("L"))).convert("RGB")
    to_photo = scaling(width / size[0], height / size[1])
    if look.pad or look.angle:
        canvas = math.ceil(canvas_width * scale), math.ceil(canvas_height * scale)
        middle, canvas_middle = (np.array([(n - 1) / 2 for n in s]) for s in (size, canvas))
        to_image = similarity(1.0, look.angle, canvas_middle, middle)
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
    blocks = Image.fromarray(averaged(pixels, block, block))
    return blocks.resize(size, Image.Resampling.BILINEAR, box=box)
