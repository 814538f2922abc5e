"""`facedial faces`: the faces of photos, as `--face` names them."""

import dataclasses
from pathlib import Path

import click

from facedial.cli import options, outputs, streams
from facedial.cli.batch import Tally, opened
from facedial.cli.options import Output
from facedial.cli.outputs import Plan


@click.command()
@options.PHOTOS
@click.option(
    "-o",
    "--out",
    type=options.output,
    metavar="PATH",
    help="Save the photo with numbered boxes: a file for a single photo, otherwise a folder (a slash "
    "at its end names a folder).",
)
@options.RECURSIVE
@options.OVERWRITE
@options.SKIP_EXISTING
@options.AS_JSON
@options.MODEL
@options.THREADS
def command(
    paths: tuple[Path, ...],
    out: Output | None,
    recursive: bool,
    overwrite: bool,
    skip_existing: bool,
    as_json: bool,
    model: str | None,
    threads: int | None,
) -> int:
    """List the faces in PHOTOs: number, box, place from the left, angles, sharpness, score.

    Numbers are those of --face, largest first; boxes are x0,y0..x1,y1 in photo pixels. Yaw is rough:
    from the nose's offset between the eyes, assuming one depth of nose for all. Sharpness is the
    variance of the Laplacian in the aligned crop of 128 pixels; noise raises it too. The score is the
    detector's, 0..1: a low one may be no face.
    """
    from facedial.editor import Editor
    from facedial.faces import overview

    if out is None and (overwrite or skip_existing):
        raise click.UsageError("--overwrite and --skip-existing are for what -o saves; give -o")
    tally = Tally()
    inputs = tally.expand(paths, recursive=recursive, leave_out=out.path if out else None)
    plan, targets = Plan(inputs.paths), {}
    if out is not None:
        plan = outputs.plan(inputs, out, "faces", overwrite=overwrite, skip_existing=skip_existing)
        targets = dict(zip(plan.photos, plan.targets, strict=True))
    tally.skip(plan.skipped)
    with Editor.open(model, threads=threads) as editor:
        for path, attempt in tally.each(plan.photos):
            with attempt:
                target, photo = targets.get(path), opened(path)
                found = editor.faces(photo)
                facts = overview.describe(photo, found)
                row = {"input": str(path)}
                if target is not None:
                    row["output"] = str(target)
                    for note in overview.drawn(photo, found).save(target, overwrite=overwrite):
                        streams.warn(note)
                tally.rows += [{**row, **dataclasses.asdict(one)} for one in facts]
                if as_json:
                    continue
                for one in facts:
                    streams.say(f"{path}, {one.in_words(len(found))}")
                if target is not None:
                    streams.say(str(target))
    return tally.finish(as_json=as_json)
