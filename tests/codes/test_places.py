"""Laws of where attributes live in a face."""

from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose

from facedial.editing.masks import AttributeMasks, union
from facedial.errors import BadBundle

MOUTH, EYES = (slice(20, 26), slice(10, 22)), (slice(10, 14), slice(6, 26))


def change(where: tuple[slice, slice], size: float, eyes: float) -> np.ndarray:
    """A change of planes at one place; eyes change in every edit, and everything a little."""
    planes = np.full((6, 32, 32), 0.02 * size, np.float32)
    planes[:, *EYES] = eyes * size
    planes[:, *where] = size
    return planes


@pytest.fixture
def places() -> AttributeMasks:
    return AttributeMasks.of(
        {
            "Smiling": [change(MOUTH, 1.0, 0.8), change(MOUTH, 100.0, 0.8)],
            "Mouth_Slightly_Open": [change(MOUTH, 2.0, 0.8)],
            "Eyeglasses": [change(EYES, 1.0, 1.0)],
        }
    )


def test_an_attribute_lives_where_its_edits_change_more_than_others(places: AttributeMasks) -> None:
    smile = places.maps["Smiling"]
    assert smile.max() == 1
    assert smile[23, 16] > 2 * smile[12, 16]  # eyes change almost as much, but in all edits
    assert smile[23, 16] > 20 * smile[1, 1]
    mask = places.mask("Smiling", 0.5)
    assert mask is not None and mask.dtype == np.float32
    assert_allclose(mask[22:24, 14:18], 1)
    assert not mask[:8].any() and not mask[:, :4].any()
    assert (np.diff(mask[15:23, 16]) >= 0).all()
    strict = places.mask("Smiling", 1.0)
    assert strict is not None and (strict <= mask).all() and strict.sum() < mask.sum()
    glasses = places.maps["Eyeglasses"]
    assert glasses[12, 16] > 5 * glasses[23, 16]


def test_no_place_is_everywhere(places: AttributeMasks) -> None:
    assert places.mask("Smiling", 0.0) is None
    assert places.mask("Bald", 0.5) is None  # nothing known of it
    some = places.mask("Smiling", 0.5)
    other = places.mask("Eyeglasses", 0.5)
    assert some is not None and other is not None
    both = union([some, other])
    assert both is not None and (both >= some).all() and (both >= other).all()
    assert union([some, None]) is None
    assert union([]) is None


def test_maps_are_kept_a_byte_a_place(places: AttributeMasks, tmp_path: Path) -> None:
    path = tmp_path / "places.npz"
    places.save(path)
    again = AttributeMasks.load(path)
    assert list(again.maps) == list(places.maps)
    for name, kept in again.maps.items():
        assert_allclose(kept, places.maps[name], atol=0.5 / 255 + 1e-6)
    path.write_bytes(b"no")
    with pytest.raises(BadBundle, match=r"cannot read .*places\.npz"):
        AttributeMasks.load(path)
