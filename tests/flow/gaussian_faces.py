"""A conditional flow known in closed form, in the network's place: faces are Gaussian."""

import numpy as np

from facedial.flow import LATENT_SHAPE

NAMES = ("Male", "Smiling")
SD = 0.4  # of every number of a face's latents; their mean is 3 times the condition of Smiling
SIZE = int(np.prod(LATENT_SHAPE))


def velocity(latents: np.ndarray, time: np.ndarray, condition: np.ndarray) -> np.ndarray:
    """The optimal velocity for faces of mean 3 x Smiling and standard deviation 0.4.

    With x_t = (1 - t) n + t d, E[d - n | x_t] = m + (t s^2 - (1 - t)) / ((1 - t)^2 + t^2 s^2) (x - t m).
    """
    t = time[:, None, None, None].astype(np.float64)
    mean = 3.0 * condition[:, 1, None, None, None]
    gain = (t * SD**2 - (1 - t)) / ((1 - t) ** 2 + (t * SD) ** 2)
    return (mean + gain * (latents - t * mean)).astype(np.float32)


def to_codes(latents: np.ndarray) -> np.ndarray:
    return latents.reshape(len(latents), -1)


def to_latents(codes: np.ndarray) -> np.ndarray:
    return codes.reshape(-1, *LATENT_SHAPE)


def sd_at(time: float) -> float:
    """Standard deviation of the latents at a time: of (1 - t) n + t d."""
    return float(np.hypot(1 - time, time * SD))
