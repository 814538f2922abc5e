"""`facedial evaluate`: every figure, from one command."""

from pathlib import Path

import click

from facedial.cli import options, streams


@click.command()
@click.option(
    "--data",
    "stores",
    multiple=True,
    required=True,
    type=options.path,
    help="A store; may be given several times.",
)
@click.option(
    "--only", multiple=True, metavar="METRIC", help="Measure only this; may be given several times."
)
@click.option(
    "-o",
    "--out",
    type=options.path,
    default=Path("evaluation"),
    show_default=True,
    help="Folder for figures.json, figures.md and report.html.",
)
@click.option(
    "--work",
    type=options.path,
    default=Path("runs/evaluate"),
    show_default=True,
    help="Folder for fitted baselines, which are reused.",
)
@click.option(
    "--most",
    default=4000,
    show_default=True,
    type=click.IntRange(min=8),
    help="At most so many pictures of each group.",
)
@click.option(
    "--teacher",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="YuNet's ONNX file: measure landmarks against its mean prediction over augmented crops too.",
)
@click.option(
    "--models",
    multiple=True,
    metavar="NAME|FOLDER",
    type=options.path,
    help="A bundle to compare with others; may be given several times.",
)
@click.option(
    "--judge",
    type=options.path,
    help="The judge's bundle (recipe judge), for comparisons and edits.",
)
@click.option(
    "--identity",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="A face embedding's ONNX file (112 px): measure whether edits keep the identity.",
)
@click.option(
    "--sets",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Table of smiling and sad photos (CSV: file, set), for the first source's second task.",
)
@click.option(
    "--parse-teachers",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Folder of the parser's teacher networks: measure the teacher of classes too.",
)
@click.option(
    "--photos",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Folder of detect.parquet (photos with boxes of their faces) and negatives.parquet (without "
    "faces): measure detection on them.",
)
@click.option(
    "--detectors",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Folder of YuNet's and SCRFD's ONNX files: measure their detection too.",
)
@click.option("--add", is_flag=True, help="Keep figures in --out that are not measured again.")
@click.option("--seed", default=0, show_default=True)
@options.MODEL
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
    parse_teachers: Path | None,
    photos: Path | None,
    detectors: Path | None,
    add: bool,
    model: str | None,
) -> None:
    """Measure the model and its baselines on unseen people: figures as a table, JSON and a page."""
    from facedial.evaluate import _run

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
        parse_teachers=parse_teachers,
        photos=photos,
        detectors=detectors,
        add=add,
    )
    for line in _run.run(config):
        streams.say(line)
