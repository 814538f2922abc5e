"""The detector's numpy half by hand-made cells, and the whole on a real photo."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from PIL import Image

from facedial.errors import NoFaceFound
from facedial.faces import DETECTION_STAGES, NetworkDetector, Photo, find
from facedial.faces.detector import MULTIPLE, STRIDES, UNIT, decoded, padded, roll, shrunk
from facedial.faces.face import iou
from facedial.faces.face_boxes import FaceBoxes
from facedial.faces.geometry import apply, invert, similarity, warp

# Read off the picture by eye, in its 512x512 pixels.
LANDMARKS = np.array([[203, 101], [246.7, 103], [225, 125], [204.7, 140.8], [243, 141.7]])


def cells_of(size, faces):
    """Cells [A, 15] with one cell for each (stride, row, column, score, values)."""
    grids = [np.zeros((size[0] // s, size[1] // s, 15), np.float32) for s in STRIDES]
    for stride, row, column, score, values in faces:
        grids[STRIDES.index(stride)][row, column] = [score, *values]
    return np.concatenate([grid.reshape(-1, 15) for grid in grids])


def test_cells_become_boxes_and_landmarks_in_pixels():
    size = (128, 192)
    points = np.arange(10) / 10
    values = [0.25, -0.5, np.log(2), np.log(0.5), *points]
    cells = cells_of(size, [(16, 2, 5, 0.9, values), (64, 1, 2, 0.4, [0] * 14)])
    scores, boxes, landmarks = decoded(cells, size, 0.3)
    assert scores == pytest.approx([0.9, 0.4])
    middle, unit = np.array([5.5 * 16 - 0.5, 2.5 * 16 - 0.5]), 16 * UNIT
    centre = middle + np.array([0.25, -0.5]) * unit
    assert_allclose((boxes[0, :2] + boxes[0, 2:] - 1) / 2, centre, atol=1e-4)
    assert_allclose(boxes[0, 2:] - boxes[0, :2], [2 * unit, unit / 2], rtol=1e-5)
    assert_allclose(landmarks[0], middle + points.reshape(5, 2) * unit, atol=1e-4)
    assert_allclose(boxes[1], [160 - 128, 96 - 128, 160 + 128, 96 + 128])
    assert len(decoded(cells, size, 0.95)[0]) == 0


def test_one_face_of_several_cells_is_one_detection():
    def cells(pictures):
        assert pictures.shape == (1, 128, 128, 3)
        near = [(8, 5, c, 0.5 + c / 100, [-0.25 * (c - 6), 0, 1, 1, *[0] * 10]) for c in (5, 6, 7)]
        return cells_of((128, 128), [*near, (32, 3, 0, 0.3, [0] * 14)])[None]

    found = NetworkDetector(cells)(np.zeros((100, 90, 3), np.uint8))
    assert [one.score for one in found] == pytest.approx([0.57, 0.3])


def test_padding_is_at_the_far_edges_only():
    pixels = np.full((MULTIPLE + 1, 20, 3), 7, np.uint8)
    whole = padded(pixels)
    assert whole.shape == (2 * MULTIPLE, MULTIPLE, 3)
    assert (whole[: MULTIPLE + 1, :20] == 7).all() and (whole[MULTIPLE + 1 :] == 114).all()
    assert padded(whole) is whole


@pytest.mark.parametrize("degrees", [-170, -90, -20, 0, 45, 135, 180])
def test_roll_is_how_far_the_face_is_turned(degrees):
    turned = apply(similarity(1.0, degrees, np.zeros(2), np.zeros(2)), LANDMARKS)
    assert abs((roll(turned) - degrees - roll(LANDMARKS) + 180) % 360 - 180) < 1e-6
    assert abs(roll(LANDMARKS)) < 3


def test_pictures_are_shrunk_to_a_side_and_hardly_enlarged():
    pixels = np.zeros((50, 100, 3), np.uint8)
    assert shrunk(pixels, 40).shape == (20, 40, 3)
    assert shrunk(pixels, 400).shape == (50, 100, 3)
    assert shrunk(pixels, 400, 2.0).shape == (100, 200, 3)
    assert shrunk(pixels, 100) is pixels


@pytest.fixture(scope="module")
def portrait(astronaut):
    return Photo.open(astronaut)


def turned(photo, degrees, scale=1.0):
    """The astronaut turned clockwise and shrunk on a grey canvas of 720 px."""
    back = similarity(1 / scale, -degrees, np.full(2, 359.5), np.full(2, 255.5))
    return Photo(warp(photo.pixels, back, 720, fill=128)), apply(invert(back), LANDMARKS)


def error(face, landmarks):
    """Mean error of the landmarks in shares of the eye distance."""
    off = np.linalg.norm(face.landmarks - landmarks, axis=1).mean()
    return float(off / np.linalg.norm(landmarks[1] - landmarks[0]))


def holds(face, landmarks):
    """The box is about those landmarks, and the landmark network agrees with the eye."""
    box = FaceBoxes.of_landmarks(landmarks[None]).boxes[0]
    return iou(face.box, box) > 0.5 and error(face, landmarks) < 0.12


@pytest.mark.parametrize("degrees", [-135, -75, -30, 0, 55, 100, 180])
def test_a_face_is_found_however_it_is_turned(editor, portrait, degrees):
    photo, landmarks = turned(portrait, degrees)
    faces = editor.faces(photo)
    assert len(faces) == 1
    assert holds(faces[0], landmarks)


@pytest.mark.parametrize("scale", [0.35, 0.7])
def test_small_faces_are_found(editor, portrait, scale):
    """Of 40 and 80 px."""
    photo, landmarks = turned(portrait, 10, scale)
    faces = editor.faces(photo)
    assert len(faces) == 1
    assert holds(faces[0], landmarks)


def test_a_face_that_fills_the_frame_is_found(editor, portrait):
    x0, y0, x1, y1 = 175, 60, 275, 165
    tight = Image.fromarray(portrait.pixels[y0:y1, x0:x1]).resize((1000, 1050), 3)
    faces = editor.faces(Photo(np.asarray(tight)))
    assert holds(faces[0], (LANDMARKS - [x0, y0] + 0.5) * 10 - 0.5)


def test_a_dark_photo(editor, portrait):
    faces = editor.faces(Photo((portrait.pixels * 0.15).astype(np.uint8)))
    assert len(faces) == 1 and holds(faces[0], LANDMARKS)


def test_a_mirrored_photo_mirrors_boxes(editor, portrait):
    (face,) = editor.faces(portrait)
    (mirrored,) = editor.faces(Photo(np.ascontiguousarray(portrait.pixels[:, ::-1])))
    x0, y0, x1, y1 = face.box
    assert iou(mirrored.box, np.array([512 - x1, y0, 512 - x0, y1])) > 0.8


@pytest.mark.parametrize("box", [(90, 20, 346, 276), (130, 40, 330, 240), (160, 60, 300, 200)])
def test_a_close_crop_shows_one_face(editor, portrait, box):
    """A wide look sees another where the hair is, which overlaps the face."""
    x0, y0, x1, y1 = box
    (face,) = editor.faces(Photo(portrait.pixels[y0:y1, x0:x1].copy()))
    assert holds(face, LANDMARKS - [x0, y0])


def test_two_faces_are_both_kept_the_larger_first(editor, portrait):
    small = np.asarray(Image.fromarray(portrait.pixels).resize((400, 400)))
    both = np.full((512, 912, 3), 128, np.uint8)
    both[:, 400:], both[:400, :400] = portrait.pixels, small
    faces = editor.faces(Photo(both))
    assert len(faces) == 2
    assert holds(faces[0], LANDMARKS + np.array([400, 0]))
    assert holds(faces[1], (LANDMARKS + 0.5) * 400 / 512 - 0.5)


@pytest.mark.parametrize("side", [1000, 3000])
def test_large_photos_give_photo_pixels(editor, portrait, side):
    large = Image.fromarray(portrait.pixels).resize((side, side), Image.Resampling.LANCZOS)
    detector = NetworkDetector(editor.model.detect)
    (face,) = find(
        Photo(np.asarray(large)),
        detector,
        editor.model.locate_landmarks,
        stages=DETECTION_STAGES[:1],
    )
    assert holds(face, (LANDMARKS + 0.5) * side / 512 - 0.5)


@pytest.mark.parametrize("pixels", [np.zeros((16, 16, 3)), np.full((64, 3000, 3), 90)])
def test_no_face_raises(editor, pixels):
    with pytest.raises(NoFaceFound, match="no face found in picture"):
        editor.faces(Photo(pixels.astype(np.uint8)))
