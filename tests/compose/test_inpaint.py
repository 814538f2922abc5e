"""Laws of the background behind a person."""

import numpy as np
from numpy.testing import assert_array_equal

from facedial.compose.inpaint import inpaint_background, membrane


def test_the_background_behind_a_person_continues_its_surroundings():
    down, across = np.mgrid[:128, :128]
    wall = np.stack([80 + across, 60 + down, np.full((128, 128), 90)], 2)
    person = (np.hypot(across - 60, down - 70) < 40).astype(np.float32)
    picture = np.where(person[..., None] > 0, 255, wall).astype(np.uint8)
    found = inpaint_background(picture, person)
    assert found.dtype == np.float32
    assert_array_equal(found[person == 0], wall[person == 0])
    # The middle of what is hidden is as its rim is on average, nowhere the person.
    assert np.abs(found - wall)[person > 0].max() < 45
    assert np.abs((found - wall)[person > 0].mean(0)).max() < 10
    assert np.abs(np.diff(found, axis=1)).max() < 25
    assert_array_equal(inpaint_background(picture, 0 * person), picture)
    assert np.isfinite(inpaint_background(picture, np.ones_like(person))).all()


def test_a_membrane_is_what_is_known_and_linear_between():
    down, across = np.mgrid[:128, :128]
    plane = np.stack([0.3 * across - 20, 0.2 * down, 10 + 0.1 * across], 2).astype(np.float32)
    known = np.ones((128, 128), np.float32)
    known[40:90, 30:80] = 0
    found = membrane(np.where(known[..., None] > 0, plane, 500), known)
    assert_array_equal(found[known == 1], plane[known == 1])
    assert np.abs(found - plane)[known == 0].max() < 2.5


def test_a_coloured_wall_gets_no_halo_from_what_lies_farther_away():
    """A head before blue cloth, in a photo whose surroundings are white."""
    down, across = np.mgrid[:128, :128]
    picture = np.full((128, 128, 3), 255, np.uint8)
    picture[:, 20:108] = (20, 120, 190)
    head = (np.hypot(across - 64, down - 70) < 36).astype(np.float32)
    found = inpaint_background(np.where(head[..., None] > 0, 0, picture).astype(np.uint8), head)
    beside = (head > 0) & (np.hypot(across - 64, down - 70) > 32)
    assert np.abs(found - picture)[beside].mean() < 12
