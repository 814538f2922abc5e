"""Displacements between places where they are known: thin-plate splines (Bookstein 1989)."""

import numpy as np

from facedial.arrays import Doubles

STIFF = 0.1  # regularisation: the more, the smoother, and the farther from the values


def spline(places: Doubles, values: Doubles, wanted: Doubles) -> Doubles:
    """Thin-plate spline through values [n, C] at places [n, 2], at `wanted` [m, 2]: [m, C]."""
    weights = np.linalg.solve(
        _system(places), np.concatenate([values, np.zeros((3, values.shape[1]))])
    )
    return np.asarray(_bent(places, wanted) @ weights[:-3] + _flat(wanted) @ weights[-3:])


def influence(places: Doubles, wanted: Doubles) -> Doubles:
    """The same spline as a linear map [m, n] from values to what they are at `wanted`."""
    count = len(places)
    rows = np.concatenate([_bent(places, wanted), _flat(wanted)], 1)
    return np.asarray(np.linalg.solve(_system(places), rows.T)[:count].T)


def _system(places: Doubles) -> Doubles:
    count, plane = len(places), _flat(places)
    system = np.zeros((count + 3, count + 3))
    system[:count, :count] = _bent(places, places) + STIFF * np.eye(count)
    system[:count, count:], system[count:, :count] = plane, plane.T
    return system


def _bent(places: Doubles, wanted: Doubles) -> Doubles:
    x, y = (wanted[:, None, axis] - places[None, :, axis] for axis in (0, 1))
    squared = x * x + y * y
    return np.asarray(squared * np.log(np.maximum(squared, 1e-9)) / 2)


def _flat(places: Doubles) -> Doubles:
    return np.concatenate([np.ones((len(places), 1)), places], 1)
