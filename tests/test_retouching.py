"""Photos that are made older, manlier or made up by their own pixels."""

import dataclasses

import numpy as np
import pytest
from PIL import Image

from facedial import changes, parsing, render
from facedial.compose.masks import box_mean
from facedial.compose.retouch import bands, log_luma
from facedial.editing.request import Edit
from facedial.editor import Editor
from facedial.faces.geometry import apply, warp
from facedial.faces.parse import SIDE
from facedial.faces.photo import Photo
from facedial.portrait import Portrait

EDITS = (Edit({"Young": 0}), Edit({"Male": 1}), Edit({"Heavy_Makeup": 1}), Edit({"Big_Lips": 1}))


def moved(photo: Photo, result: Photo) -> np.ndarray:
    """Change of each pixel in levels, [H, W]."""
    return np.abs(result.pixels.astype(int) - photo.pixels).max(2)


@pytest.mark.parametrize("edit", EDITS, ids=str)
def test_the_photos_own_face_changes_inside_its_region(
    editor: Editor, portrait: Portrait, edit: Edit
) -> None:
    change = editor.change(portrait, edit)
    assert change.retouch.keys() == edit.targets.keys()
    assert change.pasted is change.before and not change.drawn_names
    assert not np.array_equal(change.after.values, change.before.values)
    result = editor.paste(portrait, change)
    where = moved(portrait.photo, result)
    assert where.max() > 12
    assert not where[render.region(editor.model, portrait, change) == 0].any()
    twice = editor.paste(portrait, change)
    assert np.array_equal(twice.pixels, result.pixels)


def test_the_older_get_lines_and_the_younger_lose_some_but_no_grain(
    editor: Editor, portrait: Portrait
) -> None:
    skin = parsing.seen(editor.model, portrait, {"skin"}) > 0.98
    skin[:150], skin[200:] = False, False  # below the eyes and cheeks: no hair, no brows

    def rough(photo: Photo) -> list[float]:
        """Deviation of grain and of lines on skin, of the log of luma."""
        crop = warp(photo.flattened, parsing.head_to_photo(portrait), SIDE)
        light = log_luma(crop)
        lines = sum(bands(light, 1.0))
        return [float(one[skin].std()) for one in (light - box_mean(light, 1), np.asarray(lines))]

    before = rough(portrait.photo)
    own = editor.predict_attributes(portrait) | {"Young": 0.5}
    older, younger = (
        rough(editor.paste(portrait, changes.change(editor.model, portrait.code, Edit(wish), own)))
        for wish in ({"Young": 0.0}, {"Young": 1.0})
    )
    assert older[1] > 1.02 * before[1]
    assert younger[1] < 0.8 * before[1]
    assert younger[0] > 0.7 * before[0]


def test_half_the_edit_is_less_and_none_is_nothing(editor: Editor, portrait: Portrait) -> None:
    whole, half, none = (
        editor.render(portrait, Edit({"Male": 1}, strength=strength)) for strength in (1, 0.5, 0)
    )
    assert none is portrait.photo or np.array_equal(none.pixels, portrait.photo.pixels)
    sums = [float(moved(portrait.photo, one).sum()) for one in (whole, half)]
    assert 0.3 * sums[0] < sums[1] < 0.8 * sums[0]


def test_a_large_photo_is_edited_as_a_small_one(editor: Editor, portrait: Portrait) -> None:
    width, height = portrait.photo.size
    picture = Image.fromarray(portrait.photo.pixels)
    large = Photo(np.asarray(picture.resize((2 * width, 2 * height), Image.Resampling.BICUBIC)))
    (found,) = editor.portraits(large)
    edit = Edit({"Heavy_Makeup": 1})
    own = editor.predict_attributes(portrait)
    results = [
        editor.paste(one, changes.change(editor.model, one.code, edit, own))
        for one in (portrait, found)
    ]
    one, other = results[0].pixels, results[1].pixels.reshape(height, 2, width, 2, 3).mean((1, 3))
    apart = np.abs(one - other).mean(2)[moved(portrait.photo, results[0]) > 0]
    assert apart.mean() < 3


def test_make_up_reddens_lips_and_leaves_the_background(editor: Editor, portrait: Portrait) -> None:
    (plain,) = editor.portraits(editor.render(portrait, Edit({"Heavy_Makeup": 0, "Smiling": 0})))
    none = {**editor.predict_attributes(plain), "Heavy_Makeup": 0.0}
    change = changes.change(editor.model, plain.code, Edit({"Heavy_Makeup": 1}), none)
    result = editor.paste(plain, change)
    rows, columns = np.nonzero(parsing.seen(editor.model, plain, {"lips"}) > 0.9)
    x, y = np.rint(
        apply(parsing.head_to_photo(plain), np.stack([columns, rows], 1).astype(float))
    ).T
    before, after = (
        one.pixels[y.astype(int), x.astype(int)].astype(float).mean(0)
        for one in (plain.photo, result)
    )
    assert after[0] - after[1] > before[0] - before[1] + 5


def test_several_are_made_at_once_with_what_is_composed_besides(
    editor: Editor, portrait: Portrait
) -> None:
    edit = Edit({"Male": 1, "Heavy_Makeup": 1, "Smiling": 0, "Eyeglasses": 1})
    change = editor.change(portrait, edit)
    assert change.retouch.keys() == {"Male", "Heavy_Makeup"} and change.mouth is not None
    result = editor.paste(portrait, change)
    where = moved(portrait.photo, result)
    assert where.any() and not where[render.region(editor.model, portrait, change) == 0].any()


def test_a_bundle_without_it_draws(editor: Editor, portrait: Portrait) -> None:
    table = editor.model.edit_table
    assert table.uses_flow("Big_Lips")
    change = editor.change(portrait, Edit({"Male": 1}), method="flow")
    assert not change.retouch and change.drawn_names == ("Male",)
    other = dataclasses.replace(change, retouch={"Male": 1.0}, drawn=change.before)
    assert other.drawn_names == ()
