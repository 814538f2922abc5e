"""`facedial generate`: new faces."""

from pathlib import Path

import click

from facedial.cli import asking, options, streams
from facedial.cli.options import Amount
from facedial.cli.outputs import codes_file, picture


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
    help="Random seed; face i depends on the seed and i alone.",
)
@click.option(
    "--first",
    default=0,
    show_default=True,
    type=click.IntRange(0, 10_000_000),
    help="The first i: `-n 1 --first 5` is the sixth face of a sheet that starts at 0.",
)
@click.option(
    "--set",
    "targets",
    multiple=True,
    metavar="NAME=0..1",
    type=options.amount,
    help="Condition: an attribute that the faces should have (1) or not (0).",
)
@click.option(
    "--ask", is_flag=True, help="Ask for each attribute in the terminal; Enter leaves it open."
)
@click.option(
    "--exactly",
    is_flag=True,
    help="Set no implied attributes: otherwise Gray_Hair=1 sets the other colours to 0, and says so.",
)
@click.option(
    "--prior",
    help="learned (the flow, where the model has one), gaussian, or uniform (codes uniform in 0..1); "
    "by default the first of them that the model has.",
)
@click.option(
    "--temperature",
    type=click.FloatRange(0, 2),
    help="Factor on the noise; lower is less varied (default: learned 0.96, uniform 1, gaussian 0.5).",
)
@click.option(
    "--guidance",
    type=click.FloatRange(0, 10),
    help="learned: classifier-free guidance scale, 1 for none (default: 2.1).",
)
@click.option(
    "--steps",
    type=click.IntRange(1, 200),
    help="learned: solver steps (default: 12).",
)
@click.option(
    "--max-attempts",
    type=click.IntRange(1, 100),
    help="learned: rejection sampling: a face whose score is too low is drawn again, at most so many "
    "times in all; the best is kept (default: 3).",
)
@click.option(
    "--grid/--single",
    "as_grid",
    default=True,
    show_default=True,
    help="One sheet, or one file a face in the folder -o.",
)
@click.option("--codes", type=options.path, help="Save the codes too (.npz or .parquet).")
@click.option(
    "-o",
    "--out",
    type=options.path,
    help="Default: faces.png, or the folder faces with --single.",
)
@options.OVERWRITE
@options.SIZE
@options.MODEL
@options.THREADS
def command(
    count: int,
    seed: int,
    first: int,
    targets: tuple[Amount, ...],
    ask: bool,
    exactly: bool,
    prior: str | None,
    temperature: float | None,
    guidance: float | None,
    steps: int | None,
    max_attempts: int | None,
    as_grid: bool,
    codes: Path | None,
    out: Path | None,
    overwrite: bool,
    size: int | None,
    model: str | None,
    threads: int | None,
) -> None:
    """Generate new faces; their codes can be saved, decoded, edited and morphed."""
    from facedial import strips
    from facedial.codes.code import CodeTable, save_codes
    from facedial.editor import Editor
    from facedial.priors.base import LABEL_RANGE, check_labels

    asked = options.amounts(targets)
    check_labels(asked)
    target = out or Path("faces.png" if as_grid else "faces")
    if as_grid:
        picture(target, overwrite=overwrite)
    if codes is not None:
        codes_file(codes, overwrite=overwrite)
    with Editor.open(model, threads=threads) as editor:
        editor.size(size)
        source = editor.prior(prior, guidance=guidance, steps=steps, max_attempts=max_attempts)
        if ask:
            if not source.names:
                raise click.UsageError(
                    f"--ask asks for attributes, and the {source.name} prior has none"
                )
            questions = asking.questions_about(source.names, editor.model.classifier_auc())
            answers = asking.in_terminal(questions, LABEL_RANGE, asked, targets)
            asked = options.amounts((*targets, *answers))
        drawn = editor.generate(
            count,
            seed=seed,
            first=first,
            targets=asked,
            prior=source,
            temperature=temperature,
            exactly=exactly,
        )
        extra = {} if exactly else editor.implied(asked, source)
        if extra:
            streams.warn(asking.also_set(extra))
        numbers = [f"face-{i:04d}" for i in range(first, first + count)]
        written = strips.save_faces(
            editor, drawn, target, as_grid=as_grid, size=size, overwrite=overwrite, names=numbers
        )
        if codes is not None:
            names = [f"seed-{seed}-{number}" for number in numbers]
            save_codes(codes, CodeTable.of(drawn, names))
    for path in written if codes is None else [*written, codes]:
        streams.say(str(path))
