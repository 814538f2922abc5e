"""Planes of a crop, of fewer pixels than it, at the places of the photo that they change."""

from dataclasses import dataclass

import numpy as np

from facedial.arrays import Floats
from facedial.faces.geometry import Affine, apply, compose, from_part, warp_float
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
        edges = [(one.min() - 1, one.max() + 1) for one in (columns, rows)]
        crop = np.array([[x, y] for x in edges[0] for y in edges[1]], np.float64) * step
        seen_at = apply(to_photo, crop + (step - 1) / 2)
        x0, y0 = np.maximum(np.floor(seen_at.min(0)), 0).astype(int)
        x1, y1 = np.minimum(np.ceil(seen_at.max(0)) + 1, size).astype(int)
        if x0 >= x1 or y0 >= y1:
            return None
        return Placed((int(x0), int(y0), int(x1), int(y1)), planes)

    def in_box(self, to_photo: Affine) -> tuple[Affine, Floats]:
        """Pixels of the box -> the head crop [2, 3], and the planes there [h, w, C]."""
        x0, y0, x1, y1 = self.box
        to_crop = from_part(to_photo, x0, y0)
        step = SIDE // len(self.planes)
        shift = -(step - 1) / 2 / step
        shrink = np.array([[1 / step, 0.0, shift], [0.0, 1 / step, shift]])
        return to_crop, warp_float(self.planes, compose(shrink, to_crop), (x1 - x0, y1 - y0))
