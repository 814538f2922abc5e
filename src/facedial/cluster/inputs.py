"""Photos in folders, tar shards and Parquet files, one after another in a fixed order."""

import itertools
import tarfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import pyarrow
from pyarrow import parquet, types

from facedial.cluster.places import Place
from facedial.errors import BadRequest
from facedial.files import is_picture, is_text

TAR, PARQUET = ".tar", ".parquet"
PACKED = (".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".tar.zst")
AT_ONCE = 16  # shards that are listed at the same time, which is waiting on a network
AHEAD = 256
# Columns of a Parquet file that may hold photos, and their names, the first that there is.
PHOTO_COLUMNS = ("image", "photo", "bytes", "picture", "jpg", "png", "data", "content")
NAME_COLUMNS = ("name", "path", "file", "file_name", "filename", "key", "__key__", "id")


class Kind(IntEnum):
    """What a photo is: a file, a member of a tar file, or a row of a Parquet file."""

    FILE = 0
    MEMBER = 1
    ROW = 2


@dataclass(frozen=True, slots=True)
class Item:
    """One photo: where it is, and its name in the results.

    `key`: its path from what was given, with the shard's name and its own.  `root`: the number of what
    was given, on whose file system `path` is.  `member`: its name in the file.  `offset`, `size`: of its
    bytes in a tar file, in bytes; in a Parquet file the row, and -1.
    """

    key: str
    root: int
    path: str
    kind: int = Kind.FILE
    member: str = ""
    offset: int = 0
    size: int = -1


@dataclass(slots=True)
class LeftOut:
    """How many entries of folders were left out: sub-folders, other files, names that are no text."""

    folders: int = 0
    others: int = 0
    unnamed: int = 0


def items(
    roots: Sequence[Place], *, recursive: bool, left_out: LeftOut, avoid: Place
) -> Iterator[Item]:
    """The photos of `roots`, which are photos, shards, or folders of both; each folder sorted by name.

    `recursive`: with those in sub-folders, but for `avoid` and for links to folders.  Entries of folders
    that are no photos are counted in `left_out`, hidden ones are not.  Raises `BadRequest` for what is
    missing, no shard that can be read, or without photos; `OSError`.
    """
    labels = _labels(roots)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for number, root in enumerate(roots):
            found = 0
            files = _files(root, recursive, left_out, avoid)
            while some := list(itertools.islice(files, AHEAD)):
                one_each = [(number, place, labels[number] + key) for place, key in some]
                # Threads are for shards; a plain file is not opened.
                mapped = pool.map if any(_is_shard(place) for place, _ in some) else map
                for photos in mapped(_photos, one_each):
                    found += len(photos)
                    yield from photos
            if not found:
                raise BadRequest(f"{root} holds no photos; give folders, photos, .tar or .parquet")


def _labels(roots: Sequence[Place]) -> list[str]:
    """What goes before the keys of each root: nothing for one alone, else its name, each another."""
    if len(roots) == 1:
        return [""]
    labels: list[str] = []
    for number, root in enumerate(roots, 1):
        # A photo or shard has its own name in its keys.
        name = root.name if root.is_folder() else ""
        twice = any(root.name == other.name for other in roots if other is not root)
        label = f"{number}-{name}".rstrip("-") if twice else name
        labels.append(f"{label}/" if label else "")
    return labels


def _files(
    root: Place, recursive: bool, left_out: LeftOut, avoid: Place
) -> Iterator[tuple[Place, str]]:
    """Photos and shards of a root, each with its path from it."""
    if root.is_file():
        yield root, root.name
        return
    if not root.is_folder():
        raise BadRequest(f"there is no file or folder {root}")
    waiting = [(root, "")]
    while waiting:
        folder, inside = waiting.pop()
        below = []
        for entry in folder.entries():
            place = folder.at(entry.name)
            if entry.name.startswith("."):
                continue
            if not is_text(entry.name):
                left_out.unnamed += 1
            elif entry.is_folder:
                if not recursive or entry.is_link:
                    left_out.folders += 1
                elif place != avoid:
                    below.append((place, f"{inside}{entry.name}/"))
            elif is_picture(entry.name) or _is_shard(place):
                yield place, inside + entry.name
            else:
                left_out.others += 1
        waiting += reversed(below)


def _is_shard(place: Place) -> bool:
    return place.path.lower().endswith((TAR, PARQUET))


def _photos(one: tuple[int, Place, str]) -> list[Item]:
    """The photo in a file, or those in a shard."""
    number, place, key = one
    ending = place.path.lower()
    if ending.endswith(PACKED):
        raise BadRequest(f"{place} is compressed, which photos are already; give it as plain .tar")
    if ending.endswith(TAR):
        return _members(number, place, key)
    if ending.endswith(PARQUET):
        return _rows(number, place, key)
    return [Item(_safe(key), number, place.path)]


def _safe(key: str) -> str:
    """A key that leads nowhere but down, whatever the names in a shard are.

    >>> _safe("a.tar/../../etc/x.jpg"), _safe("a.tar//b.jpg")
    ('a.tar/etc/x.jpg', 'a.tar/b.jpg')
    """
    return "/".join(part for part in key.split("/") if part not in ("", ".", ".."))


def _members(number: int, place: Place, key: str) -> list[Item]:
    found = []
    try:
        with place.opened() as stream, tarfile.open(fileobj=stream, mode="r:") as tar:
            while (one := tar.next()) is not None:
                tar.members = []  # type: ignore[attr-defined]  # else all headers stay in memory
                if one.isreg() and is_picture(one.name) and is_text(one.name):
                    where = (one.name, one.offset_data, one.size)
                    name = _safe(f"{key}/{one.name}")
                    found.append(Item(name, number, place.path, Kind.MEMBER, *where))
    except tarfile.TarError as error:
        raise BadRequest(f"{place} is no tar file that can be read ({error})") from error
    return found


def _rows(number: int, place: Place, key: str) -> list[Item]:
    try:
        with place.opened() as stream, parquet.ParquetFile(stream) as file:
            count = file.metadata.num_rows
            photo_column(file.schema_arrow, str(place))
            column = name_column(file.schema_arrow)
            names = [""] * count if column is None else _strings(file, column)
    except pyarrow.ArrowInvalid as error:
        raise BadRequest(f"{place} is no Parquet file that can be read ({error})") from error
    found = []
    for row, name in enumerate(names):
        member = name or f"{row:08d}"
        where = (place.path, Kind.ROW, member, row)
        found.append(Item(_safe(f"{key}/{member}"), number, *where))
    return found


def _strings(file: Any, column: str) -> list[str]:
    """A column of texts, or a field of a struct (`image.path`)."""
    outer, _, inner = column.partition(".")
    table = file.read(columns=[column])[outer].to_pylist()
    texts = [(one or {}).get(inner) for one in table] if inner else table
    return [text or "" for text in texts]


def photo_column(schema: Any, name: str) -> str:
    """The column, or the field of a struct, whose bytes are photos; raises `BadRequest`.

    Structs with the field `bytes` are how Hugging Face's data sets store pictures.
    """
    columns: dict[str, str] = {}
    for field in schema:
        if _is_bytes(field.type):
            columns[field.name] = field.name
        elif types.is_struct(field.type):
            index = field.type.get_field_index("bytes")
            if index >= 0 and _is_bytes(field.type.field(index).type):
                columns[field.name] = f"{field.name}.bytes"
    known = [columns[name] for name in PHOTO_COLUMNS if name in columns]
    if len(columns) == 1:
        return next(iter(columns.values()))
    if not known:
        found = f"the columns of bytes {', '.join(columns)}" if columns else "no column of bytes"
        raise BadRequest(f"{name} has {found}; expected one, or one named {PHOTO_COLUMNS[0]}")
    return known[0]


def name_column(schema: Any) -> str | None:
    """The column of the photos' names, or the struct's field `path`; None where there is none."""
    for name in NAME_COLUMNS:
        index = schema.get_field_index(name)
        if index >= 0 and _is_string(schema.field(index).type):
            return name
    for field in schema:
        if types.is_struct(field.type) and field.type.get_field_index("path") >= 0:
            return f"{field.name}.path"
    return None


def _is_bytes(kind: Any) -> bool:
    return bool(types.is_binary(kind) or types.is_large_binary(kind))


def _is_string(kind: Any) -> bool:
    return bool(types.is_string(kind) or types.is_large_string(kind))
