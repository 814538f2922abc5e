"""Figures of where an edit changes a photo, on pictures whose answer is known."""

import math

import numpy as np
import pytest

from facedial.evaluate.regions import KINDS, figures
from facedial.faces.parse import CLASSES

SKIN, HAIR, BACKGROUND = (CLASSES.index(name) for name in ("skin", "hair", "background"))


EVERYWHERE = np.ones((256, 256), np.bool_)


@pytest.fixture
def parse() -> np.ndarray:
    """Hair above, skin in the middle, background below."""
    classes = np.full((256, 256), BACKGROUND, np.uint8)
    classes[:64], classes[64:192] = HAIR, SKIN
    return classes


def test_a_change_inside_its_classes_spills_nothing(parse: np.ndarray) -> None:
    before = np.full((256, 256, 3), 100, np.uint8)
    after = before.copy()
    after[:64] = 160
    assert figures(before, after, parse, parse, ("hair",), EVERYWHERE) == (0, 0, 0)


def test_spill_is_the_share_of_squared_change_elsewhere(parse: np.ndarray) -> None:
    before = np.full((256, 256, 3), 100, np.uint8)
    after = before.copy()
    after[:64], after[100:132] = 160, 130  # half as much, on half as many rows
    spill, skin, background = figures(before, after, parse, parse, ("hair",), EVERYWHERE)
    assert spill == pytest.approx(0.125 / 1.125)
    assert skin == pytest.approx(30 * 32 / 128) and background == 0
    whole, *_ = figures(before, after, parse, parse, ("hair", "skin"), EVERYWHERE)
    assert whole == 0


def test_what_lies_outside_the_photo_counts_for_nothing(parse: np.ndarray) -> None:
    before = np.full((256, 256, 3), 100, np.uint8)
    after = before.copy()
    after[:64], after[100:132, 128:], after[200:, 128:] = 160, 130, 130
    known = EVERYWHERE.copy()
    known[:, 128:] = False
    assert figures(before, after, parse, parse, ("hair",), known) == (0, 0, 0)
    assert min(figures(before, after, parse, parse, ("hair",), EVERYWHERE)) > 0


def test_what_nobody_sees_counts_as_no_spill_but_as_change(parse: np.ndarray) -> None:
    before = np.full((256, 256, 3), 100, np.uint8)
    after = before + np.uint8(4)
    spill, skin, background = figures(before, after, parse, parse, ("hair",), EVERYWHERE)
    assert spill == 0 and skin == background == 4


def test_new_hair_may_stand_where_the_edited_picture_shows_it(parse: np.ndarray) -> None:
    before = np.full((256, 256, 3), 100, np.uint8)
    after, edited = before.copy(), parse.copy()
    after[64:90], edited[64:90] = 20, HAIR
    assert figures(before, after, parse, edited, ("hair",), EVERYWHERE)[0] == 0
    assert figures(before, after, parse, parse, ("hair",), EVERYWHERE)[0] > 0.8


def test_classes_that_are_not_shown_have_no_change() -> None:
    nothing = np.zeros((256, 256), np.uint8) + HAIR
    picture = np.zeros((256, 256, 3), np.uint8)
    _, skin, background = figures(picture, picture, nothing, nothing, ("hair",), EVERYWHERE)
    assert math.isnan(skin) and math.isnan(background)


def test_every_edit_names_real_classes() -> None:
    assert all(set(kind.classes) <= set(CLASSES) for kind in KINDS.values())
