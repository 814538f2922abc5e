"""How an index changes: rows are added and removed in steps, each whole or not at all."""

import os
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from facedial.errors import BadIndex
from facedial.search import table
from facedial.search.entry import PhotoEntry, absolute
from facedial.search.manifest import FACES, PHOTOS, Manifest, Part

PART_PHOTOS = 4000  # of a pair of files, which is written again whenever a photo of it changes
COMMIT_S = 5.0  # after which what has been added is written, so that a killed run loses no more
LOCK = ".lock"


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """The index is this process's to change in the block; raises `BadIndex` where another changes it.

    Where the system has no such locks (Windows), nothing is checked.
    """
    try:
        import fcntl
    except ImportError:
        yield
        return
    with (folder / LOCK).open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise BadIndex(
                f"another process is changing the index {folder}; wait for its end"
            ) from error
        yield


@dataclass(frozen=True, slots=True)
class _Known:
    """A photo of the index: its file's size and time, and the part that has its rows."""

    size: int
    modified: int
    faces: int
    part: int


@dataclass(slots=True)
class Writer:
    """Changes of an index, written by `commit`; `add` does so every `COMMIT_S` seconds."""

    folder: Path
    manifest: Manifest
    _known: dict[str, _Known] = field(default_factory=dict)
    _added: dict[str, PhotoEntry] = field(default_factory=dict)
    _removed: set[str] = field(default_factory=set)
    _committed: float = field(default_factory=time.monotonic)
    _interrupted: bool = False  # a commit was, so that what is here may be half of it

    def __post_init__(self) -> None:
        for part in self.manifest.parts:
            rows = table.read([self.folder / PHOTOS.format(part.number)])
            columns = (rows[name].to_pylist() for name in ("file", "size", "modified", "faces"))
            for file, size, modified, faces in zip(*columns, strict=True):
                self._known[file] = _Known(size, modified, faces, part.number)

    def has(self, path: Path) -> bool:
        """Whether a photo is in the index and its file is as it was: of that size and time."""
        known = self._known.get(absolute(path))
        if known is None:
            return False
        stat = path.stat()
        return (known.size, known.modified) == (stat.st_size, stat.st_mtime_ns)

    def knows(self, path: str | Path) -> bool:
        """Whether a photo is in the index, perhaps as it was before."""
        return absolute(path) in self._known

    def gone(self, under: Iterable[Path]) -> list[str]:
        """Photos of the index, in those folders or named so, whose files no longer exist."""
        bases = {os.path.abspath(one) for one in under}

        def inside(file: str) -> bool:
            return any(file == one or file.startswith(one.rstrip(os.sep) + os.sep) for one in bases)

        return sorted(one for one in self._known if inside(one) and not os.path.exists(one))

    def add(self, entry: PhotoEntry) -> None:
        """Add a photo, in place of what the index has of it."""
        self._added.pop(entry.path, None)
        self._added[entry.path] = entry
        if time.monotonic() - self._committed >= COMMIT_S:
            self.commit()

    def remove(self, files: Iterable[str]) -> None:
        """Remove photos, of those absolute paths."""
        for file in files:
            self._added.pop(file, None)
            if file in self._known:
                self._removed.add(file)

    def commit(self, *, final: bool = False) -> None:
        """Write what has been added and removed since; raises `FacedialError`.

        Where it fails or is interrupted the files are as they were, and nothing is written any more.
        `final`: also delete files that do not count any more, which a search may still be reading.
        """
        if self._interrupted:
            return
        self._interrupted = True
        before = self.manifest.names
        if self._added or self._removed:
            self._drop({*self._added, *self._removed} & self._known.keys())
            entries = list(self._added.values())
            for start in range(0, len(entries), PART_PHOTOS):
                self._append(entries[start : start + PART_PHOTOS])
            self.manifest.state += 1
            self.manifest.save(self.folder, before)
            self._added.clear()
            self._removed.clear()
        if final:
            self.manifest.save(self.folder)
        self._committed = time.monotonic()
        self._interrupted = False

    def _drop(self, files: set[str]) -> None:
        """Write the parts that have rows of those photos again, without them."""
        parts = {self._known.pop(file).part for file in files}
        kept = []
        for part in self.manifest.parts:
            if part.number not in parts:
                kept.append(part)
                continue
            rows = [table.without(rows, sorted(files)) for rows in self._read(part)]
            if len(rows[0]):
                kept.append(self._written(*rows))
        self.manifest.parts = kept

    def _append(self, entries: list[PhotoEntry]) -> None:
        """Write a part of new rows, together with the last part while that is small."""
        manifest = self.manifest
        photos = table.photos_of(entries)
        faces = table.faces_of(entries, manifest.next_id, manifest.sizes)
        manifest.next_id += len(faces)
        last = manifest.parts[-1] if manifest.parts else None
        if last is not None and last.photos + len(photos) <= PART_PHOTOS:
            manifest.parts.pop()
            photos, faces = (
                table.joined([old, new])
                for old, new in zip(self._read(last), (photos, faces), strict=True)
            )
        manifest.parts.append(self._written(photos, faces))
        part = manifest.parts[-1].number
        for one in entries:
            self._known[one.path] = _Known(one.size, one.modified, len(one.faces), part)

    def _read(self, part: Part) -> list[table.Table]:
        return [table.read([self.folder / name.format(part.number)]) for name in (PHOTOS, FACES)]

    def _written(self, photos: table.Table, faces: table.Table) -> Part:
        number = self.manifest.number()
        table.write(self.folder / PHOTOS.format(number), photos)
        table.write(self.folder / FACES.format(number), faces)
        for file in photos["file"].to_pylist():
            if file in self._known:  # it has moved here from another part
                old = self._known[file]
                self._known[file] = _Known(old.size, old.modified, old.faces, number)
        return Part(number, len(photos), len(faces))
