"""`facedial demo`: a contact sheet of generated, reconstructed and edited faces."""

import sys
from pathlib import Path

import click

from facedial.cli.batch import MODEL, OVERWRITE, Tally, picture

USUAL = Path("demo.png")


@click.command()
@click.argument("photos", nargs=-1, type=click.Path(path_type=Path), metavar="[PHOTO...]")
@click.option(
    "-o",
    "--out",
    type=click.Path(path_type=Path),
    default=USUAL,
    show_default=True,
    help="The sheet; the default is renewed if it exists.",
)
@click.option("--seed", default=0, show_default=True, type=click.IntRange(min=0))
@click.option(
    "--show/--no-show", default=None, help="Open the sheet; by default where a screen is there."
)
@OVERWRITE
@MODEL
def command(
    photos: tuple[Path, ...],
    out: Path,
    seed: int,
    show: bool | None,
    overwrite: bool,
    model: str | None,
) -> int:
    """Make a contact sheet in under a minute: new faces, reconstructions, edits (of PHOTOs, if given)."""
    import os

    from facedial import strips
    from facedial.editor import Editor
    from facedial.faces.photo import Photo

    picture(out, overwrite=overwrite or out == USUAL)
    tally = Tally()
    files = tally.expand(photos)
    with Editor.open(model) as editor:
        portraits = []
        for path, attempt in tally.each(files):
            with attempt:
                portraits += editor.read(Photo.open(path))
        if photos and not portraits:
            return tally.finish()
        strips.demo(editor, portraits, seed).save(out, overwrite=True)
    click.echo(str(out))
    screen = bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
    if show or (show is None and (screen or sys.platform in ("darwin", "win32"))):
        click.launch(str(out))
    return tally.finish()
