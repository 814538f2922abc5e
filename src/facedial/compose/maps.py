"""Maps over a head crop of 256 px that have fewer pixels than it."""

from collections.abc import Mapping
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from facedial.arrays import Doubles, Floats
from facedial.compose.mouth import sampled
from facedial.faces.parse import SIDE

LEVELS = 127  # of a stored map, to each side of 0
Halves: TypeAlias = NDArray[np.float16]


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


def packed(name: str, maps: Halves) -> dict[str, NDArray[np.generic]]:
    """Maps [A, H, W, C] in 8 bits, each by its largest value: arrays `name` and `name_largest`."""
    largest = np.maximum(np.abs(maps).max((1, 2, 3)).astype(np.float32), 1e-6)
    levels = np.rint(maps * (LEVELS / largest[:, None, None, None])).astype(np.int8)
    return {name: levels, f"{name}_largest": largest.astype(np.float32)}


def unpacked(file: Mapping[str, NDArray[np.generic]], name: str) -> Halves:
    """What `packed` wrote, to 1 / 127 of a map's largest value."""
    levels = np.asarray(file[name], np.float32)
    largest = np.asarray(file[f"{name}_largest"], np.float32)
    # An editor that is sent to other processes takes it along.
    return np.asarray(levels * (largest / LEVELS)[:, None, None, None], np.float16)
