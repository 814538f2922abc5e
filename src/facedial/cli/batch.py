"""What verbs over many files share: which files, where results go, what failed."""

import importlib.util
import json
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click

from facedial.errors import BadRequest, FacedialError
from facedial.files import READABLE, WRITABLE, is_picture

log = logging.getLogger(__name__)

INPUTS = click.argument(
    "paths", nargs=-1, required=True, metavar="PHOTO...", type=click.Path(path_type=Path)
)
MODEL = click.option(
    "--model", metavar="NAME|FOLDER", help="Another bundle than the one in the package."
)
OVERWRITE = click.option("--overwrite", is_flag=True, help="Replace outputs that exist.")
AS_JSON = click.option("--json", "as_json", is_flag=True, help="Report as JSON on stdout.")
FACE = click.option(
    "--face", default="1", show_default=True, metavar="N|all", help="Which face, largest first."
)


@dataclass
class Tally:
    """Counts what went well and keeps what did not; a batch goes on and says so at the end."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    failed: list[tuple[str, str]] = field(default_factory=list)
    total: int = 0

    def expand(self, paths: Sequence[Path]) -> list[Path]:
        """Files as they are, folders as the pictures in them, sorted; each file once.

        A folder that cannot be read or holds no pictures counts as an input that failed.
        """
        found: list[Path] = []
        for path in paths:
            try:
                found += _pictures(path) if path.is_dir() else [path]
            except (OSError, FacedialError) as error:
                reason = error.strerror if isinstance(error, OSError) else None
                self.total += 1
                self.fail(path, f"cannot read {path}: {reason}" if reason else str(error))
        return list(dict.fromkeys(found))

    def each(self, paths: Sequence[Path]) -> Iterator[tuple[Path, "Attempt"]]:
        """Every path with a context that turns its error into a line of the report."""
        self.total += len(paths)
        for path in paths:
            yield path, Attempt(self, path)

    def fail(self, path: Path, sentence: str) -> None:
        """Say that an input failed, and keep it for the end."""
        self.failed.append((str(path), sentence))
        click.echo(f"facedial: {sentence}", err=True)

    @property
    def failures(self) -> list[dict[str, str]]:
        """What failed, for a report in JSON."""
        return [{"input": name, "error": why} for name, why in self.failed]

    def finish(self, *, as_json: bool = False) -> int:
        """Report; returns the exit code: 0, or 1 when any input failed."""
        if as_json:
            click.echo(json.dumps({"results": self.rows, "failed": self.failures}, indent=1))
        if self.failed and self.total > 1:
            done = self.total - len(self.failed)
            click.echo(
                f"facedial: {done} of {self.total} done, {len(self.failed)} failed", err=True
            )
        return 1 if self.failed else 0


@dataclass
class Attempt:
    """Context of one input: a `FacedialError` inside becomes a sentence, the batch goes on.

    A wrong request about the only input is the whole command's error, with its exit code.
    """

    tally: Tally
    path: Path

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: object
    ) -> bool:
        if not isinstance(error, FacedialError):
            return False
        if isinstance(error, BadRequest) and self.tally.total == 1:
            return False
        log.info("%s failed", self.path, exc_info=error)
        self.tally.fail(self.path, str(error))
        return True


def lacking(what: str, error: ImportError) -> click.UsageError:
    """What to say when the packages of the extra `train` are not there."""
    return click.UsageError(
        f"{what} needs more packages ({error.name}); install them with: "
        "pip install 'facedial[train]'"
    )


def _pictures(folder: Path) -> list[Path]:
    """Pictures of a folder, sorted, without hidden files; raises where there are none."""
    inside = sorted(p for p in folder.iterdir() if is_picture(p))
    if not inside:
        raise FacedialError(
            f"the folder {folder} holds no pictures ({', '.join(sorted(READABLE))})"
        )
    return inside


def destinations(
    files: Sequence[Path], out: Path | None, ending: str, *, overwrite: bool
) -> list[Path]:
    """Where the result of each file goes; refused before any work where it must not be written.

    Without `out`: `NAME-ENDING.EXT` in the current folder. `out` with a picture's ending is the
    result of a single file; else `out` is a folder, made when missing. Files of one name from
    several folders get numbers.
    """
    if out is not None and len(files) == 1 and out.suffix and not out.is_dir():
        return [picture(out, overwrite=overwrite)]
    if out is not None and out.is_file():
        raise BadRequest(f"{out} is a file; several results need a folder for -o")
    planned: list[Path] = []
    for path in files:
        suffix = path.suffix if path.suffix.lower() in WRITABLE else ".png"
        numbers = ["", *(f"-{n}" for n in range(2, len(files) + 2))]
        names = (f"{path.stem}{number}-{ending}{suffix}" for number in numbers)
        folder = Path() if out is None else out
        planned.append(next(folder / name for name in names if folder / name not in planned))
    if out is not None and files:
        out.mkdir(parents=True, exist_ok=True)
    return [fresh(path, overwrite=overwrite) for path in planned]


def pairs(assignments: Sequence[str], option: str) -> dict[str, float]:
    """`NAME=NUMBER` options as a table; raises `BadRequest` for a malformed or a second one."""
    table: dict[str, float] = {}
    for assignment in assignments:
        name, equals, text = assignment.partition("=")
        if name.strip() in table:
            raise BadRequest(f"{name.strip()} is given twice; give one amount")
        try:
            table[name.strip()] = float(text)
        except ValueError:
            equals = ""
        if not equals or not name:
            raise BadRequest(f"{option} wants NAME=NUMBER, e.g. Smiling=1, got {assignment!r}")
    return table


def fresh(path: Path, *, overwrite: bool) -> Path:
    """`path`, refused before any work when it exists and is not to be replaced, or cannot be made."""
    if path.is_dir():
        raise BadRequest(f"{path} is a folder; give the name of a file")
    if path.exists() and not overwrite:
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


def codes_file(path: Path, *, overwrite: bool) -> Path:
    """As `fresh`, for a file of codes: refused when its ending or what writes it is missing."""
    if path.suffix not in (".npz", ".parquet"):
        raise BadRequest(f"codes are written as .npz or .parquet, not {path.name!r}")
    if path.suffix == ".parquet" and importlib.util.find_spec("pyarrow") is None:
        raise BadRequest(
            ".parquet needs pyarrow: pip install 'facedial[train]', or use a .npz file"
        )
    return fresh(path, overwrite=overwrite)
