"""What a face's box is, and how boxes, landmarks and matches move with a picture."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from facedial.faces import HEAD_TEMPLATE
from facedial.faces.face_boxes import (
    ACROSS,
    DOWN,
    FALSE,
    HIT,
    NOT_JUDGED,
    FaceBoxes,
    covered,
    matched,
)
from facedial.faces.geometry import apply, compose, similarity

FACE = HEAD_TEMPLATE[None]


def test_the_box_of_an_upright_face_is_the_ellipse_about_eyes_and_mouth():
    (box,) = FaceBoxes.of_landmarks(FACE).boxes
    eyes, mouth = HEAD_TEMPLATE[:2].mean(0), HEAD_TEMPLATE[3:].mean(0)
    unit = max(mouth[1] - eyes[1], HEAD_TEMPLATE[1, 0] - HEAD_TEMPLATE[0, 0])
    assert_allclose(box[2:] - box[:2], [2 * ACROSS * unit, 2 * DOWN * unit], rtol=1e-3)
    assert_allclose((box[:2] + box[2:] - 1) / 2, (eyes + mouth) / 2, atol=0.1)


@given(st.floats(-180, 180), st.floats(0.2, 5), st.booleans())
def test_moved_faces_are_those_of_the_moved_landmarks(turn, scale, mirror):
    move = similarity(scale, turn, np.array([60.0, 70.0]), np.array([10.0, -20.0]))
    points = apply(move, HEAD_TEMPLATE)
    if mirror:
        move = compose(np.array([[-1.0, 0, 300], [0, 1, 0]]), move)
        points = apply(move, HEAD_TEMPLATE)[[1, 0, 2, 4, 3]]
    moved, direct = FaceBoxes.of_landmarks(FACE).moved(move), FaceBoxes.of_landmarks(points[None])
    assert_allclose(moved.landmarks, direct.landmarks, atol=1e-6)
    assert_allclose(moved.boxes, direct.boxes, atol=1e-6)
    assert_allclose(moved.down, direct.down, atol=1e-9)


def test_a_face_on_its_side_is_as_wide_as_it_was_high():
    turned = FaceBoxes.of_landmarks(FACE).moved(
        similarity(1.0, 90.0, np.full(2, 64.0), np.full(2, 64.0))
    )
    before, after = FaceBoxes.of_landmarks(FACE).boxes[0], turned.boxes[0]
    assert_allclose((before[2:] - before[:2])[::-1], after[2:] - after[:2], rtol=1e-3)


def test_given_boxes_are_kept_but_of_strongly_turned_faces():
    lying = FaceBoxes.of_landmarks(FACE).moved(
        similarity(1.0, 80.0, np.full(2, 64.0), np.full(2, 64.0))
    )
    landmarks = np.concatenate([FACE, lying.landmarks, np.full((1, 5, 2), np.nan)])
    given_boxes = np.array([[1.0, 2, 31, 42]] * 3)
    faces = FaceBoxes.of_boxes(given_boxes, landmarks, np.ones(3, bool))
    # The template's mouth is not quite below its eyes, so that the first box grows by a trifle.
    assert_allclose(faces.boxes[[0, 2]], given_boxes[[0, 2]], atol=0.1)
    assert_allclose(faces.boxes[1], lying.boxes[0])
    assert_allclose(faces.down[2], [0, 1])


def test_a_match_is_the_best_of_a_face_and_unsure_faces_are_not_judged():
    boxes = np.array([[0.0, 0, 10, 10], [20, 0, 30, 10], [40, 0, 50, 10]])
    found = np.array([[1.0, 0, 11, 10], [0, 0, 10, 9], [40, 0, 50, 9], [70, 0, 80, 10]])
    kind, which = matched(found, boxes, np.array([True, True, False]), 0.5)
    assert kind.tolist() == [HIT, FALSE, NOT_JUDGED, FALSE]
    assert which.tolist() == [0, -1, -1, -1]
    kind, _ = matched(found, np.zeros((0, 4)), np.zeros(0, bool), 0.5)
    assert (kind == FALSE).all()


def test_covered_by_hand():
    boxes = np.array([[0.0, 0, 10, 10], [5, 5, 15, 15], [20, 20, 30, 30]])
    assert covered(boxes[0], boxes).tolist() == pytest.approx([1, 0.25, 0])
