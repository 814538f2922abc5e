"""What is drawn anew where a thing comes off a head."""

import dataclasses

import numpy as np
import pytest

from facedial import parsing, render
from facedial.editing.request import Edit
from facedial.editing.table import FAST
from facedial.editor import Editor
from facedial.hidden import CELLS, hidden
from facedial.portrait import Portrait

OFF = Edit({"Eyeglasses": 0})


@pytest.fixture(scope="module")
def wearer(editor: Editor, portrait: Portrait) -> Portrait:
    """The same face with sunglasses."""
    photo = editor.render(portrait, Edit({"Eyeglasses": 1}, lens_darkness=1.0))
    return editor.portraits(photo)[0]


def test_the_eyes_behind_sunglasses_are_hidden_and_the_mouth_is_not(
    editor: Editor, wearer: Portrait
) -> None:
    found = hidden(editor.model, wearer, OFF, ("Eyeglasses",))["Eyeglasses"]
    assert set(np.unique(found)) == {0, 1}
    cells = parsing.landmarks_of(editor.model, wearer) * CELLS / 256
    for (x, y), covered in zip(cells[[0, 1, 3, 4]].astype(int), (1, 1, 0, 0), strict=True):
        assert found[y, x] == covered
    background = parsing.share(parsing.classes_of(editor.model, wearer), {"background"})
    block = len(background) // CELLS
    empty = background.reshape(CELLS, block, CELLS, block).min((1, 3)) > 0.9
    assert empty.any() and not found[empty].any()


def test_nothing_is_hidden_where_nothing_comes_off(editor: Editor, wearer: Portrait) -> None:
    for edit, unseen in (
        (OFF, ()),  # one sees through them
        (Edit({"Eyeglasses": 1}), ("Eyeglasses",)),
        (Edit({"Wearing_Hat": 0}), ()),  # there is no hat
        (Edit({"Smiling": 0}), ()),
    ):
        assert hidden(editor.model, wearer, edit, unseen) == {}
    assert editor.change(wearer, OFF, quality=FAST).covered is None
    assert editor.change(wearer, OFF, "direction").covered is None


def test_eyes_are_drawn_anew_and_are_somebodys(editor: Editor, wearer: Portrait) -> None:
    change = editor.change(wearer, OFF)
    assert change.covered is not None and change.drawn_names == ("Eyeglasses",)
    result = editor.paste(wearer, change)
    moved = np.abs(result.pixels.astype(float) - wearer.photo.pixels).max(2)
    inside = render.region(editor.model, wearer, change) > 0
    assert not moved[~inside].any()
    (bare,) = editor.read(result, [wearer.face] if wearer.face else None)
    assert editor.predict_attributes(bare)["Eyeglasses"] < 0.2
    eyes = parsing.seen(editor.model, bare, {"eyes"})
    for x, y in parsing.landmarks_of(editor.model, bare)[:2].astype(int):
        assert eyes[y - 4 : y + 5, x - 8 : x + 9].max() > 0.8


@pytest.mark.usefixtures("few_steps")
def test_a_share_of_it_is_a_share_of_the_change(editor: Editor, wearer: Portrait) -> None:
    def moved(strength: float) -> np.ndarray:
        result = editor.paste(wearer, editor.change(wearer, Edit(OFF.targets, strength=strength)))
        return np.abs(result.pixels.astype(float) - wearer.photo.pixels).max(2)

    whole, half, little = moved(1.0), moved(0.5), moved(0.01)
    assert 0.3 < half.sum() / whole.sum() < 0.75
    assert whole.max() > 60 and little.max() < 6
    assert editor.render(wearer, Edit(OFF.targets, strength=0)) is wearer.photo


@pytest.mark.usefixtures("few_steps")
def test_things_that_go_together_are_drawn_once(editor: Editor, wearer: Portrait) -> None:
    """Else two drawings are added to one another where both things were."""
    (both,) = editor.portraits(editor.render(wearer, {"Wearing_Hat": 1}))
    off = editor.change(both, Edit({"Eyeglasses": 0, "Wearing_Hat": 0}))
    single = [editor.change(both, Edit({name: 0})) for name in ("Eyeglasses", "Wearing_Hat")]
    covered = [one.covered for one in (off, *single)]
    assert all(one is not None for one in covered)
    np.testing.assert_array_equal(covered[0] > 0, np.maximum(covered[1], covered[2]) > 0)
    assert len(both.cache.keys("anew")) == 0  # nothing is drawn before it is read
    assert not np.array_equal(off.pasted.values, off.before.values)
    assert len(both.cache.keys("anew")) == 1


def test_hats_of_others_stay(editor: Editor, wearer: Portrait) -> None:
    """A head beside it, to whose side everything is nearer."""
    x, y = parsing.landmarks_of(editor.model, wearer)[0] * wearer.crop.pixels.shape[0] / 256
    beside = dataclasses.replace(wearer, others=np.array([[x, y, 200.0]]))
    alone, shared = (hidden(editor.model, one, OFF, ("Eyeglasses",)) for one in (wearer, beside))
    assert alone["Eyeglasses"].sum() > 2 * shared.get("Eyeglasses", np.zeros(1)).sum()


@pytest.mark.parametrize("name", ["Wearing_Hat", "Bangs"])
def test_what_was_put_on_comes_off_and_is_no_eye_or_mouth(
    name: str, editor: Editor, portrait: Portrait
) -> None:
    (wearer,) = editor.portraits(editor.render(portrait, {name: 1}))
    off = editor.change(wearer, Edit({name: 0}))
    assert off.covered is not None
    cells = parsing.landmarks_of(editor.model, wearer)[[0, 1, 3, 4]] * CELLS / 256
    assert not any(off.covered[y, x] for x, y in cells.astype(int))
    (bare,) = editor.read(editor.paste(wearer, off), [wearer.face] if wearer.face else None)
    before, after = (editor.predict_attributes(one)[name] for one in (wearer, bare))
    assert after < min(0.5, before - 0.3)
