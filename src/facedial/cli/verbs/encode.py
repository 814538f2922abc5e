"""`facedial encode`: photos to codes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from facedial.cli import options, streams, workers
from facedial.cli.batch import Tally, opened
from facedial.cli.options import Face
from facedial.cli.outputs import codes_file

if TYPE_CHECKING:
    from facedial.codes.code import Code
    from facedial.editor import Editor


@dataclass(frozen=True, slots=True)
class Work:
    """Codes of photos, with their names in a table of codes."""

    editor: Editor
    face: Face

    def __call__(self, path: Path, _target: Path | None) -> list[tuple[str, Code]]:
        """Encode one photo's faces."""
        portraits = self.editor.portraits(opened(path), self.face)
        return [
            (path.name if number == 1 else f"{path.name}#{number}", portrait.code)
            for number, portrait in enumerate(portraits, 1)
        ]


@click.command()
@options.PHOTOS
@options.FACE
@click.option("-o", "--out", required=True, type=options.path, help="Codes: .npz or .parquet.")
@options.RECURSIVE_INPUT
@options.OVERWRITE
@options.WORKERS
@options.MODEL
@options.THREADS
def command(
    paths: tuple[Path, ...],
    face: Face,
    out: Path,
    recursive: bool,
    overwrite: bool,
    processes: int | None,
    model: str | None,
    threads: int | None,
) -> int:
    """Encode the faces in PHOTOs as codes of 1,024 numbers, in a file with the id of their code space."""
    from facedial.codes.code import CodeTable, save_codes
    from facedial.editor import Editor

    codes_file(out, overwrite=overwrite)
    tally, codes, names = Tally(), [], []
    inputs = tally.expand(paths, recursive=recursive)
    count = workers.count_for(processes, len(inputs.photos))
    with Editor.open(model, threads=workers.threads_for(threads, count)) as editor:
        tasks: list[workers.Task] = [(path, None) for path in inputs.paths]
        for found in workers.results(tally, Work(editor, face), tasks, count):
            for name, code in found:
                names.append(name)
                codes.append(code)
    if codes:
        save_codes(out, CodeTable.of(codes, names))
        streams.say(str(out))
    return tally.finish()
