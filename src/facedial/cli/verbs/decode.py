"""`facedial decode`: codes to pictures."""

from pathlib import Path

import click

from facedial.cli import options, streams
from facedial.cli.outputs import picture


@click.command()
@click.argument("codes", type=options.path)
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
    type=options.path,
    help="Default: decoded.png, or the folder decoded with --single.",
)
@options.OVERWRITE
@options.SIZE
@options.MODEL
@options.THREADS
def command(
    codes: Path,
    as_grid: bool,
    out: Path | None,
    overwrite: bool,
    size: int | None,
    model: str | None,
    threads: int | None,
) -> None:
    """Decode a file of CODES to pictures; codes of another code space are refused."""
    from facedial import strips
    from facedial.codes.code import load_codes
    from facedial.editor import Editor

    target = out or Path("decoded.png" if as_grid else "decoded")
    if as_grid:
        picture(target, overwrite=overwrite)
    table = load_codes(codes)
    loaded = [table.code(row) for row in range(len(table.names))]
    with Editor.open(model, threads=threads) as editor:
        editor.size(size)
        written = strips.save_faces(
            editor,
            loaded,
            target,
            as_grid=as_grid,
            size=size,
            overwrite=overwrite,
            names=table.names,
        )
    for path in written:
        streams.say(str(path))
