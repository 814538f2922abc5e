"""`facedial attributes`: predicted attributes of faces, with the classifier's AUC for each."""

import csv
import io
from pathlib import Path
from typing import Any

import click

from facedial.cli import options, streams
from facedial.cli.batch import Tally, opened
from facedial.cli.options import Face
from facedial.codes.attributes import is_weak


@click.command()
@options.PHOTOS
@options.FACE
@options.AS_JSON
@click.option("--csv", "as_csv", is_flag=True, help="One line a face, one column an attribute.")
@options.RECURSIVE_INPUT
@options.MODEL
@options.THREADS
def command(
    paths: tuple[Path, ...],
    face: Face,
    as_json: bool,
    as_csv: bool,
    recursive: bool,
    model: str | None,
    threads: int | None,
) -> int:
    """Predict 40 attributes of the faces in PHOTOs: probabilities, and AUC on unseen people."""
    from facedial.editor import Editor

    if as_json and as_csv:
        raise click.UsageError("choose one of --json and --csv")
    tally = Tally()
    inputs = tally.expand(paths, recursive=recursive)
    with Editor.open(model, threads=threads) as editor:
        aucs = editor.model.classifier_auc()
        if as_csv:
            _say_row(["file", "face", *aucs])
        for path, attempt in tally.each(inputs.paths):
            with attempt:
                for portrait in editor.portraits(opened(path), face):
                    number, found = portrait.number, editor.predict_attributes(portrait)
                    row = {"input": str(path), "face": number, "attributes": found}
                    tally.rows.append({**row, "auc": aucs})
                    if as_csv:
                        _say_row([path, number, *(f"{value:.3f}" for value in found.values())])
                    elif not as_json:
                        streams.say(f"{path}, face {number}")
                        for name, value in sorted(found.items(), key=lambda item: -item[1]):
                            note = "  (low AUC)" if is_weak(aucs[name]) else ""
                            streams.say(f"  {value:5.2f}  {name}{note}")
    return tally.finish(as_json=as_json)


def _say_row(cells: list[Any]) -> None:
    """Print one row of CSV."""
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(cells)
    streams.say(line.getvalue())
