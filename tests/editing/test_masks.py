"""Laws of attribute masks: where in a face each attribute is."""

from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose

from facedial.editing.masks import AttributeMasks
from facedial.errors import BadBundle

MOUTH, EYES = (slice(20, 26), slice(10, 22)), (slice(10, 14), slice(6, 26))


def change(region: tuple[slice, slice], size: float, eyes: float) -> np.ndarray:
    """A change of latents in one region; eyes change in every edit, and everything a little."""
    latents = np.full((6, 32, 32), 0.02 * size, np.float32)
    latents[:, *EYES] = eyes * size
    latents[:, *region] = size
    return latents


@pytest.fixture
def masks() -> AttributeMasks:
    return AttributeMasks.of(
        {
            "Smiling": [change(MOUTH, 1.0, 0.8), change(MOUTH, 100.0, 0.8)],
            "Mouth_Slightly_Open": [change(MOUTH, 2.0, 0.8)],
            "Eyeglasses": [change(EYES, 1.0, 1.0)],
        }
    )


def test_an_attribute_is_where_its_edits_change_more_than_other_edits(
    masks: AttributeMasks,
) -> None:
    smile = masks.maps["Smiling"]
    assert smile.max() == 1
    assert smile[23, 16] > 2 * smile[12, 16]  # eyes change almost as much, but in all edits
    assert smile[23, 16] > 20 * smile[1, 1]
    mask = masks.mask("Smiling", 0.5)
    assert mask is not None and mask.dtype == np.float32
    assert_allclose(mask[22:24, 14:18], 1)
    assert not mask[:8].any() and not mask[:, :4].any()
    assert (np.diff(mask[15:23, 16]) >= 0).all()
    strict = masks.mask("Smiling", 1.0)
    assert strict is not None and (strict <= mask).all() and strict.sum() < mask.sum()
    glasses = masks.maps["Eyeglasses"]
    assert glasses[12, 16] > 5 * glasses[23, 16]


def test_no_mask_means_everywhere(masks: AttributeMasks) -> None:
    assert masks.mask("Smiling", 0.0) is None
    assert masks.mask("Bald", 0.5) is None  # it has no map


def test_maps_are_saved_with_one_byte_a_place(masks: AttributeMasks, tmp_path: Path) -> None:
    path = tmp_path / "places.npz"
    masks.save(path)
    again = AttributeMasks.load(path)
    assert list(again.maps) == list(masks.maps)
    for name, loaded in again.maps.items():
        assert_allclose(loaded, masks.maps[name], atol=0.5 / 255 + 1e-6)
    path.write_bytes(b"no")
    with pytest.raises(BadBundle, match=r"cannot read attribute masks from .*places\.npz"):
        AttributeMasks.load(path)
