"""An index of 100,000 faces: recall against exact search, milliseconds a search, building, and size.

`OMP_NUM_THREADS=1 python benchmarks/search.py [-n 100000] [--queries 300] [--alternatives] [-o JSON]`
fills an index as `facedial index` does, but with made-up faces, and searches it by one thread. Beside
each graph stands exact search in the same run: one matrix product by numpy in float32, then the ten
highest. Each search is timed `REPEATS` times, at different moments, and the least time counts, as other
work on the machine can only add to it; `ms` is the mean over searches, `p95` the 95th percentile. Graphs
are built by as many threads as there may be.

* Codes are drawn from the bundle's Gaussian prior, by which the 1,024 numbers of a code are independent:
  no face is near another, which is the hardest case for a graph. Faces to look for are drawn likewise.
* Identity vectors are drawn around a fifth as many people, with the variances that embeddings of 3,165
  photos of 633 unseen people (CelebA, test) have: between people exp(-k / 8) along the k-th axis, in one
  person's photos exp(-k / 16), and 0.64 to 0.39 in all. The mean cosine of one person's photos is then
  0.6. Faces to look for are further photos of the same people.

`--alternatives` also builds graphs of half precision instead of bytes, with more connections, and of
whole codes without the projection on attributes (of a fifth of the faces); it takes minutes.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facedial.arrays import Floats
from facedial.faces.overview import FaceFacts
from facedial.model import Model
from facedial.priors.gaussian import GaussianPrior
from facedial.runtime.threads import default_threads
from facedial.search import graph
from facedial.search.entry import CODE, PERSON, FaceEntry, PhotoEntry, likeness
from facedial.search.index import Index

PHOTOS_A_PERSON = 5
AXES = 128
BETWEEN, WITHIN = 0.64, 0.39  # variance of unit embeddings
K = 10
REPEATS = 5
PART = 1000
Rows = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Row:
    """One way to search; `build_cpu_s`: of all threads together."""

    way: str
    recall: float
    ms: float
    p95_ms: float
    exact_ms: float
    build_s: float
    build_cpu_s: float
    mb: float


class Clock:
    """Seconds that have passed, and seconds of the processor, since it was made."""

    def __init__(self) -> None:
        self._start = time.perf_counter(), time.process_time()

    def read(self) -> tuple[float, float]:
        """Seconds of either kind."""
        return time.perf_counter() - self._start[0], time.process_time() - self._start[1]


def unit(values: Floats) -> Floats:
    return np.asarray(values / np.linalg.norm(values, axis=1, keepdims=True), np.float32)


def identities(count: int, queries: int, rng: np.random.Generator) -> Floats:
    """Unit embeddings [count + queries, 128], as the module says."""
    axis = np.arange(AXES)

    def drawn(rows: int, variance: float, falls: float) -> Floats:
        shares = np.exp(-axis / falls)
        scale = np.sqrt(variance * shares / shares.sum()).astype(np.float32)
        return rng.standard_normal((rows, AXES), dtype=np.float32) * scale

    people = drawn(max(1, count // PHOTOS_A_PERSON), BETWEEN, 8)
    person = rng.integers(0, len(people), count + queries)
    return unit(people[person] + drawn(count + queries, WITHIN, 16))


def entries(
    codes: Floats, likes: Floats, people: Floats, rng: np.random.Generator
) -> Iterator[PhotoEntry]:
    """A photo of one face for each row."""
    landmarks = np.zeros((5, 2))
    attributes = rng.random((len(codes), 40), dtype=np.float32)
    facts = FaceFacts(1, (0, 0, 99, 99), 40, 0, 0, 0, 0.01, 1, 1, 0.9)
    for i, code in enumerate(codes):
        face = FaceEntry(facts, landmarks, attributes[i], people[i], code, likes[i])
        yield PhotoEntry(f"/photos/{i // PART:04}/{i:07}.jpg", 2_000_000, 10**18 + i, (face,))


def exact_in(vectors: Floats) -> Callable[[Floats], Rows]:
    """Exact search: vector -> rows of the `K` nearest."""

    def search(vector: Floats) -> Rows:
        cosines = vectors @ vector
        rows = np.argpartition(-cosines, K)[:K]
        return np.asarray(rows[np.argsort(-cosines[rows])])

    return search


def measured(
    way: str,
    search: Callable[[Floats], Rows],
    vectors: Floats,
    queries: Floats,
    built: tuple[float, float],
    size: int,
) -> Row:
    """All searches one way, all the other way, and again."""
    times = np.empty((REPEATS, 2, len(queries)))
    for repeat in times:
        found: list[list[Rows]] = [[], []]
        for spent, rows, one in zip(repeat, found, (search, exact_in(vectors)), strict=True):
            for i, vector in enumerate(queries):
                clock = Clock()
                rows.append(one(vector))
                spent[i], _ = clock.read()
    hits = sum(len(np.intersect1d(*pair)) for pair in zip(*found, strict=True))
    own, exact = 1e3 * times.min(0)
    spent_ms = (float(own.mean()), float(np.percentile(own, 95)), float(exact.mean()))
    return Row(way, hits / (K * len(queries)), *spent_ms, *built, size / 1e6)


def of_index(index: Index, kind: str, queries: Floats) -> Row:
    """Build an index's graph, and search by it."""
    vectors = index.searcher.vectors(kind)
    index.searcher.ids()
    clock = Clock()
    index.searcher.sync(kind, default_threads())
    built = clock.read()
    size = (index.folder / index.manifest.graphs[kind].file).stat().st_size

    def search(vector: Floats) -> Rows:
        return index.searcher.nearest_rows(vector, kind, K)[0]

    return measured(kind, search, vectors, queries, built, size)


def of_graph(
    way: str, vectors: Floats, queries: Floats, dtype: str, connections: int
) -> Iterator[Row]:
    """Build another graph, and search by it with several expansions."""
    from usearch.index import Index as Graph

    made = Graph(
        ndim=vectors.shape[1],
        metric="cos",
        dtype=dtype,
        connectivity=connections,
        expansion_add=graph.EXPANSION_ADD,
    )
    clock = Clock()
    made.add(np.arange(len(vectors)), vectors, threads=default_threads())
    built = clock.read()
    for expansion in (64, 192, 512):
        made.expansion_search = expansion

        def search(vector: Floats) -> Rows:
            rows = np.asarray(made.search(vector, graph.CANDIDATES * K, threads=1).keys, np.intp)
            return rows[np.argsort(-(vectors[rows] @ vector))[:K]]

        name = f"{way}, {dtype}, {connections} links, {expansion}"
        yield measured(name, search, vectors, queries, built, made.serialized_length)


def show(row: Row) -> None:
    print(
        f"{row.way:34} {row.recall:9.4f} {row.ms:7.2f} {row.p95_ms:7.2f} {row.exact_ms:9.2f} "
        f"{row.build_s:8.1f} {row.build_cpu_s:8.1f} {row.mb:6.1f}",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument(
        "-n", type=int, default=100_000, help="faces; a graph is made from 25,000 on"
    )
    parser.add_argument("--queries", type=int, default=300)
    parser.add_argument("--alternatives", action="store_true")
    parser.add_argument("-o", type=Path)
    options = parser.parse_args()
    count, queries = options.n, options.queries
    rng = np.random.default_rng(0)
    model = Model.open()
    prior = GaussianPrior.load(model.prior_file())
    codes = prior.sample(range(count + queries), {})
    likes = likeness(model.directions, codes)
    people = identities(count, queries, rng)
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as folder:
        with Index.create(Path(folder) / "index", model) as index:
            clock = Clock()
            index.add(entries(codes[:count], likes[:count], people[:count], rng))
            index.commit()
            added_s, _ = clock.read()
            print(f"{count:,} faces, {queries} searches by one thread, {default_threads()} build")
            print(
                f"{'':34} {'recall@10':>9} {'ms':>7} {'p95':>7} {'exact ms':>9} {'build s':>8} "
                f"{'cpu s':>8} {'MB':>6}"
            )
            for kind, asked in ((PERSON, people[count:]), (CODE, likes[count:])):
                rows.append(of_index(index, kind, asked))
                show(rows[-1])
            index.save()
            files = sum(one.stat().st_size for one in index.folder.iterdir())
        clock = Clock()
        with Index.open(Path(folder) / "index", model) as index:
            index.nearest(people[-1])
        first_s, first_cpu_s = clock.read()
    print(
        f"rows written in {added_s:.1f} s, {files / 1e6:.0f} MB in all, {files / count:.0f} bytes a face"
    )
    print(
        f"opened and searched once by person: {first_s:.2f} s, {first_cpu_s:.2f} of the processor"
    )
    if options.alternatives:
        for dtype, links in (("f16", 16), ("i8", 32)):
            for way, all_of in (("person", people), ("code", likes)):
                for row in of_graph(way, all_of[:count], all_of[count:], dtype, links):
                    rows.append(row)
                    show(row)
        fifth = unit(codes[: count // 5])
        for row in of_graph("whole codes, a fifth", fifth, unit(codes[count:]), "i8", 16):
            rows.append(row)
            show(row)
    if options.o:
        facts = {"faces": count, "bytes": files, "rows": [asdict(row) for row in rows]}
        options.o.write_text(json.dumps(facts, indent=1))


if __name__ == "__main__":
    main()
