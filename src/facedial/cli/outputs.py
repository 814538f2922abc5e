"""Where results go: planned and refused before any work, written whole or not at all."""

import importlib.util
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import click

from facedial.cli import streams
from facedial.cli.batch import Input, Inputs
from facedial.cli.options import DASH, Output
from facedial.errors import BadRequest
from facedial.files import READABLE, WRITABLE, ending_of_result

FD = ".fd"  # a coded face
NAME_BYTES = 255  # the longest file name of most file systems
NUMBER_BYTES = 8  # of it for numbers: of files of one name, of faces in one photo


@dataclass(slots=True)
class Plan:
    """Photos, the file that each one's result goes to, and the photos left out as theirs exists."""

    photos: list[Path] = field(default_factory=list)
    targets: list[Path] = field(default_factory=list)
    skipped: list[Path] = field(default_factory=list)


def plan(
    inputs: Inputs,
    out: Output | None,
    ending: str,
    *,
    overwrite: bool = False,
    skip_existing: bool = False,
) -> Plan:
    """Where the result of each photo goes; refused before any work where it must not be written.

    A file for a single photo where `out` has an ending and is no folder; else a folder, made when
    missing, with the results `NAME-ENDING.EXT`, in sub-folders as the photos are. Without `out` it is
    the current folder. Photos of one name get numbers; names too long for a file system are cut.
    Photos whose results exist are refused, skipped or replaced. Raises `BadRequest`.
    """
    if overwrite and skip_existing:
        raise click.UsageError("choose one of --overwrite and --skip-existing")
    if DASH in inputs.paths or (out is not None and out.is_stdout):
        return _streamed(inputs, out)
    if out is not None and _is_file(inputs, out):
        named: tuple[list[Path], list[Path]] = [picture(out.path, overwrite=True)], []
    else:
        _check_folder(inputs, out)
        named = _named(inputs.photos, Path() if out is None else out.path, ending)
        _spare_photos(inputs, named[0])
    targets, folders = named
    planned, there = Plan(), []
    for photo, target in zip(inputs.paths, targets, strict=True):
        exists = os.path.exists(target)
        if exists and skip_existing and not os.path.isdir(target):
            planned.skipped.append(photo)
            continue
        if exists:
            there.append(target)
        planned.photos.append(photo)
        planned.targets.append(target)
    for target in there:
        fresh(target, overwrite=overwrite, others=len(there) - 1)
    for folder in folders:
        folder.mkdir(parents=True, exist_ok=True)
    return planned


def _spare_photos(inputs: Inputs, targets: Sequence[Path]) -> None:
    """Raise `BadRequest` where a result would replace a photo that is worked on, too."""
    photos = {os.path.realpath(path) for path in inputs.paths}
    for target in targets:
        if os.path.realpath(target) in photos:
            raise BadRequest(
                f"{target}, where a result would go, is one of the photos itself; give another -o"
            )


def _streamed(inputs: Inputs, out: Output | None) -> Plan:
    """One photo of which an end is standard input or output; raises `BadRequest` for several."""
    if len(inputs.photos) != 1 or inputs.from_folder:
        raise BadRequest("- (standard input or output) takes one photo alone")
    target = DASH if out is None else out.path
    if target == DASH:
        streams.check_stdout()
    return Plan(inputs.paths, [target])


def _is_file(inputs: Inputs, out: Output) -> bool:
    """Whether `-o` names the result of a single photo itself."""
    alone = len(inputs.photos) == 1 and not inputs.from_folder
    return alone and not out.is_folder and bool(out.path.suffix) and not out.path.is_dir()


def _check_folder(inputs: Inputs, out: Output | None) -> None:
    """Raise `BadRequest` where `-o` cannot be, or is hardly meant as, a folder for results."""
    if out is None or out.path.is_dir():
        return
    if out.path.exists():
        raise BadRequest(f"{out.path} is a file; several results need a folder for -o")
    if out.path.suffix.lower() in READABLE and not out.is_folder:
        what = "a folder of photos" if inputs.from_folder else "several photos"
        raise BadRequest(
            f"{out.path} is named like a picture, and {what} need a folder for -o; write "
            f"{out.path}{os.sep} where a folder of that name is meant"
        )


class _Names:
    """Names of the results in one folder; no two differ in case alone, which some systems ignore."""

    def __init__(self, ending: str) -> None:
        self._ending = ending
        self._taken: set[str] = set()
        self._numbers: dict[str, int] = {}  # the next to try, so that many of one name stay quick

    def name(self, photo: Path) -> str:
        """`NAME-ENDING.EXT`, numbered where it is taken, cut where it would be too long."""
        stem, suffix = os.path.splitext(photo.name)
        tail = f"-{self._ending}{ending_of_result(suffix)}"
        stem = _cut(stem, NAME_BYTES - NUMBER_BYTES - len(os.fsencode(tail)))
        name = stem + tail
        first = key = name.casefold()
        number = self._numbers.get(first, 2)
        while key in self._taken:
            name = f"{stem}-{number}{tail}"
            key = name.casefold()
            number += 1
        if key != first:
            self._numbers[first] = number
        self._taken.add(key)
        return name


def _named(photos: Sequence[Input], base: Path, ending: str) -> tuple[list[Path], list[Path]]:
    """The result of each photo, and the folders that they lie in, all under `base`."""
    folders: dict[Path, tuple[Path, _Names]] = {}
    targets = []
    for path, inside in photos:
        if inside not in folders:
            folders[inside] = base / inside, _Names(ending)
        folder, names = folders[inside]
        targets.append(folder / names.name(path))
    return targets, [folder for folder, _ in folders.values()]


def _cut(stem: str, most: int) -> str:
    """The beginning of a name, of at most so many bytes."""
    while len(os.fsencode(stem)) > most:
        stem = stem[:-1]
    return stem


def fresh(path: Path, *, overwrite: bool, others: int = 0) -> Path:
    """`path`, refused before any work when it exists and is not to be replaced, or cannot be made.

    `others`: how many more results exist.
    """
    if path.is_dir():
        raise BadRequest(f"{path} is a folder; give the name of a file")
    if path.exists() and not overwrite:
        if others:
            raise BadRequest(
                f"{path} exists, and {streams.counted(others, 'more result')} of this run; give "
                "another -o, --overwrite or --skip-existing"
            )
        raise BadRequest(f"{path} exists; give another name, or --overwrite")
    if not path.parent.is_dir():
        raise BadRequest(
            f"there is no folder {path.parent} to write {path.name} into; make it first"
        )
    return path


def picture(path: Path, *, overwrite: bool) -> Path:
    """As `fresh`, for a picture: its ending must be one that is written."""
    if not path.is_dir() and path.suffix.lower() not in WRITABLE:
        raise BadRequest(f"cannot write {path}: use one of {' '.join(WRITABLE)}")
    return fresh(path, overwrite=overwrite)


def codes_file(path: Path, *, overwrite: bool, coded: bool = False) -> Path:
    """As `fresh`, for a file of codes: refused when its ending or what writes it is missing.

    `coded`: whether it may be a coded face (.fd).
    """
    if path.suffix not in (".npz", ".parquet", *([FD] if coded else [])):
        known = f".npz, .parquet or {FD}" if coded else ".npz or .parquet"
        raise BadRequest(f"codes are written as {known}, not {path.name!r}")
    if path.suffix == FD and importlib.util.find_spec("constriction") is None:
        raise BadRequest(
            f"coded faces ({FD}) need constriction: pip install 'facedial[fd]', or use a .npz file"
        )
    if path.suffix == ".parquet":
        _check_pyarrow("or use a .npz file")
    return fresh(path, overwrite=overwrite)


def table_file(path: Path, *, overwrite: bool) -> Path:
    """As `fresh`, for a table: refused when its ending or what writes it is missing."""
    if path.suffix != ".parquet":
        raise BadRequest(f"this table is written as .parquet, not {path.name!r}")
    _check_pyarrow("or use --csv")
    return fresh(path, overwrite=overwrite)


def _check_pyarrow(otherwise: str) -> None:
    if importlib.util.find_spec("pyarrow") is None:
        raise BadRequest(f".parquet needs pyarrow: pip install 'facedial[parquet]', {otherwise}")
