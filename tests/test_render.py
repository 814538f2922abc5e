"""What an edit of a photo may change, and what keeps its bits."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from facedial import parsing
from facedial.cache import Cache
from facedial.editing.request import Edit
from facedial.editing.table import BEST, DIRECTION, FAST
from facedial.editor import Editor
from facedial.faces.geometry import invert, warp_float
from facedial.faces.photo import Photo
from facedial.portrait import Portrait


@pytest.fixture(scope="module")
def portrait(editor: Editor, astronaut: Path) -> Portrait:
    """A smiling woman with brown hair before a flag, from the public domain."""
    return editor.read(Photo.open(astronaut))[0]


def shown(editor: Editor, portrait: Portrait, classes: set[str]) -> np.ndarray:
    """Share of some classes at each pixel of the photo [H, W]; 0 outside the head frame."""
    share = parsing.share(parsing.classes_of(editor.model, portrait), classes)
    to_crop = invert(portrait.crop.to_photo)
    return warp_float(share[..., None], to_crop, portrait.photo.size)[..., 0]


def changed(photo: Photo, result: Photo) -> np.ndarray:
    """Largest change of a channel at each pixel, in levels [H, W]."""
    return np.abs(result.pixels.astype(int) - photo.pixels).max(2)


@pytest.mark.parametrize("colour", ["Black_Hair", "Blond_Hair", "Gray_Hair", "#2f6fd0"])
def test_a_hair_colour_changes_the_hair_alone(
    editor: Editor, portrait: Portrait, colour: str
) -> None:
    named = not colour.startswith("#")
    edit = Edit({colour: 1}) if named else Edit(hair_colour=colour)
    result = editor.render(portrait, edit, quality=FAST)
    apart = changed(portrait.photo, result)
    assert apart[shown(editor, portrait, {"hair"}) > 0.95].mean() > 12
    for classes in ({"skin", "eyes", "lips", "mouth", "brows"}, {"background"}, {"clothes"}):
        assert apart[shown(editor, portrait, classes) > 0.9].mean() < 0.6
    inner = np.zeros(apart.shape, bool)
    inner[90:150, 200:245] = True  # the face's middle
    assert not apart[inner].any()


def test_nobody_elses_hair_is_recoloured(editor: Editor, portrait: Portrait) -> None:
    whole = Image.new("RGB", (512, 256))
    own = Image.fromarray(portrait.photo.pixels).crop((96, 0, 352, 256))
    for left in (0, 256):
        whole.paste(own, (left, 0))
    photo = Photo.of(whole)
    both = editor.read(photo)
    assert len(both) == 2 and all(len(one.others) == 1 for one in both)
    left = min(both, key=lambda one: one.crop.to_photo[0, 2])
    apart = changed(photo, editor.render(left, Edit(hair_colour="#2f6fd0")))
    assert apart[:, :256].max() > 30 and apart[:, 256:].mean() < 0.02 * apart[:, :256].mean()


@pytest.mark.parametrize(
    ("edit", "untouched", "method"),
    [
        ({"Smiling": 0}, {"hair", "background", "eyes", "brows", "clothes"}, BEST),
        ({"Smiling": 0}, {"hair", "background", "eyes", "brows", "clothes"}, DIRECTION),
        ({"Eyeglasses": 1}, {"background", "mouth", "lips", "neck", "clothes"}, BEST),
        ({"Mustache": 1}, {"hair", "background", "eyes", "brows", "clothes"}, BEST),
        ({"Bangs": 1}, {"background", "mouth", "lips", "neck", "clothes"}, BEST),
        ({"Black_Hair": 1}, {"background", "skin", "mouth", "neck", "clothes"}, DIRECTION),
        ({"Bald": 1}, {"mouth", "lips", "clothes"}, BEST),
    ],
)
def test_edits_stay_in_their_regions(
    editor: Editor, portrait: Portrait, edit: dict[str, float], untouched: set[str], method: str
) -> None:
    result = editor.render(portrait, edit, method=method, quality=FAST)
    apart = changed(portrait.photo, result)
    assert apart.max() > 8
    for name in untouched:
        inside = shown(editor, portrait, {name}) > 0.98
        assert inside.sum() > 10
        assert apart[inside].mean() < 0.5, name


def test_a_shape_and_a_colour_of_hair_go_together(editor: Editor, portrait: Portrait) -> None:
    both = editor.render(portrait, {"Bangs": 1, "Blond_Hair": 1}, quality=FAST)
    colour = editor.render(portrait, {"Blond_Hair": 1}, quality=FAST)
    shape = editor.render(portrait, {"Bangs": 1}, quality=FAST)
    forehead = (slice(75, 90), slice(195, 245))
    assert changed(colour, both)[forehead].mean() > 3
    hair = shown(editor, portrait, {"hair"}) > 0.95
    assert both.pixels[hair].mean() > shape.pixels[hair].mean() + 20


def test_a_head_without_hair_stays_as_it_is(editor: Editor) -> None:
    flat = editor.reader.of_crop(np.full((128, 128, 3), 127, np.uint8))
    assert editor.render(flat, Edit(hair_colour="#ff0000")) is flat.photo


def test_what_a_full_cache_dropped_is_computed_again(editor: Editor, portrait: Portrait) -> None:
    crowded = dataclasses.replace(portrait, cache=Cache(max_entries=1))
    edit = Edit(hair_colour="#2f6fd0")
    assert np.array_equal(editor.render(crowded, edit).pixels, editor.render(portrait, edit).pixels)
