"""Laws of what people look at."""

import numpy as np

from facedial.codes.code import Code
from facedial.strips import BYTE_BEND, BYTE_RANGE, in_bytes


def test_a_byte_a_number_keeps_near_numbers_finely_and_far_ones_at_all() -> None:
    values = np.linspace(-BYTE_RANGE, BYTE_RANGE, 4001).astype(np.float32)
    kept = in_bytes(Code(values, "s")).values
    assert len(np.unique(kept)) == 255
    # Half a step: the scale's slope is sqrt(1 + (bend x)^2) / bend times a step of the byte.
    step = np.arcsinh(BYTE_BEND * BYTE_RANGE) / 127
    slope = np.sqrt(1 + (BYTE_BEND * values) ** 2) / BYTE_BEND
    assert (np.abs(kept - values) <= 0.52 * step * slope).all()
    again = in_bytes(Code(kept, "s")).values
    np.testing.assert_array_equal(again, kept)
    beyond = in_bytes(Code(np.array([99.0, -99.0], np.float32), "s")).values
    np.testing.assert_allclose(beyond, [BYTE_RANGE, -BYTE_RANGE], rtol=1e-6)
