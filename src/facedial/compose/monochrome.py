"""Photos without colour, or toned in one: what is drawn in them takes their tone."""

from dataclasses import dataclass

import numpy as np

from facedial.arrays import Bytes, Doubles, Floats
from facedial.scores import LUMA

DEGREE = 2  # of the polynomial that gives a colour for each luma
ROWS = 256  # at once, so that large photos take little memory
LARGEST_RESIDUAL = 2.0  # levels, root mean square: JPEG's noise in a grey photo stays below


@dataclass(frozen=True, slots=True)
class Tone:
    """The one colour that a monochrome photo has at each luma.

    `coefficients` [3, 3]: of 1, luma / 255 and its square, for how far red, green and blue are from
    luma, in levels.
    """

    coefficients: Floats

    @staticmethod
    def of(pixels: Bytes) -> "Tone | None":
        """The tone of pixels uint8 [H, W, 3] (grey, sepia, blue ...); None where they are in colour."""
        values = pixels.reshape(-1, 3).astype(np.float64)
        luma = values @ LUMA
        powers = _powers(luma)
        coefficients, *_ = np.linalg.lstsq(powers, values - luma[:, None], rcond=None)
        residual = values - luma[:, None] - powers @ coefficients
        if np.sqrt(np.square(residual).mean()) > LARGEST_RESIDUAL:
            return None
        return Tone(coefficients.astype(np.float32))

    def kept(self, before: Bytes, after: Bytes) -> Bytes:
        """`after` [H, W, 3] with every pixel that differs from `before` in this tone, by its luma."""
        toned = after.copy()
        for top in range(0, len(after), ROWS):
            rows = slice(top, top + ROWS)
            changed = (before[rows] != after[rows]).any(2)
            toned[rows][changed] = self._applied(after[rows][changed])
        toned.flags.writeable = False  # not copied again
        return toned

    def _applied(self, pixels: Bytes) -> Bytes:
        luma = pixels @ LUMA
        values = luma[:, None] + _powers(luma) @ self.coefficients
        return np.asarray(np.clip(np.rint(values), 0, 255), np.uint8)


def _powers(luma: Doubles) -> Doubles:
    """1, luma and its powers [N, 3], luma in 0..1."""
    return np.asarray(np.power((luma / 255)[:, None], np.arange(DEGREE + 1)))
