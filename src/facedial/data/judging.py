"""Who judges: people kept from every generator and reader, halved between judge and judged.

A judge of attributes learns from validation people, by whom models are only looked at, and from one half
of the test people; what it judges is measured on the other half.
"""

import hashlib

import numpy as np
import numpy.typing as npt

from facedial.data.store import Store

HELD_OUT = 8  # of the judge's people, one in so many is kept from it, to see how well it judges

Rows = npt.NDArray[np.int64]


def judging(store: Store) -> tuple[Rows, Rows]:
    """Rows of a store that a judge learns from, and rows of its people that are held out from it."""
    rows = np.flatnonzero((store.split == "val") | ((store.split == "test") & ~_judged(store)))
    held = np.array([_digest(person) // 2 % HELD_OUT == 0 for person in store.person[rows]], bool)
    return rows[~held].astype(np.int64), rows[held].astype(np.int64)


def judged(store: Store) -> Rows:
    """Rows of the test people whom neither a generator, nor a reader, nor the judge has seen."""
    return np.flatnonzero((store.split == "test") & _judged(store)).astype(np.int64)


def _judged(store: Store) -> npt.NDArray[np.bool_]:
    return np.array([_digest(person) % 2 == 0 for person in store.person], bool)


def _digest(person: str) -> int:
    return int.from_bytes(hashlib.sha256(str(person).encode()).digest()[:4], "big")
