"""Masks of a parse."""

import numpy as np

from facedial.faces.parse import dilated


def test_the_largest_of_a_square_around_a_place() -> None:
    values = np.random.default_rng(0).random((20, 20)).astype(np.float32)
    for reach in (0, 1, 2, 5):
        around = np.pad(values, reach, mode="edge")
        expected = [
            [around[i : i + 2 * reach + 1, j : j + 2 * reach + 1].max() for j in range(20)]
            for i in range(20)
        ]
        np.testing.assert_array_equal(dilated(values, reach), expected)
