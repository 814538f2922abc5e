"""Fringes grown in a portrait's photo."""

import dataclasses

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
    alone = editor.paste(portrait, change)
    fell = np.abs(alone.pixels.astype(int) - portrait.photo.pixels).max(2) > 40
    first, last = (one.pixels[fell].mean() for one in (alone, both))
    assert last > first + 40


def test_a_bald_head_gets_none_and_beside_a_receding_line_it_is_drawn(
    editor: Editor, portrait: Portrait
) -> None:
    bald, both = (
        editor.render(portrait, Edit(targets)) for targets in ({"Bald": 1}, {"Bald": 1, BANGS: 1})
    )
    assert np.array_equal(bald.pixels, both.pixels)
    change = editor.change(portrait, Edit({BANGS: 1, "Receding_Hairline": 1}))
    drawn = fringe.possible(editor.model, portrait, change)
    assert change.fringe is not None and drawn.fringe is None
    assert not np.array_equal(drawn.pasted.values, change.pasted.values)


def test_a_photo_with_transparency_changes_nowhere_else(editor: Editor, portrait: Portrait) -> None:
    size = portrait.photo.size[::-1]
    clear = dataclasses.replace(portrait.photo, alpha=np.full(size, 128, np.uint8))
    (found,) = editor.portraits(clear)
    for edit in ({BANGS: 1}, {"Smiling": 0}, {"Young": 0}, {"No_Beard": 1, "Male": 1}):
        change = editor.change(found, Edit(edit))
        moved = np.abs(editor.paste(found, change).pixels.astype(int) - clear.pixels).max(2)
        assert moved.any()
        assert not moved[render.region(editor.model, found, change) == 0].any()


def test_it_has_the_grain_of_the_photo(editor: Editor) -> None:
    rng = np.random.default_rng(0)
    clean = np.repeat(np.repeat(data.astronaut()[:300, 80:380], 2, 0), 2, 1)
    noisy = np.clip(clean + rng.normal(0, 8, clean.shape[:2])[..., None], 0, 255).astype(np.uint8)
    rough = []
    for pixels in (clean, noisy):
        (found,) = editor.portraits(Photo(pixels))
        result = editor.render(found, Edit({BANGS: 1})).pixels.astype(float)
        moved = np.abs(result - pixels).max(2) > 40
        fine = result.mean(2)
        fine = (
            fine[1:-1, 1:-1]
            - (fine[:-2, 1:-1] + fine[2:, 1:-1] + fine[1:-1, :-2] + fine[1:-1, 2:]) / 4
        )
        rough.append(float(fine[moved[1:-1, 1:-1]].std()))
    assert rough[0] < 4 and 6 < rough[1] < 12
