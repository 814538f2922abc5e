from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from facedial.errors import BadRequest, NoFaceFound
from facedial.faces import (
    DETECTION_STAGES,
    HEAD_TEMPLATE,
    LANDMARK_PATCH,
    PATCH_TEMPLATE,
    Detection,
    Photo,
    face_from_eyes,
    find,
    locate,
    patch_of,
)
from facedial.faces.face import iou, non_max_suppression
from facedial.faces.face_boxes import FaceBoxes
from facedial.faces.find import Transform, _transformed
from facedial.faces.geometry import apply, fit_similarity, scale_of
from facedial.faces.landmarks import plausible

from .ramp_faces import RampDetector, RampLandmarks, face_points, ramp_photo, seen

SIZE = (500, 420)
PHOTO = ramp_photo(*SIZE)
LARGE = (2200, 1700)


def found(faces, photo=PHOTO, **how):
    size = photo.size
    detector, landmarks = RampDetector(size, faces, **how), RampLandmarks(size, faces)
    return find(photo, detector, landmarks), detector, landmarks


@pytest.mark.parametrize(
    ("stage", "face", "how"),
    [
        ("as it is", ((240, 200), 60.0), {}),
        ("as it is", ((240, 200), 60.0, 135.0), {}),
        ("as it is", ((240, 200), 60.0, 180.0), {}),
        ("closer", ((240, 200), 10.0), {}),
        ("padded", ((250, 200), 90.0), {"air": 0.45}),
    ],
)
def test_each_stage_finds_what_earlier_ones_miss(stage, face, how):
    points = face_points(*face)
    names = [r.name for r in DETECTION_STAGES]
    below = DETECTION_STAGES[: names.index(stage)]
    detector, landmarks = RampDetector(SIZE, [points], **how), RampLandmarks(SIZE, [points])
    if below:
        with pytest.raises(NoFaceFound):
            find(PHOTO, detector, landmarks, stages=below)
    for stages in (DETECTION_STAGES[: len(below) + 1], DETECTION_STAGES):
        faces = find(PHOTO, detector, landmarks, stages=stages)
        assert len(faces) == 1
        assert_allclose(faces[0].landmarks, points, atol=0.6)
        assert_allclose(faces[0].box, FaceBoxes.of_landmarks(points[None]).boxes[0], atol=1.5)
        assert faces[0].score == pytest.approx(how.get("score", 0.9))
    # The network sees faces that are almost upright, and upright ones in its second pass.
    assert all(abs(t) <= 12 for t in landmarks.tilts)
    assert abs(landmarks.tilts[-1]) < 1


@pytest.mark.parametrize(
    ("eyes", "score", "there"),
    [(60.0, 0.6, True), (8.0, 0.8, False), (8.0, 0.95, True), (6.0, 0.95, False)],
)
def test_a_tiny_face_must_score_more_and_of_a_tinier_one_nothing_is_seen(eyes, score, there):
    """Faces with eyes 8 and 6 px apart have boxes of 19 and 15 px."""
    faces = [face_points((240, 200), eyes)]
    if there:
        assert len(found(faces, score=score, least_px=2.0)[0]) == 1
    else:
        with pytest.raises(NoFaceFound):
            found(faces, score=score, least_px=2.0)


def test_later_stages_run_only_where_needed():
    _, detector, _ = found([face_points((240, 200), 60.0)])
    assert len(detector.shapes) == 1
    _, detector, _ = found([face_points((240, 200), 10.0)])
    assert len(detector.shapes) == 2
    with pytest.raises(NoFaceFound):
        found([face_points((240, 200), 60.0)], score=0.1)


def test_beside_small_faces_smaller_ones_are_looked_for():
    small, smaller = face_points((120, 120), 9.5), face_points((340, 250), 7.0)
    faces, detector, _ = found([small, smaller], least_px=28.0)
    assert len(detector.shapes) == 2
    assert_allclose([face.landmarks for face in faces], [small, smaller], atol=0.6)


def test_large_photos_are_looked_at_small_and_found_in_photo_pixels():
    photo = ramp_photo(*LARGE)
    points = face_points((1200, 800), 400.0, 8.0)
    faces, detector, _ = found([points], photo)
    assert [max(shape) for shape in detector.shapes] == [640]
    assert_allclose(faces[0].landmarks, points, atol=4)
    small = face_points((1200, 800), 38.0)
    faces, detector, _ = found([small], photo)
    assert [max(shape) for shape in detector.shapes] == [640, 2048]
    assert_allclose(faces[0].landmarks, small, atol=4)


def test_all_faces_are_kept_largest_first():
    faces = [face_points((120, 120), 40.0), face_points((340, 250), 70.0)]
    got, _, _ = found(faces)
    assert_allclose([f.landmarks for f in got], [faces[1], faces[0]], atol=0.6)


def test_no_face_is_one_sentence():
    with pytest.raises(NoFaceFound, match=r"^no face found in ramp \(500x420\), .* eyes$"):
        found([])


def test_one_face_found_twice_is_one_face():
    points = face_points((240, 200), 60.0)

    def detector(pixels):
        one = RampDetector(SIZE, [points])(pixels)[0]
        aside = one.box + np.array([90, 0, 90, 0])  # overlaps little, leads to the same face
        return [Detection(one.box, 0.8), Detection(one.box + 4, 0.9), Detection(aside, 0.7)]

    faces = find(PHOTO, detector, RampLandmarks(SIZE, [points]))
    assert [face.score for face in faces] == [0.9]


def test_a_part_of_a_face_is_no_face():
    large, eye = face_points((240, 200), 90.0), face_points((205, 205), 20.0)

    def detector(pixels):
        found = RampDetector(SIZE, [large, eye])(pixels)
        return [replace(one, score=score) for one, score in zip(found, (0.9, 0.8), strict=True)]

    (face,) = find(PHOTO, detector, RampLandmarks(SIZE, [large]))
    assert_allclose(face.landmarks, large, atol=1)


def test_landmarks_outside_the_box_are_not_believed():
    """The detector's are taken, so that a face is not lost, or another one edited in its place."""
    points = face_points((240, 200), 60.0)
    elsewhere = np.repeat((PATCH_TEMPLATE + 200)[None], 1, axis=0)
    (face,) = find(PHOTO, RampDetector(SIZE, [points]), lambda patches: elsewhere)
    assert_allclose(face.landmarks, points, atol=8)


@pytest.mark.parametrize(
    "points",
    [
        np.full((5, 2), 31.5),
        np.full((5, 2), np.nan),
        PATCH_TEMPLATE * [-1, 1] + [63, 0],
        PATCH_TEMPLATE * [1, -1] + [0, 63],
        PATCH_TEMPLATE * 0.05,
        PATCH_TEMPLATE * [1, 0] + [0, 30],
    ],
)
def test_degenerate_landmarks_are_no_face(points):
    def detector(pixels):
        found = RampDetector(SIZE, [face_points((240, 200), 60.0)])(pixels)
        return [Detection(one.box, one.score) for one in found]

    with pytest.raises(NoFaceFound):
        find(PHOTO, detector, lambda patches: np.repeat(points[None], len(patches), axis=0))


@given(st.floats(10, 90), st.floats(-180, 180))
def test_any_similar_face_is_plausible(eyes_px, turn):
    assert plausible(face_points((240, 200), eyes_px, turn))


def test_eyes_too_near_are_no_face():
    assert plausible(face_points((50, 50), 4.1))
    assert not plausible(face_points((50, 50), 3.9))


def test_a_mirrored_photo_mirrors_faces():
    points = face_points((150, 200), 60.0, 5.0)
    swapped = points[[1, 0, 2, 4, 3]] * [-1, 1] + [SIZE[0] - 1, 0]
    (face,), _, _ = found([points])
    (mirrored,), _, _ = found([swapped])
    x0, y0, x1, y1 = face.box
    assert_allclose(mirrored.box, [SIZE[0] - x1, y0, SIZE[0] - x0, y1], atol=0.3)
    assert_allclose(mirrored.landmarks, swapped, atol=0.6)


@settings(max_examples=25)
@given(st.floats(0, 0.6), st.sampled_from([100, 250, 640]), st.floats(0.5, 2.0))
def test_a_look_knows_where_it_looks(pad, side, enlarge):
    photo = ramp_photo(160, 130)
    picture, to_photo = _transformed(photo.pixels, Transform(side, enlarge, pad))
    assert max(picture.shape) <= side + 3
    assert scale_of(to_photo) >= 0.98 / enlarge
    truth = seen(picture, photo.size)
    points = np.array([[40.0, 30.0], [120.0, 100.0], [80.0, 65.0]])
    from_photo = fit_similarity(apply(truth, points), points)
    there = apply(from_photo, points)
    assert_allclose(apply(to_photo, there), points, atol=1.5)  # Pillow's bilinear rounds down


def test_a_look_of_a_photo_as_it_is_copies_nothing_away():
    picture, to_photo = _transformed(PHOTO.pixels, Transform(500))
    assert_array_equal(picture, PHOTO.pixels)
    assert_allclose(to_photo, [[1, 0, 0], [0, 1, 0]])


@settings(max_examples=25)
@given(st.floats(-180, 180), st.floats(20, 90))
def test_locate_is_exact_with_an_exact_network(turn, eyes_px):
    points = face_points((240, 200), eyes_px, turn)
    landmarks = RampLandmarks(SIZE, [points])
    box = np.array([240 - eyes_px, 200 - eyes_px, 240 + eyes_px, 200 + eyes_px])
    got = locate(PHOTO.pixels, box, landmarks, angle=turn + 15)
    assert_allclose(got, points, atol=0.02 * eyes_px)
    assert len(landmarks.tilts) == 2
    assert abs(landmarks.tilts[0] + 15) < 2
    assert abs(landmarks.tilts[1]) < 1


def test_the_patch_is_upright_and_centred():
    box = np.array([100.0, 50.0, 180.0, 130.0])
    to_photo = patch_of(box)
    assert_allclose(apply(to_photo, np.full(2, 31.5)), [139.5, 89.5])
    assert_allclose(to_photo[:, :2], np.eye(2) * 1.3 * 80 / LANDMARK_PATCH)
    quarter = apply(patch_of(box, 90.0), np.array([[31.5, 31.5], [63.5, 31.5]]))
    assert_allclose(quarter[1] - quarter[0], [0, 52], atol=1e-9)  # the patch's right points down


def test_the_patch_template_is_as_described():
    assert_allclose(PATCH_TEMPLATE[:2].mean(axis=0), [31.5, 26.0])
    assert_allclose(PATCH_TEMPLATE[1] - PATCH_TEMPLATE[0], [19.2, 0.0])


@given(st.floats(4.5, 100), st.floats(-89, 89), st.booleans())
def test_a_face_from_eyes_has_those_eyes(eyes_px, turn, swapped):
    points = face_points((240, 200), eyes_px, turn)
    face = face_from_eyes(PHOTO, points[1::-1] if swapped else points[:2])
    assert_allclose(face.landmarks, points, atol=1e-6)
    assert face.score == 1.0


def test_a_face_from_eyes_has_the_box_of_a_found_one():
    (face,), _, _ = found([face_points((240, 200), 60.0)])
    assert iou(face.box, face_from_eyes(PHOTO, face.landmarks[:2]).box) > 0.9


@pytest.mark.parametrize(
    "eyes",
    [
        [[10, 10], [12, 10]],
        [[10, 10], [600, 10]],
        [[-5, 10], [60, 10]],
        [[np.nan, 10], [60, 10]],
        [[10, 10], [60, 10], [80, 10]],
    ],
)
def test_eyes_that_cannot_be(eyes):
    with pytest.raises(BadRequest, match="eye"):
        face_from_eyes(PHOTO, np.array(eyes, float))


def test_strongest_keeps_different_faces():
    boxes = np.array([[0.0, 0.0, 10.0, 10.0], [1.0, 0.0, 11.0, 10.0], [20.0, 0.0, 30.0, 10.0]])
    kept = non_max_suppression(
        [Detection(box, score) for box, score in zip(boxes, (0.5, 0.9, 0.7), strict=True)]
    )
    assert [d.score for d in kept] == [0.9, 0.7]


def test_overlap_by_hand():
    a = np.array([0.0, 0.0, 10.0, 10.0])
    assert iou(a, a) == 1.0
    assert iou(a, a + np.array([5, 0, 5, 0])) == pytest.approx(50 / 150)
    assert iou(a, a + 10) == 0.0


def test_the_smallest_photo():
    photo = Photo(np.zeros((16, 16, 3), np.uint8))
    with pytest.raises(NoFaceFound):
        find(photo, lambda _: [], lambda patches: HEAD_TEMPLATE[None])
