"""`facedial align`: aligned crops with their matrices."""

from pathlib import Path

import click

from facedial.cli import options, outputs, streams
from facedial.cli.batch import Tally, opened
from facedial.cli.options import Face, Output


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
    model: str | None,
    threads: int | None,
) -> int:
    """Save aligned crops of the faces in PHOTOs; --json reports their crop-to-photo matrices."""
    from facedial import strips
    from facedial.editor import Editor

    strips.check_frame(frame)
    tally = Tally()
    inputs = tally.expand(paths, recursive=recursive, leave_out=out.path if out else None)
    plan = outputs.plan(inputs, out, "aligned", overwrite=overwrite, skip_existing=skip_existing)
    tally.skip(plan.skipped)
    with Editor.open(model, threads=threads) as editor:
        for target, (path, attempt) in zip(plan.targets, tally.each(plan.photos), strict=True):
            with attempt:
                for row in strips.save_crops(
                    editor, opened(path), target, frame, size, face, overwrite=overwrite
                ):
                    tally.rows.append({"input": str(path), **row})
                    if not as_json:
                        streams.say(str(row["output"]))
    return tally.finish(as_json=as_json)
