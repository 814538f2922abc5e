"""A table of faces as a Parquet file."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from facedial.files import atomic_write


def save(path: Path, rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> None:
    """Write rows, with those columns in order; needs pyarrow."""
    import pyarrow
    from pyarrow import parquet

    table = pyarrow.table({name: [row[name] for row in rows] for name in columns})
    with atomic_write(path) as temporary:
        parquet.write_table(table, temporary)
