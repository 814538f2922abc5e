"""`facedial morph`: latent interpolation between faces."""

from pathlib import Path

import click

from facedial.cli import options, streams
from facedial.cli.batch import opened
from facedial.cli.outputs import fresh


@click.command()
@click.argument("first", type=options.path)
@click.argument("last", type=options.path)
@click.option(
    "--through", multiple=True, type=options.path, help="A photo between them; may be repeated."
)
@click.option(
    "--steps",
    default=24,
    show_default=True,
    type=click.IntRange(2, 1000),
    help="Frames from one face to the next.",
)
@click.option(
    "--per-second",
    default=12.0,
    show_default=True,
    type=click.FloatRange(1, 60),
    help="Frames a second.",
)
@click.option(
    "-o",
    "--out",
    type=options.path,
    default=Path("morph.webp"),
    show_default=True,
    help=".gif, .webp, .png, .mp4 (extra video), or a folder for frames.",
)
@click.option(
    "--linear",
    is_flag=True,
    help="Interpolate codes linearly (faces fade into each other), also where the model has a flow.",
)
@options.OVERWRITE
@options.SIZE
@options.MODEL
@options.THREADS
def command(
    first: Path,
    last: Path,
    through: tuple[Path, ...],
    steps: int,
    per_second: float,
    out: Path,
    linear: bool,
    overwrite: bool,
    size: int | None,
    model: str | None,
    threads: int | None,
) -> None:
    """Interpolate from the face in FIRST to the face in LAST, as an animation or as frames."""
    from facedial import strips
    from facedial.editor import Editor

    if out.suffix:
        fresh(out, overwrite=overwrite)
    strips.check_interpolation(out, per_second, overwrite=overwrite)
    with Editor.open(model, threads=threads) as editor:
        editor.size(size)
        faces = [editor.read(opened(path))[0] for path in (first, *through, last)]
        codes = editor.interpolate(faces, steps, linear=linear)
        strips.save_interpolation(
            editor, codes, out, per_s=per_second, size=size, overwrite=overwrite
        )
    streams.say(str(out))
