"""Laws of codes rounded to one byte a number."""

import numpy as np

from facedial.codes.code import Code
from facedial.strips import BYTE_RANGE, COMPANDING, companded


def test_companded_bytes_are_fine_near_zero_and_reach_far() -> None:
    values = np.linspace(-BYTE_RANGE, BYTE_RANGE, 4001).astype(np.float32)
    kept = companded(Code(values, "s")).values
    assert len(np.unique(kept)) == 255
    # Half a step: the scale's slope at x is sqrt(1 + (c x)^2) / c times a step of the byte.
    step = np.arcsinh(COMPANDING * BYTE_RANGE) / 127
    slope = np.sqrt(1 + (COMPANDING * values) ** 2) / COMPANDING
    assert (np.abs(kept - values) <= 0.52 * step * slope).all()
    again = companded(Code(kept, "s")).values
    np.testing.assert_array_equal(again, kept)
    beyond = companded(Code(np.array([99.0, -99.0], np.float32), "s")).values
    np.testing.assert_allclose(beyond, [BYTE_RANGE, -BYTE_RANGE], rtol=1e-6)
