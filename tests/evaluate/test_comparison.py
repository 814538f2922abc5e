"""Models of other sizes are compared at one size."""

import numpy as np
from numpy.testing import assert_array_equal

from facedial.evaluate import comparison


def test_smaller_and_larger_pictures_are_seen_at_one_size() -> None:
    pictures = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), dtype=np.uint8)
    large = comparison._at(pictures, 64)
    assert large.shape == (2, 64, 64, 3)
    assert_array_equal(comparison._at(large, 32), pictures)
    assert comparison._at(large, 64) is large
