"""Beards taken off on photos."""

import numpy as np
import pytest

from facedial import parsing, render, shaving
from facedial.editing.request import Edit
from facedial.editor import Editor
from facedial.faces.geometry import apply
from facedial.faces.photo import Photo
from facedial.portrait import Portrait

BEARDED, SHAVED = Edit({"No_Beard": 0}), Edit({"No_Beard": 1})


def difference(one: Photo, other: Photo) -> np.ndarray:
    """Mean difference of the channels of each pixel, in levels [H, W]."""
    return np.abs(one.pixels.astype(float) - other.pixels).mean(2)


@pytest.fixture(scope="module")
def bearded(editor: Editor, portrait: Portrait) -> Portrait:
    """The same face with a beard that was put on, read anew."""
    photo = editor.render(portrait, BEARDED.targets)
    (one,) = editor.portraits(photo)
    return one


def test_a_beard_goes_and_leaves_skin_as_it_was(
    editor: Editor, portrait: Portrait, bearded: Portrait
) -> None:
    change = editor.change(bearded, SHAVED)
    assert change.shave and not change.beard and change.pasted is change.before
    assert not np.array_equal(change.after.values, change.before.values)
    result = editor.paste(bearded, change)
    beard = difference(bearded.photo, portrait.photo)
    hair = beard > 40
    left = difference(result, portrait.photo)
    assert left[hair].mean() < 0.3 * beard[hair].mean()
    inside = render.region(editor.model, bearded, change) > 0
    assert not difference(result, bearded.photo)[~inside].any()
    # What stands where hair was has grain, as skin has.
    jaw = result.pixels.astype(float).mean(2)
    fine = np.abs(np.diff(jaw, axis=1))[hair[:, 1:]]
    own = np.abs(np.diff(portrait.photo.pixels.astype(float).mean(2), axis=1))[hair[:, 1:]]
    assert 0.3 < fine.mean() / own.mean() < 2


def test_eyes_mouth_and_nose_stay(editor: Editor, bearded: Portrait) -> None:
    result = editor.paste(bearded, editor.change(bearded, SHAVED))
    moved = difference(result, bearded.photo)
    classes = parsing.classes_at_256(editor.model, bearded)
    rows, columns = np.nonzero(parsing.share(classes, {"eyes", "brows", "lips", "mouth"}) > 0.95)
    to_photo = parsing.head_to_photo(bearded)
    x, y = np.rint(apply(to_photo, np.stack([columns, rows], 1).astype(float))).astype(int).T
    assert moved[y, x].mean() < 1
    x, y = np.rint(apply(to_photo, parsing.landmarks_of(editor.model, bearded)[2:3])).astype(int)[0]
    assert not moved[y - 12 : y - 2, x - 5 : x + 6].any()


def test_a_moustache_goes_alone_and_half_of_a_beard_is_half(
    editor: Editor, bearded: Portrait
) -> None:
    def part(**shares: float) -> np.ndarray:
        skin = shaving.skin_under(editor.model, bearded, shares)
        assert skin is not None
        return difference(bearded.photo.with_part(*skin.shown(bearded.photo)), bearded.photo)

    whole = part(No_Beard=1.0)
    moustache, goatee = part(Mustache=1.0), part(Goatee=1.0)
    rows = np.arange(len(whole))[:, None]

    def middle(moved: np.ndarray) -> float:
        return float((moved * rows).sum() / moved.sum())

    assert middle(moustache) < middle(whole) and middle(goatee) > middle(moustache)
    assert (moustache <= whole + 1).all() and 0 < moustache.sum() < 0.7 * whole.sum()
    assert 0.3 < part(No_Beard=0.5).sum() / whole.sum() < 0.8
    nothing = editor.change(bearded, Edit(SHAVED.targets, strength=0))
    assert editor.paste(bearded, nothing) is bearded.photo
    assert shaving.skin_under(editor.model, bearded, {}) is None


def test_who_becomes_a_woman_loses_the_beard_unless_it_is_kept(
    editor: Editor, bearded: Portrait
) -> None:
    own = editor.predict_attributes(bearded)
    assert own["No_Beard"] < 0.5
    change = editor.change(bearded, Edit({"Male": 0}))
    assert change.implied["No_Beard"] > 0.5 and change.shave["No_Beard"] > 0.5
    for edit in (Edit({"Male": 0}, keep=("No_Beard",)), Edit({"Male": 0}, exactly=True)):
        assert not editor.change(bearded, edit).shave


def test_other_methods_draw(editor: Editor, bearded: Portrait) -> None:
    change = editor.change(bearded, SHAVED, "direction")
    assert not change.shave and change.drawn_names == ("No_Beard",)
