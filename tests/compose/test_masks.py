"""Laws of the masks of a crop."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from facedial.compose.masks import (
    beside_nose,
    changed_mask,
    detail_loss,
    disocclusion_mask,
    grown,
    rows_mask,
    soft_mask,
)
from facedial.faces.crop import head_template
from facedial.faces.geometry import apply, similarity

from .pictures import strands


@pytest.mark.parametrize("size", [16, 64, 127, 128, 256])
def test_the_soft_mask_is_one_in_the_middle_and_zero_on_the_border(size):
    mask = soft_mask(size)
    assert mask.shape == (size, size)
    assert mask.dtype == np.float32
    border = np.concatenate([mask[0], mask[-1], mask[:, 0], mask[:, -1]])
    assert not border.any()
    assert (mask[size // 4 : size - size // 4, size // 4 : size - size // 4] == 1).all()
    assert_array_equal(mask, mask[::-1])
    assert_array_equal(mask, mask.T)
    assert np.abs(np.diff(mask, axis=0)).max() < 1.6 / max(1, 0.15 * size)


def test_the_changed_mask_is_where_much_changes_and_grows_with_the_change():
    change = np.zeros((64, 64, 3), np.float32)
    change[20:40, 20:40] = 60.0
    mask = changed_mask(change)
    assert mask.shape == (64, 64)
    assert_array_equal(mask[26:34, 26:34], 1)
    assert not mask[:14].any() and not mask[46:].any()
    assert (changed_mask(0.5 * change) <= mask).all()
    assert not changed_mask(0.05 * change).any()  # what hardly changes is left to the photo
    assert not changed_mask(0 * change).any()


def test_recoloured_hair_keeps_its_detail_and_replaced_hair_loses_it():
    hair, skin, rng = strands(), np.full((128, 128, 3), 150, np.float32), np.random.default_rng(0)
    noise = rng.normal(0, 1, hair.shape).astype(np.float32)
    assert not detail_loss(hair, hair).any()
    assert detail_loss(hair, hair + np.array([60, 40, 10])).max() < 1e-3
    assert detail_loss(hair, skin + noise).min() > 0.9
    assert detail_loss(hair, strands(turn=1.2)).min() > 0.8  # other hair is not this hair
    assert 0.3 < detail_loss(hair, 50 + hair / 2).mean() < 0.6
    assert not detail_loss(skin, hair).any()  # what is flat has nothing to lose
    half = np.where(np.arange(128)[:, None, None] < 64, hair, skin)
    assert detail_loss(hair, half)[:55].max() < 1e-6 < 0.9 < detail_loss(hair, half)[73:].min()


def test_rows_begin_and_end_gently():
    mask = rows_mask(128, (0.4, 0.8))
    assert mask.shape == (128, 1) and mask.dtype == np.float32
    assert not mask[:45].any() and not mask[108:].any() and (mask[57:97] == 1).all()
    assert np.abs(np.diff(mask[:, 0])).max() < 0.25
    assert (rows_mask(128, (0.0, 1.0)) == 1).all()


def test_a_nose_is_spared_from_between_the_eyes_to_its_tip_and_no_other_feature():
    points = head_template(128)
    mask = beside_nose(points, 128)
    assert mask.shape == (128, 128) and mask.dtype == np.float32
    tip = points[2]
    bridge = (points[:2].mean(0) + tip) / 2
    wings = tip + np.array([[-8, -2], [8, -2]])
    for x, y in np.round([tip, bridge, *wings]).astype(int):
        assert mask[y, x] < 0.5
    for x, y in np.round(points[[0, 1, 3, 4]]).astype(int):
        assert mask[y, x] == 1
    assert mask[round(points[3:, 1].mean()), 64] == 1  # the lips


def test_a_turned_nose_is_spared_where_it_is():
    upright = head_template(128)
    turned = apply(similarity(1.0, 30, upright[2], upright[2]), upright)
    mask = beside_nose(turned, 128)
    x, y = np.round(turned[2]).astype(int)
    assert mask[y, x] == 0
    assert abs((1 - mask).sum() - (1 - beside_nose(upright, 128)).sum()) < 4
    flat = upright.copy()
    flat[2] = flat[:2].mean(0)  # the tip between the eyes
    assert np.isfinite(beside_nose(flat, 128)).all()


def test_a_person_who_takes_as_much_room_as_before_uncovers_no_background():
    before = np.linspace(0, 1, 128 * 128, dtype=np.float32).reshape(128, 128)
    assert not disocclusion_mask(before, before).any()
    assert not disocclusion_mask(before, np.maximum(before, 0.5)).any()
    assert not disocclusion_mask(0.9 * before, before).any()
    gone = disocclusion_mask(before, 0 * before)
    assert gone.dtype == np.float32
    assert (gone[before > 0.15] == 1).all() and not gone[before < 0.02].any()


def test_a_mask_grows_by_its_largest_values_and_a_haze_stays_one() -> None:
    haze = np.full((64, 64), 0.05, np.float32)
    assert np.array_equal(grown(haze, 0.1), haze)
    haze[30, 30] = 0.9
    found = grown(haze, 3 / 64)
    assert (found[27:34, 27:34] == haze[30, 30]).all() and (found == haze[30, 30]).sum() == 49
    assert np.array_equal(grown(haze, 0), haze)


def test_a_narrow_edge_leaves_more_of_the_middle() -> None:
    usual, narrow = soft_mask(100), soft_mask(100, 0.05)
    for mask in (usual, narrow):
        assert mask[50, 50] == 1 and not mask[0].any() and not mask[:, -1].any()
    assert narrow[6, 50] == 1 > usual[6, 50] > 0
