"""`facedial edit`: photos changed and pasted back at full size."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from facedial.cli import asking
from facedial.cli.batch import FACE, INPUTS, MODEL, OVERWRITE, Tally, destinations

if TYPE_CHECKING:
    from facedial.codes.edit import Edit
    from facedial.editor import Editor, Portrait

NOTHING = "nothing to change; give --set NAME=0..1 or --add NAME=±x"


@click.command()
@INPUTS
@click.option(
    "--set",
    "targets",
    multiple=True,
    metavar="NAME=0..1",
    help="Target on the person's own scale, up to 1.5; 0 takes away.",
)
@click.option(
    "--add", "shifts", multiple=True, metavar="NAME=±x", help="Shift by standard deviations."
)
@click.option(
    "--keep", multiple=True, metavar="NAME", help="Attribute whose reading must not change."
)
@click.option(
    "--ask",
    is_flag=True,
    help="Ask for each attribute in the terminal, beside what the photo has; Enter keeps it.",
)
@click.option(
    "--exactly",
    is_flag=True,
    help="Change nothing besides: otherwise Mustache=1 takes No_Beard away, and says so.",
)
@click.option("--strength", default=1.0, show_default=True, help="Multiplies the whole change.")
@click.option(
    "--preset", type=click.Path(path_type=Path), help="An edit saved as JSON; options add to it."
)
@click.option(
    "--direction",
    "learned",
    multiple=True,
    type=click.Path(path_type=Path),
    help="A direction of `facedial learn`; its name becomes an attribute.",
)
@click.option(
    "--move",
    default="best",
    show_default=True,
    help="direction (straight lines in code space), flow where the model has one, or for each "
    "attribute the one of both that was measured best.",
)
@click.option(
    "--quality",
    default="best",
    show_default=True,
    help="Of what a flow does: best (the flow, or its student where better) or fast (the student).",
)
@FACE
@click.option(
    "--eyes", metavar="X,Y,X,Y", help="Left and right eye in the picture, where no face is found."
)
@click.option(
    "--explain", is_flag=True, help="Say on stderr how each attribute read before and after."
)
@click.option("--strip", is_flag=True, help="Save a strip: photo, reconstruction, result.")
@click.option(
    "-o", "--out", type=click.Path(path_type=Path), help="Output file, or folder for several."
)
@OVERWRITE
@MODEL
def command(
    paths: tuple[Path, ...],
    targets: tuple[str, ...],
    shifts: tuple[str, ...],
    keep: tuple[str, ...],
    ask: bool,
    exactly: bool,
    strength: float,
    preset: Path | None,
    learned: tuple[Path, ...],
    move: str,
    quality: str,
    face: str,
    eyes: str | None,
    explain: bool,
    strip: bool,
    out: Path | None,
    overwrite: bool,
    model: str | None,
) -> int:
    """Change faces in PHOTOs; every other pixel stays what it was."""
    from facedial import strips
    from facedial.codes.edit import Edit
    from facedial.editor import Editor
    from facedial.faces.photo import Photo

    tally = Tally()
    files = tally.expand(paths)
    if eyes is not None and len(files) > 1:
        raise click.UsageError("--eyes is for one photo")
    if ask and (len(files) > 1 or face == "all"):
        raise click.UsageError("--ask is for one face of one photo")
    with Editor.open(model) as editor:
        editor.add_directions(learned)
        edit = editor.parse(targets, shifts, keep, strength, preset, exactly)
        if edit.is_zero and not (ask and edit.strength):
            raise click.UsageError(NOTHING)
        targeted = destinations(files, out, "edited", overwrite=overwrite)
        ready = editor.portraits(Photo.open(files[0]), face, eyes) if ask and files else []
        if ready:
            # A move that is refused, before any question.
            editor.change(ready[0], Edit(), move, quality)
            answers = _answers(editor, ready[0], edit, targets)
            edit = editor.parse((*targets, *answers), shifts, keep, strength, preset, exactly)
            if edit.is_zero:
                raise click.UsageError(NOTHING)
        for target, (path, attempt) in zip(targeted, tally.each(files), strict=True):
            with attempt:
                photo = ready[0].photo if ready else Photo.open(path)
                portraits = ready or editor.portraits(photo, face, eyes)
                result = photo
                for portrait in portraits:
                    change = editor.change(portrait, edit, move, quality)
                    result = editor.paste(portrait, change, onto=result)
                    changes = editor.readings(change)
                    if change.also:
                        click.echo(asking.also_set(change.also, path.name), err=True)
                    for name, (first, last) in changes.items():
                        if explain:
                            click.echo(f"{path.name}: {name} {first:.2f} -> {last:.2f}", err=True)
                    if all(first == last for first, last in changes.values()):
                        names = ", ".join(changes)
                        click.echo(
                            f"facedial: {path.name} already has what is asked for ({names}), so it "
                            "stays as it is; --add goes further",
                            err=True,
                        )
                if strip:
                    result = strips.of_edit(editor, portraits, result)
                result.save(target, overwrite=overwrite)
                click.echo(str(target))
    return tally.finish()


def _answers(
    editor: "Editor", portrait: "Portrait", edit: "Edit", targets: tuple[str, ...]
) -> list[str]:
    """What is answered about a portrait, as `--set` takes it; not asked is what `edit` names."""
    from facedial.codes.edit import TARGET_RANGE

    own = editor.read_attributes(portrait)
    known = asking.questions_about(editor.directions.names, editor.reliability(), own)
    given = {*edit.targets, *edit.shifts, *edit.keep}
    return asking.in_terminal(known, TARGET_RANGE, given, targets)
