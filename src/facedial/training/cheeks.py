"""Light on a face relative to its own cheeks, so that faces of any skin and exposure compare."""

import numpy as np

from facedial.arrays import LUMA, Bytes, Doubles

ROWS = slice(140, 160)  # of a head crop of 256 px
COLUMNS = slice(75, 95), slice(161, 181)
DARKEST = 40.0  # luma of cheeks beneath which a picture shows too little
OFFSET = 8.0  # levels, by which black has a log


def light(picture: Bytes) -> Doubles | None:
    """Log of luma over that of the cheeks [256, 256], of a head crop; None where these are too dark."""
    luma = picture.astype(np.float64) @ LUMA
    cheeks = np.mean([luma[ROWS, columns].mean() for columns in COLUMNS])
    if cheeks < DARKEST:
        return None
    return np.asarray(np.log((luma + OFFSET) / (cheeks + OFFSET)))
