"""Strands that are grown on faces: where, of which colour, the same every time."""

from pathlib import Path

import numpy as np
import pytest

from facedial.compose import growth
from facedial.compose.growth import LUMA, SIDE, STUBBLE, Beards
from facedial.errors import BadBundle

SKIN = np.array([200, 160, 140], np.float32)
HAIR = np.array([60, 45, 35], np.float32)
BLACK = np.array([30, 25, 25], np.float32)
GREY = np.array([190, 188, 185], np.float32)


@pytest.fixture(scope="module")
def beards() -> Beards:
    """A moustache of full density, and stubble below it."""
    moustache, stubble = np.zeros((2, SIDE, SIDE), np.float32)
    moustache[172:184, 105:151] = 1
    stubble[200:230, 95:161] = 0.5
    return Beards({"Mustache": moustache, STUBBLE: stubble})


def test_densities_are_written_and_read(beards: Beards, tmp_path: Path) -> None:
    beards.save(tmp_path / growth.FILE)
    again = Beards.load(tmp_path / growth.FILE)
    assert again.box == beards.box == (95, 172, 161, 230)
    for name, density in beards.densities.items():
        assert np.abs(again.densities[name] - density).max() < 0.5 / 255 + 1e-6
    (tmp_path / growth.FILE).write_bytes(b"no arrays")
    with pytest.raises(BadBundle, match="cannot read beards"):
        Beards.load(tmp_path / growth.FILE)


def test_hair_grows_where_it_is_dense_and_nowhere_else(beards: Beards) -> None:
    found = growth.planes(beards, {"Mustache": 1.0}, 4)
    assert found.shape == ((230 - 172) * 4, (161 - 95) * 4, 3)
    covers, light, dense = np.moveaxis(found, 2, 0)
    inside = np.zeros(covers.shape, bool)
    inside[: 12 * 4, 10 * 4 : 56 * 4] = True
    middle = covers[8:40, 60:200]
    assert middle.mean() > 0.7 and covers[60:].max() == 0 == dense[60:].max()
    assert light.min() >= 0 and light.max() <= 1 and light[inside].std() > 0.1
    # Strands, not a stain: rows across them differ more than along them.
    assert middle.std() > 0.1


def test_a_smaller_share_is_thinner_hair(beards: Beards) -> None:
    covered = [growth.planes(beards, {"Mustache": s}, 4)[..., 0].mean() for s in (0, 0.3, 0.6, 1)]
    assert covered[0] == 0 and np.diff(covered).min() > 0.01


def test_stubble_is_finer_than_a_moustache_and_the_same_every_time(beards: Beards) -> None:
    one, again = (growth.planes(beards, {STUBBLE: 1.0}, 4) for _ in range(2))
    assert np.array_equal(one, again)
    long, short = (growth.strands(beards.box, 4, length)[0] for length in (3.0, 0.6))

    def alike(texture: np.ndarray) -> float:
        """Correlation of places 2 mm apart along the strands."""
        return float(np.corrcoef(texture[120:-8].ravel(), texture[128:].ravel())[0, 1])

    assert alike(long) > 0.15 > 0.08 > alike(short)


def test_hair_grows_outwards_above_the_mouth_and_down_below_it(beards: Beards) -> None:
    along = growth.directions(beards.box, 1)
    left, right = along[4, :20, 0].mean(), along[4, -20:, 0].mean()
    assert left < -0.3 and right > 0.3
    assert along[40:, :, 1].mean() > 0.9
    np.testing.assert_allclose(np.square(along).sum(2), 1, atol=1e-5)


def test_a_beard_is_darker_than_the_skin_unless_it_is_grey() -> None:
    light = SKIN @ LUMA
    blond = growth.hair_colour(SKIN, np.array([215, 180, 130], np.float32), None)
    assert blond @ LUMA < 0.56 * light and blond[0] > blond[2]
    assert growth.hair_colour(SKIN, GREY, HAIR) @ LUMA > 0.9 * light
    dark = growth.hair_colour(SKIN, BLACK, None)
    assert np.array_equal(dark, BLACK)
    between = growth.hair_colour(SKIN, BLACK, HAIR)
    assert BLACK @ LUMA < between @ LUMA < HAIR @ LUMA
    bare = growth.hair_colour(SKIN, None, None)
    assert 0.3 * light < bare @ LUMA < 0.6 * light


def test_strands_take_the_light_of_the_face_and_leave_the_rest_alone() -> None:
    pixels = np.broadcast_to(SKIN, (80, 120, 3)).astype(np.uint8).copy()
    pixels[:, 60:] //= 2  # one side in the shade
    planes = np.zeros((80, 120, 3), np.float32)
    planes[20:60, 10:110] = (1.0, 0.5, 1.0)
    allowed = np.ones((80, 120), np.float32)
    allowed[:, 100:] = 0  # not skin
    found = growth.grown(pixels, planes, allowed, HAIR, float(SKIN @ LUMA), 1.0)
    same = np.ones((80, 120), bool)
    same[20:60, 10:100] = False
    assert np.array_equal(found[same], pixels[same])
    lit, shaded = found[40, 30] @ LUMA, found[40, 85] @ LUMA
    assert shaded < 0.7 * lit < 0.6 * SKIN @ LUMA
