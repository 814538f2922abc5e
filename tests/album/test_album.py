"""Groups of near-duplicates and their order, of made-up faces; measures of a real one."""

from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from facedial.album.groups import Shot, grouped, people_of
from facedial.album.measures import FaceMeasures, measure
from facedial.album.order import EYES, EYES_OPEN, Preferences, ranked
from facedial.editor import Editor
from facedial.errors import BadRequest, UnknownName
from facedial.faces.overview import FaceFacts, rough_pitch
from facedial.faces.photo import Photo

BEGUN = datetime(2026, 5, 1, 12)
PEOPLE = np.linalg.qr(np.random.default_rng(0).standard_normal((16, 16)))[0].astype(np.float32)
NOISE = np.random.default_rng(1).standard_normal((2, 16, 16)).astype(np.float32)


def face(person: int, *, smile: float = 1, eyes: float = 0.14, sharp: float = 0.01) -> FaceMeasures:
    facts = FaceFacts(1, (0, 0, 9, 9), 30, 0, 0, 0, sharp, 1, 1, 1)
    return FaceMeasures(facts, {"Smiling": smile}, eyes, PEOPLE[person])


def shot(name: str, *faces: FaceMeasures, after_s: float | None = None, scene: int = 0) -> Shot:
    taken = None if after_s is None else BEGUN + timedelta(seconds=after_s)
    return Shot(Path(name), faces, taken, NOISE[scene])


def test_photos_of_the_same_people_at_one_moment_are_a_group() -> None:
    shots = [
        shot("a", face(0), face(1), after_s=0),
        shot("b", face(1), face(0), after_s=60),
        shot("c", face(0), face(1), after_s=150),  # two minutes from b, not from a
        shot("d", face(2), face(3), after_s=160),  # others
        shot("e", face(0), face(1), after_s=9000),  # later
    ]
    found = [[one.path.name for one in group] for group in grouped(shots[::-1])]
    assert found == [["a", "b", "c"], ["d"], ["e"]]


def test_without_times_pictures_that_look_alike_are_a_group() -> None:
    shots = [
        shot("a", face(0)),
        shot("b", face(0)),
        shot("c", face(0), scene=1),
        shot("d", face(1)),
    ]
    assert [[one.path.name for one in group] for group in grouped(shots)] == [
        ["a", "b"],
        ["c"],
        ["d"],
    ]


def test_people_are_known_whatever_their_order_and_passers_by_are_left_out() -> None:
    shots = [
        shot("a", face(0), face(1)),
        shot("b", face(1), face(5), face(0)),
        shot("c", face(1)),
    ]
    assert people_of(shots) == [[0, 1], [2, 0], [None, 0]]


def test_the_weakest_face_counts_and_is_named() -> None:
    wanted = Preferences({"smiling": 1}, eyes_open=True)
    shots = [
        shot("blink", face(0), face(1, eyes=0.08)),
        shot("away", face(0)),
        shot("good", face(0), face(1)),
        shot("grim", face(0, smile=0.1), face(1, smile=0.9)),
        shot("blurred", face(0, sharp=0.001), face(1, sharp=0.001)),
    ]
    found = ranked(shots, wanted)
    names = [one.shot.path.name for one in found]
    assert (names[0], names[-1]) == ("good", "away")
    weak = {one.shot.path.name: one.weak() for one in found}
    assert weak["good"] == []
    assert weak["blink"] == ["face 1: eyes open 0.00"]
    assert weak["away"] == ["person 2 is not found"]
    assert weak["grim"] == ["face 1: Smiling 0.10"]
    assert weak["blurred"] == ["face 1: sharpness 0.00"] * 2
    assert all(0 <= one.score <= 1 for one in found)
    # Without the wish, closed eyes do not count.
    assert EYES_OPEN not in ranked(shots, Preferences({}))[0].people[0].parts


def test_eyes_are_compared_with_those_of_the_same_person() -> None:
    narrow = [shot("a", face(0, eyes=0.085)), shot("b", face(0, eyes=0.09))]
    parts = [one.people[0].parts[EYES_OPEN] for one in ranked(narrow, Preferences({}, True))]
    assert parts == [1, 1]
    alone = ranked([shot("c", face(1, eyes=0.08))], Preferences({}, True))[0].people[0].parts
    assert 0 < alone[EYES_OPEN] < 0.5


def test_preferences_that_make_no_sense_are_refused() -> None:
    with pytest.raises(BadRequest, match=r"must lie in 0\.\.1, found 2"):
        Preferences({"Smiling": 2})
    with pytest.raises(UnknownName, match="did you mean Smiling"):
        Preferences({"Smilling": 1})


def test_painted_lids_close_the_eyes_of_a_real_face(editor: Editor, astronaut: Path) -> None:
    photo = Photo.open(astronaut)
    (portrait,) = editor.portraits(photo)
    (measured,) = measure(editor, photo, [portrait])
    assert measured.eyes_open is not None and 0.1 < measured.eyes_open < 0.25
    assert measured.embedding is not None
    assert abs(float(np.linalg.norm(measured.embedding)) - 1) < 1e-3
    assert measured.facts.pitch == round(rough_pitch(portrait.face.landmarks), 1)
    pixels = photo.pixels.copy()
    for x, y in portrait.face.landmarks[:2].astype(int):
        pixels[y - 5 : y + 6, x - 9 : x + 10] = pixels[y + 14, x]
    shut = Photo(pixels, "shut")
    (there,) = editor.read(shut, [portrait.face])
    (closed,) = measure(editor, shut, [there])
    assert closed.eyes_open is not None and closed.eyes_open < sum(EYES) / 2 * measured.eyes_open
