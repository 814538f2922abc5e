"""`facedial reconstruct`: what a code keeps of a face."""

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
    """Reconstructions of photos; `quiet`: a report in JSON tells how near they are."""

    editor: Editor
    as_bytes: bool
    size: int | None
    face: Face
    overwrite: bool
    quiet: bool

    def __call__(self, path: Path, target: Path | None) -> list[dict[str, Any]]:
        """Save one photo's strip and return the rows of the report."""
        from facedial import strips

        assert target is not None
        portraits = self.editor.portraits(opened(path), self.face)
        picture, rows = strips.reconstruction_strip(
            self.editor, portraits, as_bytes=self.as_bytes, size=self.size
        )
        picture.save(target, overwrite=self.overwrite)
        if not self.quiet:
            for row in rows:
                streams.say(
                    f"{target}: {row['psnr']:.2f} dB, SSIM {row['ssim']:.3f}, "
                    f"{row['bytes']:.0f} bytes"
                )
        return [{"input": str(path), "output": str(target), **row} for row in rows]


@click.command()
@options.PHOTOS
@click.option(
    "--bytes", "as_bytes", is_flag=True, help="Quantize the code to one byte a number first."
)
@options.FACE
@options.OUT
@options.RECURSIVE
@options.OVERWRITE
@options.SKIP_EXISTING
@options.AS_JSON
@options.JSON_LINES
@options.WORKERS
@options.SIZE
@options.MODEL
@options.THREADS
def command(
    paths: tuple[Path, ...],
    as_bytes: bool,
    face: Face,
    out: Output | None,
    recursive: bool,
    overwrite: bool,
    skip_existing: bool,
    as_json: bool,
    json_lines: bool,
    processes: int | None,
    size: int | None,
    model: str | None,
    threads: int | None,
) -> int:
    """Save the faces in PHOTOs beside their reconstructions from 1,024 numbers; print PSNR and SSIM."""
    from facedial.editor import Editor

    tally = Tally(as_lines=json_lines, keeps_rows=as_json)
    inputs = tally.expand(paths, recursive=recursive, leave_out=out.path if out else None)
    count = workers.count_for(processes, len(inputs.photos))
    plan = outputs.plan(
        inputs, out, "reconstructed", overwrite=overwrite, skip_existing=skip_existing
    )
    tally.skip(plan.skipped)
    with Editor.open(model, threads=workers.threads_for(threads, count)) as editor:
        editor.size(size)
        work = Work(editor, as_bytes, size, face, overwrite, as_json or json_lines)
        tasks = list(zip(plan.photos, plan.targets, strict=True))
        for rows in workers.results(tally, work, tasks, count):
            tally.add(rows)
    return tally.finish(as_json=as_json)
