"""Laws of the editor: portraits, rendering, learned directions, pickling."""

import dataclasses
import pickle
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from facedial.codes.code import CodeTable
from facedial.editing.learn import Learned, learn
from facedial.editing.request import Edit
from facedial.editing.table import FAST, FLOW
from facedial.editor import Editor
from facedial.errors import BadRequest, CodeSpaceMismatch, IdentityLost, NoFaceFound, UnknownName
from facedial.faces.geometry import apply, invert
from facedial.faces.mark import EDITED, GENERATED
from facedial.faces.photo import Photo
from facedial.portrait import Portrait

SMILE = {"Smiling": 1.0}


@pytest.fixture(scope="module")
def photo(astronaut: Path) -> Photo:
    return Photo.open(astronaut)


@pytest.fixture(scope="module")
def portrait(editor: Editor, photo: Photo) -> Portrait:
    (found,) = editor.portraits(photo)
    return found


@pytest.fixture(scope="module")
def learned(editor: Editor) -> Learned:
    rng = np.random.default_rng(0)
    values = rng.standard_normal((2, 20, editor.model.dimensions)).astype(np.float32)
    values[0, :, :8] += 1.5
    names = [str(i) for i in range(20)]
    sets = [CodeTable(rows, editor.model.space, tuple(names)) for rows in values]
    return learn("My smile", sets[0], sets[1], editor.model.directions, rng=rng)


@pytest.mark.parametrize(
    "edit",
    [
        Edit(),
        Edit(SMILE, strength=0),
        Edit(shifts={"Bald": 0, "Young": 0}),
        Edit(keep=frozenset({"Male"})),
        {},
    ],
)
def test_a_zero_edit_returns_the_same_pixels_unmarked(
    editor: Editor, portrait: Portrait, photo: Photo, edit: Edit | dict[str, float]
) -> None:
    for method in ("best", "direction", "flow"):
        result = editor.render(portrait, edit, method=method)
        assert np.array_equal(result.pixels, photo.pixels)
        assert result.mark == photo.mark


def test_pixels_outside_the_crop_are_identical_and_the_result_is_marked(
    editor: Editor, portrait: Portrait, photo: Photo
) -> None:
    result = editor.render(portrait, {"Bald": 1.0}, quality=FAST)
    height, width = photo.pixels.shape[:2]
    seen = apply(invert(portrait.crop.to_photo), np.stack(np.mgrid[:height, :width][::-1], axis=-1))
    outside = ((seen < -0.6) | (seen > editor.model.side - 0.4)).any(axis=-1)
    assert 0.2 < outside.mean() < 0.9
    assert np.array_equal(result.pixels[outside], photo.pixels[outside])
    assert not np.array_equal(result.pixels, photo.pixels)
    assert (result.mark, photo.mark) == (EDITED, portrait.photo.mark)


def test_unknown_attributes_are_refused_with_a_suggestion(
    editor: Editor, portrait: Portrait
) -> None:
    for method in ("best", "direction", "flow"):
        with pytest.raises(UnknownName, match="did you mean Smiling"):
            editor.render(portrait, {"Smilling": 1}, method=method)
    with pytest.raises(UnknownName, match="did you mean Smiling"):
        editor.change(portrait, Edit(shifts={"Smilling": 1}))
    with pytest.raises(UnknownName, match="did you mean Male"):
        editor.change(portrait, Edit(SMILE, keep=frozenset({"Mael"})))


def test_names_of_an_edit_may_be_spelt_in_any_case(editor: Editor, portrait: Portrait) -> None:
    one, other = (editor.change(portrait, Edit({name: 1})) for name in ("smiling", "Smiling"))
    assert np.array_equal(one.after.values, other.after.values)
    assert one.names == other.names


def test_unknown_methods_and_qualities_are_refused(editor: Editor, portrait: Portrait) -> None:
    with pytest.raises(BadRequest, match="no edit method named 'jump'"):
        editor.render(portrait, SMILE, method="jump")
    with pytest.raises(BadRequest, match="no quality named 'slow'; known: fast, best"):
        editor.render(portrait, SMILE, quality="slow")


def test_a_face_that_is_not_there_is_refused(editor: Editor, photo: Photo) -> None:
    for number in (2, 0, -1):
        with pytest.raises(BadRequest, match=f"has 1 face, so there is no face {number}"):
            editor.portraits(photo, number)
    for wrong in ("x", "", "1.5", True, 1.5, None):
        with pytest.raises(BadRequest, match=f"a face is a number from 1 on, .*, found {wrong!r}"):
            editor.portraits(photo, wrong)  # type: ignore[arg-type]
    with pytest.raises(BadRequest, match="has 1 face, none at 2,3: 1 at "):
        editor.portraits(photo, "2,3")
    with pytest.raises(NoFaceFound):
        editor.portraits(Photo(np.full((200, 200, 3), 128, np.uint8), "wall"))


def test_a_face_is_chosen_by_its_number_by_all_or_by_its_eyes(
    editor: Editor, photo: Photo, portrait: Portrait
) -> None:
    assert portrait.face is not None
    x, y = portrait.face.landmarks[2]
    for face in (1, np.int64(1), "1", "all", "largest", "leftmost", "rightmost", f"{x},{y}"):
        (found,) = editor.portraits(photo, face)  # type: ignore[arg-type]
        assert np.array_equal(found.code.values, portrait.code.values)
    eyes = portrait.face.landmarks[:2]
    (found,) = editor.portraits(photo, eyes=eyes)
    assert found.face is not None
    assert np.allclose(found.face.landmarks[:2], eyes)
    crops = (one.crop.pixels.ravel().astype(float) for one in (found, portrait))
    assert np.corrcoef(*crops)[0, 1] > 0.9
    with pytest.raises(BadRequest, match="two eyes are four numbers"):
        editor.portraits(photo, eyes=eyes[:1])
    assert editor.read(photo, []) == []


def test_a_generated_face_is_edited_like_a_photo(editor: Editor) -> None:
    (code,) = editor.generate(1, seed=3, prior="gaussian")
    portrait = editor.reader.of_code(code, "new")
    assert portrait.code is code and portrait.photo.mark == GENERATED
    (picture,) = editor.decode([code])
    assert np.array_equal(portrait.photo.pixels, picture)
    edited = editor.render(portrait, SMILE, quality=FAST)
    assert edited.pixels.shape == picture.shape and edited.mark == EDITED
    assert not np.array_equal(edited.pixels, picture)


def test_a_used_editor_can_be_pickled_and_the_copy_renders_the_same_pixels(
    editor: Editor, photo: Photo, portrait: Portrait
) -> None:
    result = editor.render(portrait, SMILE)
    assert editor.model.bare_eyes is not None and editor.model.retouch is not None
    data = pickle.dumps(editor)
    assert len(data) < 5_000_000
    with pickle.loads(data) as copy:  # noqa: S301
        assert copy.model.bundle is not editor.model.bundle
        (again,) = copy.portraits(photo)
        assert np.array_equal(again.code.values, portrait.code.values)
        assert np.array_equal(copy.render(again, SMILE).pixels, result.pixels)
        sent = pickle.loads(pickle.dumps(portrait))  # noqa: S301
        assert np.array_equal(copy.render(sent, SMILE).pixels, result.pixels)


def test_learned_directions_share_the_sessions_and_do_not_change_the_editor(
    editor: Editor, portrait: Portrait, learned: Learned
) -> None:
    before = editor.model.directions.names
    wider = editor.with_learned([learned])
    assert wider.model.bundle is editor.model.bundle
    assert wider.model.packaged is editor.model.packaged
    assert wider.reader.detector is editor.reader.detector
    assert wider.model.directions.names == (*before, "My smile")
    assert editor.model.directions.names == before
    change = wider.change(portrait, Edit({"my-smile": 1}))
    first, last = wider.readings(change)["My smile"]
    assert last == pytest.approx(max(1, first), abs=1e-3)
    assert change.drawn_names == ("My smile",)
    with pytest.raises(UnknownName):
        editor.change(portrait, Edit({"My smile": 1}))
    with pytest.raises(BadRequest, match="exists already"):
        wider.with_learned([learned])


def test_learned_directions_are_not_edited_by_the_flow(
    editor: Editor, portrait: Portrait, learned: Learned
) -> None:
    with pytest.raises(BadRequest, match="the flow was not trained on My smile"):
        editor.with_learned([learned]).change(portrait, Edit({"My smile": 1}), FLOW)


def test_learned_directions_of_another_model_are_refused(learned: Learned) -> None:
    with Editor.open("cvae") as other, pytest.raises(CodeSpaceMismatch):
        other.with_learned([learned])


def test_current_values_are_on_the_scale_of_targets(editor: Editor, portrait: Portrait) -> None:
    values = editor.current_values(portrait)
    assert list(values) == list(editor.model.directions.names)
    own = editor.predict_attributes(portrait)
    readings = editor.model.directions.readings(portrait.code)
    for name, value in values.items():
        by_flow = editor.model.edit_table.uses_flow(name)
        assert value == (own[name] if by_flow else readings[name])


def test_a_closed_editor_opens_its_sessions_again(photo: Photo) -> None:
    with Editor.open() as editor:
        first = editor.decode(editor.generate(1, seed=1, prior="gaussian"))
    assert np.array_equal(editor.decode(editor.generate(1, seed=1, prior="gaussian")), first)
    editor.close()


@pytest.fixture(scope="module")
def conditional() -> Iterator[Editor]:
    with Editor.open("cvae") as opened:
        yield opened


def test_a_conditional_model_edits_photos_and_zero_edits_change_nothing(
    conditional: Editor, photo: Photo
) -> None:
    (portrait,) = conditional.portraits(photo)
    assert conditional.render(portrait, {}).pixels is photo.pixels
    edited = conditional.render(portrait, {"Smiling": 1, "Eyeglasses": 1})
    assert not np.array_equal(edited.pixels, photo.pixels)
    with pytest.raises(BadRequest, match="the model cvae has no flow"):
        conditional.change(portrait, Edit(SMILE), FLOW)
    with pytest.raises(BadRequest, match="the model cvae has no flow"):
        conditional.change(portrait, Edit(), FLOW)


def test_edits_of_faces_close_together_are_made_in_order(editor: Editor, photo: Photo) -> None:
    head = photo.pixels[20:276, 110:310]
    close = Photo(np.concatenate([head[:, :140], head], 1), "close")
    left, right = editor.portraits(close, ["leftmost", "rightmost"])
    blond, red = Edit({"Blond_Hair": 1}), Edit(hair_colour="#7a3318")
    made = editor.edited_all([(left, blond), (right, red)], quality=FAST)
    # The second edit is that of the first one's result: hair that was dyed is not dyed twice.
    seen = right.seen_in(made[0].photo)
    assert seen is not right and np.array_equal(seen.code.values, right.code.values)
    alone = editor.render(seen, red, quality=FAST)
    assert np.array_equal(made[1].photo.pixels, alone.pixels)
    assert made[0].last is made[1].photo
    assert right.seen_in(close) is right
    with pytest.raises(BadRequest, match="face 2 is given two edits"):
        editor.edited_all([(left, blond), (right, red), (left, red)])
    (other,) = editor.portraits(Photo(close.pixels, "copy"), "leftmost")
    with pytest.raises(BadRequest, match="of faces of one photo"):
        editor.edited_all([(right, red), (other, blond)])
    assert editor.edited_all([]) == []


def test_an_edit_that_takes_what_another_kept_is_refused(
    editor: Editor, portrait: Portrait, photo: Photo
) -> None:
    bald = editor.edited(portrait, Edit({"Bald": 1}), quality=FAST)
    other = dataclasses.replace(
        portrait, crop=dataclasses.replace(portrait.crop, to_photo=portrait.crop.to_photo + 1e-3)
    )
    assert bald.identity is not None
    kept = Edit({"Narrow_Eyes": 1.2}, min_identity=(1 + bald.identity) / 2)
    with pytest.raises(IdentityLost, match="the edits of faces beside it leave face 1"):
        editor.edited_all([(portrait, kept), (other, Edit({"Bald": 1}))], quality=FAST)
