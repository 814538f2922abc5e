"""Latent interpolation between faces: linear in codes, or by the flow."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from facedial.arrays import Floats
from facedial.codes.code import Code
from facedial.errors import BadRequest
from facedial.flow import SAMPLE_BATCH, ToCodes, ToLatents, Velocity
from facedial.flow.solver import integrate

# Number of a segment, and positions [N] along it in 0..1 -> codes [N, D].
Segment = Callable[[int, Floats], Floats]

T_START, STEPS = 0.15, 8


def interpolate(codes: Sequence[Code], steps: int, segment: Segment | None = None) -> list[Code]:
    """Codes from each to the next, `steps` a segment, both ends included; None for linear.

    The ends are the codes themselves. Raises `BadRequest` for fewer than two steps.
    """
    if steps < 2:
        raise BadRequest(f"an interpolation takes 2 steps at least, found {steps}")
    ends = np.stack([code.values for code in codes])
    between = Linear(ends) if segment is None else segment
    positions = np.linspace(0, 1, steps, dtype=np.float32)[1:-1]
    found = [codes[0]]
    for number, last in enumerate(codes[1:]):
        if len(positions):
            found += [Code(row, last.space) for row in between(number, positions)]
        found.append(last)
    return found


@dataclass(frozen=True, slots=True, eq=False)
class Linear:
    """Linear interpolation of codes [M, D]: one face fades into the other."""

    codes: Floats

    def __call__(self, number: int, positions: Floats) -> Floats:
        """See `Segment`."""
        first, last = self.codes[number : number + 2]
        return np.asarray(first * (1 - positions[:, None]) + last * positions[:, None])


@dataclass(frozen=True, slots=True, eq=False)
class FlowInterpolation:
    """Interpolation in the flow's latents of the time `t_start`: every step is a face of its own.

    Codes [M, D] are inverted under their own conditions [M, K], mixed there on the sphere (slerp,
    Shoemake 1985), and integrated forward under mixed conditions. The inversion error of both ends is
    added back in shares, so that the path begins and ends at its faces.
    """

    codes: Floats
    conditions: Floats
    velocity: Velocity
    to_latents: ToLatents
    to_codes: ToCodes
    t_start: float = T_START
    steps: int = STEPS

    def __call__(self, number: int, positions: Floats) -> Floats:
        """See `Segment`."""
        codes = self.codes[number : number + 2]
        conditions = self.conditions[number : number + 2]
        inverted = self._integrate(self.to_latents(codes), conditions, (1.0, self.t_start))
        at = np.concatenate([np.array([0, 1], np.float32), positions])
        mixed = self._integrate(slerp(inverted, at), _lerp(conditions, at), (self.t_start, 1.0))
        drawn = self.to_codes(mixed)
        return np.asarray((drawn + _lerp(codes - drawn[:2], at))[2:])

    def _integrate(self, latents: Floats, conditions: Floats, times: tuple[float, float]) -> Floats:
        """In batches of one size, so that no face depends on how many there are."""
        size = SAMPLE_BATCH
        padding = -len(latents) % size
        latents, conditions = (
            np.concatenate([v, v[:1].repeat(padding, 0)]) for v in (latents, conditions)
        )
        done = [
            integrate(
                self.velocity,
                latents[i : i + size],
                conditions[i : i + size],
                times=times,
                steps=self.steps,
            )
            for i in range(0, len(latents), size)
        ]
        return np.concatenate(done)[: len(latents) - padding]


def _lerp(pair: Floats, at: Floats) -> Floats:
    first, last = pair
    return np.asarray((1 - at)[:, None] * first + at[:, None] * last)


def slerp(pair: Floats, at: Floats) -> Floats:
    """Points of the great circle through two [2, ...], at positions [N]; linear if parallel."""
    first, last = pair
    cosine = (first * last).sum() / (np.linalg.norm(first) * np.linalg.norm(last))
    angle = float(np.arccos(np.clip(cosine, -1, 1)))
    if np.sin(angle) < 1e-3:
        weights = np.stack([1 - at, at])
    else:
        weights = np.sin(np.stack([1 - at, at]) * np.float32(angle)) / np.float32(np.sin(angle))
    shape = (len(at), *(1,) * first.ndim)
    return np.asarray(weights[0].reshape(shape) * first + weights[1].reshape(shape) * last)
