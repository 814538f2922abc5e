"""`facedial compare`: models trained for equal minutes, and finished runs, side by side."""

import logging
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
    "--minutes",
    type=click.FloatRange(min=0, min_open=True),
    help="Training of each model, counted over resumes (default 10; with --runs, no training).",
)
@click.option(
    "--runs",
    "runs",
    multiple=True,
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="A finished run or a bundle, to be measured too; may be given several times.",
)
@click.option(
    "--judge",
    type=options.path,
    help="The judge's bundle (recipe judge); without one nothing is measured.",
)
@click.option(
    "--features",
    default="none",
    show_default=True,
    help="Feature network of the losses that have one: vgg16, vgg19, squeezenet or none.",
)
@click.option(
    "--features-file",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Its weights; VGG's may lie in torch's cache.",
)
@click.option(
    "--teacher",
    type=options.path,
    help="Bundle of an adversarially trained attribute classifier, the teacher of our conditional VAE.",
)
@click.option(
    "--only", multiple=True, metavar="NAME", help="Train only this; may be given several times."
)
@click.option(
    "--most",
    default=2000,
    show_default=True,
    type=click.IntRange(min=80),
    help="At most so many pictures, and as many generated faces.",
)
@click.option("--seed", default=0, show_default=True)
@click.option(
    "-o",
    "--out",
    type=options.path,
    default=Path("runs/compare"),
    show_default=True,
    help="Folder of the runs, their bundles and the report.",
)
def command(
    stores: tuple[Path, ...],
    minutes: float | None,
    runs: tuple[Path, ...],
    judge: Path | None,
    features: str,
    features_file: Path | None,
    teacher: Path | None,
    only: tuple[str, ...],
    most: int,
    seed: int,
    out: Path,
) -> None:
    """Train the two source systems, ours and PCA for equal minutes at 64 px, and measure them all.

    With --runs, finished runs are measured in the same table; without --minutes, they alone.
    """
    from facedial.training import compare

    logging.getLogger("facedial.training").setLevel(logging.INFO)
    config = compare.CompareConfig(
        stores=stores,
        out=out,
        minutes=compare.MINUTES if minutes is None and not runs else minutes,
        runs=runs,
        judge=judge,
        features=features,
        features_file=features_file,
        teacher=teacher,
        only=only,
        most=most,
        seed=seed,
    )
    for line in compare.run(config):
        streams.say(line)
