"""Glasses put on: their outline from a mask, the photo through their lenses, bits kept beside them."""

import dataclasses
from functools import lru_cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from facedial.compose.glasses import PLAIN_RIM, RIM, Glasses, worn
from facedial.faces.crop import head_template
from facedial.faces.geometry import scaling
from facedial.faces.parse import SIDE

EYES = head_template(SIDE)[:2]
ROWS, COLUMNS = np.mgrid[:SIDE, :SIDE]


def mask(left: float = 24.0, right: float = 24.0, *, jagged: float = 0.0) -> np.ndarray:
    """Two elliptic lenses 18 px high with a bridge and an arm; `jagged`: px of noise of their edges."""
    noise = np.random.default_rng(0).normal(0, jagged, (SIDE, SIDE))
    found = (
        (np.abs(ROWS - 131) < 2) & (COLUMNS > 95) & (COLUMNS < 215)
    )  # bridge, and an arm on the right
    for x, half in ((95.5, left), (159.5, right)):
        found |= np.hypot((COLUMNS - x) / half, (ROWS - 138) / 18) * 18 < 18 + noise
    return found.astype(np.float32)


def drawn(mask: np.ndarray, *, lens: int = 30) -> np.ndarray:
    """A grey face with lenses of one grey level and no rims to be seen."""
    face = np.where(mask > 0.5, lens, 160).astype(np.uint8)
    return np.repeat(face[..., None], 3, 2)


def glasses(light: float = 160.0) -> Glasses:
    there = mask()
    return Glasses.of(drawn(there), there, EYES, light)


def planes(one: Glasses, scale: float = 1.0) -> tuple[tuple[int, int, int, int], np.ndarray]:
    to_photo = scaling(scale, scale)
    side = round(SIDE * scale)
    box = one.box(to_photo, (side, side))
    assert box is not None
    skin = np.ones((box[3] - box[1], box[2] - box[0]), np.float32)
    return box, one.layer(to_photo, box, skin)


def test_lenses_are_found_without_bridge_and_arms() -> None:
    one = glasses()
    assert one.fitted[0] == 1
    assert_allclose(one.origin[0] + one.centres, [95.5, 159.5], atol=1.5)
    assert_allclose(one.origin[1] + one.below, 138, atol=1.5)
    assert_allclose(one.half_widths, 24, atol=1.5)
    assert_allclose(one.half_height, 18, atol=1.5)
    assert one.rim[0] == pytest.approx(PLAIN_RIM)


@given(st.floats(18, 30), st.floats(18, 30), st.floats(0, 3))
def test_both_lenses_have_one_smooth_outline_of_usual_size(
    left: float, right: float, jagged: float
) -> None:
    there = mask(left, right, jagged=jagged)
    one = Glasses.of(drawn(there), there, EYES, 160.0)
    ratio = one.half_widths[0] / one.half_widths[1]
    assert 0.86 < ratio < 1.16
    bends = np.abs(np.diff(np.append(one.outline, one.outline[:2]), 2))
    assert bends.max() < 0.03
    assert one.centres[0] + one.half_widths[0] < one.centres[1] - one.half_widths[1]
    assert RIM[0] <= one.rim[0] <= RIM[1]


def test_a_drawing_without_glasses_gives_plain_ones_where_the_eyes_are() -> None:
    one = Glasses.of(drawn(np.zeros((SIDE, SIDE))), np.zeros((SIDE, SIDE), np.float32), EYES, 160.0)
    assert one.fitted[0] == 0
    assert_allclose(one.centres.sum(), 0, atol=1e-4)
    assert one.half_widths[0] == one.half_widths[1] > 0.3 * one.eyes[0]


def test_glasses_that_a_photo_shows_keep_their_own_size() -> None:
    there = mask(31.0, 24.0)
    one = Glasses.of(drawn(there), there, EYES, 160.0, drawn=False)
    assert_allclose(one.half_widths, [31, 24], atol=2)


def test_a_rim_that_the_drawing_shows_gives_its_colour_and_thickness() -> None:
    there = mask()
    picture = drawn(there, lens=150)
    inner = np.zeros_like(there)
    inner[3:-3, 3:-3] = np.min(
        [np.roll(there, (a, b), (0, 1))[3:-3, 3:-3] for a in (-3, 0, 3) for b in (-3, 0, 3)], 0
    )
    picture[(there > 0.5) & (inner < 0.5)] = (90, 10, 10)
    one = Glasses.of(picture, there, EYES, 160.0)
    assert one.colour[0] > one.colour[1] + 10
    assert RIM[0] < one.rim[0] <= RIM[1]


def test_it_survives_a_cache() -> None:
    one = glasses()
    again = Glasses.unpacked(one.packed())
    for field in dataclasses.fields(one):
        assert np.array_equal(getattr(one, field.name), getattr(again, field.name))


@pytest.mark.parametrize("scale", [0.4, 1.0, 3.0])
def test_rims_are_as_thick_at_every_size_of_a_photo(scale: float) -> None:
    one = glasses()
    _, layer = planes(one, scale)
    pixels = scale * scale
    frame, lens = layer[..., 0].sum() / pixels, layer[..., 1].sum() / pixels
    reference = planes(one, 2.0)[1]
    assert frame == pytest.approx(reference[..., 0].sum() / 4, rel=0.1)
    assert lens == pytest.approx(reference[..., 1].sum() / 4, rel=0.05)


def test_the_photo_is_seen_through_clear_lenses_and_keeps_its_bits_beside_them() -> None:
    one = glasses()
    _, layer = planes(one)
    pixels = np.random.default_rng(1).integers(60, 200, (*layer.shape[:2], 3), np.uint8)
    result = worn(pixels, one, layer, darkness=0.0, share=1.0).astype(int)
    apart = np.abs(result - pixels).max(2)
    frame, lens, _, shadow = (layer[..., i] for i in range(4))
    assert not apart[(frame == 0) & (lens == 0) & (shadow == 0)].any()
    through = (lens == 1) & (shadow == 0)
    assert through.sum() > 500 and apart[through].max() <= 4
    assert result[frame > 0.95].mean() < 70
    assert np.array_equal(worn(pixels, one, layer, darkness=1.0, share=0.0), pixels)


@lru_cache(maxsize=1)
def usual() -> np.ndarray:
    """The layer of the usual glasses, which no test changes."""
    return planes(glasses())[1]


@given(st.floats(0, 1), st.floats(0, 1))
def test_darker_lenses_let_less_light_through(one: float, other: float) -> None:
    low, high = sorted((one, other))
    layer = usual()
    pixels = np.full((*layer.shape[:2], 3), 150, np.uint8)
    lens = layer[..., 1] == 1
    light, dark = (
        worn(pixels, glasses(), layer, darkness=d, share=1.0)[lens].astype(int) for d in (low, high)
    )
    assert (dark <= light + 1).all()
    if high - low > 0.1:
        assert dark.mean() < light.mean() - 5


def test_the_lenses_of_glasses_that_are_worn_darken_alone() -> None:
    one = glasses()
    _, layer = planes(one)
    pixels = np.full((*layer.shape[:2], 3), 150, np.uint8)
    result = worn(pixels, one, layer, darkness=1.0, share=1.0, own=True)
    lens = layer[..., 1]
    assert np.array_equal(result[lens == 0], pixels[lens == 0])
    assert result[lens == 1].mean() < 60
    assert np.array_equal(worn(pixels, one, layer, darkness=0.0, share=1.0, own=True), pixels)


def test_glasses_beside_the_photo_have_no_box() -> None:
    assert glasses().box(np.array([[1.0, 0, 900], [0, 1.0, 0]]), (256, 256)) is None


def test_arms_are_hidden_where_no_skin_is_seen() -> None:
    one = glasses()
    box = one.box(scaling(1.0, 1.0), (SIDE, SIDE))
    assert box is not None
    shape = (box[3] - box[1], box[2] - box[0])
    seen, hidden = (
        one.layer(scaling(1.0, 1.0), box, np.full(shape, share, np.float32))[..., 0]
        for share in (1, 0)
    )
    outer = round(one.origin[0] + one.centres[1] + one.half_widths[1]) + 6 - box[0]
    assert seen[:, outer:].sum() > 10 and not hidden[:, outer:].any()
