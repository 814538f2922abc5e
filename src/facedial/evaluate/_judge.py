"""The judge: an attribute classifier trained on people that no evaluated model has seen."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facedial.codes.attributes import NAMES
from facedial.model import upsampled
from facedial.runtime.bundle import Bundle
from facedial.runtime.session import Session

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
AT_ONCE = 32


class Judge:
    """A bundle of the recipe `judge`; takes pictures uint8 [N, S, S, 3], 128 a multiple of S.

    `auc`: attribute -> AUC on the people held out from its training (`data.judging`).
    """

    def __init__(self, path: Path) -> None:
        with Bundle.open(path) as bundle:
            self._session = Session(bundle.file("judge.onnx"))
            stated = bundle.part("judge")["attributes"]
        self.auc = {name: stated[name]["auc"] for name in NAMES}

    def predict(self, pictures: Bytes) -> Floats:
        """Attribute probabilities float32 [N, 40]."""
        return self._outputs(pictures)[:, : len(NAMES)]

    def features(self, pictures: Bytes) -> Doubles:
        """Features float64 [N, F], for the Frechet distance between sets of pictures."""
        return self._outputs(pictures)[:, len(NAMES) :].astype(np.float64)

    def distance(self, one: Bytes, other: Bytes) -> Doubles:
        """Perceptual distance [N] of picture pairs (Johnson et al. 2016), 0 for equal pictures.

        Mean over two feature maps of the squared difference over the squared norm of `other`'s map.
        """
        distances = []
        for i in range(0, len(one), AT_ONCE):
            both = [self._session.every(upsampled(p[i : i + AT_ONCE])) for p in (one, other)]
            shares = []
            for name in ("middle", "coarse"):
                a, b = (maps[name].reshape(len(maps[name]), -1) for maps in both)
                shares.append(np.square(a - b).sum(1) / np.square(b).sum(1))
            distances.append(np.mean(shares, axis=0))
        return np.concatenate(distances).astype(np.float64)

    def _outputs(self, pictures: Bytes) -> Floats:
        parts = [
            self._session(upsampled(pictures[i : i + AT_ONCE]))
            for i in range(0, len(pictures), AT_ONCE)
        ]
        return np.concatenate(parts)
