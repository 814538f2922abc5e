"""Laws of recoloured hair, and of the colour space it is done in."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from skimage import color

from facedial.compose.lab import to_lab, to_rgb
from facedial.compose.recolour import (
    NATURAL,
    SKIN,
    HairColour,
    Transfer,
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


@pytest.mark.parametrize("target", ["#101010", "#8a4b2d", "#d8b070", "#3060c0"])
def test_hair_arrives_at_a_colour_and_keeps_its_strands(target: str):
    picture, matte = hair(), np.ones((128, 128), np.float32)
    source, goal = HairColour.of(picture, matte), HairColour.parse(target)
    assert source is not None
    none = np.zeros_like(matte)
    changed = recoloured(picture, matte, picture, Transfer.of(source, goal), none)
    found = HairColour.of(changed, matte)
    assert found is not None
    assert_allclose(found.mean[0], goal.mean[0], atol=1 if target != "#101010" else 4)
    # Strands darker and lighter than the mean have less chroma, as they do in hair.
    assert_allclose(found.mean[1:], goal.mean[1:], atol=2 + 0.2 * np.abs(goal.mean[1:]).max())
    before, after = to_lab(picture)[..., 0].ravel(), to_lab(changed)[..., 0].ravel()
    assert np.corrcoef(before, after)[0, 1] > 0.95


def test_what_is_no_hair_keeps_its_bits_and_a_strand_on_skin_changes_as_hair_does():
    picture = hair()
    skin = np.full_like(picture, 200)
    matte = np.zeros((128, 128), np.float32)
    matte[:64], matte[64:80] = 1, 0.3
    seen = np.where(matte[..., None] == 0.3, 0.3 * picture + 0.7 * skin, picture)
    seen = np.where(matte[..., None] == 0, skin, seen).astype(np.uint8)
    source = HairColour.of(picture, np.ones_like(matte))
    assert source is not None
    black = Transfer.of(source, NATURAL["Black_Hair"].beside(None))
    changed = recoloured(seen, matte, picture, black, 0 * matte)
    assert_array_equal(changed[80:], seen[80:])
    whole = recoloured(picture, np.ones_like(matte), picture, black, 0 * matte)
    expected = 0.3 * whole[64:80] + 0.7 * 200
    assert np.abs(changed[64:80] - expected).max() < 3


def test_no_way_is_no_change_and_half_the_way_lies_between():
    picture, matte = hair(), np.ones((128, 128), np.float32)
    source = HairColour.of(picture, matte)
    assert source is not None
    blond = NATURAL["Blond_Hair"].beside(None)
    lightness = []
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        transfer = Transfer.of(source, mixed(source, [(share, blond)]), share)
        changed = recoloured(picture, matte, picture, transfer, 0 * matte)
        if share == 0:
            assert np.abs(changed.astype(int) - picture).max() <= 1
        lightness.append(to_lab(changed)[..., 0].mean())
    assert (np.diff(lightness) > 3).all()


def test_colours_are_in_the_light_of_the_skin():
    blond = NATURAL["Blond_Hair"]
    assert_allclose(blond.beside(None).mean, blond.mean, atol=1e-5)
    dark = HairColour(np.array(SKIN, np.float32) - [30, 0, 0], np.ones(3, np.float32))
    assert blond.beside(dark).mean[0] < blond.mean[0] - 5
    named = [NATURAL[n].mean[0] for n in ("Black_Hair", "Brown_Hair", "Gray_Hair", "Blond_Hair")]
    assert named == sorted(named)


def test_light_and_shadow_are_those_of_the_drawing():
    flat = np.full((128, 128, 3), 12, np.uint8)  # black hair without a strand
    drawing = np.repeat(np.linspace(90, 200, 128)[None, :, None], 128, 0).repeat(3, 2)
    matte = np.ones((128, 128), np.float32)
    source = HairColour.of(flat, matte)
    assert source is not None
    transfer = Transfer.of(source, NATURAL["Blond_Hair"].beside(None))
    shade = shading(flat, matte, drawing.astype(np.uint8), matte, transfer)
    assert (np.diff(shade[64, 4:-4]) > 0).all() and abs(shade.mean()) < 1.5
    assert not shading(flat, matte, drawing.astype(np.uint8), 0 * matte, transfer).any()
    changed = recoloured(flat, matte, flat, transfer, shade)
    assert to_lab(changed)[64, 120, 0] > to_lab(changed)[64, 8, 0] + 20


@pytest.mark.parametrize("text", ["", "#12345", "blond", "#gg0000", "#1234567"])
def test_other_words_are_no_colour(text: str):
    with pytest.raises(BadRequest, match="#rrggbb"):
        HairColour.parse(text)


def test_too_little_hair_has_no_colour():
    assert HairColour.of(hair(), np.zeros((128, 128), np.float32)) is None
