"""Walks from face to face, as codes: along straight lines, or by a flow."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from facedial.codes.code import Code, Floats
from facedial.codes.flow import DRAWN_AT_ONCE, Velocity, carry
from facedial.errors import BadRequest

# Number of a leg, and shares [N] of its way in 0..1 -> codes [N, D].
Leg = Callable[[int, Floats], Floats]

TURNING, STEPS = 0.15, 8


def walk(codes: Sequence[Code], steps: int, leg: Leg | None = None) -> list[Code]:
    """Codes from each to the next, `steps` a leg, both ends among them; None for straight lines.

    The ends are the codes themselves. Raises `BadRequest` for fewer than two steps.
    """
    if steps < 2:
        raise BadRequest(f"a walk takes 2 steps at least, found {steps}")
    ends = np.stack([code.values for code in codes])
    way = Straight(ends) if leg is None else leg
    shares = np.linspace(0, 1, steps, dtype=np.float32)[1:-1]
    found = [codes[0]]
    for number, last in enumerate(codes[1:]):
        if len(shares):
            found += [Code(row, last.space) for row in way(number, shares)]
        found.append(last)
    return found


@dataclass(frozen=True, slots=True, eq=False)
class Straight:
    """Straight lines between codes [M, D]: what lies in one place in both faces fades over."""

    codes: Floats

    def __call__(self, number: int, shares: Floats) -> Floats:
        """See `Leg`."""
        first, last = self.codes[number : number + 2]
        return np.asarray(first * (1 - shares[:, None]) + last * shares[:, None])


@dataclass(frozen=True, slots=True, eq=False)
class FlowWalk:
    """Legs by a flow: both faces are carried back, what is between is drawn as a face of its own.

    Codes [M, D] are carried to the time `turning` under their own wishes [M, K], mixed there on the
    sphere that noise lies on (Shoemake 1985), and carried forth under mixed wishes. What the flow
    loses of either end on its way is put back in shares, so that a walk begins and ends at its faces.
    `planes`: codes -> planes; `code`: the way back.
    """

    codes: Floats
    wishes: Floats
    velocity: Velocity
    planes: Callable[[Floats], Floats]
    code: Callable[[Floats], Floats]
    turning: float = TURNING
    steps: int = STEPS

    def __call__(self, number: int, shares: Floats) -> Floats:
        """See `Leg`."""
        codes, wishes = self.codes[number : number + 2], self.wishes[number : number + 2]
        back, forth = (1.0, self.turning), (self.turning, 1.0)
        turned = self._carried(self.planes(codes), wishes, back)
        at = np.concatenate([np.array([0, 1], np.float32), shares])
        mixed = self._carried(_between(turned, at), _mixed(wishes, at), forth)
        drawn = self.code(mixed)
        return np.asarray((drawn + _mixed(codes - drawn[:2], at))[2:])

    def _carried(self, planes: Floats, wishes: Floats, times: tuple[float, float]) -> Floats:
        """Planes [N, 6, 32, 32] carried in blocks of one size, so that no face depends on how many."""
        size = DRAWN_AT_ONCE
        short = -len(planes) % size
        planes, wishes = (np.concatenate([v, v[:1].repeat(short, 0)]) for v in (planes, wishes))
        done = [
            carry(
                self.velocity,
                planes[i : i + size],
                wishes[i : i + size],
                times=times,
                steps=self.steps,
            )
            for i in range(0, len(planes), size)
        ]
        return np.concatenate(done)[: len(planes) - short]


def _mixed(pair: Floats, at: Floats) -> Floats:
    first, last = pair
    return np.asarray((1 - at)[:, None] * first + at[:, None] * last)


def _between(pair: Floats, at: Floats) -> Floats:
    """Points of the great circle through two [2, ...], at shares [N]; of the line if they are one."""
    first, last = pair
    cosine = (first * last).sum() / (np.linalg.norm(first) * np.linalg.norm(last))
    angle = float(np.arccos(np.clip(cosine, -1, 1)))
    if np.sin(angle) < 1e-3:
        weights = np.stack([1 - at, at])
    else:
        weights = np.sin(np.stack([1 - at, at]) * np.float32(angle)) / np.float32(np.sin(angle))
    shape = (len(at), *(1,) * first.ndim)
    return np.asarray(weights[0].reshape(shape) * first + weights[1].reshape(shape) * last)
