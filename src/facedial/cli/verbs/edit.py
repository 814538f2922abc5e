"""`facedial edit`: faces changed in photos of any size."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

import click

from facedial import video
from facedial.cli import asking, by_face, clips, clusters, options, outputs, workers
from facedial.cli.batch import Tally, opened
from facedial.cli.by_face import FaceSettings
from facedial.cli.edits import Work, on_cluster
from facedial.cli.options import DASH, Amount, EditOptions, Eyes, Face, Output

if TYPE_CHECKING:
    from facedial.editing.request import Edit
    from facedial.editor import Editor
    from facedial.portrait import Portrait

NOTHING = "nothing to change; give --set NAME=0..1, --add NAME=±x or --hair-colour #RRGGBB"


@click.command(cls=by_face.ByFace)
@click.argument("paths", nargs=-1, required=True, metavar="PHOTO...", type=options.path_or_dash)
@click.option(
    "--set",
    "targets",
    multiple=True,
    metavar="NAME=0..1",
    type=options.amount,
    help="Target value of an attribute: 0 as people without it, 1 as people with it (-0.5..1.5).",
)
@click.option(
    "--add",
    "shifts",
    multiple=True,
    metavar="NAME=±x",
    type=options.amount,
    help="Shift an attribute by x standard deviations.",
)
@click.option(
    "--hair-colour",
    metavar="#RRGGBB",
    help="Colour that the hair takes; quote it, as in '#7a3318'. For natural ones --set Blond_Hair=1 and "
    "its like fit the light of the photo.",
)
@click.option(
    "--lens-darkness",
    type=float,
    metavar="0..1",
    help="Of glasses: 0 clear, 1 sunglasses. Glasses put on by --set Eyeglasses=1 are clear by default.",
)
@click.option(
    "--keep", multiple=True, metavar="NAME", help="Attribute whose predicted value must not change."
)
@click.option(
    "--ask",
    is_flag=True,
    help="Ask for each attribute in the terminal, with its predicted probability; Enter keeps it.",
)
@click.option(
    "--exactly",
    is_flag=True,
    help="Set no implied attributes: otherwise Mustache=1 sets No_Beard=0 too, and says so.",
)
@click.option(
    "--strength", default=1.0, show_default=True, help="Factor on the whole change, 0..3."
)
@click.option(
    "--min-identity",
    type=float,
    metavar="0..1",
    help="Least cosine of identity between face and result: the strength is lowered until it is kept. 1 "
    "is the same picture; --explain prints it.",
)
@click.option(
    "--preset", type=options.path, help="An edit saved as JSON; other options win over it."
)
@click.option(
    "--direction",
    "learned",
    multiple=True,
    type=options.path,
    help="A direction saved by `facedial learn`; its name can be used like an attribute's.",
)
@click.option(
    "--method",
    default="best",
    show_default=True,
    help="direction: a step along a line in code space; flow: inversion and generation by the flow, "
    "where the model has one; best: for each attribute the better of both, as measured.",
)
@click.option(
    "--quality",
    default="best",
    show_default=True,
    help="Of edits by the flow: best, or fast (always the distilled editor).",
)
@options.FACE
@options.EYES
@click.option(
    "--explain",
    is_flag=True,
    help="Print on stderr each attribute's predicted value before and after, and the identity kept.",
)
@click.option(
    "--strip", is_flag=True, help="Save crop, reconstruction and edited crop side by side instead."
)
@click.option(
    "-o",
    "--out",
    type=options.output_or_dash,
    metavar="PATH",
    help="Output file for a single photo; otherwise a folder (a slash at its end names a folder). "
    "- is standard output, and PHOTO - standard input.",
)
@click.option(
    "--format",
    "ending",
    type=click.Choice(options.FORMATS),
    help="Format of what is written to standard output; by default the photo's, or PNG.",
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
@click.pass_context
def command(
    ctx: click.Context,
    paths: tuple[Path, ...],
    targets: tuple[Amount, ...],
    shifts: tuple[Amount, ...],
    hair_colour: str | None,
    lens_darkness: float | None,
    keep: tuple[str, ...],
    ask: bool,
    exactly: bool,
    strength: float,
    min_identity: float | None,
    preset: Path | None,
    learned: tuple[Path, ...],
    method: str,
    quality: str,
    face: Face,
    eyes: Eyes | None,
    explain: bool,
    strip: bool,
    out: Output | None,
    ending: str | None,
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
    """Change faces in PHOTOs; pixels outside the edited faces stay as they are.

    Several faces with settings of their own: --face 1 --set Smiling=1 --face 2 --preset FILE. What stands
    before the first --face holds for all that are named, unless they have it otherwise.
    """
    from facedial.editing.learn import Learned
    from facedial.editor import Editor

    parts = by_face.settings(ctx)
    asked = EditOptions(
        targets, shifts, keep, strength, exactly, preset, hair_colour, lens_darkness, min_identity
    )
    if cluster is not None:
        refused = {
            "--eyes": eyes is not None, "--ask": ask, "--format": ending is not None,
            "--overwrite": overwrite, "--skip-existing": skip_existing, "--json": as_json,
            "--json-lines": json_lines, "a video clip": any(map(video.is_clip, paths)),
        }  # fmt: skip
        folder = clusters.folder(out, refused)
        given = clusters.Asked(cluster, paths, folder, recursive, processes, model, threads)
        with Editor.open(model) as plain:
            steps = [Learned.load(path) for path in learned]
            editor = plain.with_learned(steps)
            edits = _edits(editor, parts, asked, False, (method, quality))
            chosen = [one.face for one in parts] or face
            work = Work(editor, edits, method, quality, explain, strip, chosen, quiet=True)
        return on_cluster(given, work, steps)
    for_photos = {
        "--eyes": eyes is not None, "--ask": ask, "--strip": strip, "--json-lines": json_lines,
        "--format": ending is not None, "--workers": processes is not None,
    }  # fmt: skip
    clip = clips.given(paths, for_photos)
    if clip is not None and clips.is_skipped(clip, out, skip_existing=skip_existing):
        return 0
    tally = Tally(as_lines=json_lines, keeps_rows=as_json)
    inputs = tally.expand(paths, recursive=recursive, leave_out=out.path if out else None)
    count = workers.count_for(processes, len(inputs.photos))
    alone = len(inputs.photos) < 2 and not parts
    if eyes is not None and not alone:
        raise click.UsageError("--eyes is for one face of one photo")
    if ask and (not alone or face == "all" or DASH in inputs.paths):
        raise click.UsageError("--ask is for one face of one photo, which cannot be -")
    with Editor.open(model, threads=workers.threads_for(threads, count)) as opened_editor:
        editor = opened_editor.with_learned([Learned.load(path) for path in learned])
        chosen = [one.face for one in parts] or face
        edits = _edits(editor, parts, asked, ask, (method, quality))
        if clip is not None:
            meant = list(zip([one.face for one in parts] or [face], edits, strict=True))
            to = clips.target(clip, out, overwrite=overwrite)
            done = clips.Job(clip, to, meant, (method, quality), overwrite, explain)
            return done.run(editor, tally, as_json=as_json)
        plan = outputs.plan(inputs, out, "edited", overwrite=overwrite, skip_existing=skip_existing)
        if ending is not None and DASH not in plan.targets:
            raise click.UsageError("--format is for -o -; a file's format is its ending's")
        if (as_json or json_lines) and DASH in plan.targets:
            raise click.UsageError("--json and -o - both write to standard output; give one")
        tally.skip(plan.skipped)
        if count == 1:
            editor.prepare(edits, method)
        work = Work(editor, edits, method, quality, explain, strip, chosen, eyes, ending, overwrite)
        work = dataclasses.replace(work, quiet=as_json or json_lines)
        if ask and plan.photos:
            ready = editor.portraits(opened(plan.photos[0]), face, eyes)
            answered = _with_answers(work, ready[0], asked)
            work = dataclasses.replace(work, edits=(answered,), ready=tuple(ready))
        tasks = list(zip(plan.photos, plan.targets, strict=True))
        for rows in workers.results(tally, work, tasks, count):
            tally.add(rows)
    return tally.finish(as_json=as_json)


def _edits(
    editor: Editor,
    parts: list[FaceSettings],
    asked: EditOptions,
    ask: bool,
    method: tuple[str, str],
) -> tuple[Edit, ...]:
    """The edit of each face that is given settings of its own, or the one that all options ask for."""
    names = editor.model.directions.names
    edits = tuple(one.edit(names) for one in parts) or (asked.edit(names),)
    for i, edit in enumerate(edits):
        editor.check(edit, *method)
        if edit.is_zero and not (ask and edit.strength):
            raise click.UsageError(f"--face {parts[i].face}: {NOTHING}" if parts else NOTHING)
    return edits


def _with_answers(work: Work, portrait: Portrait, asked: EditOptions) -> Edit:
    """The edit with what is answered about a portrait; what it names already is not asked for."""
    from facedial.editing.request import TARGET_RANGE

    editor, edit = work.editor, work.edits[0]
    probabilities = editor.predict_attributes(portrait)
    names = editor.model.directions.names
    questions = asking.questions_about(names, editor.model.classifier_auc(), probabilities)
    given = {*edit.targets, *edit.shifts, *edit.keep}
    answers = asking.in_terminal(questions, TARGET_RANGE, given, asked.targets)
    edit = dataclasses.replace(asked, targets=(*asked.targets, *answers)).edit(names)
    if edit.is_zero:
        raise click.UsageError(NOTHING)
    return edit
