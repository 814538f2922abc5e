"""`facedial demo`: a contact sheet of generated, reconstructed and edited faces."""

import sys
from pathlib import Path

import click

from facedial.cli import options, streams
from facedial.cli.batch import Tally, opened
from facedial.cli.outputs import picture

USUAL = Path("demo.png")


@click.command()
@click.argument("photos", nargs=-1, type=options.path, metavar="[PHOTO...]")
@click.option(
    "-o",
    "--out",
    type=options.path,
    default=USUAL,
    show_default=True,
    help="The sheet; one of the default name is replaced.",
)
@click.option("--seed", default=0, show_default=True, type=click.IntRange(min=0))
@click.option(
    "--show/--no-show", default=None, help="Open the sheet; by default where there is a screen."
)
@options.OVERWRITE
@options.MODEL
@options.THREADS
def command(
    photos: tuple[Path, ...],
    out: Path,
    seed: int,
    show: bool | None,
    overwrite: bool,
    model: str | None,
    threads: int | None,
) -> int:
    """Make a contact sheet of new faces, reconstructions and edits (of PHOTOs, if given)."""
    import os

    from facedial import strips
    from facedial.editor import Editor

    picture(out, overwrite=overwrite or out == USUAL)
    tally = Tally()
    files = tally.expand(photos).paths
    with Editor.open(model, threads=threads) as editor:
        portraits = []
        for path, attempt in tally.each(files):
            with attempt:
                portraits += editor.read(opened(path))
        if photos and not portraits:
            return tally.finish()
        strips.demo(editor, portraits, seed).save(out, overwrite=True)
    streams.say(str(out))
    screen = bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
    if show or (show is None and (screen or sys.platform in ("darwin", "win32"))):
        click.launch(str(out))
    return tally.finish()
