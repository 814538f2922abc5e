"""Detail at 256 px: of whole faces, of what an edit draws, and nothing where nothing is drawn."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from facedial import detail, scores
from facedial.closeup import CloseUp
from facedial.editing.request import Edit
from facedial.editing.table import FAST, FULL
from facedial.editor import Editor
from facedial.errors import BadRequest
from facedial.faces.photo import Photo
from facedial.portrait import Portrait
from facedial.render import composes_finely


@pytest.fixture(scope="module")
def large(editor: Editor, astronaut: Path) -> Portrait:
    """A face whose head fills more than 256 px of its photo."""
    with Image.open(astronaut) as image:
        width, height = image.size
        photo = Photo.of(image.resize((3 * width, 3 * height), Image.Resampling.LANCZOS))
    return editor.read(photo)[0]


@pytest.fixture(scope="module")
def pictures(editor: Editor) -> np.ndarray:
    return editor.decode(editor.generate(3, seed=5, prior="gaussian"))


def test_a_face_at_twice_the_size_is_the_same_face_with_more_detail(
    editor: Editor, pictures: np.ndarray
) -> None:
    twice = detail.enlarged(editor.model, pictures)
    assert twice.shape == (3, 256, 256, 3) and twice.dtype == np.uint8
    small = twice.reshape(3, 128, 2, 128, 2, 3).mean((2, 4))
    assert np.abs(small - pictures).mean() < 6
    size, kernel = (256, 256), Image.Resampling.BICUBIC
    soft = np.stack([np.asarray(Image.fromarray(one).resize(size, kernel)) for one in pictures])
    assert (scores.sharpness(twice) > 1.3 * scores.sharpness(soft)).all()
    assert np.array_equal(detail.enlarged(editor.model, pictures[1:2])[0], twice[1])


def test_codes_are_decoded_at_the_sizes_that_the_model_has(editor: Editor) -> None:
    codes = editor.generate(1, seed=5, prior="gaussian")
    assert [editor.size(asked) for asked in (None, 128, 256)] == [256, 128, 256]
    small, twice = editor.decode(codes), editor.decode(codes, size=256)
    assert small.shape[1:3] == (128, 128) and twice.shape[1:3] == (256, 256)
    assert np.array_equal(editor.decode(codes, size=128), small)
    for call in (editor.size, lambda size: editor.decode(codes, size=size)):
        with pytest.raises(BadRequest, match="faces of 128 or 256 px, found 512; give 256, or no"):
            call(512)


def test_nothing_is_added_outside_the_region(editor: Editor) -> None:
    rng = np.random.default_rng(0)
    composite = rng.uniform(0, 255, (256, 256, 3)).astype(np.float32)
    region = np.zeros((256, 256), np.float32)
    region[100:150, 60:200] = 1
    found = detail.added(editor.model, composite, region)
    assert not found[region == 0].any() and np.abs(found[region == 1]).mean() > 0.5


def test_small_heads_are_not_enlarged(editor: Editor, astronaut: Path, large: Portrait) -> None:
    with Image.open(astronaut) as image:
        small_photo = Photo.of(image.resize((image.width * 2 // 3, image.height * 2 // 3)))
    (small,) = editor.portraits(small_photo)
    assert composes_finely(editor.model, large) and not composes_finely(editor.model, small)
    close = CloseUp.of(editor.model, large, 128)
    assert composes_finely(editor.model, close.portrait)


def test_an_edit_gets_detail_where_it_draws_and_only_there(editor: Editor, large: Portrait) -> None:
    edit = Edit({"Smiling": 0})
    change = editor.change(large, edit, "flow")
    assert change.fine and not editor.change(large, edit, "flow", FAST).fine
    fine = editor.paste(large, change).pixels.astype(int)
    coarse = editor.paste(large, dataclasses.replace(change, fine=False)).pixels.astype(int)
    own = large.photo.pixels.astype(int)
    # Where nothing is drawn, both keep the photo's bits.
    assert (np.abs(fine - own).max(2) == 0).mean() > 0.8
    changed = np.abs(coarse - own).max(2) > 20
    assert np.abs(fine - coarse)[changed].mean() > 0.5
    assert np.abs(fine - coarse)[changed].mean() < 12
    assert editor.paste(large, editor.change(large, Edit(), quality=FULL)) is large.photo


def test_a_close_up_shows_the_detail_of_the_photo(editor: Editor, large: Portrait) -> None:
    change = editor.change(large, Edit({"Smiling": 0}))
    close = CloseUp.of(editor.model, large, 1024)
    x0, y0, x1, y1 = close.box
    size = close.portrait.photo.size
    whole = Image.fromarray(editor.paste(large, change).pixels[y0:y1, x0:x1])
    small = np.asarray(whole.resize(size, Image.Resampling.LANCZOS)).astype(int)
    part = close.render(editor.model, change).pixels.astype(int)
    assert np.abs(part - small).mean() < 0.5


def test_new_faces_are_edited_at_the_size_they_are_drawn(editor: Editor) -> None:
    (code,) = editor.generate(1, seed=5, prior="gaussian")
    portrait = editor.reader.of_code(code, size=256)
    assert portrait.photo.size == (256, 256) and portrait.crop.pixels.shape == (128, 128, 3)
    assert np.array_equal(portrait.photo.pixels, editor.decode([code], size=256)[0])
    smile = editor.render(portrait, {"Smiling": 1})
    assert smile.size == (256, 256)
    assert not np.array_equal(smile.pixels, portrait.photo.pixels)
