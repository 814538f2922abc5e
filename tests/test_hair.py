"""Planes of hair where a photo is looked at part by part."""

import numpy as np
import pytest

from facedial import hair
from facedial.faces.geometry import similarity

SIZE = 600, 500  # of the photo: width, height


@pytest.mark.parametrize("side", [128, 256])
@pytest.mark.parametrize("scale", [0.4, 1.7, 6.0])
def test_a_part_of_a_photo_sees_what_the_whole_does(side: int, scale: float) -> None:
    planes = np.random.default_rng(0).random((side, side, 3), dtype=np.float32)
    middle = np.full(2, (side - 1) / 2)
    to_photo = similarity(scale, 20.0, middle, np.array([330.0, 260.0]))
    whole = hair._warped(planes, to_photo, (0, 0, *SIZE))
    for box in ((0, 0, 40, 30), (250, 200, 420, 330), (560, 480, 600, 500), (100, 10, 101, 400)):
        x0, y0, x1, y1 = box
        np.testing.assert_allclose(
            hair._warped(planes, to_photo, box), whole[y0:y1, x0:x1], atol=1e-4
        )
