"""Where a drawing replaces the photo, and which change of tone is left out."""

from typing import cast

import numpy as np
from skimage import data

from facedial import parsing
from facedial.arrays import Bytes, Floats
from facedial.editing.regions import region_of
from facedial.editor import Editor
from facedial.faces.parse import CLASSES
from facedial.faces.photo import Photo
from facedial.model import Model
from facedial.parsing import broad_tone, region_mask, replaced

SIDE = 128
MOUTH = region_of("Smiling")


def face(top: int, bottom: int) -> Floats:
    """Class probabilities [12, S, S]: skin, lips between two rows, teeth in their middle third."""
    third = (bottom - top) // 3
    names = np.full((SIDE, SIDE), CLASSES.index("skin"))
    names[top:bottom, 44:84] = CLASSES.index("lips")
    names[top + third : bottom - third, 44:84] = CLASSES.index("mouth")
    return np.asarray(names == np.arange(len(CLASSES))[:, None, None], np.float32)


def test_a_mouth_of_another_shape_is_replaced_as_a_whole() -> None:
    closed, wide = face(90, 96), face(86, 104)
    found = replaced(MOUTH, closed, closed, wide)
    assert found.shape == (SIDE, SIDE) and found.min() >= 0 and found.max() <= 1
    # Both mouths, the old one in the photo's place too, and nothing far from them.
    assert (found[86:104, 44:84] > 0.95).all()
    assert not found[:70].any() and not found[:, :30].any()
    moved = replaced(MOUTH, face(104, 110), closed, wide)
    assert (moved[104:110, 44:84] > 0.95).all()


def test_a_mouth_that_stays_keeps_its_detail() -> None:
    closed = face(90, 96)
    assert not replaced(MOUTH, closed, closed, closed).any()
    mixed = np.asarray(0.97 * closed + 0.03 * face(86, 104), np.float32)
    nearly = replaced(MOUTH, closed, closed, mixed)
    assert nearly.max() < 0.1
    assert not replaced(region_of("Bangs"), closed, closed, face(86, 104)).any()


def test_the_tone_of_the_skin_stays_and_new_lips_keep_theirs() -> None:
    first, last = face(90, 96), face(86, 104)
    difference = np.full((SIDE, SIDE, 3), 12.0, np.float32)
    difference[60, 60] += 100  # a fold
    broad = broad_tone([MOUTH], difference, first, last)
    assert isinstance(broad, np.ndarray)
    assert np.abs(broad[:40] - 12).max() < 0.1
    assert np.abs(broad[60, 60] - 12).max() < 5  # so the fold stays in the difference
    assert not broad[90:100, 50:78].any()


def test_edits_that_are_of_tone_keep_it() -> None:
    first, last = face(90, 96), face(86, 104)
    difference = np.full((SIDE, SIDE, 3), 12.0, np.float32)
    assert broad_tone([region_of("Goatee")], difference, first, last) == 0
    assert broad_tone([MOUTH, region_of("Pale_Skin")], difference, first, last) == 0


def test_an_older_face_gets_no_fringe_that_the_photo_lacks() -> None:
    photo = face(90, 96)
    drawing = photo.copy()
    drawing[:, 20:40, 30:98] = 0
    drawing[CLASSES.index("hair"), 20:40, 30:98] = 1
    mask = region_mask(region_of("Young"), photo, drawing)
    assert not mask[22:38, 32:96].any()
    assert (mask[52:80, 30:98] > 0.95).all()
    # Hair that is there may change.
    assert (region_mask(region_of("Young"), drawing, drawing)[26:34, 36:92] > 0.9).all()


def test_a_moustache_is_drawn_between_nose_and_mouth() -> None:
    photo = face(90, 96)
    mask = region_mask(region_of("Mustache"), photo, photo)
    assert mask[84, 64] > 0.9 and mask[84, 36] == 0 and mask[84, 92] == 0


def test_dark_hair_behind_a_neck_is_no_hat_and_hats_stay(editor: Editor) -> None:
    model = editor.model

    class Hatted:
        """The same model, which sees a hat in some places, where it sees no hair."""

        def __init__(self, *places: tuple[slice, slice]) -> None:
            self.places = places

        def parse(self, crops: Bytes) -> tuple[Floats, Floats]:
            logits, hair = model.parse(crops)
            for rows, columns in self.places:
                logits[:, CLASSES.index("hat"), rows, columns] = 30
                hair[:, rows, columns] = 0
            return logits, hair

    beside = slice(116, 148), slice(200, 228)  # hair, down to below the eyes
    on_top = slice(20, 60), slice(90, 160)
    scarf = slice(20, 220), slice(196, 232)
    apart = slice(200, 230), slice(100, 150)  # below the chin
    photo = Photo(data.astronaut())
    for places, hats in (
        ((beside,), ()),
        ((on_top,), (on_top,)),
        ((scarf,), (scarf,)),
        ((apart,), (apart,)),
        ((beside, on_top), (on_top,)),
    ):
        (portrait,) = editor.portraits(photo)
        fake = cast(Model, Hatted(*places))
        hat, hair = (parsing.seen(fake, portrait, {one}) for one in ("hat", "hair"))
        matte = parsing.head_hair(fake, portrait)
        for place in places:
            stays = place in hats
            assert (hat[place] > 0.99).all() if stays else (hair[place] > 0.99).all()
            assert (matte[place] < 0.01).all() if stays else (matte[place] > 0.99).all()


def test_a_side_that_only_the_closer_look_sees_is_own_hair_and_what_hangs_apart_is_not(
    editor: Editor,
) -> None:
    (portrait,) = editor.portraits(Photo(data.astronaut()))
    hair = parsing.head_hair(editor.model, portrait).copy()
    assert hair[40:50, 120:130].min() > 0.9 and hair[110:140, 110:150].max() < 0.2
    thin, apart = (slice(40, 140), slice(118, 126)), (slice(8, 20), slice(6, 20))
    hair[thin], hair[apart] = 1, 1
    portrait.cache.put(parsing.HEAD_HAIR, hair)
    own = parsing.own_head_hair(editor.model, portrait)
    assert (own[thin] == 1).all()
    assert not own[apart].any()
