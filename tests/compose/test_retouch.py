"""What attributes add to a face, done to its points, light and roughness."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from facedial.cache import Cache
from facedial.compose import features, retouch
from facedial.compose.retouch import MAP, RETOUCHED, STEP, OnFace, Retouch, Seen
from facedial.errors import BadBundle
from facedial.faces.crop import head_template
from facedial.faces.parse import SIDE
from facedial.runtime.bundle import Bundle

FACE = np.zeros((SIDE, SIDE), np.float32)
FACE[40:240, 48:208] = 1
TEMPLATE = head_template(SIDE)
NONE = np.zeros((SIDE, SIDE), np.float32)


@pytest.fixture(scope="module")
def learned() -> Retouch:
    return Retouch.load(Bundle.open().file(retouch.FILE))


def planes(
    learned: Retouch,
    shares: dict[str, float],
    points: np.ndarray | None = None,
    eyes: np.ndarray = NONE,
    face: np.ndarray = FACE,
    glasses: np.ndarray = NONE,
) -> retouch.Planes:
    """Of a face of the usual shape, of which nothing else is told."""
    at = learned.usual if points is None else points
    seen = Seen(at, TEMPLATE, face, face, face, eyes, glasses)
    return OnFace(learned, seen, Cache().get).planes(shares)


def drawn(learned: Retouch, light: np.ndarray, shape: np.ndarray | None = None) -> Retouch:
    """One attribute, `Attractive`, that adds a map of light [128, 128] and moves points."""
    maps = np.repeat(light[None, ..., None], 3, 3).astype(np.float16) / np.float16(1.5)
    shape = np.zeros((features.COUNT, 2)) if shape is None else shape
    return dataclasses.replace(
        learned,
        names=("Attractive",),
        shape=shape[None] / 1.5,
        light=maps,
        roughness=np.zeros_like(learned.roughness[:1]),
    )


def test_nothing_asked_for_changes_nothing_and_more_is_more(learned: Retouch) -> None:
    nothing = planes(learned, {})
    for plane in (nothing.back, nothing.light, nothing.roughness):
        assert not plane.any()
    half, whole = (planes(learned, {"Male": share}) for share in (0.5, 1.0))
    for one, other in zip(
        (half.back, half.light, half.roughness),
        (whole.back, whole.light, whole.roughness),
        strict=True,
    ):
        assert 0.4 < np.abs(one).sum() / np.abs(other).sum() < 0.65
    away = planes(learned, {"Male": -1.0})
    assert (away.light * whole.light).sum() < 0 and (away.back * whole.back).sum() < 0


def test_what_is_known_of_people_is_learned(learned: Retouch) -> None:
    """By CelebA's words for them: where lips, lids, brows and outlines go, and what is lit."""
    assert learned.names == RETOUCHED

    def height(name: str, part: slice) -> float:
        """By how much more the lower half of a part's points lies below its upper half."""
        ways = learned.shape_of({name: 1.0}).sum(0)[part, 1]
        half = len(ways) // 2
        return float(ways[half:].mean() - ways[:half].mean())

    assert height("Big_Lips", features.MOUTH) > 1
    assert height("Narrow_Eyes", features.LEFT_EYE) < -1 > height("Narrow_Eyes", features.RIGHT_EYE)
    assert height("Bushy_Eyebrows", features.LEFT_BROW) > 0.3

    def lit(name: str, part: slice, channel: slice = slice(None)) -> float:
        nodes = np.rint(learned.usual[part] / STEP - 0.5).astype(int)
        return float(learned.light[RETOUCHED.index(name)][nodes[:, 1], nodes[:, 0], channel].mean())

    made_up = (
        lit("Heavy_Makeup", features.MOUTH, slice(0, 1)),
        lit("Heavy_Makeup", features.MOUTH, slice(1, 2)),
    )
    assert made_up[0] - made_up[1] > 0.05  # lips are redder
    assert lit("Heavy_Makeup", features.LEFT_EYE) < -0.03  # lids are darker
    assert lit("Bushy_Eyebrows", features.LEFT_BROW) < -0.03
    chin = int(0.82 * MAP), MAP // 2
    assert learned.light[RETOUCHED.index("Male")][chin].mean() < -0.015  # the shadow of a beard


def test_places_come_from_where_the_points_were(learned: Retouch) -> None:
    shift = np.array([3.0, -2.0])
    moving = drawn(learned, np.zeros((MAP, MAP)), np.tile(shift, (features.COUNT, 1)))
    found = planes(moving, {"Attractive": 1.0})
    mouth = learned.usual[features.MOUTH].mean(0)
    x, y = np.rint((mouth + shift) / STEP - 0.5).astype(int)
    np.testing.assert_allclose(found.back[y, x], -shift, atol=0.3)
    # The nose stays, and so do glasses and all that is far from the face.
    pair = NONE.copy()
    pair[90:150, 60:196] = 1
    behind = planes(moving, {"Attractive": 1.0}, glasses=pair).back
    assert not behind[48:72, 34:94].any() and behind.any()
    x, y = np.rint(TEMPLATE[2] / STEP - 0.5).astype(int)
    assert not found.back[y - 3 : y + 1, x].any()
    assert not found.back[[0, -1]].any() and not found.back[:, [0, -1]].any()


def test_the_outline_of_the_head_moves_where_an_attribute_is_one_of_the_outline(
    learned: Retouch,
) -> None:
    shape = np.tile([4.0, 0.0], (features.COUNT, 1))
    moving = drawn(learned, np.zeros((MAP, MAP)), shape)
    beyond = FACE.reshape(MAP, STEP, MAP, STEP).max((1, 3)) == 0
    assert not planes(moving, {"Attractive": 1.0}).back[beyond].any()
    chubby = planes(dataclasses.replace(moving, names=("Chubby",)), {"Chubby": 1.0}).back
    assert np.abs(chubby[beyond]).max() > 1


def test_hidden_points_are_left_out_and_far_ones_are_errors(learned: Retouch) -> None:
    hidden, wrong = learned.usual.copy(), learned.usual.copy()
    hidden[features.LEFT_BROW] = np.nan
    wrong[features.LEFT_BROW] += 60
    one, other = (planes(learned, {"Male": 1.0}, points) for points in (hidden, wrong))
    assert np.isfinite(one.back).all() and np.array_equal(one.back, other.back)
    nobody = np.full_like(learned.usual, np.nan)
    assert not planes(learned, {"Male": 1.0}, nobody).back.any()


def test_light_has_limits_keeps_to_the_face_and_leaves_lids_and_broad_light(
    learned: Retouch,
) -> None:
    light = np.zeros((MAP, MAP))
    light[58:62, 34:50] = 0.5
    shares = {"Attractive": 1.0}
    found = planes(drawn(learned, light), shares).light
    assert 0.1 < found.max() <= retouch.BRIGHTEST
    eyes = NONE.copy()
    eyes[106:134, 58:110] = 1
    assert planes(drawn(learned, light), shares, eyes=eyes).light.max() < 0.3 * found.max()
    dark = planes(drawn(learned, -10 * light), shares).light
    assert -0.3 > dark.min() >= -retouch.DARKEST
    assert not planes(drawn(learned, light), shares, face=NONE).light.any()
    broad = planes(drawn(learned, np.ones((MAP, MAP))), shares).light
    assert np.abs(broad).max() < 0.01


def test_who_gets_older_gets_folds_on_skin_alone(learned: Retouch) -> None:
    light = np.zeros((MAP, MAP))
    light[90, 50:80] = 0.02  # a line that the young have not
    map_ = drawn(learned, light)
    aging = dataclasses.replace(map_, names=("Young",))
    older, younger = (planes(aging, {"Young": share}).light for share in (-1.0, 1.0))
    assert older.min() < -2.5 * younger.max() < 0


def test_bands_are_those_of_a_picture_whatever_its_scale() -> None:
    rng = np.random.default_rng(0)
    small = rng.normal(0, 0.1, (64, 64)).astype(np.float32)
    for k, (one, large) in enumerate(
        zip(
            retouch.bands(small, 1.0),
            retouch.bands(np.kron(small, np.ones((3, 3))), 3.0),
            strict=True,
        )
    ):
        inner = slice(16, -16)
        other = large[1::3, 1::3]
        assert one.shape == (64, 64) and abs(one[inner, inner].mean()) < 0.01
        assert np.corrcoef(one[inner, inner].ravel(), other[inner, inner].ravel())[0, 1] > 0.9, k
    assert all(
        np.abs(one).max() < 1e-6 for one in retouch.bands(np.ones((20, 20), np.float32), 1.0)
    )


def test_it_comes_back_from_its_file_and_others_are_refused(
    learned: Retouch, tmp_path: Path
) -> None:
    path = tmp_path / retouch.FILE
    learned.save(path)
    again = Retouch.load(path)
    assert again.names == learned.names
    np.testing.assert_array_equal(again.light, learned.light)
    np.testing.assert_allclose(again.usual, learned.usual, atol=1e-4)
    small = Retouch(
        learned.names, learned.usual, learned.shape[:1], learned.light, learned.roughness
    )
    small.save(path)
    with pytest.raises(BadBundle, match="shapes"):
        Retouch.load(path)
