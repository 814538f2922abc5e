"""`facedial evaluate`: every figure, from one command."""

from pathlib import Path

import click

from facedial.cli.batch import MODEL, lacking


@click.command()
@click.option(
    "--data",
    "stores",
    multiple=True,
    required=True,
    type=click.Path(path_type=Path),
    help="A store; may be given several times.",
)
@click.option(
    "--only", multiple=True, metavar="METRIC", help="Measure only this; may be given several times."
)
@click.option(
    "-o",
    "--out",
    type=click.Path(path_type=Path),
    default=Path("evaluation"),
    show_default=True,
    help="Folder for figures.json, figures.md and report.html.",
)
@click.option(
    "--work",
    type=click.Path(path_type=Path),
    default=Path("runs/evaluate"),
    show_default=True,
    help="Folder for baselines that are slow to fit.",
)
@click.option(
    "--most",
    default=4000,
    show_default=True,
    type=click.IntRange(min=8),
    help="At most so many people's pictures of each group.",
)
@click.option(
    "--teacher",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="YuNet's ONNX file: measure landmarks against its mean over many looks too.",
)
@click.option(
    "--models",
    multiple=True,
    metavar="NAME|FOLDER",
    type=click.Path(path_type=Path),
    help="A bundle to compare with others; may be given several times.",
)
@click.option(
    "--judge",
    type=click.Path(path_type=Path),
    help="The judge's bundle (recipe judge), for comparisons and edits.",
)
@click.option(
    "--identity",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="A face embedding's ONNX file (112 px): whether edits keep the person.",
)
@click.option(
    "--sets",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Table of smiling and sad photos (CSV: file, set), for the first source's second task.",
)
@click.option(
    "--add", is_flag=True, help="Keep what --out holds of figures that are not measured again."
)
@click.option("--seed", default=0, show_default=True)
@MODEL
def command(
    stores: tuple[Path, ...],
    only: tuple[str, ...],
    out: Path,
    work: Path,
    most: int,
    seed: int,
    teacher: Path | None,
    models: tuple[Path, ...],
    judge: Path | None,
    identity: Path | None,
    sets: Path | None,
    add: bool,
    model: str | None,
) -> None:
    """Measure the model and its baselines on people it has not seen: table, JSON and a page."""
    try:
        from facedial.evaluate import _run
    except ImportError as error:
        raise lacking("evaluation", error) from error

    config = _run.EvaluationConfig(
        stores=stores,
        only=only,
        out=out,
        work=work,
        most=most,
        seed=seed,
        teacher=teacher,
        model=model,
        models=models,
        judge=judge,
        identity=identity,
        sets=sets,
        add=add,
    )
    for line in _run.run(config):
        click.echo(line)
