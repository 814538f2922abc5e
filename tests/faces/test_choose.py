"""Choosing a face: by number, word or point, among made-up faces."""

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from facedial.errors import BadRequest
from facedial.faces import Face
from facedial.faces.choose import WORDS, choose, choose_each, parsed

from .ramp_faces import face_points


def face(x: float, y: float, side: float) -> Face:
    """A face of which the box alone matters."""
    return Face(np.array([x, y, x + side, y + side]), face_points((x, y), side / 2.4), 1.0)


# Of few pixels, so that boxes often overlap, and points often lie at their edges.
WHOLE = st.integers(-5, 15)
SIDES = st.integers(3, 15)
FACES = st.lists(st.builds(face, WHOLE, WHOLE, SIDES), min_size=1, max_size=12).map(
    lambda faces: sorted(faces, key=lambda one: -(one.box[2] - one.box[0]))
)


def middle(one: Face) -> tuple[float, float]:
    x0, y0, x1, y1 = one.box
    return (x0 + x1 - 1) / 2, (y0 + y1 - 1) / 2


def the(faces: list[Face], choice: object) -> Face:
    (chosen,) = choose(faces, choice)
    return chosen


@given(FACES)
def test_numbers_count_from_the_largest_and_all_are_all(faces: list[Face]) -> None:
    for number, one in enumerate(faces, 1):
        assert the(faces, number) is the(faces, str(number)) is the(faces, np.int64(number)) is one
    assert the(faces, "largest") is faces[0]
    everybody = choose(faces, "all")
    assert len(everybody) == len(faces)
    assert all(a is b for a, b in zip(everybody, faces, strict=True))


@given(FACES, st.randoms())
def test_leftmost_and_rightmost_go_by_the_middles(faces: list[Face], random: object) -> None:
    places = [middle(one)[0] for one in faces]
    assert middle(the(faces, "leftmost"))[0] == min(places)
    assert middle(the(faces, "rightmost"))[0] == max(places)
    mirrored = [
        Face(np.array([-b[2], b[1], -b[0], b[3]]), one.landmarks, 1.0)
        for one in faces
        for b in [one.box]
    ]
    assume(len(set(places)) == len(places))
    assert mirrored.index(the(mirrored, "leftmost")) == faces.index(the(faces, "rightmost"))


@given(FACES, WHOLE, WHOLE)
def test_a_point_means_the_smallest_face_that_holds_it(faces: list[Face], x: int, y: int) -> None:
    # Boxes hold the pixels x0 <= x < x1: counted by pixels here, not by edges.
    held = [
        one
        for one in faces
        if x in range(int(one.box[0]), int(one.box[2]))
        and y in range(int(one.box[1]), int(one.box[3]))
    ]
    if not held:
        with pytest.raises(BadRequest, match=f"none at {x},{y}: 1 at "):
            choose(faces, f"{x},{y}")
        return
    side = min(one.box[2] - one.box[0] for one in held)
    chosen = the(faces, f"{x},{y}")
    assert any(chosen is one for one in held)
    assert chosen.box[2] - chosen.box[0] == side


def test_a_point_between_pixels_belongs_to_the_nearer_one() -> None:
    left, right = face(0, 0, 10), face(10, 0, 9)
    assert the([left, right], "9,0") is left
    assert the([left, right], "10,0") is right
    for beside in ("10,0", "9.5,0", "0,9.5"):
        with pytest.raises(BadRequest):
            choose([left], beside)
    assert the([left, right], "9.4,5") is left
    assert the([left, right], "9.6,5") is right
    assert the([left], " -0.5 , 0 ") is left
    with pytest.raises(BadRequest):
        choose([left], "-0.6,0")


def test_of_a_face_in_a_face_the_smaller_is_meant() -> None:
    large, small = face(0, 0, 100), face(20, 20, 10)
    assert the([large, small], "25,25") is the([small, large], "25,25") is small
    assert the([large, small], "35,25") is large


def test_a_point_beside_all_faces_says_where_they_are() -> None:
    with pytest.raises(BadRequest) as told:
        choose([face(200, 40, 100), face(10, 20, 50)], "500,1.5", "group.jpg")
    where = "1 at 200,40..300,140, 2 at 10,20..60,70"
    assert str(told.value) == f"group.jpg has 2 faces, none at 500,1.5: {where}"
    with pytest.raises(BadRequest, match=r"has 30 faces, .*, 8 at 0,0\.\.10,10, and 22 smaller$"):
        choose([face(0, 0, 10)] * 30, "500,1")


@pytest.mark.parametrize("number", [0, -1, 3, "0", "3"])
def test_a_number_that_no_face_has_is_refused(number: object) -> None:
    with pytest.raises(BadRequest, match=f"^group.jpg has 2 faces, so there is no face {number}$"):
        choose([face(0, 0, 9), face(5, 5, 8)], number, "group.jpg")


@pytest.mark.parametrize("word", WORDS[1:])
def test_of_no_faces_none_is_chosen(word: str) -> None:
    with pytest.raises(BadRequest, match="has 0 faces"):
        choose([], word)


WRONG = ["", "left", "ALL", "-1", "1.5", "²", "1,2,3", "1,", "nan,1", "1,inf", "9" * 5000]


@pytest.mark.parametrize(
    "wrong", [*WRONG, True, None, 1.5, (1, 2), math.nan], ids=lambda value: str(value)[:9]
)
def test_anything_else_is_one_sentence_with_what_is_expected(wrong: object) -> None:
    with pytest.raises(BadRequest) as told:
        parsed(wrong)
    text = str(told.value)
    expected = "a face is a number from 1 on, 'all', 'largest', 'leftmost', 'rightmost', or a point"
    assert text.startswith(expected)
    assert len(text) < 250


def test_several_faces_are_chosen_in_the_order_given_each_once() -> None:
    faces = [face(0, 0, 15), face(30, 0, 10), face(60, 0, 5)]
    chosen = choose_each(faces, ["rightmost", 1, "33,3"])
    assert [id(one) for one in chosen] == [id(faces[i]) for i in (2, 0, 1)]
    with pytest.raises(BadRequest, match="photo: 1 and leftmost are one face; name each face once"):
        choose_each(faces, [1, 2, "leftmost"], "photo")
    with pytest.raises(BadRequest, match="'all' means every face"):
        choose_each(faces, [1, "all"])
    with pytest.raises(BadRequest, match="has 3 faces, so there is no face 4"):
        choose_each(faces, [1, 4])
