"""What is drawn anew where a thing comes off a head."""

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
def test_a_share_of_it_is_a_share_of_its_step(editor: Editor, wearer: Portrait) -> None:
    whole = editor.change(wearer, OFF)
    half = editor.change(wearer, Edit(OFF.targets, strength=0.5))
    np.testing.assert_allclose(
        half.pasted.values - half.before.values,
        (whole.pasted.values - whole.before.values) / 2,
        atol=1e-5,
    )


@pytest.mark.parametrize("name", ["Wearing_Hat", "Bangs"])
def test_what_was_put_on_comes_off_and_eyes_and_mouth_stay(
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
