"""`facedial decode`: codes to pictures."""

from pathlib import Path

import click

from facedial.cli import options, streams
from facedial.cli.outputs import FD, picture


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
@click.option("--partial", is_flag=True, help="A .fd file that was cut: decode what is there.")
@options.OVERWRITE
@options.SIZE
@options.MODEL
@options.THREADS
def command(
    codes: Path,
    as_grid: bool,
    out: Path | None,
    partial: bool,
    overwrite: bool,
    size: int | None,
    model: str | None,
    threads: int | None,
) -> None:
    """Decode a file of CODES (.npz, .parquet, .fd) to pictures; those of another model are refused."""
    from facedial import coded, strips
    from facedial.codes.code import CodeTable, load_codes
    from facedial.editor import Editor

    target = out or Path("decoded.png" if as_grid else "decoded")
    if as_grid:
        picture(target, overwrite=overwrite)
    table = None if codes.suffix == FD else load_codes(codes)
    with Editor.open(model, threads=threads) as editor:
        editor.size(size)
        if table is None:
            face = coded.load(editor.model, codes, partial=partial)
            if not face.complete:
                streams.warn(f"{codes}: cut or damaged; decoded as far as it goes")
            table = CodeTable.of([face.code], [codes.stem])
        loaded = [table.code(row) for row in range(len(table.names))]
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
