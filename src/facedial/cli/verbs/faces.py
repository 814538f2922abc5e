"""`facedial faces`: the faces of photos, as `--face` names them."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from facedial.cli import clusters, options, outputs, streams, workers
from facedial.cli.batch import Tally, opened
from facedial.cli.options import Output
from facedial.cli.outputs import Plan

if TYPE_CHECKING:
    from facedial.editor import Editor
    from facedial.faces.photo import Photo


@dataclass(frozen=True, slots=True)
class Work:
    """Faces of photos, listed and drawn; `quiet`: a report in JSON lists them."""

    editor: Editor
    overwrite: bool
    quiet: bool

    def __call__(self, path: Path, target: Path | None) -> list[dict[str, Any]]:
        """List one photo's faces, draw them into `target`, and return the rows of the report."""
        from facedial.faces import overview

        photo = opened(path)
        found = self.editor.faces(photo)
        facts = overview.describe(photo, found)
        row = {"input": str(path)}
        if target is not None:
            row["output"] = str(target)
            for note in overview.drawn(photo, found).save(target, overwrite=self.overwrite):
                streams.warn(note)
        if not self.quiet:
            for one in facts:
                streams.say(f"{path}, {one.in_words(len(found))}")
            if target is not None:
                streams.say(str(target))
        return [{**row, **dataclasses.asdict(one)} for one in facts]


@click.command()
@options.PHOTOS
@click.option(
    "-o",
    "--out",
    type=options.output,
    metavar="PATH",
    help="Save the photo with numbered boxes: a file for a single photo, otherwise a folder (a slash "
    "at its end names a folder). With --cluster: a folder for tables of the faces.",
)
@options.RECURSIVE
@options.OVERWRITE
@options.SKIP_EXISTING
@options.AS_JSON
@options.JSON_LINES
@options.WORKERS
@clusters.CLUSTER
@options.MODEL
@options.THREADS
def command(
    paths: tuple[Path, ...],
    out: Output | None,
    recursive: bool,
    overwrite: bool,
    skip_existing: bool,
    as_json: bool,
    json_lines: bool,
    processes: int | None,
    cluster: str | None,
    model: str | None,
    threads: int | None,
) -> int:
    """List the faces in PHOTOs: number, box, place from the left, angles, sharpness, score.

    Numbers are those of --face, largest first; boxes are x0,y0..x1,y1 in photo pixels. Yaw is rough:
    from the nose's offset between the eyes, assuming one depth of nose for all. Sharpness is the
    variance of the Laplacian in the aligned crop of 128 pixels; noise raises it too. The score is the
    detector's, 0..1: a low one may be no face.
    """
    from facedial.editor import Editor

    if cluster is not None:
        refused = {
            "--json": as_json, "--json-lines": json_lines,
            "--overwrite": overwrite, "--skip-existing": skip_existing,
        }  # fmt: skip
        folder = clusters.folder(out, refused)
        return _on_cluster(
            clusters.Asked(cluster, paths, folder, recursive, processes, model, threads)
        )
    if out is None and (overwrite or skip_existing):
        raise click.UsageError("--overwrite and --skip-existing are for what -o saves; give -o")
    tally = Tally(as_lines=json_lines, keeps_rows=as_json)
    inputs = tally.expand(paths, recursive=recursive, leave_out=out.path if out else None)
    count = workers.count_for(processes, len(inputs.photos))
    plan, targets = Plan(inputs.paths), {}
    if out is not None:
        plan = outputs.plan(inputs, out, "faces", overwrite=overwrite, skip_existing=skip_existing)
        targets = dict(zip(plan.photos, plan.targets, strict=True))
    tally.skip(plan.skipped)
    with Editor.open(model, threads=workers.threads_for(threads, count)) as editor:
        work = Work(editor, overwrite, as_json or json_lines)
        tasks = [(path, targets.get(path)) for path in plan.photos]
        for rows in workers.results(tally, work, tasks, count):
            tally.add(rows)
    return tally.finish(as_json=as_json)


def _on_cluster(asked: clusters.Asked) -> int:
    from facedial.cluster import job
    from facedial.editor import Editor
    from facedial.faces.overview import FaceFacts

    names = [one.name for one in dataclasses.fields(FaceFacts) if one.name not in ("face", "box")]
    with Editor.open(asked.model) as editor:
        model = job.digest(editor)
    work = clusters.Attempted(_rows)
    return asked.run(job.Job("faces", {}, work, "faces", job.faces(names), digest=model))


def _rows(editor: Editor, photo: Photo) -> clusters.Results:
    """Measures of a photo's faces."""
    from facedial.faces import overview

    facts = overview.describe(photo, editor.faces(photo))
    return clusters.Results([dataclasses.asdict(one) for one in facts])
