"""What an edit of a photo may change, and what keeps its bits."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from facedial import parsing, render
from facedial.cache import Cache
from facedial.closeup import CloseUp
from facedial.editing.regions import REGIONS
from facedial.editing.request import Edit
from facedial.editing.table import BEST, DIRECTION, FAST, FLOW
from facedial.editor import Editor
from facedial.errors import BadRequest
from facedial.faces.geometry import invert, warp_float
from facedial.faces.parse import CLASSES
from facedial.faces.photo import Photo
from facedial.model import Model
from facedial.near import Near
from facedial.portrait import Portrait


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


def test_a_photo_without_colour_stays_without(editor: Editor, astronaut: Path) -> None:
    with Image.open(astronaut) as picture:
        grey = np.asarray(picture.convert("L").convert("RGB"))
    portrait = editor.read(Photo(grey, "grey", None))[0]
    edit = Edit({"Young": 0, "Blond_Hair": 1, "Eyeglasses": 1})
    result = editor.render(portrait, edit, quality=FAST)
    assert changed(portrait.photo, result).max() > 40
    assert np.ptp(result.pixels.astype(int), axis=2).max() == 0
    tinted = editor.render(portrait, Edit(hair_colour="#2f6fd0"), quality=FAST)
    assert np.ptp(tinted.pixels.astype(int), axis=2).max() > 20


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
        ({"Smiling": 0}, {"hair", "background", "brows", "clothes"}, BEST),
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


TOGETHER = (
    {"Smiling": 0, "No_Beard": 0},
    {"Mouth_Slightly_Open": 0, "No_Beard": 0},
    {"Bangs": 1, "Blond_Hair": 1},
    {"Bald": 1, "Mustache": 1},
    {"Male": 1, "Eyeglasses": 1},
    {"Young": 0, "Gray_Hair": 0.6},
    {"Wearing_Hat": 1, "Black_Hair": 1},
)


@pytest.mark.parametrize("targets", TOGETHER, ids=" ".join)
def test_what_is_made_in_the_photo_stays_in_its_region(
    editor: Editor, portrait: Portrait, targets: dict[str, float]
) -> None:
    change = editor.change(portrait, Edit(targets))
    kinds = [one for one in render.IN_PHOTO if one.of(change) is not None]
    assert len(kinds) >= 2
    region = render.region(editor.model, portrait, change)
    apart = changed(portrait.photo, editor.paste(portrait, change))
    assert apart.any() and not apart[region == 0].any()


@pytest.mark.parametrize("name", ["Smiling", "Young"])
def test_a_nose_stays_by_which_a_person_is_known(
    editor: Editor, portrait: Portrait, name: str
) -> None:
    apart = changed(portrait.photo, editor.render(portrait, {name: 0}, quality=FAST))
    assert apart.max() > 8
    eyes, tip = portrait.face.landmarks[:2].mean(0), portrait.face.landmarks[2]
    for share in (0.4, 0.6, 0.8):
        x, y = np.round(eyes + share * (tip - eyes)).astype(int)
        assert not apart[y - 2 : y + 3, x - 2 : x + 3].any()


def test_strands_at_the_rim_of_hair_go_with_it(
    editor: Editor, portrait: Portrait, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No parse shows them as hair, and their shadows would stay on the forehead."""
    bald = editor.change(portrait, Edit({"Bald": 1}), method="flow", quality=FAST)
    lost = render.composed(editor.model, portrait, bald).detail_loss
    bare = dataclasses.replace(REGIONS["Bald"], rim=0.0)
    monkeypatch.setitem(REGIONS, "Bald", bare)  # type: ignore[arg-type]
    without = render.composed(editor.model, portrait, bald).detail_loss
    assert (lost >= without - 1e-5).all()
    assert lost.sum() > 1.05 * without.sum()


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


@pytest.fixture(scope="module")
def clear(editor: Editor, portrait: Portrait) -> Photo:
    return editor.render(portrait, {"Eyeglasses": 1})


def test_glasses_are_put_on_and_the_eyes_stay_as_they_are(
    editor: Editor, portrait: Portrait, clear: Photo
) -> None:
    apart = changed(portrait.photo, clear)
    change = editor.change(portrait, Edit({"Eyeglasses": 1}))
    region = render.region(editor.model, portrait, change)
    assert not apart[region == 0].any() and apart.max() > 60
    eyes = shown(editor, portrait, {"eyes"}) > 0.9
    assert eyes.sum() > 10 and np.median(apart[eyes]) <= 6
    assert changed(clear, editor.render(portrait, {"Eyeglasses": 1}, quality=FAST)).max() == 0


def test_lenses_darken_with_their_darkness(
    editor: Editor, portrait: Portrait, clear: Photo
) -> None:
    eyes = shown(editor, portrait, {"eyes"}) > 0.9
    light = [
        editor.render(portrait, Edit({"Eyeglasses": 1}, lens_darkness=d)).pixels[eyes].mean()
        for d in (0.0, 0.3, 0.7, 1.0)
    ]
    assert light[0] == clear.pixels[eyes].mean()
    assert sorted(light, reverse=True) == light and light[-1] < 0.6 * light[0]


def test_glasses_fade_in_with_their_strength(
    editor: Editor, portrait: Portrait, clear: Photo
) -> None:
    half, none = (
        editor.render(portrait, Edit({"Eyeglasses": 1}, lens_darkness=1, strength=s))
        for s in (0.5, 0)
    )
    assert none is portrait.photo
    dark = editor.render(portrait, Edit({"Eyeglasses": 1}, lens_darkness=1))
    sums = [changed(portrait.photo, one).sum() for one in (half, dark)]
    assert 0.4 < sums[0] / sums[1] < 0.6


def test_dark_lenses_go_into_glasses_that_are_worn(
    editor: Editor, portrait: Portrait, clear: Photo
) -> None:
    """Of the photo with glasses, as a photo of its own; nothing is put on above them."""
    (wears,) = editor.read(dataclasses.replace(clear, mark=None), [portrait.face])
    assert parsing.share(parsing.classes_of(editor.model, wears), {"glasses"}).mean() > 0.004
    assert editor.render(wears, {"Eyeglasses": 1}).pixels is wears.photo.pixels
    eyes = shown(editor, portrait, {"eyes"}) > 0.9
    dark = editor.render(wears, Edit(lens_darkness=1))
    assert dark.pixels[eyes].mean() < 0.6 * clear.pixels[eyes].mean()
    # A face without glasses has no lenses.
    assert editor.render(portrait, Edit(lens_darkness=1)).pixels is portrait.photo.pixels


def test_what_the_parser_takes_for_glasses_keeps_none_from_being_put_on(
    editor: Editor, portrait: Portrait, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In small faces it sees some in shadows of the eyes, where the classifier sees none."""
    classes = parsing.classes_of(editor.model, portrait).copy()
    size = classes.shape[1]
    shadow = classes[:, size // 2 - 2 : size // 2 + 2]
    shadow *= 1 - 0.007 * size / 4
    shadow[CLASSES.index("glasses")] = 0.007 * size / 4
    assert 0.005 < parsing.share(classes, {"glasses"}).mean() < 0.01
    monkeypatch.setattr(parsing, "classes_of", lambda model, portrait: classes)
    result = editor.render(portrait, Edit({"Eyeglasses": 1}))
    assert changed(portrait.photo, result).any()


def test_glasses_by_other_methods_are_drawn(editor: Editor, portrait: Portrait) -> None:
    for method in (DIRECTION, FLOW):
        drawn = editor.change(portrait, Edit({"Eyeglasses": 1}), method, FAST)
        assert drawn.glasses is None and drawn.drawn_names == ("Eyeglasses",)
        with pytest.raises(BadRequest, match=f"the method {method} draws lenses"):
            editor.check(Edit({"Eyeglasses": 1}, lens_darkness=1), method)
    with_lips = editor.change(portrait, Edit({"Eyeglasses": 1, "Pale_Skin": 1}), quality=FAST)
    assert with_lips.puts_glasses_on and with_lips.drawn_names == ("Pale_Skin",)


def test_a_model_without_a_parser_draws_glasses_and_refuses_dark_lenses(
    editor: Editor, portrait: Portrait, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Model, "has_parser", property(lambda self: False))
    assert editor.render(portrait, {"Eyeglasses": 1}, quality=FAST) is not portrait.photo
    with pytest.raises(BadRequest, match=r"no parser of heads.*leave lens_darkness out"):
        editor.check(Edit({"Eyeglasses": 1}, lens_darkness=1))


def test_a_close_up_shows_the_glasses_of_the_photo(
    editor: Editor, portrait: Portrait, clear: Photo
) -> None:
    near = CloseUp.of(editor.model, portrait, 1024)
    change = editor.change(near.portrait, Edit({"Eyeglasses": 1}))
    x0, y0, x1, y1 = near.box
    part = near.render(editor.model, change).pixels
    if part.shape == clear.pixels[y0:y1, x0:x1].shape:
        assert np.abs(part.astype(int) - clear.pixels[y0:y1, x0:x1]).max() <= 3
    small = CloseUp.of(editor.model, portrait, 128)
    one, two = (small.region(editor.model, change), near.region(editor.model, change))
    assert (one > 0).mean() == pytest.approx((two > 0).mean(), rel=0.35)


def test_what_a_full_cache_dropped_is_computed_again(editor: Editor, portrait: Portrait) -> None:
    crowded = dataclasses.replace(portrait, cache=Cache(max_entries=1))
    edit = Edit(hair_colour="#2f6fd0")
    assert np.array_equal(editor.render(crowded, edit).pixels, editor.render(portrait, edit).pixels)


@pytest.mark.parametrize("name", ["Smiling", "Blond_Hair", "Eyeglasses"])
def test_an_edit_in_place_is_the_same_edit(editor: Editor, astronaut: Path, name: str) -> None:
    with Image.open(astronaut) as image:
        whole = Image.new("RGB", (1100, 700), "grey")
        whole.paste(image, (300, 100))
    (first,) = editor.portraits(Photo.of(whole))
    (second,) = editor.portraits(Photo.of(whole))
    copied = editor.edited(first, Edit({name: 0 if name == "Smiling" else 1}), quality=FAST)
    assert np.array_equal(first.photo.pixels, np.asarray(whole))
    edit = copied.change.edit
    placed = editor.edited(second, edit, quality=FAST, in_place=True)
    assert np.array_equal(placed.photo.pixels, copied.photo.pixels)
    assert np.shares_memory(placed.photo.pixels, second.photo.pixels)
    assert placed.identity == copied.identity and placed.photo.mark == copied.photo.mark
    outside = changed(Photo.of(whole), placed.photo) > 0
    x0, y0, x1, y1 = Near.of(first).box
    outside[y0:y1, x0:x1] = False
    assert not outside.any() and (x1 - x0) * (y1 - y0) < 0.6 * outside.size


@pytest.mark.parametrize("name", ["Blond_Hair", "Eyeglasses"])
def test_in_strips_an_edit_is_the_same(
    editor: Editor, portrait: Portrait, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    portrait = dataclasses.replace(portrait, cache=Cache())
    whole = editor.render(portrait, {name: 1}, quality=FAST)
    monkeypatch.setattr("facedial.hair.STRIP_PIXELS", 8_000)
    monkeypatch.setattr("facedial.glasses.STRIP_PIXELS", 8_000)
    portrait = dataclasses.replace(portrait, cache=Cache())
    strips = editor.render(portrait, {name: 1}, quality=FAST)
    apart = changed(whole, strips)
    assert apart.max() <= 1 and (apart > 0).mean() < 0.001  # a sum rounded in another order
    assert changed(portrait.photo, whole).max() > 60
