"""Hair taken off on photos."""

import dataclasses

import numpy as np
from PIL import Image

from facedial import parsing, render, scalp
from facedial.editing.request import Edit
from facedial.editor import Editor
from facedial.faces.face import Face
from facedial.faces.geometry import apply, compose, invert, scaling, warp_float
from facedial.faces.photo import Photo
from facedial.portrait import Portrait

BALD = Edit({"Bald": 1})


def at(portrait: Portrait, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Photo pixels of the places of a head crop's mask [256, 256]: rows and columns."""
    rows, columns = np.nonzero(mask)
    to_photo = parsing.head_to_photo(portrait)
    x, y = np.rint(apply(to_photo, np.stack([columns, rows], 1))).astype(int).T
    return y, x


def test_hair_goes_and_the_face_stays(editor: Editor, portrait: Portrait) -> None:
    change = editor.change(portrait, BALD)
    assert change.bald > 0.5 and change.pasted is change.before and not change.drawn_names
    result = editor.paste(portrait, change)
    moved = np.abs(result.pixels.astype(int) - portrait.photo.pixels).max(2)
    inside = render.region(editor.model, portrait, change)
    assert not moved[inside == 0].any()
    hair = parsing.seen(editor.model, portrait, {"hair"})
    above = np.zeros_like(hair, bool)
    above[30:80, 80:176] = True
    assert moved[at(portrait, (hair > 0.9) & above)].mean() > 25
    face = parsing.seen(editor.model, portrait, {"eyes", "lips", "mouth"}) > 0.9
    assert moved[at(portrait, face)].mean() < 0.5
    # What was hair above the forehead has the face's colour now, not the hair's.
    skin = parsing.seen(editor.model, portrait, {"skin"}) > 0.95
    colour = np.median(result.pixels[at(portrait, skin)], 0)
    head = (hair > 0.9) & above
    bare = np.median(result.pixels[at(portrait, head)], 0)
    was = np.median(portrait.photo.pixels[at(portrait, head)], 0)
    assert np.abs(bare - colour).sum() < 0.6 * np.abs(was - colour).sum()


def test_background_goes_on_as_sharp_as_the_photo_is(editor: Editor, portrait: Portrait) -> None:
    # So large that the head crop shows nothing of a pattern of two pixels.
    scale = 4
    size = tuple(scale * side for side in portrait.photo.size)
    large = np.asarray(Image.fromarray(portrait.photo.pixels).resize(size))
    rows, columns = np.mgrid[: size[1], : size[0]]
    wall = np.where((rows // 2 + columns // 2) % 2, 150, 110).astype(np.uint8)
    to_crop = compose(invert(parsing.head_to_photo(portrait)), scaling(1 / scale, 1 / scale))

    def seen(one: str, least: float) -> np.ndarray:
        parse = parsing.seen(editor.model, portrait, {one})[..., None]
        return np.asarray(warp_float(parse, to_crop, size)[..., 0] > least)

    pixels = np.where(seen("background", 0.5)[..., None], wall[..., None], large)
    (other,) = editor.read(Photo(pixels), [at_scale(portrait, scale)])
    part = scalp.taken_off(editor.model, other, 1, other.photo)
    assert part is not None
    bald = other.photo.with_part(*part).pixels
    hair = seen("hair", 0.9)
    walls = [np.isin(one, (110, 150)).all(2)[hair].mean() for one in (pixels, bald)]
    assert walls[0] < 0.02 and walls[1] > 0.2  # the wall's own two levels, to the bit


def at_scale(portrait: Portrait, scale: float) -> Face:
    """The face of a portrait in its photo enlarged."""
    assert portrait.face is not None
    points = apply(scaling(scale, scale), portrait.face.landmarks)
    return dataclasses.replace(portrait.face, box=scale * portrait.face.box, landmarks=points)


def test_half_of_it_changes_half_as_much_and_none_nothing(
    editor: Editor, portrait: Portrait
) -> None:
    whole, half = (scalp.taken_off(editor.model, portrait, s, portrait.photo) for s in (1, 0.5))
    assert whole is not None and half is not None
    photo = portrait.photo
    sums = [
        np.abs(photo.with_part(*one).pixels.astype(int) - photo.pixels).sum()
        for one in (half, whole)
    ]
    assert 0.4 * sums[1] < sums[0] < 0.6 * sums[1]
    nothing = editor.change(portrait, Edit({"Bald": 1}, strength=0))
    assert editor.paste(portrait, nothing) is photo


def test_hair_is_given_back_as_it_is_drawn_and_other_methods_draw(
    editor: Editor, portrait: Portrait, few_steps: None
) -> None:
    assert editor.change(portrait, Edit({"Bald": -0.5})).bald == 0
    assert editor.change(portrait, BALD, method="direction").bald == 0


def test_a_bald_head_gets_a_moustache_in_the_colour_of_its_brows(
    editor: Editor, portrait: Portrait
) -> None:
    both = editor.paste(portrait, editor.change(portrait, Edit({"Bald": 1, "Mustache": 1})))
    alone = editor.paste(portrait, editor.change(portrait, BALD))
    rows, _ = np.nonzero((both.pixels != alone.pixels).any(2))
    assert portrait.face is not None
    assert rows.min() > portrait.face.landmarks[:2, 1].max()
