"""Graphs of nearest neighbours (HNSW, Malkov and Yashunin 2018) by usearch, an extra."""

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from facedial.arrays import Floats
from facedial.files import atomic_write

if TYPE_CHECKING:
    from usearch.index import Index

Ids = NDArray[np.int64]

# Vectors are kept as bytes, which halves a search; candidates are then compared by their own numbers.
DTYPE = "i8"
CONNECTIVITY = 16
EXPANSION_ADD, EXPANSION_SEARCH = 64, 192  # candidates that are kept while adding, while searching
CANDIDATES = 4  # for each hit that is asked for
REMOVED = 0.2  # share of a graph's faces, from which on it is made anew


def is_installed() -> bool:
    """Whether there is usearch; without it every search is exact, and slower where faces are many."""
    return importlib.util.find_spec("usearch") is not None


def synced(graph: "Index | None", ids: Ids, vectors: Floats, threads: int) -> "Index":
    """A graph of exactly those faces: an earlier one with what has changed, or a new one.

    `ids` [N], ascending, and unit `vectors` [N, D]; an id always means the same vector.
    """
    if graph is not None:
        there = np.sort(np.asarray(graph.keys, np.int64))
        gone = np.setdiff1d(there, ids, assume_unique=True)
        if len(gone) <= REMOVED * len(there):
            if len(gone):
                graph.remove(gone)
            _add(graph, np.flatnonzero(~np.isin(ids, there)), ids, vectors, threads)
            return graph
    from usearch.index import Index

    made = Index(
        ndim=vectors.shape[1],
        metric="cos",
        dtype=DTYPE,
        connectivity=CONNECTIVITY,
        expansion_add=EXPANSION_ADD,
        expansion_search=EXPANSION_SEARCH,
    )
    _add(made, np.arange(len(ids)), ids, vectors, threads)
    return made


def _add(graph: "Index", rows: NDArray[np.intp], ids: Ids, vectors: Floats, threads: int) -> None:
    if len(rows):
        graph.add(ids[rows], np.ascontiguousarray(vectors[rows]), threads=threads)


def save(graph: "Index", path: Path) -> None:
    """Write a graph whole or not at all; raises `FacedialError`."""
    with atomic_write(path) as temporary:
        graph.save(str(temporary))


def load(path: Path) -> "Index":
    """A graph whose file is what `save` wrote: usearch does not check it."""
    from usearch.index import Index

    found = Index.restore(str(path), expansion_add=EXPANSION_ADD, expansion_search=EXPANSION_SEARCH)
    assert found is not None
    return found


def candidates(graph: "Index", vector: Floats, count: int) -> Ids:
    """Ids of the faces near a unit vector [D], at most `CANDIDATES` for each of `count`."""
    found = graph.search(vector, CANDIDATES * count, threads=1)
    return np.asarray(found.keys, np.int64)
