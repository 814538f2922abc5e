"""Integration of a flow's velocity over time."""

import itertools
from collections.abc import Callable

import numpy as np

from facedial.arrays import Floats
from facedial.errors import BadRequest
from facedial.flow import Velocity


def integrate(
    velocity: Velocity,
    latents: Floats,
    condition: Floats,
    *,
    times: tuple[float, float],
    steps: int,
) -> Floats:
    """Latents [N, 6, 32, 32] from the first time to the second under a condition [N, K]."""

    def slope(_: int, time: Floats, values: Floats) -> Floats:
        return velocity(values, time, condition)

    return followed(slope, latents, times=times, steps=steps)


def followed(
    slope: Callable[[int, Floats, Floats], Floats],
    values: Floats,
    *,
    times: tuple[float, float],
    steps: int,
) -> Floats:
    """Values [N, ...] from the first time to the second along `slope` (step, times [N], values).

    Adams-Bashforth of second order: one evaluation a step. Step sizes lie halfway between even steps
    and those of a cosine, smaller near both ends, where the path bends most. So the times of the way
    back are those of the way there.
    """
    start, end = times
    share = np.linspace(0, 1, steps + 1)
    at = start + (end - start) * (share + (1 - np.cos(np.pi * share)) / 2) / 2
    previous, previous_dt = None, 1.0
    for step, (t, t_next) in enumerate(itertools.pairwise(map(float, at))):
        dt = t_next - t
        current = slope(step, np.full(len(values), t, np.float32), values)
        mean = current
        if previous is not None:
            half = np.float32(dt / previous_dt / 2)
            mean = current + half * (current - previous)
        values = values + np.float32(dt) * mean
        previous, previous_dt = current, dt
    return values


def check_solver(guidance: float, steps: int) -> None:
    """Raises `BadRequest` for a guidance scale outside 0..10 or fewer than 1 or more than 200 steps."""
    if not 0 <= guidance <= 10:
        raise BadRequest(f"guidance must lie in 0..10, found {guidance:g}")
    if not 1 <= steps <= 200:
        raise BadRequest(f"steps must lie in 1..200, found {steps}")
