"""Mouths of photos that smile, open or close by the photo's own pixels."""

import dataclasses

import numpy as np
import pytest
from PIL import Image

from facedial import changes, mouths, parsing, render
from facedial.editing.request import Edit
from facedial.editor import Editor
from facedial.faces.geometry import apply
from facedial.faces.photo import Photo
from facedial.portrait import Portrait

EDITS = (Edit({"Smiling": 0}), Edit({"Mouth_Slightly_Open": 0}), Edit({"Smiling": 0.5}))


def moved(photo: Photo, result: Photo) -> np.ndarray:
    """Change of each pixel in levels, [H, W]."""
    return np.abs(result.pixels.astype(int) - photo.pixels).max(2)


def area(editor: Editor, photo: Photo, *classes: str) -> float:
    """Pixels of classes in the head crop of a photo's only face."""
    (found,) = editor.portraits(photo)
    return float(parsing.seen(editor.model, found, set(classes)).sum())


@pytest.mark.parametrize("edit", EDITS, ids=str)
def test_the_face_around_the_mouth_changes_and_nothing_else(
    editor: Editor, portrait: Portrait, edit: Edit
) -> None:
    change = editor.change(portrait, edit)
    assert change.mouth is not None and change.pasted is change.before and not change.drawn_names
    assert not np.array_equal(change.after.values, change.before.values)
    result = editor.paste(portrait, change)
    where = moved(portrait.photo, result)
    inside = render.region(editor.model, portrait, change) > 0
    assert where.max() > 20 and not where[~inside].any()
    others = parsing.seen(editor.model, portrait, {"background", "clothes"}) > 0.9
    rows, columns = np.nonzero(others)
    x, y = np.rint(apply(parsing.head_to_photo(portrait), np.stack([columns, rows], 1))).T
    size = portrait.photo.size
    there = (x >= 0) & (y >= 0) & (x < size[0]) & (y < size[1])
    assert not where[y[there].astype(int), x[there].astype(int)].any()


def test_a_smile_goes_with_its_teeth_and_the_classifier_sees_it(
    editor: Editor, portrait: Portrait
) -> None:
    photo = portrait.photo
    without = editor.render(portrait, Edit({"Smiling": 0}))
    assert area(editor, photo, "mouth") > 100 > 1.6 * area(editor, without, "mouth")
    assert area(editor, without, "lips") > 0.6 * area(editor, photo, "lips")
    (found,) = editor.portraits(without)
    before, after = (editor.predict_attributes(one)["Smiling"] for one in (portrait, found))
    assert after < before
    serious = {**editor.predict_attributes(found), "Smiling": 0.0}
    change = changes.change(editor.model, found.code, Edit({"Smiling": 1}), serious)
    again = editor.paste(found, change)
    assert area(editor, again, "mouth") > 100
    (found,) = editor.portraits(again)
    assert editor.predict_attributes(found)["Smiling"] > 0.9


def test_a_smile_may_be_asked_for_with_the_mouth_closed(editor: Editor, portrait: Portrait) -> None:
    (serious,) = editor.portraits(editor.render(portrait, Edit({"Smiling": 0})))
    none = {**editor.predict_attributes(serious), "Smiling": 0.0}

    def changed(edit: Edit) -> changes.Change:
        return changes.change(editor.model, serious.code, edit, none)

    both = changed(Edit({"Smiling": 1, "Mouth_Slightly_Open": 0}))
    kept = changed(Edit({"Smiling": 1}, keep=frozenset({"Mouth_Slightly_Open"})))
    alone = changed(Edit({"Smiling": 1}))
    assert alone.mouth is not None and alone.mouth.opened > 0.9
    for change in (both, kept):
        assert change.mouth is not None and change.mouth.opened <= 0
        assert area(editor, editor.paste(serious, change), "mouth") < 60
    half = changed(Edit({"Smiling": 1}, strength=0.3)).mouth
    assert half is not None and half.opened == 0 and 0.2 < half.smile[1] < 0.5


def test_strength_is_a_share_and_none_is_the_photo(editor: Editor, portrait: Portrait) -> None:
    sums = []
    for strength in (0, 0.4, 1):
        change = editor.change(portrait, Edit({"Smiling": 0}, strength=strength))
        sums.append(int(moved(portrait.photo, editor.paste(portrait, change)).sum()))
    assert sums[0] == 0 < sums[1] < sums[2]
    has = editor.change(portrait, Edit({"Smiling": editor.predict_attributes(portrait)["Smiling"]}))
    assert editor.paste(portrait, has) is portrait.photo


def test_a_large_photo_changes_as_a_small_one(editor: Editor, portrait: Portrait) -> None:
    photo = portrait.photo
    size = (2 * photo.size[0], 2 * photo.size[1])
    large = Photo(np.asarray(Image.fromarray(photo.pixels).resize(size, Image.Resampling.BICUBIC)))
    (found,) = editor.portraits(large)
    edit = Edit({"Smiling": 0})
    wanted = editor.render(portrait, edit).pixels.astype(float)
    made = editor.render(found, edit).pixels
    small = np.asarray(Image.fromarray(made).resize(photo.size, Image.Resampling.BOX), float)
    inside = render.region(editor.model, portrait, editor.change(portrait, edit)) > 0
    assert np.abs(small - wanted)[inside].mean() < 4


def test_a_mouth_that_is_hidden_is_drawn(editor: Editor, portrait: Portrait) -> None:
    assert portrait.face is not None
    pixels = portrait.photo.pixels.copy()
    (left, right) = portrait.face.landmarks[3:].astype(int)
    pixels[left[1] - 25 : left[1] + 25, left[0] - 12 : right[0] - 4] = (30, 60, 160)
    hidden = portrait.seen_in(dataclasses.replace(portrait.photo, pixels=pixels))
    change = editor.change(portrait, Edit({"Smiling": 0}))
    assert mouths.possible(editor.model, portrait, change) is change
    drawn = mouths.possible(editor.model, hidden, change)
    assert drawn.mouth is None and drawn.drawn_names == ("Smiling",)
    assert change.mouth is not None
    step = drawn.pasted.values - change.before.values
    np.testing.assert_allclose(step, change.mouth.step.value, atol=1e-5)
    assert mouths.moved(editor.model, hidden, change.mouth, hidden.photo) is None
    result = editor.paste(hidden, change)
    assert moved(hidden.photo, result).any()


def test_other_methods_draw_the_mouth(editor: Editor, portrait: Portrait) -> None:
    change = editor.change(portrait, Edit({"Smiling": 0}), "direction")
    assert change.mouth is None and change.drawn_names == ("Smiling",)


def test_a_beard_grows_around_the_mouth_that_was_moved(editor: Editor, portrait: Portrait) -> None:
    both = editor.render(portrait, Edit({"Smiling": 0, "Mustache": 1}))
    alone = editor.render(portrait, Edit({"Smiling": 0}))
    (seen,) = editor.portraits(alone)
    lips = parsing.seen(editor.model, seen, {"lips"}) > 0.95
    rows, columns = np.nonzero(lips)
    x, y = np.rint(apply(parsing.head_to_photo(seen), np.stack([columns, rows], 1))).astype(int).T
    differs = moved(alone, both)
    assert differs.max() > 40 and differs[y, x].mean() < 4
