"""Caps put on a portrait's head."""

import numpy as np
import pytest
from PIL import Image
from skimage import data

from facedial import hats, render
from facedial.composing import HAT
from facedial.editing.request import Edit
from facedial.editor import Editor
from facedial.faces.photo import Photo
from facedial.portrait import Portrait


@pytest.fixture(scope="module")
def portrait(editor: Editor) -> Portrait:
    (found,) = editor.portraits(Photo(data.astronaut()))
    return found


def moved(before: Photo, after: Photo) -> np.ndarray:
    return np.abs(after.pixels.astype(int) - before.pixels).max(2)


def test_it_is_put_on_and_seen_and_changes_its_region_alone(
    editor: Editor, portrait: Portrait
) -> None:
    change = editor.change(portrait, Edit({HAT: 1}))
    assert change.hat is not None and change.drawn_names == ()
    result = editor.paste(portrait, change)
    assert not moved(portrait.photo, result)[
        render.region(editor.model, portrait, change) == 0
    ].any()
    (again,) = editor.portraits(result)
    assert editor.predict_attributes(again)[HAT] > 0.8 > editor.predict_attributes(portrait)[HAT]
    assert np.array_equal(editor.paste(portrait, change).pixels, result.pixels)


def test_half_of_one_is_less_none_is_nothing_and_one_that_goes_is_drawn(
    editor: Editor, portrait: Portrait
) -> None:
    whole, half, none = (
        editor.render(portrait, Edit({HAT: 1}, strength=strength)) for strength in (1, 0.5, 0)
    )
    assert np.array_equal(none.pixels, portrait.photo.pixels)
    sums = [float(moved(portrait.photo, one).sum()) for one in (half, whole)]
    assert 0.2 * sums[1] < sums[0] < 0.8 * sums[1]
    away = editor.change(portrait, Edit(shifts={HAT: -1}))
    assert away.hat is None and away.drawn_names == (HAT,)


def test_a_larger_photo_gets_the_same_cap(editor: Editor, portrait: Portrait) -> None:
    small = editor.render(portrait, Edit({HAT: 1}))
    large = np.asarray(Image.fromarray(portrait.photo.pixels).resize((1024, 1024), Image.BICUBIC))
    (found,) = editor.portraits(Photo(large))
    result = editor.render(found, Edit({HAT: 1}))
    shrunk = np.asarray(Image.fromarray(result.pixels).reduce(2)).astype(int)
    where = moved(portrait.photo, small) > 30
    assert np.abs(shrunk - small.pixels).max(2)[where].mean() < 12


def test_where_the_head_is_not_seen_a_hat_is_drawn(editor: Editor, portrait: Portrait) -> None:
    change = editor.change(portrait, Edit({HAT: 1}))
    assert hats.possible(editor.model, portrait, change) is change
    (hidden,) = editor.portraits(Photo(data.astronaut()))
    hidden.cache.put(hats.HEAD, np.zeros((2, 256, 256), np.float32))
    drawn = hats.possible(editor.model, hidden, change)
    assert drawn.hat is None and drawn.drawn_names == (HAT,)
