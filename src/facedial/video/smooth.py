"""The One-Euro filter: little lag where things move, little jitter where they rest."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from facedial.arrays import Doubles


@dataclass(frozen=True, slots=True)
class OneEuro:
    """Casiez, Roussel, Vogel 2012: a low pass whose cut-off frequency rises with the speed.

    `min_cutoff_hz`: at rest. `beta`: rise of the cut-off, in Hz per unit of value and second.
    `speed_cutoff_hz`: of the low pass over the speed.
    """

    min_cutoff_hz: float = 1.0
    beta: float = 4.0
    speed_cutoff_hz: float = 1.0

    def __call__(self, values: Doubles, times_s: Sequence[float]) -> Doubles:
        """Values [T, ...] at increasing times [T], filtered from the first to the last."""
        found = np.array(values, np.float64)
        speed = np.zeros_like(found[0])
        for i in range(1, len(found)):
            step = times_s[i] - times_s[i - 1]
            speed += _share(self.speed_cutoff_hz, step) * (
                (values[i] - values[i - 1]) / step - speed
            )
            cutoff = self.min_cutoff_hz + self.beta * np.abs(speed)
            found[i] = found[i - 1] + _share(cutoff, step) * (values[i] - found[i - 1])
        return found

    def both_ways(self, values: Doubles, times_s: Sequence[float]) -> Doubles:
        """The mean of the filter forwards and backwards in time, of whole recordings: lags cancel."""
        backwards = self(values[::-1], [-time for time in reversed(times_s)])[::-1]
        return np.asarray((self(values, times_s) + backwards) / 2)


def _share(cutoff_hz: Doubles | float, step_s: float) -> Doubles | float:
    """Weight of a new value in a low pass of that cut-off."""
    return 1 / (1 + 1 / (2 * math.pi * cutoff_hz * step_s))
