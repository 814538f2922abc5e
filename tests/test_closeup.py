"""Laws of close-ups: the part of a photo that an edit may change, at screen size."""

from pathlib import Path

import numpy as np
import pytest

from facedial.closeup import CloseUp
from facedial.editing.request import Edit
from facedial.editing.table import FAST
from facedial.editor import Editor
from facedial.errors import BadRequest
from facedial.faces.photo import Photo
from facedial.portrait import Portrait


@pytest.fixture(scope="module")
def portrait(editor: Editor, astronaut: Path) -> Portrait:
    (found,) = editor.portraits(Photo.open(astronaut))
    return found


@pytest.mark.parametrize(("name", "tolerance"), [("Bald", 1), ("Blond_Hair", 3)])
def test_at_full_size_a_close_up_is_that_part_of_the_edited_photo(
    editor: Editor, portrait: Portrait, name: str, tolerance: int
) -> None:
    close = CloseUp.of(editor.model, portrait, 1024)
    x0, y0, x1, y1 = close.box
    photo = portrait.photo.pixels
    assert 0 <= x0 < x1 <= photo.shape[1] and 0 <= y0 < y1 <= photo.shape[0]
    assert np.array_equal(close.portrait.photo.pixels, photo[y0:y1, x0:x1])
    change = editor.change(portrait, Edit({name: 1}), quality=FAST)
    whole = editor.paste(portrait, change)
    part = close.render(editor.model, change)
    difference = np.abs(part.pixels.astype(int) - whole.pixels[y0:y1, x0:x1])
    # The same sum, rounded in another order; hair's guided filter sees the photo beyond the close-up.
    assert difference.max() <= tolerance
    outside = np.ones(photo.shape[:2], bool)
    outside[y0:y1, x0:x1] = False
    assert np.array_equal(whole.pixels[outside], photo[outside])
    assert part.mark == whole.mark


def test_a_smaller_close_up_keeps_its_shape_and_the_portraits_code(
    editor: Editor, portrait: Portrait
) -> None:
    close = CloseUp.of(editor.model, portrait, 128)
    x0, y0, x1, y1 = close.box
    height, width = close.portrait.photo.pixels.shape[:2]
    assert max(height, width) == 128
    assert width / height == pytest.approx((x1 - x0) / (y1 - y0), rel=0.02)
    assert close.portrait.code is portrait.code and close.portrait.cache is portrait.cache
    same = close.render(editor.model, editor.change(portrait, Edit()))
    assert same is close.portrait.photo


def test_what_was_rendered_small_before_does_not_change_the_photo(
    editor: Editor, astronaut: Path
) -> None:
    edit = Edit({"Smiling": 0, "Black_Hair": 1})
    results = []
    for small_first in (False, True):
        (portrait,) = editor.portraits(Photo.open(astronaut))
        change = editor.change(portrait, edit, quality=FAST)
        if small_first:
            CloseUp.of(editor.model, portrait, 64).render(editor.model, change)
        results.append(editor.paste(portrait, change).pixels)
    assert np.array_equal(*results)


def test_the_region_of_a_change_lies_where_the_photo_changes(
    editor: Editor, portrait: Portrait
) -> None:
    close = CloseUp.of(editor.model, portrait, 256)
    height, width = close.portrait.photo.pixels.shape[:2]
    nothing = close.region(editor.model, editor.change(portrait, Edit()))
    assert nothing.shape == (height, width) and not nothing.any()
    change = editor.change(portrait, Edit({"Smiling": 0}), quality=FAST)
    region = close.region(editor.model, change)
    assert region.dtype == np.float32
    assert 0 == region.min() < region.max() <= 1
    apart = np.abs(
        close.render(editor.model, change).pixels.astype(int) - close.portrait.photo.pixels
    )
    assert apart[region > 0.5].mean() > 10 * apart[region == 0].mean()


@pytest.mark.parametrize("side", [63, 1025, 0])
def test_sizes_out_of_range_are_refused(editor: Editor, portrait: Portrait, side: int) -> None:
    with pytest.raises(BadRequest, match=rf"64\.\.1024 pixels a side, found {side}"):
        CloseUp.of(editor.model, portrait, side)
