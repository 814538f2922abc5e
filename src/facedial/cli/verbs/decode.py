"""`facedial decode`: codes to pictures."""

from pathlib import Path

import click

from facedial.cli.batch import MODEL, OVERWRITE, picture


@click.command()
@click.argument("codes", type=click.Path(path_type=Path))
@click.option(
    "--grid/--single",
    "as_grid",
    default=True,
    show_default=True,
    help="One sheet, or one file a face in the folder -o.",
)
@click.option(
    "-o",
    "--out",
    type=click.Path(path_type=Path),
    help="Default: decoded.png, or the folder decoded with --single.",
)
@OVERWRITE
@MODEL
def command(
    codes: Path, as_grid: bool, out: Path | None, overwrite: bool, model: str | None
) -> None:
    """Draw the faces of a file of CODES; codes of another model are refused."""
    from facedial import strips
    from facedial.codes.code import load_codes
    from facedial.editor import Editor

    target = out or Path("decoded.png" if as_grid else "decoded")
    if as_grid:
        picture(target, overwrite=overwrite)
    table = load_codes(codes)
    loaded = [table.code(row) for row in range(len(table.names))]
    with Editor.open(model) as editor:
        written = strips.save_faces(
            editor, loaded, target, as_grid=as_grid, overwrite=overwrite, names=table.names
        )
    for path in written:
        click.echo(str(path))
