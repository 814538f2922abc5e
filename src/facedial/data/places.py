"""Where a picture's bytes lie (folder, zip, tar, Parquet row) and how a worker reads them."""

import gzip
import os
import tarfile
import zipfile
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from facedial.data import tables
from facedial.errors import BadPhoto, BadRequest

TARS = (".tar", ".tar.gz", ".tgz")
# what the readers of archives raise for damaged, encrypted or vanished files
DAMAGE = (OSError, EOFError, LookupError, RuntimeError, ValueError, zipfile.BadZipFile, zlib.error)


@dataclass(frozen=True, slots=True)
class Place:
    """Address of one file's bytes.

    `path`: a plain file (with `member` empty), an archive, or a Parquet file.  `start`: byte offset
    in a tar's (decompressed) stream, or the row of a Parquet file; `length`: bytes.
    """

    path: str
    member: str = ""
    start: int = 0
    length: int = 0


@dataclass(frozen=True, slots=True)
class Entry:
    """A file in a folder or archive: its name there (slashes forward), place, and a change mark."""

    name: str
    place: Place
    mark: str


def is_archive(path: Path) -> bool:
    """Whether the name says zip or tar."""
    return path.suffix.lower() == ".zip" or path.name.lower().endswith(TARS)


def entries(path: Path) -> list[Entry]:
    """All files below a folder or in a zip or tar, sorted by name; raises `BadRequest`."""
    try:
        if path.is_dir():
            found = _in_folder(path)
        elif not path.exists():
            raise BadRequest(f"there is no {path}")
        elif path.suffix.lower() == ".zip":
            found = _in_zip(path)
        elif path.name.lower().endswith(TARS):
            found = _in_tar(path)
        else:
            raise BadRequest(f"{path} is neither a folder nor a zip or tar archive")
    except PermissionError as wrong:
        raise BadRequest(f"no right to read {path}: {tables.first_line(wrong)}") from wrong
    except (OSError, EOFError, zipfile.BadZipFile, tarfile.TarError, zlib.error) as wrong:
        raise BadRequest(
            f"{path} cannot be read as an archive: {tables.first_line(wrong)}"
        ) from wrong
    return sorted(found, key=lambda entry: entry.name)


@dataclass(slots=True)
class Reader:
    """Reads places and keeps the last archive open; one for each worker, closed by `with`."""

    _path: str = ""
    _open: Any = None
    _group: int = -1
    _rows: list[bytes | None] = field(default_factory=list)

    def __enter__(self) -> "Reader":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close what is open."""
        if self._open is not None:
            self._open.close()
        self._path, self._open, self._group, self._rows = "", None, -1, []

    def read(self, place: Place) -> bytes:
        """The bytes at `place`; raises `BadPhoto` when they cannot be had."""
        path = Path(place.path)
        try:
            if not place.member:
                return path.read_bytes()
            if path.suffix.lower() == ".zip":
                archive = self._opened(place.path, zipfile.ZipFile)
                return bytes(archive.read(place.member))
            if path.name.lower().endswith(TARS):
                packed = path.suffix.lower() != ".tar"
                stream: IO[bytes] = self._opened(place.path, gzip.open if packed else open_binary)
                stream.seek(place.start)
                return stream.read(place.length)
            return self._row(place)
        except DAMAGE as wrong:
            self.close()
            raise BadPhoto(f"cannot be read: {tables.first_line(wrong)}") from wrong

    def _opened(self, path: str, opener: Any) -> Any:
        if self._path != path:
            self.close()
            self._open, self._path = opener(path), path
        return self._open

    def _row(self, place: Place) -> bytes:
        parquet = self._opened(place.path, lambda path: tables.open_parquet(Path(path)))
        group, row = 0, place.start
        while row >= parquet.metadata.row_group(group).num_rows:
            row -= parquet.metadata.row_group(group).num_rows
            group += 1
        if group != self._group:
            batch = parquet.read_row_group(group, columns=[place.member])
            self._rows, self._group = batch.column(place.member).to_pylist(), group
        data = self._rows[row]
        if data is None:
            raise BadPhoto("the row has no picture")
        return data


def open_binary(path: str) -> IO[bytes]:
    """Open a file for reading bytes."""
    return Path(path).open("rb")


def _in_folder(path: Path) -> list[Entry]:
    found = []
    for folder, _, files in os.walk(path, onerror=_refuse):
        for file in files:
            full = Path(folder) / file
            name = full.relative_to(path).as_posix()
            found.append(Entry(name, Place(str(full)), str(full.stat().st_size)))
    return found


def _refuse(wrong: OSError) -> None:
    # os.walk leaves out what it may not read unless told otherwise
    raise wrong


def _in_zip(path: Path) -> list[Entry]:
    with zipfile.ZipFile(path) as archive:
        return [
            Entry(info.filename, Place(str(path), info.filename), str(info.CRC))
            for info in archive.infolist()
            if not info.is_dir()
        ]


def _in_tar(path: Path) -> list[Entry]:
    with tarfile.open(path) as archive:
        return [
            Entry(
                member.name.removeprefix("./"),
                Place(str(path), member.name, member.offset_data, member.size),
                f"{member.size}:{member.mtime}",
            )
            for member in archive
            if member.isfile()
        ]
