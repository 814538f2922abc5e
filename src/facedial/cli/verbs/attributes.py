"""`facedial attributes`: predicted attributes of faces, with the classifier's AUC for each."""

import csv
import io
from pathlib import Path
from typing import Any

import click

from facedial.cli import options, outputs, streams
from facedial.cli.batch import Tally, opened
from facedial.cli.options import Face
from facedial.codes.attributes import NAMES, is_weak

BOX = ("x0", "y0", "x1", "y1")
MEASURES = ("eye_distance", "yaw", "pitch", "roll", "sharpness", "inside", "score")


@click.command()
@options.PHOTOS
@options.FACE
@options.AS_JSON
@click.option(
    "--csv",
    "as_csv",
    is_flag=True,
    help="One line a face: attributes, box, pose, sharpness, how open the eyes are.",
)
@click.option(
    "--parquet",
    type=options.path,
    metavar="FILE",
    help="Save the same table as .parquet (extra parquet).",
)
@options.RECURSIVE_INPUT
@options.OVERWRITE
@options.MODEL
@options.THREADS
def command(
    paths: tuple[Path, ...],
    face: Face,
    as_json: bool,
    as_csv: bool,
    parquet: Path | None,
    recursive: bool,
    overwrite: bool,
    model: str | None,
    threads: int | None,
) -> int:
    """Predict 40 attributes of the faces in PHOTOs: probabilities, and AUC on unseen people.

    --json, --csv and --parquet also give box, pose in degrees (roll and yaw from the five landmarks;
    pitch is hardly more than a guess), sharpness and eyes_open: the height of the more open eye over the
    distance of the eyes, about 0.14 for open eyes, to be compared between photos of one person.
    """
    from facedial.album.measures import FaceMeasures, measure
    from facedial.album.table import save
    from facedial.editor import Editor

    if as_json and as_csv:
        raise click.UsageError("choose one of --json and --csv")
    if parquet is not None:
        outputs.table_file(parquet, overwrite=overwrite)
    tally, table = Tally(), []
    inputs = tally.expand(paths, recursive=recursive)

    def row_of(path: Path, number: int, one: FaceMeasures | None) -> dict[str, Any]:
        facts = None if one is None else one.facts
        box = dict(zip(BOX, (None,) * 4 if facts is None else facts.box, strict=True))
        rest = {name: None if facts is None else getattr(facts, name) for name in MEASURES}
        eyes = None if one is None or one.eyes_open is None else round(one.eyes_open, 4)
        return {"file": str(path), "face": number, **box, **rest, "eyes_open": eyes}

    with Editor.open(model, threads=threads) as editor:
        aucs = editor.model.classifier_auc()
        if as_csv:
            columns = (*BOX, *MEASURES, "eyes_open")
            _say_row(["file", "face", *aucs, *columns])
        for path, attempt in tally.each(inputs.paths):
            with attempt:
                photo = opened(path)
                for portrait in editor.portraits(photo, face):
                    number, found = portrait.number, editor.predict_attributes(portrait)
                    measured = None
                    if portrait.face is not None and (as_json or as_csv or parquet):
                        (measured,) = measure(editor, photo, [portrait])
                    row = row_of(path, number, measured)
                    more = {
                        name: value for name, value in row.items() if name not in ("file", "face")
                    }
                    tally.rows.append(
                        {
                            "input": str(path),
                            "face": number,
                            "attributes": found,
                            "auc": aucs,
                            **more,
                        }
                    )
                    table.append({**row, **found})
                    if as_csv:
                        values = [f"{value:.3f}" for value in found.values()]
                        _say_row([path, number, *values, *more.values()])
                    elif not as_json:
                        _say_face(f"{path}, face {number}", found, aucs)
    if parquet is not None and table:
        save(parquet, table, ("file", "face", *NAMES, *BOX, *MEASURES, "eyes_open"))
        streams.tell(str(parquet))
    return tally.finish(as_json=as_json)


def _say_face(title: str, found: dict[str, float], aucs: dict[str, float | None]) -> None:
    """Print the attributes of a face, the most probable first."""
    streams.say(title)
    for name, value in sorted(found.items(), key=lambda item: -item[1]):
        note = "  (low AUC)" if is_weak(aucs[name]) else ""
        streams.say(f"  {value:5.2f}  {name}{note}")


def _say_row(cells: list[Any]) -> None:
    """Print one row of CSV."""
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(cells)
    streams.say(line.getvalue())
