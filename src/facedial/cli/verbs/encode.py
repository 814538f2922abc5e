"""`facedial encode`: photos to codes."""

from pathlib import Path

import click

from facedial.cli import options, streams
from facedial.cli.batch import Tally, opened
from facedial.cli.options import Face
from facedial.cli.outputs import codes_file


@click.command()
@options.PHOTOS
@options.FACE
@click.option("-o", "--out", required=True, type=options.path, help="Codes: .npz or .parquet.")
@options.RECURSIVE_INPUT
@options.OVERWRITE
@options.MODEL
@options.THREADS
def command(
    paths: tuple[Path, ...],
    face: Face,
    out: Path,
    recursive: bool,
    overwrite: bool,
    model: str | None,
    threads: int | None,
) -> int:
    """Encode the faces in PHOTOs as codes of 1,024 numbers, in a file with the id of their code space."""
    from facedial.codes.code import CodeTable, save_codes
    from facedial.editor import Editor

    codes_file(out, overwrite=overwrite)
    tally, codes, names = Tally(), [], []
    inputs = tally.expand(paths, recursive=recursive)
    with Editor.open(model, threads=threads) as editor:
        for path, attempt in tally.each(inputs.paths):
            with attempt:
                for number, portrait in enumerate(editor.portraits(opened(path), face), 1):
                    codes.append(portrait.code)
                    names.append(path.name if number == 1 else f"{path.name}#{number}")
    if codes:
        save_codes(out, CodeTable.of(codes, names))
        streams.say(str(out))
    return tally.finish()
