"""Pictures with fine detail."""

import numpy as np


def strands(size: int = 128, step: float = 4.0, turn: float = 0.3) -> np.ndarray:
    """Parallel strands of hair, float32 [S, S, 3], `step` pixels apart, turned by an angle."""
    x, y = np.meshgrid(np.arange(size), np.arange(size))
    grey = 100 + 40 * np.sin(2 * np.pi * (np.cos(turn) * x + np.sin(turn) * y) / step)
    return np.repeat(grey[..., None], 3, 2).astype(np.float32)
