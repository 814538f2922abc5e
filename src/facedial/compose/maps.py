"""Maps over a head crop of 256 px that have fewer pixels than it."""

import numpy as np

from facedial.arrays import Doubles, Floats
from facedial.compose.mouth import sampled
from facedial.faces.parse import SIDE


def grid(side: int) -> Doubles:
    """Centres of the pixels of a map of that side in the head crop [side * side, 2], x and y in px."""
    step = SIDE // side
    rows, columns = np.mgrid[:side, :side] * step + (step - 1) / 2
    return np.stack([columns.ravel(), rows.ravel()], 1)


def on_map(maps: Floats, places: Doubles) -> Floats:
    """Maps [S, S, C] at places of the head crop [..., 2]: [..., C]."""
    step = SIDE // len(maps)
    at = (places - (step - 1) / 2) / step
    return sampled(maps, at[..., 0], at[..., 1])
