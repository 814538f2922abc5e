"""Clips edited: faces followed, people told apart, one law of steps, what stays and what changes."""

import numpy as np
import pytest
from skimage import data

from facedial import fringe
from facedial.arrays import Bytes
from facedial.composing import BANGS
from facedial.editing.request import Edit
from facedial.editing.table import FAST
from facedial.editor import Editor
from facedial.faces.photo import Photo
from facedial.video import clip as files
from facedial.video.clip import Frame
from facedial.video.edit import Steps, encode_faces, of_person, rendered
from facedial.video.steady import Steady
from facedial.video.tracks import follow, people, smoothed
from moving_faces import RATE, moving

DARKER = Edit(hair_colour="#101010")


def framed(pictures: list[Bytes]) -> list[Frame]:
    return [Frame(picture, number) for number, picture in enumerate(pictures)]


def test_a_face_is_followed_where_it_goes(editor: Editor, heads: Bytes) -> None:
    frames = framed(moving(heads[0], 10))
    (track,), times = follow(frames, editor.reader)
    assert (track.start, track.end, times) == (0, 10, list(range(10)))
    assert track.confirmed == [0, 8]
    smoothed(track, [time / RATE for time in times])
    places = np.stack(track.points).mean(1)
    apart = places - places[0] - np.stack([2 * np.arange(10), np.zeros(10)], 1)
    eyes = np.hypot(*(track.points[0][1] - track.points[0][0]))
    assert np.abs(apart).max() < 0.05 * eyes
    (found,) = editor.faces(Photo(frames[8].pixels, "frame"))
    assert np.abs(track.face(8).box - found.box).max() < 0.1 * eyes


def test_a_cut_ends_tracks_and_people_are_known_again(editor: Editor, heads: Bytes) -> None:
    one, other = moving(heads[0], 3), moving(heads[1], 3)
    dark = [np.asarray(frame // 2, np.uint8) for frame in one]
    tracks, _ = follow(framed(one + other + dark), editor.reader)
    assert [(track.start, track.end) for track in tracks] == [(0, 3), (3, 6), (6, 9)]
    assert all(track.begins_at_cut and track.ends_at_cut for track in tracks)
    found = people(tracks)
    assert sorted(len(person.tracks) for person in found) == [1, 2]
    assert [track.start for track in max(found, key=lambda one: len(one.tracks)).tracks] == [0, 6]


def test_an_edit_keeps_to_its_region_in_every_frame(editor: Editor, heads: Bytes) -> None:
    frames = framed(moving(heads[0], 4))
    tracks, times = follow(frames, editor.reader)
    (person,) = people(tracks)
    encode_faces(editor, frames, [person])
    edit = of_person(editor, person, DARKER, quality=FAST)
    assert edit.steps is None and edit.colours is not None  # nothing is drawn
    after = list(rendered(editor, frames, [edit], files.Fraction(RATE)))
    assert [one.pts for one in after] == times
    for before, now in zip(frames, after, strict=True):
        apart = np.abs(now.pixels.astype(int) - before.pixels).max(2)
        assert (apart > 8).mean() > 0.02
        eyes = tracks[0].points[before.pts][:2].mean(0).astype(int)
        assert apart[eyes[1] : eyes[1] + 60, eyes[0] - 20 : eyes[0] + 20].max() == 0
        assert apart[:, : 2 * before.pts].max(initial=0) <= 8  # the grey beside the face


def test_a_smile_in_a_clip_leaves_the_mouth_as_open_as_it_speaks(
    editor: Editor, heads: Bytes
) -> None:
    frames = framed(moving(heads[0], 2))
    tracks, _ = follow(frames, editor.reader)
    (person,) = people(tracks)
    encode_faces(editor, frames, [person])
    for edit, opens in ((Edit({"Smiling": 1}), False), (Edit({"Mouth_Slightly_Open": 1}), True)):
        made = of_person(editor, person, edit, quality=FAST)
        whole, half = (made.in_frame(made.change.before, share).mouth for share in (1.0, 0.5))
        assert whole is not None and half is not None
        assert bool(whole.opened) is opens and half.opened == whole.opened / 2
        assert np.isclose(half.smile[1], (whole.smile[0] + whole.smile[1]) / 2)


def test_steps_are_linear_in_the_code_and_a_share_is_a_share(editor: Editor, heads: Bytes) -> None:
    rng = np.random.default_rng(0)
    codes, slopes = rng.standard_normal((12, 30)), 0.1 * rng.standard_normal((30, 30))
    steps = Steps.fitted(np.float32(codes), np.float32(codes @ slopes + 1))
    errors = [np.abs(steps.of(np.float32(c)) - c @ slopes - 1).max() for c in codes]
    alone = [np.abs((codes @ slopes + 1).mean(0) - c @ slopes - 1).max() for c in codes]
    assert np.mean(errors) < 0.3 * np.mean(alone)
    (one,) = [steps.of(np.float32(c)) for c in codes[:1]]
    assert np.array_equal(
        Steps.fitted(np.float32(codes[:1]), one[None]).of(np.float32(codes[3])), one
    )
    frames = framed(moving(heads[0], 2))
    tracks, _ = follow(frames, editor.reader)
    (person,) = people(tracks)
    encode_faces(editor, frames, [person])
    edit = of_person(editor, person, Edit({"Wavy_Hair": 1, "Blond_Hair": 1}), quality=FAST)
    code = edit.change.before
    assert edit.steps is not None and len(edit.steps.exemplars) == 1
    whole, half, none = (edit.in_frame(code, share) for share in (1.0, 0.5, 0.0))
    assert np.allclose(
        half.pasted.values - code.values, (whole.pasted.values - code.values) / 2, atol=1e-5
    )
    assert half.recolour == {"Blond_Hair": whole.recolour["Blond_Hair"] / 2}
    assert np.array_equal(none.pasted.values, code.values) and not any(none.recolour.values())


def test_a_fringe_is_grown_in_every_frame_or_in_none(editor: Editor, heads: Bytes) -> None:
    frames = framed(moving(heads[0], 3))
    tracks, _ = follow(frames, editor.reader)
    (person,) = people(tracks)
    encode_faces(editor, frames, [person])
    edit = of_person(editor, person, Edit({BANGS: 1}))
    assert edit.change.fringe is not None and edit.steps is None
    code = edit.change.before
    half = edit.in_frame(code, 0.5)
    assert half.fringe is not None
    assert half.fringe.share == pytest.approx(edit.change.fringe.share / 2)
    steady = Steady()
    (first,) = editor.portraits(Photo(data.astronaut()))
    (second,) = editor.portraits(Photo(data.astronaut()))
    second.cache.put(fringe.COLUMNS, fringe.NONE)
    for one in (first, second):
        steady.prepare(editor.model, one, edit.change)
    assert np.array_equal(fringe.columns(editor.model, second), fringe.columns(editor.model, first))
