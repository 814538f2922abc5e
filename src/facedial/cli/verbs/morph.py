"""`facedial morph`: a walk between faces."""

from pathlib import Path

import click

from facedial.cli.batch import MODEL, OVERWRITE, fresh


@click.command()
@click.argument("first", type=click.Path(path_type=Path))
@click.argument("last", type=click.Path(path_type=Path))
@click.option(
    "--through", multiple=True, type=click.Path(path_type=Path), help="Photos to pass on the way."
)
@click.option(
    "--steps",
    default=24,
    show_default=True,
    type=click.IntRange(2, 1000),
    help="Frames from one face to the next.",
)
@click.option("--per-second", default=12.0, show_default=True, type=click.FloatRange(1, 60))
@click.option(
    "-o",
    "--out",
    type=click.Path(path_type=Path),
    default=Path("morph.webp"),
    show_default=True,
    help=".gif, .webp, .png, .mp4 (extra video), or a folder for frames.",
)
@click.option(
    "--straight",
    is_flag=True,
    help="Fade over: straight lines between the codes, also where the model has a flow.",
)
@OVERWRITE
@MODEL
def command(
    first: Path,
    last: Path,
    through: tuple[Path, ...],
    steps: int,
    per_second: float,
    out: Path,
    straight: bool,
    overwrite: bool,
    model: str | None,
) -> None:
    """Walk from the face in FIRST to the face in LAST."""
    from facedial import strips
    from facedial.editor import Editor
    from facedial.faces.photo import Photo

    if out.suffix:
        fresh(out, overwrite=overwrite)
    strips.check_walk(out, per_second, overwrite=overwrite)
    with Editor.open(model) as editor:
        faces = [editor.read(Photo.open(path))[0] for path in (first, *through, last)]
        codes = editor.walk(faces, steps, straight=straight)
        strips.save_walk(editor, codes, out, per_s=per_second, overwrite=overwrite)
    click.echo(str(out))
