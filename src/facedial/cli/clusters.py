"""`--cluster`: a verb's work on photos given to Ray, and what is said of it."""

from __future__ import annotations

import contextlib
import dataclasses
import importlib.util
import re
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from facedial.cli import streams
from facedial.cli.batch import MANY
from facedial.cli.options import Output
from facedial.cli.progress import bar
from facedial.errors import BadRequest
from facedial.files import ending_of_result

if TYPE_CHECKING:
    from facedial.cluster.job import Job, Made
    from facedial.cluster.run import Prepared
    from facedial.editor import Editor
    from facedial.faces.photo import Photo

ADDRESS = re.compile(r"local|auto|(ray://)?[\w.-]+:\d+")
URI = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):/(?!/)")


class Results(NamedTuple):
    """Rows of a photo's faces, and the photo that is made, if any."""

    rows: Sequence[Mapping[str, Any]]
    photo: Photo | None = None


def address(value: str) -> str:
    """An address of Ray; raises `BadRequest` for what is none, as a photo that follows `--cluster`."""
    if ADDRESS.fullmatch(value):
        return value
    raise BadRequest(
        f"{value} is no address of Ray (local, auto, HOST:PORT); where it is a photo or folder, write "
        f"--cluster local {value}"
    )


CLUSTER = click.option(
    "--cluster",
    is_flag=False,
    flag_value="local",
    metavar="[ADDRESS]",
    type=address,
    help="Work by Ray on any number of photos: folders, .tar and .parquet of photos, URIs as s3://..., "
    "into the folder -o. ADDRESS: local (by default), auto, or HOST:PORT. The same command goes on.",
)


def uri(path: Path) -> str:
    """A path or URI as it was given: `Path` makes one slash of the two or three of a URI.

    >>> uri(Path("s3://bucket/faces")), uri(Path("file:///faces")), uri(Path("a/b"))
    ('s3://bucket/faces', 'file:///faces', 'a/b')
    """
    text = str(path)
    slashes = r"\1:///" if text.startswith("file:") else r"\1://"
    return URI.sub(slashes, text, count=1) if URI.match(text) else text


def folder(out: Output | Path | None, refused: Mapping[str, bool]) -> Path:
    """The folder for results; `refused`: options that do not go with `--cluster`, whether given.

    Raises `UsageError`, and `BadRequest` where Ray is not installed.
    """
    for option, is_given in refused.items():
        if is_given:
            raise click.UsageError(f"{option} does not go with --cluster; leave it out")
    if out is None:
        raise click.UsageError("--cluster needs -o, a folder for its results")
    if importlib.util.find_spec("ray") is None:
        raise BadRequest("--cluster needs Ray: pip install 'facedial[cluster]'")
    return out.path if isinstance(out, Output) else out


@dataclass(frozen=True, slots=True)
class Asked:
    """`--cluster` with the options of every verb that has it."""

    address: str
    paths: Sequence[Path]
    out: Path
    recursive: bool
    workers: int | None
    model: str | None
    threads: int | None

    def run(self, job: Job) -> int:
        """Do a job on all photos, saying how it goes; returns the exit code, 1 where a photo failed."""
        from facedial.cluster import run

        model = self.model
        if model is not None and Path(model).exists():
            model = str(Path(model).absolute())
        job = dataclasses.replace(job, model=model, threads=self.threads or 1)
        inputs, out = [uri(path) for path in self.paths], uri(self.out)
        prepared = run.prepare(job, inputs, out, recursive=self.recursive)
        _say_plan(prepared)
        total, begun = prepared.photos, time.monotonic()
        done = failed = 0
        try:
            # Ray tells of workers that ended on stdout, which is for results.
            with contextlib.redirect_stdout(sys.stderr), bar(total) as advance:
                for entry in run.entries(prepared, address=self.address, workers=self.workers):
                    for _, why in entry["failures"][: max(0, MANY - failed)]:
                        streams.warn(why)
                    done, failed = done + entry["photos"], failed + entry["failed"]
                    advance(entry["photos"])
        except KeyboardInterrupt:
            streams.warn(f"{done} of {streams.counted(total, 'photo')} done until then")
            raise
        took = f"in {time.monotonic() - begun:.0f} s"
        streams.warn(f"{done - failed} of {total} done, {failed} failed, {took}")
        streams.say(out)
        return 1 if failed else 0


def _say_plan(prepared: Prepared) -> None:
    """Say what was left out of the list, and what is done already."""
    left = prepared.left_out
    found = {
        "sub-folder (--recursive includes them)": left.folders,
        "file that is no photo": left.others,
        "name that is no text": left.unnamed,
    }
    for what, count in found.items():
        if count:
            noun, _, rest = what.partition(" ")
            streams.warn(f"left out {streams.counted(count, noun)}{' ' if rest else ''}{rest}")
    run = prepared.plan.run
    if prepared.resumed:
        streams.warn(
            f"goes on with the run in {prepared.plan.manifest.out}: {run.photos - prepared.photos} of "
            f"{streams.counted(run.photos, 'photo')} are done"
        )


@dataclass(frozen=True, slots=True)
class Attempted:
    """The work on one photo as workers do it: what is printed becomes notes, an error one sentence."""

    results: Callable[[Editor, Photo], Results]

    def __call__(self, editor: Editor, data: bytes, name: str) -> Made:
        """What came of the photo in `data`."""
        from facedial.cluster.job import Made
        from facedial.faces.photo import Photo

        lines: list[tuple[bool, str]] = []
        out, err = streams.Recorder(lines, False), streams.Recorder(lines, True)
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                photo = Photo.from_bytes(data, PurePath(name).name)
                found = self.results(editor, photo)
                ending = _ending(name, data)
                picture = None
                if found.photo is not None:
                    picture, notes = found.photo.encoded_with_notes(ending)
                    lines += [(True, note) for note in notes]
            except Exception as error:  # of one photo among millions; an interruption is none
                return Made(error=streams.sentence_about(name, error))
        notes = (*photo.notes, *(line.removeprefix(streams.PREFIX) for _, line in lines))
        return Made([dict(row) for row in found.rows], picture, ending, notes=notes)


def _ending(name: str, data: bytes) -> str:
    """Of a photo's result: the photo's, where such files are written."""
    suffix = PurePath(name).suffix
    return ending_of_result(suffix) if suffix else streams.ending_of(data)
