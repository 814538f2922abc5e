"""Files and folders on any of pyarrow's file systems: listed, read, written whole or not at all."""

import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from pyarrow import ArrowInvalid, fs

from facedial.errors import BadRequest

URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")  # two letters or more: not the C: of a drive
# File systems that rename in one step. On others (object stores) a file appears when it is complete.
RENAMING = ("local", "hdfs")


class Entry(NamedTuple):
    """What a folder holds: a file or another folder; `is_link`: to a folder elsewhere."""

    name: str
    is_folder: bool
    is_link: bool
    size: int


@dataclass(frozen=True, slots=True)
class Place:
    """A file or folder: `path` on the file system `system`, without a slash at its end.

    `scheme` (`s3://` or the like, empty for this machine's) goes before `path` where people read it.
    """

    system: Any  # pyarrow.fs.FileSystem
    path: str
    scheme: str = ""

    @staticmethod
    def of(text: str) -> "Place":
        """The place of a URI (`s3://bucket/folder`, `gs://`, `hdfs://`, `file:///`) or of a local path.

        Raises `BadRequest` for a URI that pyarrow has no file system for.
        """
        found = URI.match(text)
        if found is None:
            return Place(fs.LocalFileSystem(), os.path.abspath(text))
        try:
            system, path = fs.FileSystem.from_uri(text)
        except (ArrowInvalid, OSError, ValueError) as error:
            raise BadRequest(
                f"cannot use {text} ({' '.join(str(error).split())}); expected a path, or a URI of a "
                "file system that pyarrow knows, as s3://bucket/folder"
            ) from error
        scheme = "" if system.type_name == "local" else found.group()
        return Place(system, path.rstrip("/") or "/", scheme)

    def __str__(self) -> str:
        return self.scheme + self.path

    @property
    def name(self) -> str:
        """The last part of its path."""
        return self.path.rpartition("/")[2]

    def at(self, name: str) -> "Place":
        """What lies in this folder under that name, which may have slashes."""
        return replace(self, path=f"{self.path.rstrip('/')}/{name}")

    def is_file(self) -> bool:
        """Whether it is a file."""
        return bool(self.system.get_file_info(self.path).type == fs.FileType.File)

    def is_folder(self) -> bool:
        """Whether it is a folder."""
        return bool(self.system.get_file_info(self.path).type == fs.FileType.Directory)

    def entries(self) -> list[Entry]:
        """What the folder holds, sorted by name; nothing where there is no such folder.

        Names on this machine that are no text hold surrogate characters, as Python's.
        """
        if self.system.type_name == "local":
            return self._local_entries()
        found = self.system.get_file_info(fs.FileSelector(self.path, allow_not_found=True))
        rows = [
            Entry(one.base_name, one.type == fs.FileType.Directory, False, one.size or 0)
            for one in found
        ]
        return sorted(rows)

    def _local_entries(self) -> list[Entry]:
        try:
            with os.scandir(self.path) as found:
                rows = []
                for one in found:
                    is_folder = one.is_dir()
                    size = 0 if is_folder or one.is_symlink() else one.stat().st_size
                    rows.append(Entry(one.name, is_folder, one.is_symlink(), size))
        except FileNotFoundError:
            return []
        return sorted(rows)

    def make(self) -> None:
        """Make the folder, and those above it, where they are missing."""
        self.system.create_dir(self.path, recursive=True)

    def opened(self) -> Any:
        """The file, to read anywhere in it (`pyarrow.NativeFile`); raises `OSError`."""
        return self.system.open_input_file(self.path)

    def read(self) -> bytes:
        """All of the file; raises `OSError`."""
        with self.opened() as stream:
            return bytes(stream.read())

    @contextmanager
    def writing(self) -> Iterator[Any]:
        """A stream to write the file's content into, in the file's place when the block succeeds.

        Where the file system renames, the content is under a temporary name until then.  In an object
        store a block that fails may leave an incomplete file: it counts when the manifest says so.
        """
        renames = self.system.type_name in RENAMING
        target = f"{self.path.rpartition('/')[0]}/.{secrets.token_hex(8)}" if renames else self.path
        try:
            with self.system.open_output_stream(target, compression=None) as stream:
                yield stream
            if renames:
                self.system.move(target, self.path)
        except BaseException:
            if renames and self.system.get_file_info(target).type == fs.FileType.File:
                self.system.delete_file(target)
            raise

    def write(self, data: bytes) -> None:
        """Write the file, whole or not at all; raises `OSError`."""
        with self.writing() as stream:
            stream.write(data)

    def remove(self) -> None:
        """Delete the file or the folder with all in it, if it is there."""
        kind = self.system.get_file_info(self.path).type
        if kind == fs.FileType.Directory:
            self.system.delete_dir(self.path)
        elif kind == fs.FileType.File:
            self.system.delete_file(self.path)
