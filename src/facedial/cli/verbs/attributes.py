"""`facedial attributes`: predicted attributes of faces, with the classifier's AUC for each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from facedial.cli import clusters, options, outputs, streams, workers
from facedial.cli.batch import Tally, opened
from facedial.cli.options import Face
from facedial.codes.attributes import NAMES, is_weak

EYES = "eyes_open"

if TYPE_CHECKING:
    from facedial.album.measures import FaceMeasures
    from facedial.editor import Editor
    from facedial.faces.photo import Photo


@dataclass(frozen=True, slots=True)
class Work:
    """Attributes of photos, said as `form`: text, csv, or json (by the caller).

    `measures`: whether box, pose, sharpness and eyes are measured too. `keeps`: whether rows return.
    """

    editor: Editor
    face: Face
    form: str
    measures: bool
    keeps: bool

    @property
    def aucs(self) -> dict[str, float | None]:
        """Attribute -> AUC of its prediction on unseen people."""
        return self.editor.model.classifier_auc()

    def __call__(self, path: Path, _target: Path | None) -> list[dict[str, Any]]:
        """Predict one photo's, say them, and return the rows of the report."""
        rows = []
        for number, found, more in self.faces(opened(path)):
            row = {"input": str(path), "face": number, "attributes": found}
            rows.append({**row, "auc": self.aucs, **more})
            if self.form == "csv":
                values = [f"{value:.3f}" for value in found.values()]
                streams.say_csv([path, number, *values, *more.values()])
            elif self.form == "text":
                _say_face(f"{path}, face {number}", found, self.aucs)
        # Nobody reads rows that have been said: a table of many photos would hold them all.
        return rows if self.keeps else []

    def faces(self, photo: Photo) -> Iterator[tuple[int, dict[str, float], dict[str, Any]]]:
        """Number, attributes and measures of each face of a photo."""
        from facedial.album.measures import measure

        for portrait in self.editor.portraits(photo, self.face):
            found, measured = self.editor.predict_attributes(portrait), None
            if portrait.face is not None and self.measures:
                (measured,) = measure(self.editor, photo, [portrait])
            yield portrait.number, found, _measures(measured)


@click.command()
@options.PHOTOS
@options.FACE
@options.AS_JSON
@options.JSON_LINES
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
@click.option(
    "-o", "--out", type=options.path, metavar="FOLDER", help="With --cluster: where tables go."
)
@options.RECURSIVE_INPUT
@options.OVERWRITE
@options.WORKERS
@clusters.CLUSTER
@options.MODEL
@options.THREADS
def command(
    paths: tuple[Path, ...],
    face: Face,
    as_json: bool,
    json_lines: bool,
    as_csv: bool,
    parquet: Path | None,
    out: Path | None,
    recursive: bool,
    overwrite: bool,
    processes: int | None,
    cluster: str | None,
    model: str | None,
    threads: int | None,
) -> int:
    """Predict 40 attributes of the faces in PHOTOs: probabilities, and AUC on unseen people.

    --json, --csv and --parquet also give box, pose in degrees (roll and yaw from the five landmarks;
    pitch is hardly more than a guess), sharpness and eyes_open: the height of the more open eye over the
    distance of the eyes, about 0.14 for open eyes, to be compared between photos of one person.
    """
    from facedial.album.table import save
    from facedial.editor import Editor
    from facedial.faces.overview import BOX, MEASURES

    if as_json + json_lines + as_csv > 1:
        raise click.UsageError("choose one of --json, --json-lines and --csv")
    if cluster is not None:
        refused = {
            "--json": as_json, "--json-lines": json_lines, "--csv": as_csv,
            "--parquet": parquet is not None, "--overwrite": overwrite,
        }  # fmt: skip
        folder = clusters.folder(out, refused)
        asked = clusters.Asked(cluster, paths, folder, recursive, processes, model, threads)
        return _on_cluster(asked, face)
    if out is not None:
        raise click.UsageError("-o is for --cluster; --parquet saves a table")
    if parquet is not None:
        outputs.table_file(parquet, overwrite=overwrite)
    reports = as_json or json_lines
    tally, table = Tally(as_lines=json_lines, keeps_rows=as_json), []
    inputs = tally.expand(paths, recursive=recursive)
    count = workers.count_for(processes, len(inputs.photos))
    form = "json" if reports else "csv" if as_csv else "text"
    with Editor.open(model, threads=workers.threads_for(threads, count)) as editor:
        kept = reports or parquet is not None
        work = Work(editor, face, form, kept or as_csv, kept)
        columns = (*BOX, *MEASURES, EYES)
        if as_csv:
            streams.say_csv(["file", "face", *work.aucs, *columns])
        tasks: list[workers.Task] = [(path, None) for path in inputs.paths]
        for rows in workers.results(tally, work, tasks, count):
            if reports:
                tally.add(rows)
            if parquet is not None:
                table += [_flat(row) for row in rows]
    if parquet is not None and table:
        save(parquet, table, ("file", "face", *NAMES, *columns))
        streams.tell(str(parquet))
    return tally.finish(as_json=as_json)


def _on_cluster(asked: clusters.Asked, face: Face) -> int:
    from facedial.cluster import job
    from facedial.editor import Editor
    from facedial.faces.overview import BOX, MEASURES

    work = clusters.Attempted(partial(_rows, face))
    with Editor.open(asked.model) as editor:
        model = job.digest(editor)
    columns = job.numbers((*NAMES, *BOX, *MEASURES, EYES))
    return asked.run(
        job.Job("attributes", {"face": face}, work, "attributes", columns, digest=model)
    )


def _rows(face: Face, editor: Editor, photo: Photo) -> clusters.Results:
    """Attributes and measures of a photo's faces."""
    work = Work(editor, face, "json", measures=True, keeps=True)
    rows = [{"face": number, **found, **more} for number, found, more in work.faces(photo)]
    return clusters.Results(rows)


def _measures(one: FaceMeasures | None) -> dict[str, Any]:
    """Box, pose, sharpness and eyes of a face, None where they were not measured."""
    from facedial.faces.overview import BOX, MEASURES

    facts = None if one is None else one.facts
    box = dict(zip(BOX, (None,) * 4 if facts is None else facts.box, strict=True))
    rest = {name: None if facts is None else getattr(facts, name) for name in MEASURES}
    eyes = None if one is None or one.eyes_open is None else round(one.eyes_open, 4)
    return {**box, **rest, EYES: eyes}


def _flat(row: dict[str, Any]) -> dict[str, Any]:
    """A row of the report as one of a table: a column an attribute."""
    rest = {
        name: value for name, value in row.items() if name not in ("input", "attributes", "auc")
    }
    return {"file": row["input"], **row["attributes"], **rest}


def _say_face(title: str, found: dict[str, float], aucs: dict[str, float | None]) -> None:
    """Print the attributes of a face, the most probable first."""
    streams.say(title)
    for name, value in sorted(found.items(), key=lambda item: -item[1]):
        note = "  (low AUC)" if is_weak(aucs[name]) else ""
        streams.say(f"  {value:5.2f}  {name}{note}")
