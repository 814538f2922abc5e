"""`facedial encode`: photos to codes."""

from pathlib import Path

import click

from facedial.cli.batch import FACE, INPUTS, MODEL, OVERWRITE, Tally, codes_file


@click.command()
@INPUTS
@FACE
@click.option(
    "-o", "--out", required=True, type=click.Path(path_type=Path), help="Codes: .npz or .parquet."
)
@OVERWRITE
@MODEL
def command(
    paths: tuple[Path, ...], face: str, out: Path, overwrite: bool, model: str | None
) -> int:
    """Turn the faces in PHOTOs into codes of 1,024 numbers, stamped with the model's id."""
    from facedial.codes.code import CodeTable, save_codes
    from facedial.editor import Editor
    from facedial.faces.photo import Photo

    codes_file(out, overwrite=overwrite)
    tally, codes, names = Tally(), [], []
    with Editor.open(model) as editor:
        for path, attempt in tally.each(tally.expand(paths)):
            with attempt:
                for number, portrait in enumerate(editor.portraits(Photo.open(path), face), 1):
                    codes.append(portrait.code)
                    names.append(path.name if number == 1 else f"{path.name}#{number}")
    if codes:
        save_codes(out, CodeTable.of(codes, names))
        click.echo(str(out))
    return tally.finish()
