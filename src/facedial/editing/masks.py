"""Where in the flow's latents each attribute is: optional masks of their change."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from facedial.arrays import Doubles, Floats, open_part, save_arrays

FORMAT = 1
ATTRIBUTE_MASKS = "places.npz"  # in a bundle
LEVELS = 255


@dataclass(frozen=True, slots=True, eq=False)
class AttributeMasks:
    """Attribute -> map float32 [32, 32] on the head frame: how much its edits change each place, 0..1."""

    maps: Mapping[str, Floats]

    @staticmethod
    def of(changes: Mapping[str, Sequence[Floats]]) -> "AttributeMasks":
        """Maps from changes of latents [6, 32, 32] that the flow made in many people, by attribute.

        The root mean square over people, each with the same weight, smoothed, and divided by the mean
        over all attributes: the eyes change in every edit, and are specific to few. The largest is 1.
        """
        sizes = {
            name: _smooth(np.sqrt(np.mean([_energy_share(one) for one in some], axis=0)))
            for name, some in changes.items()
        }
        common = np.sqrt(np.mean([size**2 for size in sizes.values()], axis=0))
        maps = {}
        for name, size in sizes.items():
            own = size**2 / np.maximum(common, 1e-12)
            maps[name] = np.asarray(own / max(float(own.max()), 1e-12), np.float32)
        return AttributeMasks(maps)

    def mask(self, name: str, threshold: float) -> Floats | None:
        """Float32 [32, 32] in 0..1 that multiplies the attribute's changes; None for all 1.

        1 from `threshold` (a share of the map's largest value) on, 0 below half of it, smooth between.
        """
        if threshold == 0 or name not in self.maps:
            return None
        rise = np.clip(2 * self.maps[name] / np.float32(threshold) - 1, 0, 1)
        return np.asarray(rise * rise * (3 - 2 * rise), np.float32)

    def save(self, path: Path) -> None:
        """Write `.npz`, one byte a place."""
        save_arrays(
            path,
            compressed=True,
            format=np.int64(FORMAT),
            names=np.array(list(self.maps), dtype=np.str_),
            maps=np.rint(np.stack(list(self.maps.values())) * LEVELS).astype(np.uint8),
        )

    @staticmethod
    def load(path: Path) -> "AttributeMasks":
        """Read what `save` wrote; raises `BadBundle`."""
        with open_part(path, "attribute masks", FORMAT) as file:
            names = [str(name) for name in file["names"]]
            maps = file["maps"].astype(np.float32) / LEVELS
            return AttributeMasks(dict(zip(names, maps, strict=True)))


def _energy_share(change: Floats) -> Doubles:
    """Share of a change's squared sum at each place, [32, 32]."""
    square = np.square(change, dtype=np.float64).sum(0)
    return np.asarray(square / max(float(square.sum()), 1e-12))


def _smooth(values: Doubles) -> Doubles:
    """Means over three neighbours along both axes, twice; the edge is repeated."""
    for axis in (-2, -1):
        for _ in range(2):
            last = values.shape[axis] - 1
            at = np.arange(last + 1)
            before, after = np.maximum(at - 1, 0), np.minimum(at + 1, last)
            values = (values.take(before, axis) + values + values.take(after, axis)) / 3
    return np.asarray(values)
