"""`facedial export`: runs into a bundle."""

from pathlib import Path

import click

from facedial.cli import options, streams


@click.command()
@click.argument("runs", nargs=-1, required=True, metavar="RUN...", type=options.path)
@click.option(
    "-o",
    "--out",
    required=True,
    type=options.path,
    help="The bundle's folder; parts of other runs in it are kept.",
)
@click.option("--card", type=options.path, help="The model card (Markdown) to put in.")
def command(runs: tuple[Path, ...], out: Path, card: Path | None) -> None:
    """Export RUNs into a bundle; the ONNX graphs' outputs are compared with torch's."""
    from facedial.training import publish

    for graph, difference in publish.publish(runs, out, card).items():
        streams.say(f"{graph}: differs from torch by {difference:.1e} of the range")
    streams.say(str(out))
