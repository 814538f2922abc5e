"""Planes of a crop, of fewer pixels than it, at the places of the photo that they change."""

from dataclasses import dataclass

import numpy as np

from facedial.arrays import Floats
from facedial.faces.geometry import Affine, box_in_photo, compose, from_part, warp_float
from facedial.faces.parse import SIDE
from facedial.faces.photo import Box


@dataclass(frozen=True, slots=True, eq=False)
class Placed:
    """`planes` float32 [S, S, C] over a head crop, the last 1 where anything changes, else 0.

    `box`: x0, y0, x1, y1 of the photo that holds all of that.
    """

    box: Box
    planes: Floats

    @staticmethod
    def of(planes: Floats, to_photo: Affine, size: tuple[int, int]) -> "Placed | None":
        """Planes in a photo of a size, to which `to_photo` [2, 3] maps the crop; None for no change."""
        rows, columns = np.nonzero(planes[..., -1])
        if not len(rows):
            return None
        step = SIDE // len(planes)
        first, last = (one * step + (step - 1) / 2 for one in (-1, 1))
        x, y = ((first + one.min() * step, last + one.max() * step) for one in (columns, rows))
        box = box_in_photo(to_photo, x, y, size)
        return None if box is None else Placed(box, planes)

    def in_box(self, to_photo: Affine) -> tuple[Affine, Floats]:
        """Pixels of the box -> the head crop [2, 3], and the planes there [h, w, C]."""
        x0, y0, x1, y1 = self.box
        to_crop = from_part(to_photo, x0, y0)
        step = SIDE // len(self.planes)
        shift = -(step - 1) / 2 / step
        shrink = np.array([[1 / step, 0.0, shift], [0.0, 1 / step, shift]])
        return to_crop, warp_float(self.planes, compose(shrink, to_crop), (x1 - x0, y1 - y0))
