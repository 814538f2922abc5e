"""Grain of skin: of an even patch of a photo's own, continued without end."""

import numpy as np
from numpy.typing import NDArray

from facedial.arrays import Floats
from facedial.compose.masks import box_mean

FINE = 3  # px of a crop: grain is finer
EVEN, AROUND, ENOUGH = (
    0.4,
    12,
    0.6,
)  # the more even part of skin; px around a place, share of it there
WHOLE = 0.98  # share of skin around a place that is skin alone


def grain(patch: Floats, size: int) -> Floats:
    """Skin's grain of a patch [n, n] of log luma, without end: [size, size], periodic.

    Its spectrum with random phases (Galerne, Gousseau and Morel 2011), always the same ones.
    """
    window = np.hanning(len(patch) + 2)[1:-1]
    fine = (patch - patch.mean()) * np.outer(window, window)
    spectrum = np.abs(np.fft.fft2(fine, (size, size)))
    noise = np.fft.fft2(np.random.default_rng(0).standard_normal((size, size)))
    found = np.real(np.fft.ifft2(noise * spectrum))
    return np.asarray(found * (patch.std() / max(float(found.std()), 1e-9)), np.float32)


def even(luma: Floats, skin: NDArray[np.bool_]) -> Floats:
    """Skin without folds [256, 256], 0 or 1: the more even part of it; nothing where there is little.

    `luma`: its log.
    """
    fine = luma - box_mean(luma, FINE)
    rough = box_mean(fine**2, AROUND)
    whole = box_mean(skin.astype(np.float32), AROUND - 2) > WHOLE
    if not whole.any():
        return np.zeros_like(luma)
    found = np.asarray(whole & (rough <= np.quantile(rough[whole], EVEN)), np.float32)
    return found if float(box_mean(found, AROUND).max()) > ENOUGH else np.zeros_like(luma)
