"""Video clips of `facedial edit`: what of its options holds for them, progress, and the report."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from facedial import video
from facedial.cli import asking, outputs, streams
from facedial.cli.options import DASH, Face, Output
from facedial.errors import BadRequest

if TYPE_CHECKING:
    from facedial.cli.batch import Tally
    from facedial.editing.request import Edit
    from facedial.editor import Editor
    from facedial.video.edit import PersonEdit


def given(paths: Sequence[Path], refused: dict[str, bool]) -> Path | None:
    """The one clip among the inputs, None where all are photos.

    `refused`: options that a clip cannot take -> whether they are given. Raises `UsageError`.
    """
    clips = [path for path in paths if video.is_clip(path)]
    if not clips:
        return None
    if len(paths) > 1:
        raise click.UsageError(f"{clips[0]} is a video clip, which is edited alone; give one file")
    for option, is_given in refused.items():
        if is_given:
            raise click.UsageError(f"{option} is for photos; {clips[0]} is a video clip")
    return clips[0]


def is_skipped(path: Path, out: Output | None, *, skip_existing: bool) -> bool:
    """Whether a clip is left out as its result exists; says so."""
    if not skip_existing or not target(path, out, overwrite=True).exists():
        return False
    streams.warn(f"{path} skipped, as the result exists")
    return True


def target(path: Path, out: Output | None, *, overwrite: bool) -> Path:
    """Where the result of a clip goes, as `outputs.plan` places photos; refused before any work."""
    ending = path.suffix.lower() if path.suffix.lower() in video.WRITABLE else video.WRITABLE[0]
    name = f"{path.stem}-edited{ending}"
    if out is None:
        found = Path(name)
    elif out.path == DASH:
        raise BadRequest("a video clip is not written to standard output; give a file for -o")
    elif out.is_folder or out.path.is_dir() or not out.path.suffix:
        out.path.mkdir(parents=True, exist_ok=True)
        found = out.path / name
    else:
        found = out.path
    if found.suffix.lower() not in video.WRITABLE:
        raise BadRequest(f"cannot write {found}: use one of {' '.join(video.WRITABLE)}")
    return outputs.fresh(found, overwrite=overwrite)


@dataclass(frozen=True, slots=True)
class Job:
    """A clip, the file that it goes to, and the edits of its people, (face, edit)."""

    path: Path
    target: Path
    parts: Sequence[tuple[Face, Edit]]
    method: tuple[str, str]
    overwrite: bool
    explain: bool

    def run(self, editor: Editor, tally: Tally, *, as_json: bool) -> int:
        """Edit the clip with a progress bar, and report; returns the exit code."""
        from facedial.video.job import edit_clip

        with _bars() as told:
            done = edit_clip(
                editor,
                self.path,
                self.target,
                self.parts,
                method=self.method,
                overwrite=self.overwrite,
                told=told,
            )
        name = self.path.name
        if done.people > 1:
            streams.warn(f"{name} shows {done.people} people; --face chooses among them")
        for number, one in zip(done.numbers, done.edits, strict=True):
            self._tell(editor, one)
            row = {"input": str(self.path), "output": str(self.target), "face": number}
            tally.rows.append(
                {
                    **row,
                    "implied": dict(one.change.implied),
                    "strength": one.change.edit.strength,
                    "identity": one.identity,
                }
            )
        if not as_json:
            streams.say(str(self.target))
        return tally.finish(as_json=as_json)

    def _tell(self, editor: Editor, one: PersonEdit) -> None:
        name = self.path.name
        if one.change.implied:
            streams.warn(asking.also_set(one.change.implied, name))
        if not self.explain:
            return
        for attribute, (before, after) in editor.readings(one.change).items():
            streams.tell(f"{name}: {attribute} {before:.2f} -> {after:.2f}")
        if one.identity is not None:
            streams.tell(f"{name}: identity {one.identity:.2f} in the clearest frame")


@contextmanager
def _bars() -> Iterator[Callable[[str, int, int], None]]:
    """A progress bar for each stage on stderr, quiet when stderr is no terminal."""
    from rich.console import Console
    from rich.progress import MofNCompleteColumn, Progress, TimeRemainingColumn

    bar = Progress(
        *Progress.get_default_columns()[:3],
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=Console(file=sys.stderr),
        disable=sys.stderr is None or not sys.stderr.isatty(),
        transient=True,
    )
    tasks: dict[str, Any] = {}

    def told(stage: str, done: int, total: int) -> None:
        if stage not in tasks:
            tasks[stage] = bar.add_task(stage)
        bar.update(tasks[stage], completed=done, total=total or None)

    with bar:
        yield told
