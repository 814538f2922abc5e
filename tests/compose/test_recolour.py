"""Laws of recoloured hair, and of the colour space it is done in."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from skimage import color

from facedial.compose import hair_planes
from facedial.compose.lab import to_lab, to_rgb
from facedial.compose.recolour import (
    NATURAL,
    SKIN,
    HairColour,
    Transfer,
    mean_colour,
    mixed,
    recoloured,
    shading,
)
from facedial.errors import BadRequest

from .pictures import strands


def hair() -> np.ndarray:
    """Brown strands uint8 [128, 128, 3]."""
    return np.clip(strands() * np.array([0.8, 0.6, 0.45]), 0, 255).astype(np.uint8)


def test_lab_is_that_of_other_libraries_and_back():
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (2000, 3), dtype=np.uint8)
    lab = to_lab(pixels)
    assert_allclose(lab, color.rgb2lab(pixels), atol=0.05)
    assert_allclose(to_rgb(lab), pixels, atol=0.1)


def seen(picture: np.ndarray, matte: np.ndarray, with_strands: bool = False) -> np.ndarray:
    """The layer of a crop's own pixels."""
    return hair_planes.layer(picture, hair_planes.planes(picture, matte, with_strands=with_strands))


@pytest.mark.parametrize("target", ["#101010", "#8a4b2d", "#d8b070", "#3060c0"])
def test_hair_arrives_at_a_colour_and_keeps_its_strands(target: str):
    picture, matte = hair(), np.ones((128, 128), np.float32)
    layer = seen(picture, matte)
    source, goal = HairColour.seen(layer), HairColour.parse(target)
    assert source is not None
    transfer = Transfer.of(source, goal)
    changed = recoloured(picture, layer, transfer, 0 * matte)
    found = to_lab(changed).reshape(-1, 3).mean(0)
    assert_allclose(found[0], goal.mean[0], atol=5)
    # Strands darker and lighter than the mean have less chroma, as they do in hair.
    assert_allclose(found[1:], goal.mean[1:], atol=2 + 0.2 * np.abs(goal.mean[1:]).max())
    before, after = to_lab(picture)[..., 0].ravel(), to_lab(changed)[..., 0].ravel()
    assert np.corrcoef(before, after)[0, 1] > 0.9


def test_what_is_no_hair_keeps_its_bits_and_a_strand_on_skin_changes_as_hair_does():
    dark = np.full((128, 128, 3), (40, 25, 15), np.uint8)
    skin = np.full_like(dark, 200)
    share = np.clip((80 - np.arange(128)) / 20, 0, 1)[
        :, None, None
    ]  # 1 up to row 60, 0 from row 80
    mixed_up = np.rint(share * dark + (1 - share) * skin).astype(np.uint8)
    matte = np.broadcast_to(share[..., 0], (128, 128)).astype(np.float32)
    layer = seen(mixed_up, matte)
    found = layer[..., hair_planes.SHARE]
    assert_allclose(found[60:67], matte[60:67], atol=0.2)
    # Of a pixel that is hardly hair, the matte alone is too unsure.
    assert (np.diff(found[:, 64]) <= 0).all()
    source = HairColour.seen(layer)
    assert source is not None
    transfer = Transfer.of(source, NATURAL["Blond_Hair"].beside(None))
    changed = recoloured(mixed_up, layer, transfer, 0 * matte)
    assert_array_equal(changed[82:], mixed_up[82:])
    blond = changed[20:50].reshape(-1, 3).mean(0)
    between = share[60:67] * blond + (1 - share[60:67]) * 200
    assert np.abs(changed[60:67] - between).max() < 25  # nothing dark between hair and skin


def test_flat_black_hair_gets_strands_when_it_becomes_light_and_none_when_it_stays_dark():
    rng = np.random.default_rng(0)
    black = rng.integers(10, 16, (256, 256, 1)).repeat(3, 2).astype(np.uint8)
    matte = np.ones((256, 256), np.float32)
    layers = [seen(black, matte, with_strands) for with_strands in (True, False)]
    source = HairColour.seen(layers[0])
    assert source is not None
    spread = {}
    for name in ("Blond_Hair", "Black_Hair"):
        transfer = Transfer.of(source, NATURAL[name].beside(None))
        spread[name] = [
            to_lab(recoloured(black, layer, transfer, 0 * matte))[64:192, 64:192, 0].std()
            for layer in layers
        ]
    assert spread["Blond_Hair"][0] > spread["Blond_Hair"][1] + 2
    assert spread["Black_Hair"][0] < 4


def test_lights_of_dyed_hair_are_no_more_colourful_than_the_dye():
    picture, matte = hair(), np.ones((128, 128), np.float32)
    layer = seen(picture, matte)
    source, dye = HairColour.seen(layer), HairColour.parse("#7a3318")
    assert source is not None
    changed = to_lab(recoloured(picture, layer, Transfer.of(source, dye), 0 * matte))
    lights = changed[changed[..., 0] > dye.mean[0] + 5]
    assert len(lights) > 500
    assert np.hypot(*lights[:, 1:].T).mean() < 1.1 * np.hypot(*dye.mean[1:])


def test_no_way_is_no_change_and_half_the_way_lies_between():
    picture, matte = hair(), np.ones((128, 128), np.float32)
    layer = seen(picture, matte)
    source = HairColour.seen(layer)
    assert source is not None
    blond = NATURAL["Blond_Hair"].beside(None)
    lightness = []
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        transfer = Transfer.of(source, mixed(source, [(share, blond)]), share)
        changed = recoloured(picture, layer, transfer, 0 * matte)
        if share == 0:
            assert np.abs(changed.astype(int) - picture).max() <= 1
        lightness.append(to_lab(changed)[..., 0].mean())
    assert (np.diff(lightness) > 3).all()


def test_colours_are_in_the_light_of_the_skin():
    blond = NATURAL["Blond_Hair"]
    assert_allclose(blond.beside(None).mean, blond.mean, atol=1e-5)
    dark = np.array(SKIN, np.float32) - np.array([30, 0, 0], np.float32)
    assert blond.beside(dark).mean[0] < blond.mean[0] - 5
    named = [NATURAL[n].mean[0] for n in ("Black_Hair", "Brown_Hair", "Gray_Hair", "Blond_Hair")]
    assert named == sorted(named)


def test_light_and_shadow_that_flat_hair_lacks_are_those_of_the_drawing():
    flat = np.full((128, 128, 3), 12, np.uint8)  # black hair without a strand
    drawing = np.repeat(np.linspace(90, 200, 128)[None, :, None], 128, 0).repeat(3, 2)
    matte = np.ones((128, 128), np.float32)
    layer = seen(flat, matte)
    source = HairColour.seen(layer)
    assert source is not None
    transfer = Transfer.of(source, NATURAL["Blond_Hair"].beside(None))
    shade = shading(matte, drawing.astype(np.uint8), matte, transfer)
    assert (np.diff(shade[64, 4:-4]) > 0).all() and abs(shade.mean()) < 1.5
    assert not shading(0 * matte, drawing.astype(np.uint8), matte, transfer).any()
    changed = recoloured(flat, layer, transfer, shade)
    assert to_lab(changed)[64, 120, 0] > to_lab(changed)[64, 8, 0] + 15
    # Hair that has them keeps its own.
    assert Transfer.of(transfer.target, transfer.target).lacks < transfer.lacks


@pytest.mark.parametrize("text", ["", "#12345", "blond", "#gg0000", "#1234567"])
def test_other_words_are_no_colour(text: str):
    with pytest.raises(BadRequest, match="#rrggbb"):
        HairColour.parse(text)


def test_too_little_hair_has_no_colour():
    assert mean_colour(hair(), np.zeros((128, 128), np.float32)) is None


def white_on_skin() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """White hair up to row 59 of a head, skin from row 60 on: pixels, matte, skin."""
    rng = np.random.default_rng(0)
    picture = np.full((128, 128, 3), (205, 160, 140), np.uint8)
    picture[:60] = 200 + rng.integers(-8, 9, (60, 128, 1))
    matte = np.broadcast_to(np.arange(128)[:, None] < 60, (128, 128)).astype(np.float32)
    return picture, matte, 1 - matte


def test_dark_hair_thins_out_towards_the_forehead_and_light_hair_and_outlines_do_not():
    picture, matte, skin = white_on_skin()
    black = NATURAL["Black_Hair"].beside(None)
    found = {}
    for name, bare in (("skin", skin), ("wall", 0 * skin)):
        layer = hair_planes.layer(picture, hair_planes.planes(picture, matte, bare))
        source = HairColour.seen(layer)
        assert source is not None
        for goal in (black, NATURAL["Blond_Hair"].beside(None)):
            changed = recoloured(picture, layer, Transfer.of(source, goal), 0 * matte)
            rows = to_lab(changed)[..., 0].mean(1)
            found[name, goal is black] = rows
            assert_array_equal(changed[62:], picture[62:])
    line, wall = found["skin", True], found["wall", True]
    assert line[57] > line[55] + 3 > line[40] + 6 and abs(line[40] - wall[40]) < 1
    assert np.abs(wall[40:57] - wall[40]).max() < 3
    assert np.abs(found["skin", False] - found["wall", False]).max() < 1
    # What shows between the last strands is skin, not what was white.
    assert line[57] < to_lab(picture)[64, 64, 0]


def test_dark_hair_that_becomes_light_keeps_dark_roots_at_skin_and_nowhere_else():
    rng = np.random.default_rng(0)
    rows, columns = np.arange(128)[:, None], np.arange(128)[None]
    hairs = {  # a hairline, the tips of a fringe, hair beside a cheek
        "line": (rows < 36) & (columns >= 0),
        "tips": (rows < 60) & (columns >= 0),
        "beside": (columns < 40) & (rows >= 0),
    }
    for place, there in hairs.items():
        matte = there.astype(np.float32)
        picture = np.full((128, 128, 3), (205, 160, 140), np.uint8)
        picture[there] = 30 + rng.integers(-8, 9, (int(there.sum()), 1))
        light = {}
        for name, bare in (("skin", 1 - matte), ("wall", 0 * matte)):
            layer = hair_planes.layer(picture, hair_planes.planes(picture, matte, bare))
            source = HairColour.seen(layer)
            assert source is not None
            transfer = Transfer.of(source, NATURAL["Blond_Hair"].beside(None))
            changed = recoloured(picture, layer, transfer, 0 * matte)
            light[name] = to_lab(changed)[..., 0].mean(0 if place == "beside" else 1)
        darker, line = light["wall"] - light["skin"], {"line": 36, "tips": 60, "beside": 40}[place]
        gained = float(light["wall"][line - 10]) - to_lab(picture)[there][:, 0].mean()
        assert np.abs(darker[: line - 32]).max(initial=0.0) < 1
        if place == "tips":
            assert np.abs(darker[:line]).max() < 2
        else:
            assert darker[line - 5] > 0.4 * gained and darker[line - 20] < 0.25 * gained


def test_light_hair_that_becomes_lighter_has_no_dark_roots():
    dark, light, white = (HairColour.usual(np.array([n, 3, 12], np.float32)) for n in (15, 62, 85))
    assert Transfer.of(dark, light).rooted > 0.5
    assert Transfer.of(light, white).rooted == 0 == Transfer.of(dark, dark).rooted


def test_what_is_lighter_than_the_hair_around_it_or_bluer_becomes_as_dark():
    picture = np.full((128, 128, 3), (220, 180, 90), np.uint8)  # golden
    picture[62:66, 62:66] = 240, 240, 240
    matte = np.ones((128, 128), np.float32)
    matte[58:70, 58:70] = 0.9  # a parser's doubts: its colour is that of what is around
    layer = hair_planes.layer(picture, hair_planes.planes(picture, matte))
    source = HairColour.seen(layer)
    assert source is not None
    transfer = Transfer.of(source, NATURAL["Black_Hair"].beside(None))
    changed = recoloured(picture, layer, transfer, 0 * matte)
    assert changed[62:66, 62:66].max() < 60
    assert int(np.ptp(changed[62:66, 62:66].astype(int), -1).max()) < 30


def test_light_hair_that_becomes_black_keeps_some_of_its_light():
    black = NATURAL["Black_Hair"]
    white, brown = (np.array([lightness, 0, 5], np.float32) for lightness in (75, 25))
    assert_allclose(black.beside(None, brown).mean, black.mean, atol=1e-5)
    assert 3 < black.beside(None, white).mean[0] - black.mean[0] < 8
