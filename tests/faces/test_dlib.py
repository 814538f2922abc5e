"""The real detector on a real photo: every detection stage finds what the earlier ones miss."""

import pickle
import subprocess
import sys
import time

import numpy as np
import pytest
from numpy.testing import assert_allclose
from PIL import Image

from facedial.compose.blend import paste_change
from facedial.errors import NoFaceFound
from facedial.faces import (
    DETECTION_STAGES,
    PATCH_TEMPLATE,
    DlibDetector,
    Photo,
    align,
    face_from_eyes,
    find,
    patch_of,
)
from facedial.faces.face import iou
from facedial.faces.find import AS_IS, _detect
from facedial.faces.geometry import apply, invert, similarity, warp

# Read off the picture by eye, in its 512x512 pixels.
LANDMARKS = np.array([[203, 101], [246.7, 103], [225, 125], [204.7, 140.8], [243, 141.7]])


@pytest.fixture(scope="module")
def detector():
    return DlibDetector()


@pytest.fixture(scope="module")
def portrait(astronaut):
    return Photo.open(astronaut)


def as_the_template(patches):
    """Landmarks where the template has them; detection is under test, not they."""
    return np.repeat(PATCH_TEMPLATE[None], len(patches), axis=0)


def resized(photo, width, height):
    image = Image.fromarray(photo.pixels).resize((width, height), Image.Resampling.LANCZOS)
    return Photo(np.asarray(image)), apply_scale(width / 512, height / 512)


def apply_scale(x, y):
    return (LANDMARKS + 0.5) * [x, y] - 0.5


def turned(photo, degrees):
    """The astronaut turned clockwise on a grey canvas."""
    back = similarity(1.0, -degrees, np.full(2, 359.5), np.full(2, 255.5))
    return Photo(warp(photo.pixels, back, 720, fill=128)), apply(invert(back), LANDMARKS)


def found_by(photo, detector):
    """Name of the stage that finds faces, and the faces."""
    for i, stage in enumerate(DETECTION_STAGES):
        try:
            faces = find(photo, detector, as_the_template, stages=DETECTION_STAGES[i : i + 1])
        except NoFaceFound:
            continue
        return stage.name, faces
    raise AssertionError("not found")


def holds(face, landmarks):
    """The box is about those landmarks."""
    distance = float(np.hypot(*(landmarks[1] - landmarks[0])))
    middle = landmarks[:2].mean(axis=0)
    down = landmarks[3:].mean(axis=0) - middle
    centre = (face.box[:2] + face.box[2:] - 1) / 2
    side = face.box[2] - face.box[0]
    near = np.hypot(*(centre - middle - 0.6 * down)) < 0.5 * distance
    return bool(near and 1.8 < side / distance < 3.1)


def test_the_astronaut_is_found_at_once(portrait, detector):
    name, faces = found_by(portrait, detector)
    assert name == "as it is"
    assert len(faces) == 1
    assert holds(faces[0], LANDMARKS)
    assert faces[0].score > 0.99


def test_small_faces_are_found_closer(portrait, detector):
    photo, landmarks = resized(portrait, 256, 256)
    name, faces = found_by(photo, detector)
    assert name == "closer"
    assert holds(faces[0], landmarks)


def test_tight_crops_are_found_padded(portrait, detector):
    x0, y0, x1, y1 = 192, 92, 258, 152
    tight = Image.fromarray(portrait.pixels[y0:y1, x0:x1]).resize((660, 600), 3)
    name, faces = found_by(Photo(np.asarray(tight)), detector)
    assert name == "padded"
    assert holds(faces[0], (LANDMARKS - [x0, y0] + 0.5) * 10 - 0.5)


@pytest.mark.parametrize("degrees", [-75, 55])
def test_tilted_faces_are_found_turned(portrait, detector, degrees):
    photo, landmarks = turned(portrait, degrees)
    name, faces = found_by(photo, detector)
    assert name.startswith("turned")
    assert holds(faces[0], landmarks)


@pytest.mark.parametrize("degrees", [-60, -30, 0, 45, 75])
def test_the_network_is_shown_upright_faces(portrait, detector, degrees):
    """Training turns faces by up to 40 degrees; the first patch must stay well within."""
    photo, landmarks = turned(portrait, degrees)
    for stage in DETECTION_STAGES:
        seen = [
            d for transform in stage.transforms for d in _detect(photo.pixels, transform, detector)
        ]
        strong = [d for d in seen if d.score >= stage.min_score]
        if strong:
            break
    best = max(strong, key=lambda d: d.score)
    patch = apply(invert(patch_of(best.box, best.angle)), landmarks)
    across = patch[1] - patch[0]
    assert abs(np.degrees(np.arctan2(across[1], across[0]))) < 32
    assert ((patch > 4) & (patch < 59)).all()


def test_faint_faces_are_found_stretched(portrait, detector):
    faint = Photo((portrait.pixels * 0.02 + 120).astype(np.uint8))
    name, faces = found_by(faint, detector)
    assert name == "stretched"
    assert holds(faces[0], LANDMARKS)


def test_doubtful_faces_are_found_by_the_last_rung(portrait, detector):
    noise = np.random.default_rng(3).normal(0, 28, portrait.pixels.shape)
    noisy = Photo(np.clip(portrait.pixels * 0.5 + 60 + noise, 0, 255).astype(np.uint8))
    name, faces = found_by(noisy, detector)
    assert name == "lower threshold"
    assert holds(faces[0], LANDMARKS)


def test_a_mirrored_photo_mirrors_boxes(portrait, detector):
    (face,) = find(portrait, detector, as_the_template)
    (mirrored,) = find(Photo(portrait.pixels[:, ::-1]), detector, as_the_template)
    x0, y0, x1, y1 = face.box
    assert iou(mirrored.box, np.array([512 - x1, y0, 512 - x0, y1])) > 0.8


def test_two_faces_are_both_kept(portrait, detector):
    small = np.asarray(Image.fromarray(portrait.pixels).resize((400, 400)))
    both = np.full((512, 912, 3), 128, np.uint8)
    both[:, :512], both[:400, 512:] = portrait.pixels, small
    faces = find(Photo(both), detector, as_the_template)
    assert len(faces) == 2
    assert holds(faces[0], LANDMARKS)
    assert holds(faces[1], (LANDMARKS + 0.5) * 400 / 512 - 0.5 + [512, 0])


@pytest.mark.parametrize("size", [1000, 3000])
def test_large_photos_give_photo_pixels(portrait, detector, size):
    photo, landmarks = resized(portrait, size, size)
    name, faces = found_by(photo, detector)
    assert name == "as it is"
    assert holds(faces[0], landmarks)


@pytest.mark.parametrize("pixels", [np.zeros((16, 16, 3)), np.full((64, 3000, 3), 90)])
def test_no_face_raises(detector, pixels):
    with pytest.raises(NoFaceFound, match="no face found in picture"):
        find(Photo(pixels.astype(np.uint8)), detector, as_the_template)


def test_a_megapixel_takes_a_moment(portrait, detector):
    photo, _ = resized(portrait, 1000, 1000)
    _detect(photo.pixels, AS_IS, detector)
    start = time.process_time()
    _detect(photo.pixels, AS_IS, detector)
    assert time.process_time() - start < 0.4  # a tenth of a second here; machines differ


def test_the_astronauts_crop_and_back(portrait):
    """The whole room without a network: eyes by hand, crop, change, paste."""
    face = face_from_eyes(portrait, LANDMARKS[:2])
    crop = align(portrait, face)
    assert crop.inside > 0.98
    darker = np.full((128, 128, 3), -20.0, np.float32)
    pasted = paste_change(portrait, crop, darker)
    assert_allclose(pasted.pixels[110, 225], portrait.pixels[110, 225].astype(int) - 20)
    assert (pasted.pixels[300:] == portrait.pixels[300:]).all()


def test_dlib_is_imported_when_a_detector_is_made():
    code = (
        "import sys, facedial.faces as faces\n"
        "assert not [m for m in sys.modules if 'dlib' in m.split('.')[0]]\n"
        "faces.DlibDetector()\n"
        "assert 'dlib' in sys.modules\n"
    )
    subprocess.run([sys.executable, "-B", "-W", "error", "-c", code], check=True)  # noqa: S603


def test_detections_travel_between_processes(portrait, detector):
    (face,) = find(portrait, detector, as_the_template)
    again = pickle.loads(pickle.dumps(face))  # noqa: S301
    assert_allclose(again.box, face.box)
