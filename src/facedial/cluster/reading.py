"""The bytes of photos, read one ahead of another while the one before is worked on."""

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import Any

from pyarrow import ArrowException, parquet

from facedial.cluster.inputs import Item, Kind, photo_column
from facedial.cluster.places import Place

AHEAD = 4  # photos in memory that wait
ROWS = 16  # photos of a Parquet file that are unpacked at a time

Read = bytes | OSError


def each(items: Sequence[Item], roots: Sequence[Place]) -> Iterator[tuple[Item, Read]]:
    """Every item with its bytes, or with the error where they cannot be read."""
    with Reader(roots) as reader, ThreadPoolExecutor(1) as pool:
        coming: deque[tuple[Item, Future[Read]]] = deque()
        rest = iter(items)
        try:
            while True:
                while len(coming) < AHEAD and (item := next(rest, None)) is not None:
                    coming.append((item, pool.submit(reader.read, item)))
                if not coming:
                    return
                item, found = coming.popleft()
                yield item, found.result()
        finally:
            for _, waiting in coming:
                waiting.cancel()


@dataclass(slots=True)
class Reader:
    """Reads items in the order of their list; of shards the last one stays open."""

    roots: Sequence[Place]
    _open: ExitStack = field(default_factory=ExitStack)
    _path: tuple[int, str] | None = None
    _file: Any = None
    _rows: Iterator[bytes] = field(default_factory=lambda: iter(()))
    _next: int = 0  # row of `_rows`

    def __enter__(self) -> "Reader":
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def read(self, item: Item) -> Read:
        """The bytes of one item, or why there are none."""
        place = replace(self.roots[item.root], path=item.path)
        try:
            if item.kind == Kind.FILE:
                return place.read()
            if self._path != (item.root, item.path):
                self._open.close()
                self._path = None
                self._file = self._open.enter_context(place.opened())
                self._path, self._next = (item.root, item.path), -1
            if item.kind == Kind.ROW:
                return self._row(item, str(place))
            self._file.seek(item.offset)
            data = bytes(self._file.read(item.size))
        except (OSError, ArrowException) as error:
            self._path = None  # opened anew for the next
            return error if isinstance(error, OSError) else OSError(" ".join(str(error).split()))
        if len(data) < item.size:
            return OSError(f"the tar file ends within {item.member}")
        return data

    def _row(self, item: Item, name: str) -> bytes:
        """The photo in a row, after those before it in its group of rows."""
        if not 0 <= self._next <= item.offset:
            self._seek(item.offset, name)
        data = b""
        while self._next <= item.offset:
            data = next(self._rows)
            self._next += 1
        return data

    def _seek(self, row: int, name: str) -> None:
        """Begin to read at the group of rows that holds `row`."""
        file = parquet.ParquetFile(self._file)
        column = photo_column(file.schema_arrow, name)
        first = group = 0
        while first + file.metadata.row_group(group).num_rows <= row:
            first += file.metadata.row_group(group).num_rows
            group += 1
        groups = list(range(group, file.metadata.num_row_groups))
        self._rows, self._next = _photos(file, column, groups), first


def _photos(file: Any, column: str, groups: list[int]) -> Iterator[bytes]:
    """The photos in some groups of rows; no bytes for a row without a photo."""
    outer, _, inner = column.partition(".")
    for batch in file.iter_batches(ROWS, groups, columns=[column]):
        for one in batch.column(outer):
            value = one.as_py()
            yield ((value or {}).get(inner) if inner else value) or b""
