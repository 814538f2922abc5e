"""Tables on disk; the only module that imports pyarrow, and only when a table is opened."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from facedial import files
from facedial.errors import BadRequest, FacedialError

Columns = dict[str, list[Any]]


def arrow() -> Any:
    """The module `pyarrow`, with `pyarrow.parquet` loaded; raises `FacedialError` without it."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as lacking:
        raise FacedialError(
            "stores and Parquet files need pyarrow; install it with: pip install 'facedial[train]'"
        ) from lacking
    return pyarrow


def open_parquet(path: Path) -> Any:
    """A `pyarrow.parquet.ParquetFile`; raises `BadRequest` if `path` is not one."""
    pa = arrow()
    try:
        return pa.parquet.ParquetFile(path)
    except (OSError, pa.ArrowException) as wrong:
        raise BadRequest(f"{path} cannot be read as a Parquet file: {first_line(wrong)}") from wrong


def column_names(path: Path) -> list[str]:
    """Names of the columns of a Parquet file, read from its footer."""
    return [str(name) for name in open_parquet(path).schema_arrow.names]


def read_parquet(path: Path, columns: Sequence[str] | None = None) -> Columns:
    """Columns of a Parquet file as lists of Python values, nulls as None."""
    table = open_parquet(path).read(columns=columns)
    return {name: table.column(name).to_pylist() for name in table.column_names}


def read_text(path: Path) -> Columns:
    """Columns of a comma or tab separated file with a header line, as text.

    Lines before the header that start with # are comments, as in `lfw_attributes.txt`, whose header
    begins with a separate #. Raises `BadRequest` if a row is longer than the header.
    """
    lines = files.read_text(path, "table").splitlines()
    start = 0
    while start < len(lines) and _is_note(lines[start]):
        start += 1
    if start == len(lines):
        raise BadRequest(f"{path} has no header line")
    mark = "\t" if "\t" in lines[start] else ","
    rows = csv.reader(lines[start:], delimiter=mark)
    header = [name.strip() for name in next(rows)]
    if header[0] in ("#", ""):
        header = header[1:]
    columns: Columns = {name: [] for name in header}
    for number, row in enumerate(rows, start + 2):
        if not any(cell.strip() for cell in row):
            continue
        if len(row) > len(header) and any(cell.strip() for cell in row[len(header) :]):
            raise BadRequest(
                f"line {number} of {path} has {len(row)} cells, its header has {len(header)}"
            )
        cells = [cell.strip() for cell in row[: len(header)]]
        cells += [""] * (len(header) - len(cells))
        for name, cell in zip(header, cells, strict=True):
            columns[name].append(cell)
    return columns


def read_table(path: Path) -> Columns:
    """Columns of a Parquet, CSV or tab separated table; raises `BadRequest`."""
    if not path.is_file():
        raise BadRequest(f"there is no table {path}")
    if path.suffix.lower() in (".parquet", ".pq"):
        return read_parquet(path)
    return read_text(path)


def write_parquet(path: Path, columns: Mapping[str, Any]) -> None:
    """Write pyarrow arrays as a Parquet file, deterministically."""
    pa = arrow()
    pa.parquet.write_table(pa.table(dict(columns)), path, compression="zstd")


def first_line(error: BaseException) -> str:
    """First line of an error's text, for a one-sentence message."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def _is_note(line: str) -> bool:
    """Whether a line before the header is blank or a comment."""
    return not line.strip() or (line.startswith("#") and "\t" not in line)
