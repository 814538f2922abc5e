"""Beards on photos: the hair alone, at the photo's size, on the person's own face."""

import dataclasses

import numpy as np
import pytest
from PIL import Image

from facedial import beards, parsing, render
from facedial.editing.request import Edit
from facedial.editor import Editor
from facedial.faces.geometry import apply, invert
from facedial.faces.photo import Photo
from facedial.portrait import Portrait

KINDS = (Edit({"Mustache": 1}), Edit({"Goatee": 1}), Edit({"No_Beard": 0}))


def moved(photo: Photo, result: Photo) -> np.ndarray:
    """Change of each pixel in levels, [H, W]."""
    return np.abs(result.pixels.astype(int) - photo.pixels).max(2)


@pytest.mark.parametrize("edit", KINDS, ids=lambda one: next(iter(one.targets)))
def test_hair_grows_on_skin_alone_and_eyes_and_mouth_stay(
    editor: Editor, portrait: Portrait, edit: Edit
) -> None:
    change = editor.change(portrait, edit)
    assert change.beard and change.pasted is change.before
    assert not np.array_equal(change.after.values, change.before.values)
    result = editor.paste(portrait, change)
    where = moved(portrait.photo, result)
    inside = render.region(editor.model, portrait, change) > 0
    assert where.max() > 40 and not where[~inside].any()
    lips = parsing.share(parsing.classes_of(editor.model, portrait), {"lips", "mouth", "eyes"})
    rows, columns = np.nonzero(lips > 0.95)
    places = np.rint(apply(portrait.crop.to_photo, np.stack([columns, rows], 1))).astype(int)
    # Hair that hangs over their rim, and its shadow.
    there = where[places[:, 1], places[:, 0]]
    assert there.mean() < 1 and np.percentile(there, 90) <= 3


def test_a_moustache_lies_between_nose_and_mouth(editor: Editor, portrait: Portrait) -> None:
    result = editor.paste(portrait, editor.change(portrait, Edit({"Mustache": 1})))
    rows, columns = np.nonzero(moved(portrait.photo, result) > 30)
    assert portrait.face is not None
    nose, left, right = portrait.face.landmarks[2:]
    assert nose[1] < np.median(rows) < (left[1] + right[1]) / 2
    assert abs(np.median(columns) - (left[0] + right[0]) / 2) < 0.25 * (right[0] - left[0])
    before, after = portrait.photo.pixels[rows, columns], result.pixels[rows, columns]
    assert after.mean() < 0.75 * before.mean()


def test_more_of_a_beard_covers_more_and_none_is_the_photo(
    editor: Editor, portrait: Portrait
) -> None:
    sums = []
    for strength in (0, 0.4, 1):
        change = editor.change(portrait, Edit({"No_Beard": 0}, strength=strength))
        sums.append(int(moved(portrait.photo, editor.paste(portrait, change)).sum()))
    assert sums[0] == 0 < 1.5 * sums[1] < sums[2]


def test_a_beard_follows_the_mouth_that_another_edit_draws(
    editor: Editor, portrait: Portrait, few_steps: None
) -> None:
    both = editor.change(portrait, Edit({"Mustache": 1, "High_Cheekbones": 1}))
    assert both.drawn_names == ("High_Cheekbones",) and [*both.beard] == ["Mustache"]
    alone = dataclasses.replace(both, beard={})
    result, shaved = (editor.paste(portrait, one) for one in (both, alone))
    grown = moved(shaved, result)
    assert grown.max() > 40
    seen = portrait.seen_in(shaved)
    lips = parsing.share(parsing.classes_of(editor.model, seen), {"lips", "mouth"})
    rows, columns = np.nonzero(lips > 0.97)
    places = np.rint(apply(seen.crop.to_photo, np.stack([columns, rows], 1))).astype(int)
    assert np.percentile(grown[places[:, 1], places[:, 0]], 90) <= 4


def test_taken_away_and_by_other_methods_beards_are_drawn(
    editor: Editor, portrait: Portrait
) -> None:
    for edit, method in ((Edit({"No_Beard": 1}), "best"), (Edit({"Mustache": 1}), "direction")):
        assert not editor.change(portrait, edit, method=method).beard


def test_a_model_without_densities_draws_beards(
    editor: Editor, portrait: Portrait, monkeypatch: pytest.MonkeyPatch, few_steps: None
) -> None:
    monkeypatch.setitem(editor.model.__dict__, "beards", None)
    change = editor.change(portrait, Edit({"Mustache": 1}))
    assert not change.beard and change.drawn_names == ("Mustache",)


def test_a_large_photo_and_a_small_one_get_the_same_beard(
    editor: Editor, portrait: Portrait
) -> None:
    photo = portrait.photo
    small = Photo(
        np.asarray(Image.fromarray(photo.pixels).resize((256, 256), Image.Resampling.BOX))
    )
    shares = {"No_Beard": 1.0}
    large = beards.put_on(editor.model, portrait, shares, photo)
    (other,) = editor.portraits(small)
    little = beards.put_on(editor.model, other, shares, small)
    assert large is not None and little is not None
    shrunk = photo.with_part(*large).pixels.reshape(256, 2, 256, 2, 3).mean((1, 3))
    differ = np.abs(shrunk - small.with_part(*little).pixels).mean(2)
    changed = np.abs(shrunk - small.pixels).mean(2)
    # Landmarks of both differ by a pixel, and strands by as much.
    assert differ.sum() < 0.5 * changed.sum()


def test_a_face_at_the_rim_of_the_photo_is_cut_off_there(
    editor: Editor, portrait: Portrait
) -> None:
    assert portrait.face is not None
    nose = portrait.face.landmarks[2]
    below = int(nose[1]) + 25  # the photo ends above the mouth's corners
    cut = Photo(np.ascontiguousarray(portrait.photo.pixels[:below]))
    (one,) = editor.read(cut, [portrait.face])
    found = beards.put_on(editor.model, one, {"Mustache": 1.0}, cut)
    assert found is None or found[0].shape[0] + found[1][1] <= below


def test_the_region_of_a_beard_is_where_it_grows(editor: Editor, portrait: Portrait) -> None:
    change = editor.change(portrait, Edit({"Mustache": 1}))
    layer = beards.layer_of(editor.model, portrait, change.beard)
    assert layer is not None
    x0, y0, x1, y1 = layer.box
    mask = render.region(editor.model, portrait, change)
    assert (mask[y0:y1, x0:x1] > 0).sum() == (mask > 0).sum() > 50
    assert portrait.face is not None
    left, _ = apply(invert(portrait.crop.to_photo), portrait.face.landmarks[3:])
    assert left[1] > 0


def test_nothing_grows_of_nothing(editor: Editor, portrait: Portrait) -> None:
    assert beards.layer_of(editor.model, portrait, {}) is None
    assert beards.put_on(editor.model, portrait, {"Mustache": 0.0}, portrait.photo) is None
