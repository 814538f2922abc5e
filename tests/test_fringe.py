"""Fringes grown in a portrait's photo."""

import numpy as np
import pytest
from skimage import data

from facedial import fringe, parsing, render
from facedial.composing import BANGS
from facedial.editing.request import Edit
from facedial.editor import Editor
from facedial.faces.photo import Photo
from facedial.portrait import Portrait


@pytest.fixture(scope="module")
def portrait(editor: Editor) -> Portrait:
    (found,) = editor.portraits(Photo(data.astronaut()))
    return found


def test_it_is_grown_not_drawn_and_only_where_the_region_says(
    editor: Editor, portrait: Portrait
) -> None:
    change = editor.change(portrait, Edit({BANGS: 1}))
    assert change.fringe is not None and 0.5 < change.fringe.share <= 1
    assert change.drawn_names == () and change.pasted is change.before
    result = editor.paste(portrait, change)
    moved = np.abs(result.pixels.astype(int) - portrait.photo.pixels).max(2)
    assert moved.max() > 40
    assert not moved[render.region(editor.model, portrait, change) == 0].any()
    assert np.array_equal(editor.paste(portrait, change).pixels, result.pixels)
    again = editor.portraits(result)[0]
    before, after = (editor.predict_attributes(one)[BANGS] for one in (portrait, again))
    assert after > before + 0.1


def test_a_fringe_that_goes_is_drawn_and_half_of_one_is_less(
    editor: Editor, portrait: Portrait
) -> None:
    away = editor.change(portrait, Edit({BANGS: 0}))
    assert away.fringe is None and away.drawn_names == (BANGS,)
    whole, half, none = (
        editor.render(portrait, Edit({BANGS: 1}, strength=strength)) for strength in (1, 0.5, 0)
    )
    assert np.array_equal(none.pixels, portrait.photo.pixels)
    sums = [
        float(np.abs(one.pixels.astype(int) - portrait.photo.pixels).sum()) for one in (half, whole)
    ]
    assert 0.15 * sums[1] < sums[0] < 0.85 * sums[1]


def test_without_hair_above_the_forehead_it_is_drawn(editor: Editor) -> None:
    (bald,) = editor.portraits(Photo(data.astronaut()))
    parsing.classes_of(editor.model, bald)
    bald.cache.put(parsing.HEAD_HAIR, np.zeros((256, 256), np.float32))
    bald.cache.put(parsing.WIDE_HAIR, np.zeros((256, 256), np.float32))
    edit = Edit({BANGS: 1})
    assert fringe.unseen(editor.model, bald, edit) == (BANGS,)
    assert fringe.unseen(editor.model, bald, Edit({BANGS: 0})) == ()
    change = editor.change(bald, edit)
    assert change.fringe is None and change.drawn_names == (BANGS,)
    # A change that was made without a look at the photo comes to the same.
    (haired,) = editor.portraits(Photo(data.astronaut()))
    asked = editor.change(haired, edit)
    drawn = fringe.possible(editor.model, bald, asked)
    assert drawn.fringe is None and drawn.drawn_names == (BANGS,)
    assert not np.array_equal(drawn.pasted.values, drawn.before.values)
    assert fringe.possible(editor.model, haired, asked) is asked


def test_it_takes_the_colour_that_hair_gets(editor: Editor, portrait: Portrait) -> None:
    both = editor.render(portrait, Edit({BANGS: 1, "Blond_Hair": 1}))
    change = editor.change(portrait, Edit({BANGS: 1}))
    assert change.fringe is not None
    found = fringe.region(editor.model, portrait, change.fringe)
    assert found is not None
    (x0, y0, x1, y1), inside = found
    alone = editor.render(portrait, Edit({BANGS: 1}))
    first, last = (one.pixels[y0:y1, x0:x1][inside > 0].mean() for one in (alone, both))
    assert last > first + 15
