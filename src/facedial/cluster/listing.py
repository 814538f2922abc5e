"""The stored list of a run's photos: written once, read in ranges, so that parts never change."""

import itertools
from collections.abc import Iterable
from dataclasses import dataclass

import pyarrow
from pyarrow import parquet

from facedial.cluster.inputs import Item
from facedial.cluster.places import Place

ROWS_A_FILE, ROWS_A_GROUP = 65_536, 4_096
SCHEMA = pyarrow.schema(
    [
        ("key", pyarrow.string()),
        ("root", pyarrow.int32()),
        ("path", pyarrow.string()),
        ("kind", pyarrow.int8()),
        ("member", pyarrow.string()),
        ("offset", pyarrow.int64()),
        ("size", pyarrow.int64()),
    ]
)


@dataclass(frozen=True, slots=True)
class Listing:
    """Photos in Parquet files of a folder, in order."""

    folder: Place

    def write(self, items: Iterable[Item]) -> int:
        """Store all items, of which few are in memory at a time; returns how many there are."""
        self.folder.make()
        waiting, count = iter(items), 0
        for number in itertools.count():
            some = list(itertools.islice(waiting, ROWS_A_FILE))
            if not some:
                return count
            columns = [[getattr(one, name) for one in some] for name in SCHEMA.names]
            table = pyarrow.table(columns, schema=SCHEMA)
            with self._file(number).writing() as stream:
                parquet.write_table(table, stream, row_group_size=ROWS_A_GROUP)
            count += len(some)
        raise AssertionError("unreachable")

    def read(self, first: int, count: int) -> list[Item]:
        """The items from `first` on."""
        found: list[Item] = []
        while count:
            number, row = divmod(first, ROWS_A_FILE)
            here = min(count, ROWS_A_FILE - row)
            groups = range(row // ROWS_A_GROUP, (row + here - 1) // ROWS_A_GROUP + 1)
            with self._file(number).opened() as stream, parquet.ParquetFile(stream) as file:
                table = file.read_row_groups(list(groups))
            rows = table.slice(row - groups[0] * ROWS_A_GROUP, here).to_pylist()
            found += [Item(**one) for one in rows]
            first, count = first + here, count - here
        return found

    def _file(self, number: int) -> Place:
        return self.folder.at(f"{number:06d}.parquet")
