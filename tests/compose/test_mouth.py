"""Contours of mouths in a parse, and warps that move them."""

import numpy as np
import pytest

from facedial.compose.mouth import (
    COLUMNS,
    INNER_LOWER,
    INNER_UPPER,
    LOWER,
    UPPER,
    Warp,
    contours,
    face_mask,
    gap,
    sampled,
)
from facedial.faces.crop import head_template
from facedial.faces.parse import SIDE

TEMPLATE = head_template(SIDE)
MIDDLE = TEMPLATE[3:].mean(0)


def lens(across: float, up: float, down: float, aside: float = 0.0) -> np.ndarray:
    """Two arcs between corners `across` px left and right of the mouth's middle, soft at the edge."""
    rows, columns = np.mgrid[:SIDE, :SIDE].astype(float)
    x, y = (columns - MIDDLE[0] - aside) / across, rows - MIDDLE[1]
    arc = np.clip(1 - x**2, 0, None)
    edge = np.minimum(y + up * arc, down * arc - y)
    return np.where(np.abs(x) < 1, np.clip(edge + 0.5, 0, 1), 0).astype(np.float32)


def parsed(open_: float, aside: float = 0.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A picture of a mouth, and its probabilities of lips and of what they show."""
    whole = lens(25, 8, 10, aside)
    inside = lens(20, open_ / 2, open_ / 2, aside) if open_ else np.zeros_like(whole)
    pixels = np.full((SIDE, SIDE, 3), 170, np.float32)
    pixels += (np.array([150, 70, 70]) - pixels) * whole[..., None]
    if not open_:
        seam = np.exp(-((np.arange(SIDE) - MIDDLE[1]) ** 2))[:, None] * whole
        pixels *= 1 - 0.6 * seam[..., None]
    return np.rint(pixels).astype(np.uint8), whole - inside, inside


def found(open_: float, aside: float = 0.0) -> np.ndarray:
    mouth = contours(*parsed(open_, aside), TEMPLATE)
    assert mouth is not None and mouth.shape == (4, COLUMNS, 2)
    return mouth


@pytest.mark.parametrize("open_", [0.0, 9.0])
def test_contours_lie_on_the_edges_of_the_lips(open_: float) -> None:
    mouth = found(open_)
    x = (mouth[0, :, 0] - MIDDLE[0]) / 25
    arc = np.clip(1 - x**2, 0, None)
    assert np.abs(mouth[UPPER, 2:-2, 1] - (MIDDLE[1] - 8 * arc)[2:-2]).max() < 0.7
    assert np.abs(mouth[LOWER, 2:-2, 1] - (MIDDLE[1] + 10 * arc)[2:-2]).max() < 0.7
    assert abs(mouth[0, 0, 0] - (MIDDLE[0] - 25)) < 2 > abs(mouth[0, -1, 0] - (MIDDLE[0] + 25))
    assert abs(gap(mouth) - open_) < 0.6
    # Of closed lips both inner contours are the seam.
    seam = (mouth[INNER_UPPER, 3:-3, 1] + mouth[INNER_LOWER, 3:-3, 1]) / 2
    assert np.abs(seam - MIDDLE[1]).max() < 1


def test_a_mouth_beside_its_landmarks_is_found_there_and_none_is_found_where_there_is_none() -> (
    None
):
    assert abs(found(9.0, aside=12)[:, :, 0].mean() - MIDDLE[0] - 12) < 0.5
    pixels, lips, _ = parsed(0.0)
    nothing = np.zeros_like(lips)
    assert contours(pixels, nothing, nothing, TEMPLATE) is None
    # A hand before it leaves half a mouth, and one cut into pieces has no smooth outline.
    narrow = np.where(np.abs(np.arange(SIDE) - MIDDLE[0]) < 7, lips, 0)
    assert contours(pixels, narrow, nothing, TEMPLATE) is None
    ragged = lips * (np.random.default_rng(0).random((1, SIDE)) > 0.4)
    ragged[: int(MIDDLE[1])] += lips[: int(MIDDLE[1])] * 0
    assert contours(pixels, ragged.astype(np.float32), nothing, TEMPLATE) is None


def test_a_warp_takes_contours_where_they_go_and_leaves_nose_and_surroundings() -> None:
    start = found(0.0)
    end = start.copy()
    end[..., 0] += 0.12 * (end[..., 0] - MIDDLE[0])
    end[[INNER_LOWER, LOWER], 2:-2, 1] += 4
    warp = Warp(start, end, TEMPLATE)
    for outer, inner, side in ((UPPER, INNER_UPPER, 0), (LOWER, INNER_LOWER, 1)):
        for which in (outer, inner):
            moved = end[which] + warp.displacements(end[which])[side]
            assert np.abs(moved - start[which])[::2].max() < 0.6
    corner = MIDDLE + np.array([[70, 0], [-70, 0], [0, 70], [0, -60.0]])
    far = warp.displacements(corner)
    assert not np.abs(far[0]).any() and not np.abs(far[1]).any()
    assert np.abs(warp.displacements(TEMPLATE[2:3])[0]).max() < 0.4
    nothing = Warp(start, start, TEMPLATE).displacements(start.reshape(-1, 2))
    assert np.abs(nothing).max() < 1e-6


def test_eyes_are_narrowed_about_their_middle() -> None:
    start = found(0.0)
    warp = Warp(start, start, TEMPLATE, closer=0.2)
    above, on, below = (TEMPLATE[:1] + np.array([[0, y]]) for y in (-3.0, 0.0, 3.0))
    steps = [warp.displacements(one)[0][0, 1] for one in (above, on, below)]
    # Places after the warp come from farther away.
    assert steps[0] < -0.3 and steps[1] == 0 and steps[2] > 0.3


def test_beyond_the_outline_of_a_face_nothing_moves() -> None:
    face = np.zeros((SIDE, SIDE), np.float32)
    face[60:200, 80:180] = 1
    mask = face_mask(face)
    assert mask[130, 130] == 1 and mask[130, 79] == 0 and not mask[:58].any()


def test_planes_are_sampled_between_their_pixels() -> None:
    plane = np.arange(12, dtype=np.float32).reshape(3, 4, 1)
    x, y = np.array([0.5, 3.0, 9.0]), np.array([0.0, 1.5, -4.0])
    assert sampled(plane, x, y)[:, 0].tolist() == [0.5, 9.0, 3.0]
