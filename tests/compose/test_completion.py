"""Backgrounds continued behind what has gone, by places to copy from."""

import numpy as np
import pytest

from facedial.compose.completion import meeting, sources

SIDE = 128
ROWS, COLUMNS = np.mgrid[:SIDE, :SIDE]
HOLE = np.hypot(ROWS - 64, COLUMNS - 64) < 20


def grey(values: np.ndarray) -> np.ndarray:
    return np.repeat(values[..., None], 3, 2).astype(np.float32)


def stripes(slant: float) -> np.ndarray:
    return grey(np.where((COLUMNS + slant * ROWS) // 6 % 2, 200.0, 100.0))


@pytest.mark.parametrize("slant", [0.0, 0.5])
def test_stripes_go_on_behind_a_hole(slant: float) -> None:
    picture = stripes(slant)
    copied = sources(np.where(HOLE[..., None], 0, picture), ~HOLE, HOLE)
    assert copied is not None
    found = picture[copied]
    assert np.abs(found - picture)[HOLE].mean() < 12  # of 100 levels between stripes; 50 by chance
    assert set(np.unique(found)) <= {100.0, 200.0}  # no mean of them


def test_only_what_is_known_is_copied_and_the_same_each_time() -> None:
    picture = stripes(0.5)
    face = (np.abs(COLUMNS - 100) < 12) & (np.abs(ROWS - 64) < 30)
    known = ~HOLE & ~face
    first, again = (sources(picture, known, HOLE) for _ in range(2))
    assert first is not None and again is not None
    for one, other in zip(first, again, strict=True):
        np.testing.assert_array_equal(one, other)
    assert known[first][HOLE].all()
    np.testing.assert_array_equal(first[0][~HOLE], ROWS[~HOLE])
    np.testing.assert_array_equal(first[1][~HOLE], COLUMNS[~HOLE])


def test_nothing_to_copy_from_and_nothing_to_fill() -> None:
    picture = stripes(0)
    assert sources(picture, np.zeros_like(HOLE), HOLE) is None
    assert sources(picture, ~HOLE, np.zeros_like(HOLE)) is None


def test_a_wall_that_is_lit_from_one_side_has_no_step_at_the_rim() -> None:
    wall = grey(80 + 0.8 * COLUMNS)
    copied = sources(np.where(HOLE[..., None], 0, wall), ~HOLE, HOLE)
    assert copied is not None
    found = wall[copied]
    lit = found + meeting(wall, HOLE, ~HOLE, copied)
    rim = HOLE & (np.hypot(ROWS - 64, COLUMNS - 64) > 16)
    assert np.abs(lit - wall)[rim].mean() < 4
    assert np.abs(lit - wall)[HOLE].mean() <= np.abs(found - wall)[HOLE].mean() + 1
