"""`facedial reconstruct`: what a code keeps of a face."""

from pathlib import Path

import click

from facedial.cli import options, outputs, streams
from facedial.cli.batch import Tally, opened
from facedial.cli.options import Face, Output


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
    size: int | None,
    model: str | None,
    threads: int | None,
) -> int:
    """Save the faces in PHOTOs beside their reconstructions from 1,024 numbers; print PSNR and SSIM."""
    from facedial import strips
    from facedial.editor import Editor

    tally = Tally()
    inputs = tally.expand(paths, recursive=recursive, leave_out=out.path if out else None)
    plan = outputs.plan(
        inputs, out, "reconstructed", overwrite=overwrite, skip_existing=skip_existing
    )
    tally.skip(plan.skipped)
    with Editor.open(model, threads=threads) as editor:
        editor.size(size)
        for target, (path, attempt) in zip(plan.targets, tally.each(plan.photos), strict=True):
            with attempt:
                portraits = editor.portraits(opened(path), face)
                picture, rows = strips.reconstruction_strip(
                    editor, portraits, as_bytes=as_bytes, size=size
                )
                picture.save(target, overwrite=overwrite)
                tally.rows += [{"input": str(path), "output": str(target), **row} for row in rows]
                if not as_json:
                    for row in rows:
                        streams.say(
                            f"{target}: {row['psnr']:.2f} dB, SSIM {row['ssim']:.3f}, "
                            f"{row['bytes']:.0f} bytes"
                        )
    return tally.finish(as_json=as_json)
