"""Parts of a face drawn anew by the flow, so that they go with the rest of it.

After RePaint (Lugmayr 2022, arXiv 2201.09865), there for diffusion: on the way from noise to face what is
known is put back at every time, and each step is gone several times, with fresh noise between, so that
what is drawn and what is known come to agree. One step alone draws eyes that do not look at each other.
"""

from itertools import pairwise

import numpy as np

from facedial.arrays import Floats
from facedial.flow import Velocity
from facedial.flow.guidance import cfg

STEPS, REPEATS, GUIDANCE = 8, 6, 2.0


def resampled(
    velocity: Velocity,
    latents: Floats,
    hidden: Floats,
    conditions: tuple[Floats, Floats],
    rng: np.random.Generator,
) -> Floats:
    """Latents [1, 6, 32, 32] with what is `hidden` drawn anew.

    `hidden` [32, 32]: 1 where, else 0, and there the latents stay as they are, bit for bit. `conditions`:
    of the face that is drawn, and of the one to keep away from, [1, K] each.
    """
    condition, other = conditions
    slope = cfg(velocity, GUIDANCE, other, orthogonal=True)
    noise = rng.standard_normal(latents.shape, np.float32)
    at = np.linspace(0, 1, STEPS + 1, dtype=np.float32)
    found = noise
    for start, end in pairwise(at):
        for turn in range(REPEATS if start > 0 else 1):
            if turn:
                found = _back(found, end, start, rng)
            known = (1 - start) * noise + start * latents
            found = np.where(hidden, found, known)
            found = found + (end - start) * slope(found, np.array([start], np.float32), condition)
    return np.where(hidden, found, latents)


def _back(found: Floats, end: np.float32, start: np.float32, rng: np.random.Generator) -> Floats:
    """Latents of the time `end` at the earlier time `start`, with as much noise as there is there."""
    share = start / end
    added = np.sqrt(max((1 - start) ** 2 - (share * (1 - end)) ** 2, np.float32(0)))
    back = share * found + added * rng.standard_normal(found.shape, np.float32)
    return np.asarray(back, np.float32)
