"""The judge of faces: attributes, features and maps of a network that no generator was trained with."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facedial.codes.attributes import NAMES
from facedial.runtime.bundle import Bundle, enlarged
from facedial.runtime.session import Session

UInt8 = NDArray[np.uint8]
Floats = NDArray[np.float32]
AT_ONCE = 32


class Judge:
    """A bundle of the recipe `judge`, asked about pictures uint8 [N, S, S, 3], S a part of 128."""

    def __init__(self, path: Path) -> None:
        with Bundle.open(path) as bundle:
            self._session = Session(bundle.file("judge.onnx"))
            stated = bundle.part("judge")["attributes"]
        self.auc = {name: stated[name]["auc"] for name in NAMES}

    def read(self, pictures: UInt8) -> Floats:
        """Probabilities of the attributes [N, 40]."""
        return self._judged(pictures)[:, : len(NAMES)]

    def features(self, pictures: UInt8) -> NDArray[np.float64]:
        """Features [N, F] for distances between sets of pictures."""
        return self._judged(pictures)[:, len(NAMES) :].astype(np.float64)

    def distance(self, one: UInt8, other: UInt8) -> NDArray[np.float64]:
        """How unlike pictures look, [N]: squared difference of two maps, each over that of `other`.

        0 for equal pictures; the perceptual distance (Johnson 2016) on features learnt from faces.
        """
        distances = []
        for i in range(0, len(one), AT_ONCE):
            both = [self._session.every(enlarged(p[i : i + AT_ONCE])) for p in (one, other)]
            shares = []
            for name in ("middle", "coarse"):
                a, b = (maps[name].reshape(len(maps[name]), -1) for maps in both)
                shares.append(np.square(a - b).sum(1) / np.square(b).sum(1))
            distances.append(np.mean(shares, axis=0))
        return np.concatenate(distances).astype(np.float64)

    def _judged(self, pictures: UInt8) -> Floats:
        parts = [
            self._session(enlarged(pictures[i : i + AT_ONCE]))
            for i in range(0, len(pictures), AT_ONCE)
        ]
        return np.concatenate(parts)
