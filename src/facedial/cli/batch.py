"""What verbs over many files share: finding the files, and going on when one of them fails."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from facedial.cli import streams
from facedial.cli.options import DASH
from facedial.errors import BadRequest, FacedialError
from facedial.files import READABLE, is_picture

if TYPE_CHECKING:
    from facedial.faces.photo import Photo

log = logging.getLogger(__name__)


MANY = 20  # photos from which on failures are told once more, and how many


class Input(NamedTuple):
    """A photo to work on; `folder`: where it was found, relative to the folder that was given."""

    path: Path
    folder: Path = Path()


@dataclass(slots=True)
class Inputs:
    """Photos in order, each once; `from_folder`: whether any of what was given is a folder."""

    photos: list[Input]
    from_folder: bool

    @property
    def paths(self) -> list[Path]:
        """The photos' paths."""
        return [photo.path for photo in self.photos]


@dataclass
class Found:
    """What a folder holds: photos, and how many entries were left out."""

    photos: list[Input] = field(default_factory=list)
    folders: int = 0
    others: int = 0

    @property
    def left_out(self) -> str:
        """What was left out, in words; empty where nothing was."""
        parts = []
        if self.folders:
            count = streams.counted(self.folders, "sub-folder")
            parts.append(f"{count} (--recursive includes them)")
        if self.others:
            many = "files that are not pictures"
            parts.append(streams.counted(self.others, "file that is not a picture", many))
        return " and ".join(parts)


@dataclass
class Tally:
    """Results, failures and skipped photos of a batch, reported at its end.

    `as_lines`: results and failures are printed as they come, each as a line of JSON. `keeps_rows`: rows
    are kept for a report at the end; without, memory does not grow with the photos.
    """

    rows: list[dict[str, Any]] = field(default_factory=list)
    failed: list[tuple[str, str]] = field(default_factory=list)
    skipped: list[Path] = field(default_factory=list)
    total: int = 0
    as_lines: bool = False
    keeps_rows: bool = True

    def expand(
        self, paths: Sequence[Path], *, recursive: bool = False, leave_out: Path | None = None
    ) -> Inputs:
        """Files as they are, folders as the pictures in them, sorted; each file once.

        `recursive`: with those in sub-folders, but for the folder `leave_out` (where results go) and
        for links to folders. Says on stderr what was left out, hidden files excepted. A folder that
        cannot be read or holds no pictures counts as an input that failed.
        """
        photos: dict[Path, Input] = {}
        from_folder = False
        for path in paths:
            try:
                if path == DASH or not path.is_dir():
                    photos.setdefault(path, Input(path))
                    continue
                from_folder = True
                found = self._found(path, recursive, leave_out)
            except (OSError, FacedialError) as error:
                self.total += 1
                self.fail(path, _unreadable(path, error))
                continue
            for photo in found:
                photos.setdefault(photo.path, photo)
        return Inputs(list(photos.values()), from_folder)

    def _found(self, path: Path, recursive: bool, leave_out: Path | None) -> list[Input]:
        """Pictures of a folder, sorted, without hidden files; raises where there are none."""
        avoid = None if leave_out is None else os.path.abspath(leave_out)
        found, waiting = Found(), [Path()]
        while waiting:
            inside = waiting.pop()
            try:
                below = _look(path, inside, found, recursive=recursive, avoid=avoid)
            except OSError as error:
                if inside == Path():
                    raise
                self.total += 1
                self.fail(path / inside, _unreadable(path / inside, error))
            else:
                waiting += reversed(below)
        if not found.photos:
            besides = f"; it has {found.left_out}" if found.left_out else ""
            endings = " ".join(sorted(READABLE))
            raise FacedialError(f"the folder {path} holds no pictures ({endings}){besides}")
        if found.left_out:
            streams.warn(f"{path}: left out {found.left_out}")
        return found.photos

    def each(self, paths: Sequence[Path]) -> Iterator[tuple[Path, Attempt]]:
        """Every path with a context that turns its error into a line of the report."""
        self.total += len(paths)
        for path in paths:
            yield path, Attempt(self, path)

    def skip(self, paths: Sequence[Path]) -> None:
        """Say that inputs are skipped, as their results exist."""
        self.skipped += paths
        if paths:
            streams.warn(f"{streams.counted(len(paths), 'photo')} skipped, as the results exist")

    def add(self, rows: Sequence[dict[str, Any]]) -> None:
        """Rows of the report: kept for its end, or printed as lines of JSON."""
        if self.as_lines:
            for row in rows:
                streams.say(json.dumps(row))
        elif self.keeps_rows:
            self.rows += rows

    def fail(self, path: Path, sentence: str, *, say: bool = True) -> None:
        """Say that an input failed, and keep it for the end."""
        self.failed.append((str(path), sentence))
        if say:
            streams.warn(sentence)
        if self.as_lines:
            streams.say(json.dumps({"input": str(path), "error": sentence}))

    @property
    def failures(self) -> list[dict[str, str]]:
        """What failed, for a report in JSON."""
        return [{"input": name, "error": why} for name, why in self.failed]

    def finish(self, *, as_json: bool = False) -> int:
        """Report; returns the exit code: 0, or 1 when any input failed."""
        if as_json:
            report = {"results": self.rows, "failed": self.failures}
            if self.skipped:
                report["skipped"] = [{"input": str(path)} for path in self.skipped]
            streams.say_json(report)
        if self.failed and self.total > 1:
            done = self.total - len(self.failed)
            self._repeat_failures()
            streams.warn(f"{done} of {self.total} done, {len(self.failed)} failed")
        return 1 if self.failed else 0

    def _repeat_failures(self) -> None:
        """After many photos, what failed is told once more, since it has scrolled away."""
        if self.total < MANY:
            return
        for _, sentence in self.failed[:MANY]:
            streams.warn(f"failed: {sentence}")
        if len(self.failed) > MANY:
            streams.warn(f"and {len(self.failed) - MANY} more")


@dataclass
class Attempt:
    """Context of one input: an error inside is recorded as its failure, and the batch continues.

    Errors of the whole run are raised: an interruption, standard output that is closed or full, wrong
    usage, and a `BadRequest` about the only input, which has an exit code of its own.
    """

    tally: Tally
    path: Path

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: object
    ) -> bool:
        of_the_run = (BrokenPipeError, click.ClickException, click.Abort, click.exceptions.Exit)
        if not isinstance(error, Exception) or isinstance(error, of_the_run):
            return False
        if isinstance(error, BadRequest) and self.tally.total == 1:
            return False
        name = streams.STDIN_NAME if self.path == DASH else str(self.path)
        log.info("%s failed", name, exc_info=error)
        self.tally.fail(self.path, streams.sentence_about(name, error))
        return True


def opened(path: Path, data: bytes | None = None) -> Photo:
    """The photo in a file, or in `data` that standard input held; says what was not read of it.

    Raises `BadPhoto`.
    """
    from facedial.faces.photo import Photo

    photo = Photo.open(path) if data is None else Photo.from_bytes(data, streams.STDIN_NAME)
    for note in photo.notes:
        streams.warn(note)
    return photo


def _unreadable(path: Path, error: OSError | FacedialError) -> str:
    reason = error.strerror if isinstance(error, OSError) else None
    return f"cannot read {path}: {reason}" if reason else str(error)


def _look(
    folder: Path, inside: Path, found: Found, *, recursive: bool, avoid: str | None
) -> list[Path]:
    """Add the pictures of `folder / inside` to `found`; returns the sub-folders to look into next."""
    below = []
    with os.scandir(folder / inside) as entries:
        here = sorted(entries, key=lambda entry: entry.name)
    for entry in here:
        if entry.name.startswith("."):
            continue
        if entry.is_dir():
            if os.path.abspath(entry.path) == avoid:
                continue
            if not recursive or entry.is_symlink():
                found.folders += 1
            else:
                below.append(inside / entry.name)
        elif is_picture(entry.name):
            found.photos.append(Input(Path(entry.path), inside))
        else:
            found.others += 1
    return below
