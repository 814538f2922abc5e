"""Pictures resampled at any places."""

from itertools import product

import numpy as np

from facedial.arrays import Bytes, Doubles, Floats

SHARP = -0.5  # Keys's a: the kernel reproduces parabolas


def remapped(pixels: Bytes, x: Doubles, y: Doubles) -> Floats:
    """Levels [N, C] of a picture [H, W, C] at places [N] each, in pixel centres; the edge is repeated.

    Cubic convolution (Keys 1981).
    """
    height, width, channels = pixels.shape
    flat = pixels.reshape(-1, channels)
    left, top = np.floor(x).astype(np.intp), np.floor(y).astype(np.intp)
    columns = [np.clip(left + k, 0, width - 1) for k in range(-1, 3)]
    rows = [np.clip(top + k, 0, height - 1) * width for k in range(-1, 3)]
    across, down = _weights(x - left), _weights(y - top)
    found = np.zeros((len(x), channels), np.float32)
    for i, j in product(range(4), range(4)):
        found += (down[i] * across[j])[:, None] * flat[rows[i] + columns[j]]
    return found


def _weights(part: Doubles) -> Floats:
    """Of the pixels -1, 0, 1, 2 around a place that lies `part` [N] of the way from 0 to 1: [4, N]."""
    far = np.stack([part + 1, part, 1 - part, 2 - part])
    near = ((SHARP + 2) * far - (SHARP + 3)) * far**2 + 1
    beyond = ((SHARP * far - 5 * SHARP) * far + 8 * SHARP) * far - 4 * SHARP
    return np.where(far <= 1, near, beyond).astype(np.float32)
