"""CIELAB: sRGB pixels as lightness and two colour axes, and back (CIE 15, D65 white)."""

import numpy as np

from facedial.arrays import Bytes, Floats

_TO_XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750],
     [0.0193339, 0.1191920, 0.9503041]], np.float32
)  # fmt: skip
_WHITE = _TO_XYZ.sum(1)
_TO_RGB = np.linalg.inv(_TO_XYZ).astype(np.float32)
_EPSILON, _KAPPA = np.float32(216 / 24389), np.float32(24389 / 27)
# sRGB's transfer function (IEC 61966-2-1) at every byte.
_LINEAR = np.arange(256, dtype=np.float32) / 255
_LINEAR = np.where(_LINEAR <= 0.04045, _LINEAR / 12.92, ((_LINEAR + 0.055) / 1.055) ** 2.4).astype(
    np.float32
)


def to_lab(pixels: Bytes) -> Floats:
    """SRGB uint8 [..., 3] -> CIELAB float32 [..., 3]: L 0..100, a and b about -100..100."""
    xyz = _LINEAR[pixels] @ (_TO_XYZ / _WHITE[:, None]).T
    f = np.where(xyz > _EPSILON, np.cbrt(xyz), (_KAPPA * xyz + 16) / 116)
    x, y, z = f[..., 0], f[..., 1], f[..., 2]
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], -1).astype(np.float32)


def to_rgb(lab: Floats) -> Floats:
    """CIELAB [..., 3] -> sRGB float32 [..., 3], 0..255, colours outside the gamut clipped."""
    y = (lab[..., 0] + 16) / 116
    f = np.stack([y + lab[..., 1] / 500, y, y - lab[..., 2] / 200], -1)
    xyz = np.where(f**3 > _EPSILON, f**3, (116 * f - 16) / _KAPPA)
    linear = np.clip((xyz * _WHITE) @ _TO_RGB.T, 0, 1)
    coded = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return np.asarray(255 * coded, np.float32)
