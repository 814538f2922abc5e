"""Splits of a store for the judge, an attribute classifier that evaluates edits and generated faces.

The judge is trained on validation people and one half of the test people, none of whom any evaluated
model is trained on. Evaluations with it use the other half of the test people.
"""

import hashlib

import numpy as np
import numpy.typing as npt

from facedial.data.store import Store

HELD_OUT = 8  # one in so many of the judge's people is held out, for its own AUC

Rows = npt.NDArray[np.int64]


def judging(store: Store) -> tuple[Rows, Rows]:
    """Rows of a store that the judge is trained on, and rows of people held out from it."""
    rows = np.flatnonzero((store.split == "val") | ((store.split == "test") & ~_judged(store)))
    held = np.array([_digest(person) // 2 % HELD_OUT == 0 for person in store.person[rows]], bool)
    return rows[~held].astype(np.int64), rows[held].astype(np.int64)


def judged(store: Store) -> Rows:
    """Rows of the test people that neither the evaluated models nor the judge were trained on."""
    return np.flatnonzero((store.split == "test") & _judged(store)).astype(np.int64)


def _judged(store: Store) -> npt.NDArray[np.bool_]:
    return np.array([_digest(person) % 2 == 0 for person in store.person], bool)


def _digest(person: str) -> int:
    return int.from_bytes(hashlib.sha256(str(person).encode()).digest()[:4], "big")
