"""Locations of pictures' bytes: in a folder, a zip, a tar or a Parquet file; and their reader."""

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
# raised by archive readers for damaged, encrypted or missing files
DAMAGE = (OSError, EOFError, LookupError, RuntimeError, ValueError, zipfile.BadZipFile, zlib.error)


@dataclass(frozen=True, slots=True)
class ByteLocation:
    """Where the bytes of one file are.

    `path`: a plain file (`member` is empty), an archive, or a Parquet file. `member`: name in the
    archive, or column of the Parquet file. `start`: byte offset in the decompressed tar, or row of
    the Parquet file. `length`: bytes, of a tar member.
    """

    path: str
    member: str = ""
    start: int = 0
    length: int = 0


@dataclass(frozen=True, slots=True)
class Entry:
    """A file in a folder or archive: relative name (with /), location, size or checksum."""

    name: str
    location: ByteLocation
    fingerprint: str


def is_archive(path: Path) -> bool:
    """Whether the file name is that of a zip or tar."""
    return path.suffix.lower() == ".zip" or path.name.lower().endswith(TARS)


def entries(path: Path) -> list[Entry]:
    """All files below a folder or in a zip or tar, sorted by name.

    Raises `BadRequest` if it is none of these or cannot be read.
    """
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
class ByteReader:
    """Reads locations; keeps the last archive open, so there is one reader for each process."""

    _path: str = ""
    _open: Any = None
    _group: int = -1
    _rows: list[bytes | None] = field(default_factory=list)

    def __enter__(self) -> "ByteReader":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the open archive."""
        if self._open is not None:
            self._open.close()
        self._path, self._open, self._group, self._rows = "", None, -1, []

    def read(self, location: ByteLocation) -> bytes:
        """The bytes at `location`; raises `BadPhoto` if they cannot be read."""
        path = Path(location.path)
        try:
            if not location.member:
                return path.read_bytes()
            if path.suffix.lower() == ".zip":
                archive = self._opened(location.path, zipfile.ZipFile)
                return bytes(archive.read(location.member))
            if path.name.lower().endswith(TARS):
                packed = path.suffix.lower() != ".tar"
                stream: IO[bytes] = self._opened(
                    location.path, gzip.open if packed else open_binary
                )
                stream.seek(location.start)
                return stream.read(location.length)
            return self._row(location)
        except DAMAGE as wrong:
            self.close()
            raise BadPhoto(f"cannot be read: {tables.first_line(wrong)}") from wrong

    def _opened(self, path: str, opener: Any) -> Any:
        if self._path != path:
            self.close()
            self._open, self._path = opener(path), path
        return self._open

    def _row(self, location: ByteLocation) -> bytes:
        parquet = self._opened(location.path, lambda path: tables.open_parquet(Path(path)))
        group, row = 0, location.start
        while row >= parquet.metadata.row_group(group).num_rows:
            row -= parquet.metadata.row_group(group).num_rows
            group += 1
        if group != self._group:
            batch = parquet.read_row_group(group, columns=[location.member])
            self._rows, self._group = batch.column(location.member).to_pylist(), group
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
            found.append(Entry(name, ByteLocation(str(full)), str(full.stat().st_size)))
    return found


def _refuse(wrong: OSError) -> None:
    # by default os.walk skips folders that it may not read
    raise wrong


def _in_zip(path: Path) -> list[Entry]:
    with zipfile.ZipFile(path) as archive:
        return [
            Entry(info.filename, ByteLocation(str(path), info.filename), str(info.CRC))
            for info in archive.infolist()
            if not info.is_dir()
        ]


def _in_tar(path: Path) -> list[Entry]:
    with tarfile.open(path) as archive:
        return [
            Entry(
                member.name.removeprefix("./"),
                ByteLocation(str(path), member.name, member.offset_data, member.size),
                f"{member.size}:{member.mtime}",
            )
            for member in archive
            if member.isfile()
        ]
