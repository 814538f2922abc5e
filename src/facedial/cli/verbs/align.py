"""`facedial align`: aligned crops with their matrices."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from facedial.cli import options, outputs, streams, workers
from facedial.cli.batch import Tally, opened
from facedial.cli.options import Face, Output

if TYPE_CHECKING:
    from facedial.editor import Editor


@dataclass(frozen=True, slots=True)
class Work:
    """Crops of photos on a frame; `quiet`: a report in JSON names them."""

    editor: Editor
    frame: str
    size: int
    face: Face
    overwrite: bool
    quiet: bool

    def __call__(self, path: Path, target: Path | None) -> list[dict[str, Any]]:
        """Save one photo's crops and return the rows of the report."""
        from facedial import strips

        assert target is not None
        rows = []
        for row in strips.save_crops(
            self.editor,
            opened(path),
            target,
            self.frame,
            self.size,
            self.face,
            overwrite=self.overwrite,
        ):
            rows.append({"input": str(path), **row})
            if not self.quiet:
                streams.say(str(row["output"]))
        return rows


@click.command()
@options.PHOTOS
@click.option(
    "--frame",
    default="head",
    show_default=True,
    metavar="head|center150|squash128",
    help="head aligns a detected face; center150 is the photo's middle, squash128 all of it, resized.",
)
@click.option(
    "--size",
    default=128,
    show_default=True,
    type=click.IntRange(16, 2048),
    help="Side of a crop in pixels.",
)
@options.FACE
@options.OUT
@options.RECURSIVE
@options.OVERWRITE
@options.SKIP_EXISTING
@options.AS_JSON
@options.JSON_LINES
@options.WORKERS
@options.MODEL
@options.THREADS
def command(
    paths: tuple[Path, ...],
    frame: str,
    size: int,
    face: Face,
    out: Output | None,
    recursive: bool,
    overwrite: bool,
    skip_existing: bool,
    as_json: bool,
    json_lines: bool,
    processes: int | None,
    model: str | None,
    threads: int | None,
) -> int:
    """Save aligned crops of the faces in PHOTOs; --json reports their crop-to-photo matrices."""
    from facedial import strips
    from facedial.editor import Editor

    strips.check_frame(frame)
    tally = Tally(as_lines=json_lines, keeps_rows=as_json)
    inputs = tally.expand(paths, recursive=recursive, leave_out=out.path if out else None)
    count = workers.count_for(processes, len(inputs.photos))
    plan = outputs.plan(inputs, out, "aligned", overwrite=overwrite, skip_existing=skip_existing)
    tally.skip(plan.skipped)
    with Editor.open(model, threads=workers.threads_for(threads, count)) as editor:
        quiet = as_json or json_lines
        work = Work(editor, frame, size, face, overwrite, quiet)
        tasks = list(zip(plan.photos, plan.targets, strict=True))
        for rows in workers.results(tally, work, tasks, count):
            tally.add(rows)
    return tally.finish(as_json=as_json)
