"""`facedial generate`: new faces."""

from pathlib import Path

import click

from facedial.cli import asking
from facedial.cli.batch import MODEL, OVERWRITE, codes_file, pairs, picture


@click.command()
@click.option(
    "-n",
    "count",
    default=16,
    show_default=True,
    type=click.IntRange(1, 10_000),
    help="How many faces.",
)
@click.option(
    "--seed",
    default=0,
    show_default=True,
    type=click.IntRange(min=0),
    help="Face i depends on the seed and i alone.",
)
@click.option(
    "--first",
    default=0,
    show_default=True,
    type=click.IntRange(0, 10_000_000),
    help="The first i: of a sheet that began at 0, `-n 1 --first 5` draws its sixth face alone.",
)
@click.option(
    "--set",
    "wanted",
    multiple=True,
    metavar="NAME=0..1",
    help="Attribute the faces should have (1) or not (0).",
)
@click.option(
    "--ask", is_flag=True, help="Ask for each attribute in the terminal; Enter leaves it open."
)
@click.option(
    "--exactly",
    is_flag=True,
    help="Want nothing besides: otherwise Gray_Hair=1 sends the other colours away, and says so.",
)
@click.option(
    "--prior",
    help="learned (a flow, where the model has one), gaussian or uniform (0..1, the plain "
    "autoencoders' way); the first that the model has unless named.",
)
@click.option(
    "--temperature",
    type=click.FloatRange(0, 2),
    help="Spread; lower is plainer (learned 0.96, uniform 1, gaussian 0.5 unless given).",
)
@click.option(
    "--guidance",
    type=click.FloatRange(0, 10),
    help="learned: how firmly wishes are followed, 1 as people come (2.1 unless given).",
)
@click.option(
    "--steps",
    type=click.IntRange(1, 200),
    help="learned: steps from noise to face (12 unless given).",
)
@click.option(
    "--tries",
    type=click.IntRange(1, 100),
    help="learned: how often a face is begun at most, anew where it comes out unlike a face; the best "
    "stays (3 unless given).",
)
@click.option(
    "--grid/--single",
    "as_grid",
    default=True,
    show_default=True,
    help="One sheet, or one file a face in the folder -o.",
)
@click.option(
    "--codes", type=click.Path(path_type=Path), help="Save the codes too (.npz or .parquet)."
)
@click.option(
    "-o",
    "--out",
    type=click.Path(path_type=Path),
    help="Default: faces.png, or the folder faces with --single.",
)
@OVERWRITE
@MODEL
def command(
    count: int,
    seed: int,
    first: int,
    wanted: tuple[str, ...],
    ask: bool,
    exactly: bool,
    prior: str | None,
    temperature: float | None,
    guidance: float | None,
    steps: int | None,
    tries: int | None,
    as_grid: bool,
    codes: Path | None,
    out: Path | None,
    overwrite: bool,
    model: str | None,
) -> None:
    """Draw new faces, each with a code, so that they can be edited and morphed."""
    from facedial import strips
    from facedial.codes.attributes import find
    from facedial.codes.code import CodeTable, save_codes
    from facedial.codes.prior import WANTED_RANGE, wanted_labels
    from facedial.editor import Editor

    asked = pairs(wanted, "--set")
    target = out or Path("faces.png" if as_grid else "faces")
    if as_grid:
        picture(target, overwrite=overwrite)
    if codes is not None:
        codes_file(codes, overwrite=overwrite)
    with Editor.open(model) as editor:
        source = editor.prior(prior, guidance=guidance, steps=steps, tries=tries)
        if ask:
            if not source.names:
                raise click.UsageError(
                    f"--ask asks for attributes, and the {source.name} prior knows none"
                )
            given = {find(name).name for name in wanted_labels(asked)}
            known = asking.questions_about(source.names, editor.reliability())
            answers = asking.in_terminal(known, WANTED_RANGE, given, wanted)
            asked = pairs((*wanted, *answers), "--set")
        drawn = editor.generate(
            count,
            seed=seed,
            first=first,
            wanted=asked,
            prior=source,
            temperature=temperature,
            exactly=exactly,
        )
        extra = {} if exactly else editor.also_wanted(asked, source)
        if extra:
            click.echo(asking.also_set(extra), err=True)
        numbers = [f"face-{i:04d}" for i in range(first, first + count)]
        written = strips.save_faces(
            editor, drawn, target, as_grid=as_grid, overwrite=overwrite, names=numbers
        )
        if codes is not None:
            names = [f"seed-{seed}-{number}" for number in numbers]
            save_codes(codes, CodeTable.of(drawn, names))
    for path in written if codes is None else [*written, codes]:
        click.echo(str(path))
