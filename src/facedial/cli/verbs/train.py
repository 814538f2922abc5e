"""`facedial train`: any recipe, resumable, within a budget of minutes or steps."""

import logging
from pathlib import Path

import click

from facedial.cli import options, streams


@click.command()
@click.argument("recipe")
@click.option(
    "--data",
    "data",
    multiple=True,
    required=True,
    type=options.path,
    help="A store; may be given several times.",
)
@click.option(
    "-o",
    "--out",
    type=options.path,
    help="The run's folder (default runs/RECIPE); an existing run is resumed.",
)
@click.option(
    "--minutes", type=click.FloatRange(min=0), help="Budget in minutes, counted over all resumes."
)
@click.option("--steps", type=click.IntRange(min=1), help="Budget in steps instead of minutes.")
@click.option(
    "--set",
    "assignments",
    multiple=True,
    metavar="PATH=VALUE",
    help="Change a setting of the recipe, e.g. optim.lr=5e-4.",
)
@click.option(
    "--faithful",
    is_flag=True,
    help="Source systems: train exactly as published, defects included (short for --set faithful=true).",
)
@click.option("--init", type=options.path, help="A bundle to start from.")
@click.option(
    "--teacher",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="landmarks: YuNet's ONNX file; its mean prediction over augmented crops replaces the stores' "
    "labels.",
)
@click.option("--seed", default=0, show_default=True, help="Seed of initial weights and batches.")
@click.option("--save-every", default=180.0, show_default=True, help="Seconds between checkpoints.")
@click.option("--log-every", default=50, show_default=True, help="Steps between lines of the log.")
@click.option("--devices", default=1, show_default=True, help="Devices on each node.")
@click.option("--num-nodes", default=1, show_default=True, help="Number of nodes.")
@click.option(
    "--precision",
    default="auto",
    show_default=True,
    help="auto measures whether bfloat16 is faster here.",
)
def command(
    recipe: str,
    data: tuple[Path, ...],
    out: Path | None,
    minutes: float | None,
    steps: int | None,
    assignments: tuple[str, ...],
    faithful: bool,
    init: Path | None,
    teacher: Path | None,
    seed: int,
    save_every: float,
    log_every: int,
    devices: int,
    num_nodes: int,
    precision: str,
) -> None:
    """Train RECIPE on stores; curves, sample sheets and checkpoints are saved in the run's folder."""
    from facedial.training import start

    logging.getLogger("facedial.training").setLevel(logging.INFO)  # scores at every checkpoint
    config = start.RunConfig(
        recipe=recipe,
        stores=data,
        run=out or Path("runs") / recipe,
        minutes=minutes,
        steps=steps,
        assignments=(*assignments, "faithful=true") if faithful else assignments,
        init=init,
        teacher=teacher,
        seed=seed,
        save_every_s=save_every,
        log_every=log_every,
        devices=devices,
        num_nodes=num_nodes,
        precision=precision,
    )
    if start.run(config):
        streams.say(str(config.run))
