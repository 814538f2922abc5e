"""Where in a face each attribute lives: what keeps an edit of the mouth from repainting the hair."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from facedial.codes.arrays import bundled
from facedial.codes.code import Floats

FORMAT = 1
PLACES = "places.npz"  # in a bundle
LEVELS = 255


@dataclass(frozen=True, slots=True, eq=False)
class Places:
    """Attribute -> map float32 [32, 32] of a head crop: how much its edits change each place, 0..1."""

    maps: Mapping[str, Floats]

    @staticmethod
    def of(changes: Mapping[str, Sequence[Floats]]) -> "Places":
        """Maps from changes of planes [6, 32, 32] that a flow made of many people, by attribute.

        The root mean square over people, each counting alike; smoothed, and over what all attributes
        change there on average: eyes stand out in every edit, and belong to few. The largest is 1.
        """
        sizes = {
            name: _smooth(np.sqrt(np.mean([_share(one) for one in some], axis=0)))
            for name, some in changes.items()
        }
        common = np.sqrt(np.mean([size**2 for size in sizes.values()], axis=0))
        maps = {}
        for name, size in sizes.items():
            own = size**2 / np.maximum(common, 1e-12)
            maps[name] = np.asarray(own / max(float(own.max()), 1e-12), np.float32)
        return Places(maps)

    def mask(self, name: str, place: float) -> Floats | None:
        """Float32 [32, 32] in 0..1 by which the attribute's changes are multiplied; None for all 1.

        1 from `place` of the map's largest on, 0 below half of that, smooth between.
        """
        if place == 0 or name not in self.maps:
            return None
        rise = np.clip(2 * self.maps[name] / np.float32(place) - 1, 0, 1)
        return np.asarray(rise * rise * (3 - 2 * rise), np.float32)

    def save(self, path: Path) -> None:
        """Write `.npz`, a byte a place."""
        with path.open("wb") as file:
            np.savez_compressed(
                file,
                format=np.int64(FORMAT),
                names=np.array(list(self.maps), dtype=np.str_),
                maps=np.rint(np.stack(list(self.maps.values())) * LEVELS).astype(np.uint8),
            )

    @staticmethod
    def load(path: Path) -> "Places":
        """Read what `save` wrote; raises `BadBundle`."""
        with bundled(path, "places", FORMAT) as file:
            names = [str(name) for name in file["names"]]
            maps = file["maps"].astype(np.float32) / LEVELS
            return Places(dict(zip(names, maps, strict=True)))


def union(masks: Sequence[Floats | None]) -> Floats | None:
    """The mask of several changes at once: everywhere (None) if one of them may change everything."""
    known = [mask for mask in masks if mask is not None]
    return np.maximum.reduce(known) if known and len(known) == len(masks) else None


def _share(change: Floats) -> Floats:
    """Of the square of a change, how much lies at each place, [32, 32]."""
    square = np.square(change, dtype=np.float64).sum(0)
    return np.asarray(square / max(float(square.sum()), 1e-12))


def _smooth(values: Floats) -> Floats:
    """Means over three neighbours along both axes, twice; the edge is repeated."""
    for axis in (-2, -1):
        for _ in range(2):
            last = values.shape[axis] - 1
            places = np.arange(last + 1)
            before, after = np.maximum(places - 1, 0), np.minimum(places + 1, last)
            values = (values.take(before, axis) + values + values.take(after, axis)) / 3
    return np.asarray(values)
