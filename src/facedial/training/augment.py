"""Augmentation of crops and their labels: geometry, light and colour, loss of resolution, JPEG."""

import io
import math
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

OTHER_FRAME = 1.8  # scale from the frame `head` to `portrait`, a little less than the real 2
MINIFIED = 1.4  # from this scale on, a crop is smoothed before it is resampled


@dataclass(frozen=True, slots=True, kw_only=True)
class Augmentation:
    """Standard deviations and probabilities.

    `rotation`: degrees. `log_scale`, and `shift` as a share of the side. `jitter`: of the logarithm of
    brightness. `other_frame`: probability that a crop is shown at the scale of the other frame.
    `degraded`: probability of a lower resolution, and that of JPEG compression.
    """

    rotation: float = 12.0
    log_scale: float = 0.2
    shift: float = 0.08
    jitter: float = 0.25
    other_frame: float = 0.25
    degraded: float = 0.25


def sampling_grid(
    config: Augmentation, rng: np.random.Generator, wide: NDArray[np.bool_], side: int
) -> tuple[Tensor, NDArray[np.float64]]:
    """Random similarities of N crops: grid [N, S, S, 2] for `grid_sample`, and scale [N] of each.

    Half of the crops are mirrored. A scale above 1 minifies. `wide` [N]: crops of the frame `portrait`.
    """
    count = len(wide)
    angle = rng.normal(0, math.radians(config.rotation), count)
    scale = np.exp(rng.normal(0.05, config.log_scale, count))
    other = rng.random(count) < config.other_frame
    scale = np.where(other, np.where(wide, scale / OTHER_FRAME, scale * OTHER_FRAME), scale)
    mirror = np.where(rng.random(count) < 0.5, -1.0, 1.0)
    shift = rng.normal(0, config.shift, (2, count)) * scale
    cosine, sine = scale * np.cos(angle), scale * np.sin(angle)
    rows = [
        np.stack([mirror * cosine, -sine, shift[0]], 1),
        np.stack([mirror * sine, cosine, shift[1]], 1),
    ]
    theta = torch.from_numpy(np.stack(rows, 1)).float()
    return F.affine_grid(theta, [count, 1, side, side], False), scale


def images(
    config: Augmentation,
    rng: np.random.Generator,
    crops: Tensor,
    grid: Tensor,
    scale: NDArray[np.float64],
) -> Tensor:
    """Crops [N, 3, S, S] in 0..1 resampled at `grid`, their edges repeated, and degraded."""
    minified = torch.from_numpy(scale > MINIFIED)
    if minified.any():
        crops[minified] = F.avg_pool2d(crops[minified], 3, 1, 1, count_include_pad=False)
    moved = F.grid_sample(crops, grid, "bilinear", "border", False)
    return _degraded(config, rng, _jittered(config, rng, moved)).clamp(0, 1)


def classes(values: Tensor, grid: Tensor, unknown: int) -> Tensor:
    """Class ids uint8 [N, S, S] resampled at `grid` [N, H, W, 2], int64; `unknown` outside."""
    # Ids plus one, so that the padding 0 is none of them.
    moved = F.grid_sample(values[:, None].float() + 1, grid, "nearest", "zeros", False)[:, 0]
    outside = (moved == 0) | (grid.abs() > 1).any(-1)
    return torch.where(outside, unknown, moved.long() - 1)


def _jittered(config: Augmentation, rng: np.random.Generator, crops: Tensor) -> Tensor:
    """Random brightness, tint, offset, linear shading and gamma; some crops grey."""
    count, side = len(crops), crops.shape[-1]

    def drawn(values: NDArray[np.float64]) -> Tensor:
        return torch.from_numpy(values).to(crops)

    gain = np.exp(rng.normal(-0.05, config.jitter, (count, 1, 1, 1)))
    tint = np.exp(rng.normal(0, 0.07, (count, 3, 1, 1)))
    crops = crops * drawn(gain * tint) + drawn(rng.normal(0, 0.04, (count, 1, 1, 1)))
    across = torch.linspace(-1, 1, side).to(crops)
    slope = drawn(rng.normal(0, 0.2, (2, count, 1, 1, 1)))
    shading = 1 + slope[0] * across + slope[1] * across[:, None]
    crops = (crops * shading.clamp(0.3, 1.7)).clamp(0, 1)
    crops = (crops + 1e-3) ** drawn(np.exp(rng.normal(0, 0.15, (count, 1, 1, 1))))
    grey = drawn((rng.random((count, 1, 1, 1)) < 0.08).astype(float))
    return torch.lerp(crops, crops.mean(1, keepdim=True), grey)


def _degraded(config: Augmentation, rng: np.random.Generator, crops: Tensor) -> Tensor:
    """Some crops at a lower resolution, some compressed as JPEG."""
    side = crops.shape[-1]
    kind = rng.random(len(crops))
    small = torch.from_numpy(kind < config.degraded)
    if small.any():
        shrunk = F.interpolate(crops[small], scale_factor=float(rng.uniform(0.2, 0.8)), mode="area")
        crops[small] = F.interpolate(shrunk, size=(side, side), mode="bilinear")
    for i in np.flatnonzero(kind > 1 - config.degraded):
        crops[i] = _as_jpeg(crops[i], int(rng.integers(15, 70)))
    return crops


def _as_jpeg(picture: Tensor, quality: int) -> Tensor:
    pixels = (picture * 255).round().clamp(0, 255).byte().permute(1, 2, 0).cpu().numpy()
    packed = io.BytesIO()
    Image.fromarray(pixels).save(packed, "JPEG", quality=quality)
    with Image.open(packed) as opened:
        return torch.from_numpy(np.array(opened)).to(picture).permute(2, 0, 1) / 255
