"""Parquet shards of ready crops: one encoded picture in each row, in the column `webp`."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from facedial.codes.attributes import NAMES
from facedial.data import tables
from facedial.data.item import Item
from facedial.data.labels import LabelTable, unit_scale
from facedial.data.locations import ByteLocation
from facedial.errors import BadRequest

PICTURE = "webp"
KNOWN = {PICTURE, "file", "name", "person", "split", "landmarks", "inside", *NAMES}
KNOWN |= {"to_crop", "width", "height"}
MASKS = ("parts", "hair", "person_mask")
KNOWN |= set(MASKS)


@dataclass(frozen=True, slots=True)
class ShardFiles:
    """Parquet files by which a source is recognised again."""

    paths: tuple[Path, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Base names of the shards."""
        return tuple(path.name for path in self.paths)

    def fingerprint(self) -> str:
        """Sizes of the shards."""
        return ",".join(str(path.stat().st_size) for path in self.paths)


@dataclass(frozen=True, slots=True)
class Shards(ShardFiles):
    """Shards of `head` crops; their size is whatever the pictures have.

    Columns used: `file`, `name` or `number`; `person`; `split`; `landmarks` (10 numbers, crop
    pixels); `inside`; `to_crop` (6 numbers, photo to crop) with `width` and `height`; CelebA's 40
    attributes; `parts`, `hair` and `person_mask` (PNG) as masks.  All other scalar columns are kept
    as text.
    """

    kind: str = "shards"
    frame: str = "head"
    pick: Literal["largest", "central"] = "largest"

    def items(self) -> Iterator[Item]:
        """Every row of every shard; a repeated name gets the suffix #2, #3, ..."""
        seen: dict[str, int] = {}
        for path in self.paths:
            names = [name for name in tables.column_names(path) if name != PICTURE]
            columns = tables.read_parquet(path, names)
            attributes = _attributes(columns)
            for row in range(len(columns[names[0]])):
                item = _item(path, row, {name: columns[name][row] for name in names})
                seen[item.file] = seen.get(item.file, 0) + 1
                file = item.file if seen[item.file] == 1 else f"{item.file}#{seen[item.file]}"
                yield replace(item, file=file, attributes=attributes[row])


def is_one(paths: Sequence[Path]) -> bool:
    """Whether these are Parquet files with a picture column, or folders of them."""
    found = files(paths)
    return bool(found) and all(PICTURE in tables.column_names(path) for path in found)


def open_source(paths: Sequence[Path], labels: LabelTable | None, *, ready: bool) -> Shards:
    """Open shards; raises `BadRequest` for other files, and for labels: shards have their own."""
    found = files(paths)
    if labels is not None:
        raise BadRequest("shards have their own labels; give no label table")
    for path in found:
        if PICTURE not in tables.column_names(path):
            raise BadRequest(f"{path} has no column `{PICTURE}`, so it is not a shard of crops")
    if not found:
        raise BadRequest(f"no Parquet shards in {', '.join(map(str, paths))}")
    return Shards(tuple(found))


def files(paths: Sequence[Path]) -> list[Path]:
    """These Parquet files, and those in these folders; none if a path is neither."""
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            found += sorted(path.glob("*.parquet"))
        elif path.suffix.lower() in (".parquet", ".pq"):
            found.append(path)
        else:
            return []
    return found


def _attributes(columns: tables.Columns) -> Any:
    count = len(next(iter(columns.values())))
    values = np.full((count, len(NAMES)), np.nan)
    for k, name in enumerate(NAMES):
        if name in columns:
            values[:, k] = [np.nan if cell is None else cell for cell in columns[name]]
    return unit_scale(values)


def _item(path: Path, row: int, cells: dict[str, Any]) -> Item:
    file = cells.get("file") or cells.get("name")
    if file is None:
        file = f"{cells['number']:06d}.jpg" if "number" in cells else f"{path.stem}/{row:06d}"
    person = cells.get("person")
    points = cells.get("landmarks")
    matrix = cells.get("to_crop")
    return Item(
        file=str(file),
        location=ByteLocation(str(path), PICTURE, row),
        # pictures of one name are copies, which must not be in two splits
        person=str(file) if person is None else str(person),
        split=cells.get("split") or "",
        landmarks=None if points is None else np.array(points, float).reshape(5, 2),
        ready=True,
        inside=float(cells.get("inside", 1.0)),
        to_photo=None if matrix is None else _inverse(np.array(matrix, float).reshape(2, 3)),
        photo_size=(int(cells.get("width", 0)), int(cells.get("height", 0))),
        extra={
            name: "" if cell is None else str(cell)
            for name, cell in cells.items()
            if name not in KNOWN and not isinstance(cell, (bytes, list, dict))
        },
        masks={name: cells[name] for name in MASKS if isinstance(cells.get(name), bytes)},
    )


def _inverse(matrix: Any) -> Any:
    return np.linalg.inv(np.vstack([matrix, [0, 0, 1]]))[:2]
