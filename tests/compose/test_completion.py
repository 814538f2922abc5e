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


def test_what_is_copied_has_no_step_at_the_rim_also_at_an_edge() -> None:
    wall = grey(80 + 0.8 * COLUMNS)
    at_edge = (np.abs(ROWS - 64) < 20) & (COLUMNS < 20)
    for hole, away in ((HOLE, -40), (HOLE, 30), (at_edge, 30)):
        copied = ROWS, np.where(hole, COLUMNS + away, COLUMNS)
        found = wall[copied]
        lit = found + meeting(wall, hole, ~hole, copied)
        apart, was = np.abs(lit - wall)[hole].mean(), np.abs(found - wall)[hole].mean()
        assert apart < 0.3 * was
    # What lies at the opposite edge, and is no wall, has nothing to do with it.
    other = wall.copy()
    other[:, -20:] = 250
    copied = ROWS, np.where(at_edge, COLUMNS + 30, COLUMNS)
    one, same = (meeting(one, at_edge, ~at_edge, copied) for one in (wall, other))
    np.testing.assert_allclose(one[at_edge], same[at_edge], atol=1e-3)


def test_pictures_of_any_size_are_continued() -> None:
    for side in (32, 512):
        rows, columns = np.mgrid[:side, :side]
        picture = grey(np.where(columns // 4 % 2, 200.0, 100.0))
        hole = np.hypot(rows - side / 2, columns - side / 2) < 6
        copied = sources(picture, ~hole, hole)
        assert copied is not None and copied[0].shape == (side, side)
        assert np.abs(picture[copied] - picture)[hole].mean() < 12
