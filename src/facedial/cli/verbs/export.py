"""`facedial export`: runs into a bundle."""

from pathlib import Path

import click

from facedial.cli.batch import lacking


@click.command()
@click.argument("runs", nargs=-1, required=True, metavar="RUN...", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--out",
    required=True,
    type=click.Path(path_type=Path),
    help="The bundle's folder; parts of other runs in it stay.",
)
@click.option(
    "--card", type=click.Path(path_type=Path), help="The model card (Markdown) to put in."
)
def command(runs: tuple[Path, ...], out: Path, card: Path | None) -> None:
    """Turn RUNs into parts of a bundle, checked against torch number by number."""
    try:
        from facedial.training import publish
    except ImportError as error:
        raise lacking("export", error) from error

    for graph, difference in publish.publish(runs, out, card).items():
        click.echo(f"{graph}: differs from torch by {difference:.1e} of the range")
    click.echo(str(out))
