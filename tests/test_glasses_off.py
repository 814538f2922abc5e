"""Glasses taken off on photos."""

import numpy as np
import pytest

from facedial import glasses_off, parsing, render
from facedial.editing.request import Edit
from facedial.editing.table import FAST
from facedial.editor import Editor
from facedial.faces.geometry import apply
from facedial.faces.photo import Photo
from facedial.portrait import Portrait

OFF = Edit({"Eyeglasses": 0})


def difference(one: Photo, other: Photo) -> np.ndarray:
    """Mean difference of the channels of each pixel, in levels [H, W]."""
    return np.abs(one.pixels.astype(float) - other.pixels).mean(2)


def wearing(editor: Editor, portrait: Portrait, darkness: float) -> Portrait:
    """The same face with glasses that were put on, read anew."""
    photo = editor.render(portrait, Edit({"Eyeglasses": 1}, lens_darkness=darkness))
    (one,) = editor.portraits(photo)
    return one


@pytest.fixture(scope="module")
def wearer(editor: Editor, portrait: Portrait) -> Portrait:
    return wearing(editor, portrait, 0.0)


def test_glasses_go_and_leave_the_face_as_it_was(
    editor: Editor, portrait: Portrait, wearer: Portrait
) -> None:
    change = editor.change(wearer, OFF)
    assert change.glasses_off is not None and change.pasted is change.before
    assert not change.drawn_names and change.glasses is None
    assert not np.array_equal(change.after.values, change.before.values)
    result = editor.paste(wearer, change)
    rims = difference(wearer.photo, portrait.photo)
    dark = rims > 40
    left = difference(result, portrait.photo)
    assert dark.sum() > 200 and left[dark].mean() < 0.35 * rims[dark].mean()
    inside = render.region(editor.model, wearer, change) > 0
    assert not difference(result, wearer.photo)[~inside].any()


def test_eyes_and_mouth_stay(editor: Editor, wearer: Portrait) -> None:
    result = editor.paste(wearer, editor.change(wearer, OFF))
    moved = difference(result, wearer.photo)
    to_photo = parsing.head_to_photo(wearer)
    places = parsing.landmarks_of(editor.model, wearer)[[0, 1, 3, 4]]
    for x, y in np.rint(apply(to_photo, places)).astype(int):
        assert not moved[y - 2 : y + 3, x - 2 : x + 3].any()


def test_half_of_the_way_is_half(editor: Editor, wearer: Portrait) -> None:
    def part(strength: float) -> np.ndarray:
        edit = Edit(OFF.targets, strength=strength)
        return difference(editor.paste(wearer, editor.change(wearer, edit)), wearer.photo)

    assert 0.35 < part(0.5).sum() / part(1.0).sum() < 0.75
    nothing = editor.change(wearer, Edit(OFF.targets, strength=0))
    assert editor.paste(wearer, nothing) is wearer.photo


def test_eyes_that_no_lens_shows_are_drawn(editor: Editor, portrait: Portrait) -> None:
    dark = wearing(editor, portrait, 1.0)
    change = editor.change(dark, OFF)
    assert change.glasses_off is None and change.drawn_names == ("Eyeglasses",)
    # What was decided before the photo was seen, as in clips and previews, is drawn as well.
    blind = editor.change(dark, OFF, quality=FAST)
    assert blind.glasses_off is not None
    drawn = glasses_off.possible(editor.model, dark, blind)
    assert drawn.glasses_off is None and drawn.drawn_names == ("Eyeglasses",)
    step = blind.glasses_off.step.value
    np.testing.assert_array_equal(drawn.pasted.values, blind.before.values + step)
    assert glasses_off.face_under(editor.model, dark, blind.glasses_off) is None
    moved = difference(editor.paste(dark, change), dark.photo)
    x, y = np.rint(portrait.face.landmarks[0]).astype(int) if portrait.face else (0, 0)
    assert moved[y - 3 : y + 4, x - 3 : x + 4].mean() > 20


def test_who_wears_none_is_drawn_as_before(editor: Editor, portrait: Portrait) -> None:
    assert editor.change(portrait, OFF).glasses_off is None
    blind = editor.change(portrait, OFF, quality=FAST)
    assert blind.glasses_off is not None
    assert glasses_off.possible(editor.model, portrait, blind).glasses_off is None


def test_glasses_go_while_the_face_smiles(editor: Editor, wearer: Portrait) -> None:
    both = editor.render(wearer, Edit({"Eyeglasses": 0, "Smiling": 0}))
    off = editor.render(wearer, OFF)
    eyes = parsing.landmarks_of(editor.model, wearer)[:2]
    row = int(np.rint(apply(parsing.head_to_photo(wearer), eyes))[:, 1].max())
    assert difference(both, off)[:row].mean() < 0.5


def test_other_methods_draw(editor: Editor, wearer: Portrait) -> None:
    change = editor.change(wearer, OFF, "direction")
    assert change.glasses_off is None and change.drawn_names == ("Eyeglasses",)
