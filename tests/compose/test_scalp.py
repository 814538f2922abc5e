"""Bald heads: the head's outline, skin in the face's light, background around it."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from facedial.compose import scalp
from facedial.compose.scalp import COARSE, LUMA, SIDE, BaldHeads, Seen
from facedial.errors import BadBundle
from facedial.faces.crop import head_template

SKIN = np.array([200, 160, 140], np.float32)
HAIR = np.array([40, 30, 25], np.float32)
WALL = np.array([90, 120, 160], np.float32)
TEMPLATE = head_template(SIDE)


def disc(size: int, x: float, y: float, across: float, down: float) -> np.ndarray:
    """An ellipse, given in px of 256."""
    rows, columns = (np.mgrid[:size, :size] + 0.5) * SIDE / size
    return np.hypot((columns - x) / across, (rows - y) / down) < 1


@pytest.fixture(scope="module")
def heads() -> BaldHeads:
    """Heads as wide as 130 px and evenly lit, wherever they look."""
    outline = np.zeros((3, COARSE, COARSE), np.float32)
    outline[0] = disc(COARSE, 128, 145, 65, 95)
    return BaldHeads(outline, np.zeros((3, COARSE, COARSE), np.float32), scalp.pose(TEMPLATE))


@pytest.fixture(scope="module")
def person() -> tuple[np.ndarray, Seen]:
    """A face before a wall, under a mop of hair much wider than the head."""
    hair = disc(SIDE, 128, 110, 95, 90)
    face = disc(SIDE, 128, 165, 55, 65)
    pixels = np.broadcast_to(WALL, (SIDE, SIDE, 3)).copy()
    pixels[hair], pixels[face] = HAIR, SKIN
    pixels[face & (np.arange(SIDE) > 128)[None]] *= 0.8  # the right side in the shade
    one = np.ones((SIDE, SIDE), np.float32)
    plane = lambda mask: mask.astype(np.float32)  # noqa: E731
    seen = Seen(plane(hair & ~face), plane(face), 0 * one, 0 * one, plane(~hair & ~face), one)
    return pixels.astype(np.uint8), seen


def test_hair_gives_way_to_skin_inside_the_head_and_to_the_wall_outside(
    heads: BaldHeads, person: tuple[np.ndarray, Seen]
) -> None:
    pixels, seen = person
    found, new, skin, _ = scalp.bald(pixels, TEMPLATE, seen, heads)
    assert skin[85, 115] > 0.95 and skin[60, 62] < 0.05
    top = found[85, 110:120].mean(0)
    assert np.abs(top - SKIN).max() < 25
    assert np.abs(found[58:62, 60:64] - WALL).max() < 12  # where hair stood beside the head
    assert new[85, 115] > 0.95 and new[60, 62] > 0.95
    # Half of the head in the shade stays so.
    assert found[85, 150] @ LUMA < 0.95 * (found[85, 105] @ LUMA)


def test_face_and_wall_stay_as_they_are(heads: BaldHeads, person: tuple[np.ndarray, Seen]) -> None:
    pixels, seen = person
    found, new, *_ = scalp.bald(pixels, TEMPLATE, seen, heads)
    assert not new[170:220, 100:156].any() and not new[5:10].any() and not new[:, :15].any()
    still = new == 0
    assert np.array_equal(found[still], pixels[still].astype(np.float32))


def test_a_head_without_hair_stays(heads: BaldHeads, person: tuple[np.ndarray, Seen]) -> None:
    pixels, seen = person
    none, wall = 0 * seen.hair, 1 - seen.skin
    bare = Seen(none, seen.skin, seen.features, none, wall, seen.inside)
    found, new, *_ = scalp.bald(pixels, TEMPLATE, bare, heads)
    assert not new.any() and np.array_equal(found, pixels.astype(np.float32))


def test_a_hat_stays_and_a_side_without_an_ear_is_as_narrow_as_a_cheek(
    heads: BaldHeads, person: tuple[np.ndarray, Seen]
) -> None:
    pixels, seen = person
    hat = np.zeros_like(seen.hair)
    hat[:90] = 1
    _, new, *_ = scalp.bald(pixels, TEMPLATE, dataclasses.replace(seen, features=hat), heads)
    assert not new[:85].any() and new[100, 115] > 0.95
    ear = np.zeros_like(seen.hair)
    ear[125:150, 60:66] = 1
    soft = dataclasses.replace(heads, outline=0.7 * heads.outline)
    _, _, skin, _ = scalp.bald(pixels, TEMPLATE, dataclasses.replace(seen, ears=ear), soft)
    # An outline that is less than sure holds where there is an ear, and not where hair hides it.
    assert skin[130, 66:74].mean() > 0.9 and skin[130, 182:190].mean() < 0.1


def test_a_lobe_that_shows_is_no_ear(heads: BaldHeads, person: tuple[np.ndarray, Seen]) -> None:
    pixels, seen = person
    soft = dataclasses.replace(heads, outline=0.85 * heads.outline)
    lobe, ear = np.zeros((2, SIDE, SIDE), np.float32)
    lobe[150:157, 55:62] = ear[130:157, 50:62] = 1
    found = [
        scalp.bald(pixels, TEMPLATE, dataclasses.replace(seen, ears=one, features=one), soft)
        for one in (0 * lobe, lobe, ear)
    ]
    new = [one.skin[:, :128].sum() for one in found]
    assert new[0] == new[1] < new[2] - 50
    # It goes with the hair around it, and an ear stays.
    assert found[1].new[lobe > 0].mean() > 0.9 and found[2].new[ear > 0].mean() < 0.2


def test_what_hair_shades_goes_with_it_above_the_brows_alone(
    heads: BaldHeads, person: tuple[np.ndarray, Seen]
) -> None:
    pixels, seen = person
    pixels = pixels.copy()
    face = disc(SIDE, 128, 150, 55, 80)
    shaded = face & ~disc(SIDE, 128, 153, 55, 74)
    pixels[face], pixels[shaded] = SKIN, 0.6 * SKIN
    hair = seen.hair * ~face
    seen = dataclasses.replace(seen, hair=hair, skin=face.astype(np.float32))
    found = scalp.bald(pixels, TEMPLATE, seen, heads)
    above = np.arange(SIDE)[:, None] < scalp.BROWS[0] * SIDE - 10
    assert (shaded & above).sum() > 200
    assert np.abs(found.pixels[shaded & above] - SKIN).mean() < 20
    assert not found.new[125:200, 100:156].any()


def test_what_is_learned_is_written_and_read(heads: BaldHeads, tmp_path: Path) -> None:
    heads.save(tmp_path / scalp.FILE)
    again = BaldHeads.load(tmp_path / scalp.FILE)
    for one, other in zip(heads.of(TEMPLATE), again.of(TEMPLATE), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-3)
    (tmp_path / scalp.FILE).write_bytes(b"no arrays")
    with pytest.raises(BadBundle, match="cannot read bald heads"):
        BaldHeads.load(tmp_path / scalp.FILE)


def test_the_pose_of_a_mirrored_head_is_turned_the_other_way() -> None:
    turned = TEMPLATE.copy()
    turned[2, 0] += 12
    mirrored = turned[[1, 0, 2, 4, 3]]
    mirrored[:, 0] = SIDE - 1 - mirrored[:, 0]
    one, other = scalp.pose(turned), scalp.pose(mirrored)
    assert one[0] > 0.15
    np.testing.assert_allclose(one * [-1, 1], other, atol=1e-6)
