"""The background behind a person."""

import numpy as np
import numpy.typing as npt

from facedial.compose.masks import resize_mask
from facedial.faces.geometry import Float32

MAX_MATTE = 0.1  # person matte above which a place has too much of the person's colours


def inpaint_background(pixels: npt.NDArray[np.uint8], person: Float32) -> Float32:
    """A crop [S, S, 3] with its background continued behind the person; float32, 0..255.

    `person` [S, S]: person matte. Push-pull interpolation (Gortler 1996).
    """
    seen = np.clip(1 - person / MAX_MATTE, 0.0, 1.0)[..., None].astype(np.float32)
    known = np.concatenate([pixels * seen, seen], 2)
    levels = [known]
    while min(levels[-1].shape[:2]) > 1 and len(levels[-1]) % 2 == 0:
        one = levels[-1]
        levels.append((one[::2, ::2] + one[1::2, ::2] + one[::2, 1::2] + one[1::2, 1::2]) / 4)
    filled = levels[-1][..., :3] / np.maximum(levels[-1][..., 3:], 1e-6)
    for one in levels[-2::-1]:
        size = len(one)
        coarse = np.stack([resize_mask(filled[..., c], size) for c in range(3)], 2)
        filled = one[..., :3] + (1 - one[..., 3:]) * coarse
    return np.asarray(filled, np.float32)
