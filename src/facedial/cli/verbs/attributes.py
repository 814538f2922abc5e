"""`facedial attributes`: predicted attributes of faces, with the classifier's AUC for each."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from facedial.cli import options, streams, workers
from facedial.cli.batch import Tally, opened
from facedial.cli.options import Face
from facedial.codes.attributes import is_weak

if TYPE_CHECKING:
    from facedial.editor import Editor


@dataclass(frozen=True, slots=True)
class Work:
    """Attributes of photos, said as `form`: text, csv, or json (by the caller)."""

    editor: Editor
    face: Face
    form: str

    @property
    def aucs(self) -> dict[str, float | None]:
        """Attribute -> AUC of its prediction on unseen people."""
        return self.editor.model.classifier_auc()

    def __call__(self, path: Path, _target: Path | None) -> list[dict[str, Any]]:
        """Predict one photo's, say them, and return the rows of the report."""
        rows = []
        for portrait in self.editor.portraits(opened(path), self.face):
            number, found = portrait.number, self.editor.predict_attributes(portrait)
            row = {"input": str(path), "face": number, "attributes": found}
            rows.append({**row, "auc": self.aucs})
            if self.form == "csv":
                _say_row([path, number, *(f"{value:.3f}" for value in found.values())])
            elif self.form == "text":
                streams.say(f"{path}, face {number}")
                for name, value in sorted(found.items(), key=lambda item: -item[1]):
                    note = "  (low AUC)" if is_weak(self.aucs[name]) else ""
                    streams.say(f"  {value:5.2f}  {name}{note}")
        # Nobody reads rows that have been said: a table of many photos would hold them all.
        return rows if self.form == "json" else []


@click.command()
@options.PHOTOS
@options.FACE
@options.AS_JSON
@options.JSON_LINES
@click.option("--csv", "as_csv", is_flag=True, help="One line a face, one column an attribute.")
@options.RECURSIVE_INPUT
@options.WORKERS
@options.MODEL
@options.THREADS
def command(
    paths: tuple[Path, ...],
    face: Face,
    as_json: bool,
    json_lines: bool,
    as_csv: bool,
    recursive: bool,
    processes: int | None,
    model: str | None,
    threads: int | None,
) -> int:
    """Predict 40 attributes of the faces in PHOTOs: probabilities, and AUC on unseen people."""
    from facedial.editor import Editor

    if as_json + json_lines + as_csv > 1:
        raise click.UsageError("choose one of --json, --json-lines and --csv")
    tally = Tally(as_lines=json_lines, keeps_rows=as_json)
    inputs = tally.expand(paths, recursive=recursive)
    count = workers.count_for(processes, len(inputs.photos))
    form = "json" if as_json or json_lines else "csv" if as_csv else "text"
    with Editor.open(model, threads=workers.threads_for(threads, count)) as editor:
        work = Work(editor, face, form)
        if as_csv:
            _say_row(["file", "face", *work.aucs])
        tasks: list[workers.Task] = [(path, None) for path in inputs.paths]
        for rows in workers.results(tally, work, tasks, count):
            tally.add(rows)
    return tally.finish(as_json=as_json)


def _say_row(cells: list[Any]) -> None:
    """Print one row of CSV."""
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(cells)
    streams.say(line.getvalue())
