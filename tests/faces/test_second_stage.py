"""The detector's second stage: patches, and how both stages' scores become one."""

import numpy as np
import pytest

from facedial.faces.face import Detection
from facedial.faces.second_stage import (
    AROUND,
    BIAS,
    FIRST_WEIGHT,
    MOST,
    PATCH,
    SURE,
    patch,
    rescored,
)

BOX = np.array([60.0, 50.0, 100.0, 90.0])


def test_a_patch_shows_the_box_and_what_lies_around_it_upright() -> None:
    pixels = np.zeros((140, 160, 3), np.uint8)
    pixels[50:70, 60:100] = 200  # the upper half of the box
    upright = patch(pixels, Detection(BOX, 0.5))
    edge = round(PATCH * (1 - 1 / AROUND) / 2)
    assert upright.shape == (PATCH, PATCH, 3)
    assert upright[edge + 3 : PATCH // 2 - 3, edge + 3 : -edge - 3].min() > 190
    assert upright[: edge - 3].max() < 10 and upright[PATCH // 2 + 3 :].max() < 10
    # The same head lying on its side, with its top to the right: turned clockwise by 90 degrees.
    lying = np.ascontiguousarray(np.rot90(pixels, -1))
    height = len(pixels)
    box = np.array([height - BOX[3], BOX[0], height - BOX[1], BOX[2]])
    turned = patch(lying, Detection(box, 0.5, 90.0))
    assert np.abs(turned.astype(int) - upright).mean() < 4


def test_both_stages_odds_are_added() -> None:
    asked: list[int] = []

    def second(patches: np.ndarray) -> np.ndarray:
        asked.append(len(patches))
        return np.array([3.0, -3.0], np.float32)[: len(patches)]

    pixels = np.zeros((100, 200, 3), np.uint8)
    sure, likely, unlikely = (Detection(BOX, score) for score in (0.99, 0.6, 0.5))
    found = rescored(pixels, [sure, likely, unlikely], second)
    assert [one.score for one in found] == sorted((one.score for one in found), reverse=True)
    odds = 3.0 + FIRST_WEIGHT * np.log(0.6 / 0.4) + BIAS
    assert found[0].score == sure.score > SURE and asked == [2]
    assert found[1].score == pytest.approx(1 / (1 + np.exp(-odds)), abs=1e-6)
    assert found[2].score < 0.5 and np.array_equal(found[2].box, BOX)


def test_what_is_sure_or_nothing_needs_no_second_look() -> None:
    def second(patches: np.ndarray) -> np.ndarray:
        raise AssertionError("not needed")

    pixels = np.zeros((100, 200, 3), np.uint8)
    assert rescored(pixels, [], second) == []
    sure = Detection(BOX, 0.99)
    assert rescored(pixels, [sure], second) == [sure]


def test_of_very_many_the_best_are_looked_at() -> None:
    many = [Detection(BOX, score) for score in np.linspace(0.9, 0.1, MOST + 20)]
    found = rescored(
        np.zeros((100, 200, 3), np.uint8), many, lambda p: np.zeros(len(p), np.float32)
    )
    assert len(found) == MOST
