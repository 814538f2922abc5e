"""The Parquet files of an index: a row a photo, and a row a face; needs pyarrow."""

import importlib.util
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facedial.codes.attributes import NAMES
from facedial.errors import BadIndex, BadRequest
from facedial.faces.overview import BOX, MEASURES
from facedial.files import atomic_write
from facedial.search.entry import PhotoEntry

Table = Any  # pyarrow has no types

VECTORS = ("identity", "likeness", "code")  # half precision: an error of 5e-4 in a cosine at most


def require() -> None:
    """Raise `BadRequest` where pyarrow is missing."""
    if importlib.util.find_spec("pyarrow") is None:
        raise BadRequest("an index needs pyarrow: pip install 'facedial[search]'")


def photos_of(entries: Sequence[PhotoEntry]) -> Table:
    """Rows of photos: `file`, `size` in bytes, `modified` in ns, `faces`."""
    import pyarrow as arrow

    return arrow.table(
        {
            "file": arrow.array([one.path for one in entries], arrow.string()),
            "size": arrow.array([one.size for one in entries], arrow.int64()),
            "modified": arrow.array([one.modified for one in entries], arrow.int64()),
            "faces": arrow.array([len(one.faces) for one in entries], arrow.int32()),
        }
    )


def faces_of(entries: Sequence[PhotoEntry], first: int, sizes: Mapping[str, int]) -> Table:
    """Rows of faces, numbered from `first` in the column `id`; `sizes`: numbers of each vector.

    The other columns are those of `facedial attributes --parquet`, but for how open eyes are, and
    `landmarks` (x, y of five), `identity`, `likeness` and `code`.
    """
    import pyarrow as arrow

    rows = [(photo.path, face) for photo in entries for face in photo.faces]
    faces = [face for _, face in rows]
    attributes = np.array([face.attributes for face in faces], np.float32).reshape(-1, len(NAMES))
    columns: dict[str, Any] = {
        "id": arrow.array(np.arange(first, first + len(rows)), arrow.int64()),
        "file": arrow.array([path for path, _ in rows], arrow.string()),
        "face": arrow.array([face.facts.face for face in faces], arrow.int32()),
    }
    for i, name in enumerate(NAMES):
        columns[name] = arrow.array(attributes[:, i])
    for i, name in enumerate(BOX):
        columns[name] = arrow.array([face.facts.box[i] for face in faces], arrow.float64())
    for name in MEASURES:
        columns[name] = arrow.array([getattr(face.facts, name) for face in faces], arrow.float64())
    columns["landmarks"] = _lists(np.array([face.landmarks for face in faces], np.float32), 10)
    for name in VECTORS:
        values = np.array([getattr(face, name) for face in faces], np.float16)
        columns[name] = _lists(values, sizes[name])
    return arrow.table(columns)


def write(path: Path, table: Table) -> None:
    """Write a table whole or not at all, with checksums; raises `FacedialError`."""
    from pyarrow import parquet

    plain = {name: "none" for name in VECTORS if name in table.column_names}  # noise to a coder
    packing = {name: plain.get(name, "zstd") for name in table.column_names}
    with atomic_write(path) as temporary:
        parquet.write_table(
            table, temporary, compression=packing, write_page_checksum=True, use_dictionary=["file"]
        )


def read(paths: Sequence[Path], columns: Sequence[str] | None = None) -> Table:
    """The rows of files, one after the other, of those columns (None: all).

    Raises `BadIndex` for a file that is missing, damaged or of another kind.
    """
    from pyarrow import parquet

    found = []
    for path in paths:
        try:
            wanted = None if columns is None else list(columns)
            one = parquet.read_table(path, columns=wanted, page_checksum_verification=True)
            found.append(one.select(wanted) if wanted else one)
        except (OSError, ValueError, KeyError, NotImplementedError) as error:
            reason = " ".join(str(error).split())
            raise BadIndex(
                f"the index {path.parent} is damaged: {path.name} cannot be read ({reason[:120]}); "
                "delete the folder and index the photos again"
            ) from error
    return joined(found)


def joined(tables: Sequence[Table]) -> Table:
    """The rows of tables of the same columns, one after the other."""
    import pyarrow as arrow

    return arrow.concat_tables(tables)


def empty(columns: Sequence[str], sizes: Mapping[str, int]) -> Table:
    """No rows of faces."""
    return faces_of([], 0, sizes).select(list(columns))


def without(table: Table, files: Sequence[str]) -> Table:
    """The rows whose `file` is none of those."""
    import pyarrow as arrow
    from pyarrow import compute

    gone = compute.is_in(table["file"], value_set=arrow.array(files, arrow.string()))
    return table.filter(compute.invert(gone))


def vectors(column: Any) -> NDArray[np.float32]:
    """A column of lists of equal length, float32 [N, D]."""
    lists = column.combine_chunks()
    size = lists.type.list_size
    values = lists.flatten().to_numpy(zero_copy_only=False)
    return np.asarray(values, np.float32).reshape(-1, size)


def _lists(values: NDArray[Any], size: int) -> Any:
    import pyarrow as arrow

    return arrow.FixedSizeListArray.from_arrays(arrow.array(values.ravel()), size)
