"""Patterns of light on faces whose features lie at their usual places, as a file of a bundle."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Self

import numpy as np

from facedial.arrays import Doubles, Floats, open_part, save_arrays
from facedial.compose import features
from facedial.compose.maps import Halves, packed, unpacked

FORMAT = 1


@dataclass(frozen=True, slots=True, eq=False)
class FacePatterns:
    """Light on faces whose features lie at `usual` [121, 2], on a map of `SHAPE`, H by W.

    `patterns` float16 [1 + K, H, W, 3]: the mean of the log of light, less its tone, and K patterns, each
    times the standard deviation of its share. `SHOWN`: what they show, in words.
    """

    SHOWN: ClassVar[str]
    SHAPE: ClassVar[tuple[int, int]]

    usual: Doubles
    patterns: Halves

    @classmethod
    def load(cls, path: Path) -> Self:
        """Those of a bundle's file; raises `BadBundle`."""
        with open_part(path, cls.SHOWN, FORMAT) as file:
            usual, patterns = np.asarray(file["usual"], np.float64), unpacked(file, "patterns")
            if usual.shape != (features.COUNT, 2) or patterns.shape[1:] != (*cls.SHAPE, 3):
                raise ValueError(f"arrays of shapes {usual.shape} and {patterns.shape}")
            return cls(usual, patterns)

    def save(self, path: Path) -> None:
        """Write them, patterns in 8 bits."""
        arrays = {"usual": self.usual.astype(np.float32), **packed("patterns", self.patterns)}
        save_arrays(path, compressed=True, format=FORMAT, **arrays)

    def rows(self) -> tuple[Floats, Floats]:
        """The mean [H * W * 3], and the patterns [K, H * W * 3]."""
        mean, *patterns = self.patterns.astype(np.float32).reshape(len(self.patterns), -1)
        return mean, np.stack(patterns)
