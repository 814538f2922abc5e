"""What a search reads of an index, loaded when it is first needed."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facedial.arrays import Doubles, Floats
from facedial.codes.attributes import NAMES, match
from facedial.faces.overview import BOX, MEASURES
from facedial.files import sha256
from facedial.search import graph, table
from facedial.search.entry import CODE, PERSON
from facedial.search.manifest import FACES, GraphFile, Manifest

log = logging.getLogger(__name__)

COLUMNS = {PERSON: "identity", CODE: "likeness"}
# From which a graph is made: an exact search of fewer takes as little time.
GRAPH_FACES = 25_000
PLACE = ("file", "face", *BOX, "landmarks", "score")

Rows = NDArray[np.intp]


@dataclass(frozen=True, slots=True, eq=False)
class Hit:
    """A face of an index. `file`: its photo. `face`: its number there, largest first.

    `box`: x0, y0, x1, y1, and `landmarks` float64 [5, 2], in photo pixels. `value`: a cosine, -1..1,
    or that by which faces were sorted. `detected`: the detector's score, 0..1.
    """

    file: Path
    face: int
    box: tuple[float, float, float, float]
    landmarks: Doubles
    value: float
    detected: float


@dataclass(slots=True)
class Searcher:
    """Searches of an index as a manifest describes it."""

    folder: Path
    manifest: Manifest
    _vectors: dict[str, Floats] = field(default_factory=dict)
    _graphs: dict[str, Any] = field(default_factory=dict)
    _ids: graph.Ids | None = None
    _read_parts: dict[int, table.Table] = field(default_factory=dict)

    def nearest(self, vector: Floats, kind: str, most: int) -> list[Hit]:
        """See `Index.nearest`."""
        rows, cosines = self.nearest_rows(vector, kind, most)
        return self._hits(rows, cosines)

    def nearest_rows(self, vector: Floats, kind: str, most: int) -> tuple[Rows, Floats]:
        """Rows of the faces nearest to a unit vector, the nearest first, and their cosines."""
        vectors = self.vectors(kind)
        found = self.graph(kind)
        if found is None:
            rows = np.arange(len(vectors))
            cosines = vectors @ vector
            if most < len(rows):
                rows = np.argpartition(-cosines, most)[:most]
                cosines = cosines[rows]
        else:
            rows = np.searchsorted(self.ids(), np.sort(graph.candidates(found, vector, most)))
            cosines = vectors[rows] @ vector
        order = np.argsort(-cosines, kind="stable")[:most]
        return rows[order], np.clip(cosines[order], -1, 1)  # half precision is not exact

    def ranked(self, name: str, most: int, *, least: bool) -> list[Hit]:
        """See `Index.ranked`."""
        column = match(name, (*NAMES, *MEASURES))
        values = np.asarray(self._read([column])[column].to_numpy(), np.float64)
        order = np.argsort(values if least else -values, kind="stable")[:most]
        return self._hits(order, values[order])

    def vectors(self, kind: str) -> Floats:
        """Unit vectors of all faces, float32 [N, D]."""
        if kind not in self._vectors:
            column = COLUMNS[kind]
            self._vectors[kind] = table.vectors(self._read([column])[column])
        return self._vectors[kind]

    def codes(self) -> Floats:
        """Codes of all faces, float32 [N, 1024]."""
        return table.vectors(self._read(["code"])["code"])

    def ids(self) -> graph.Ids:
        """Ids of all faces, ascending."""
        if self._ids is None:
            self._ids = np.asarray(self._read(["id"])["id"].to_numpy(), np.int64)
        return self._ids

    def graph(self, kind: str) -> Any | None:
        """The graph of the rows as they are; None where there is none: the search is exact then."""
        if kind not in self._graphs:
            stated = self.manifest.graphs.get(kind)
            fits = stated is not None and stated.state == self.manifest.state
            self._graphs[kind] = self._loaded(kind) if fits else None
        return self._graphs[kind]

    def sync(self, kind: str, threads: int) -> bool:
        """Bring a graph up to date where one is of use; says whether the manifest has changed."""
        if self.manifest.faces < GRAPH_FACES or not graph.is_installed():
            return self.manifest.graphs.pop(kind, None) is not None
        if self.graph(kind) is not None:
            return False
        made = graph.synced(self._loaded(kind), self.ids(), self.vectors(kind), threads)
        path = self.folder / f"{kind}-{self.manifest.number():06}.usearch"
        graph.save(made, path)
        self.manifest.graphs[kind] = GraphFile(path.name, sha256(path), self.manifest.state)
        self._graphs[kind] = made
        return True

    def _loaded(self, kind: str) -> Any | None:
        """The graph in the file that the manifest names, perhaps of earlier rows."""
        stated = self.manifest.graphs.get(kind)
        if stated is None or not graph.is_installed():
            return None
        path = self.folder / stated.file
        try:
            if sha256(path) == stated.sha256:
                return graph.load(path)
        except OSError as error:
            log.info("%s: %s", path, error)
        log.warning("%s is damaged; searches are exact until `facedial index` runs again", path)
        return None

    def _hits(self, rows: Rows, values: NDArray[np.floating[Any]]) -> list[Hit]:
        own = self._places(rows)
        points = table.vectors(own["landmarks"]).reshape(-1, 5, 2).astype(np.float64)
        hits = []
        for row, at, value in zip(own.to_pylist(), points, values.tolist(), strict=True):
            x0, y0, x1, y1 = (float(row[name]) for name in BOX)
            place = (Path(row["file"]), row["face"], (x0, y0, x1, y1), at)
            hits.append(Hit(*place, value, float(row["score"])))
        return hits

    def _places(self, rows: Rows) -> table.Table:
        """`PLACE` of some rows, in their order; only the parts that have them are read."""
        ends = np.cumsum([part.faces for part in self.manifest.parts])
        parts = np.searchsorted(ends, rows, side="right")
        found = [table.empty(PLACE, self.manifest.sizes)]
        for row, number in zip(rows, parts, strict=True):
            part = self.manifest.parts[number]
            if part.number not in self._read_parts:
                path = self.folder / FACES.format(part.number)
                self._read_parts[part.number] = table.read([path], PLACE)
            inside = int(row - (ends[number] - part.faces))
            found.append(self._read_parts[part.number].slice(inside, 1))
        return table.joined(found)

    def _read(self, columns: Sequence[str]) -> table.Table:
        files = [self.folder / FACES.format(part.number) for part in self.manifest.parts]
        return table.read(files, columns) if files else table.empty(columns, self.manifest.sizes)
