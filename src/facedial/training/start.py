"""Start or resume a run: settings checked, data opened, devices set up, then the loop."""

import dataclasses
import logging
import warnings
from dataclasses import dataclass
from pathlib import Path

import torch
from lightning_fabric import Fabric
from lightning_fabric.strategies.ddp import DDPStrategy

from facedial.data.store import Store
from facedial.errors import BadRequest
from facedial.training import loop, precision, publish, runs
from facedial.training.recipe import RunContext, Stage

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunConfig:
    """One call of `facedial train`."""

    recipe: str
    stores: tuple[Path, ...]
    run: Path
    minutes: float | None = None
    steps: int | None = None
    assignments: tuple[str, ...] = ()
    init: Path | None = None
    teacher: Path | None = None
    seed: int = 0
    save_every_s: float = 180
    log_every: int = 50
    devices: int = 1
    num_nodes: int = 1
    precision: str = "auto"


def run(config: RunConfig) -> bool:
    """Train, or go on with, the run; True in the process of global rank 0.

    Raises `BadRun` when the folder holds another run.
    """
    recipe = runs.recipe_named(config.recipe)
    if recipe.trained and config.minutes is None and config.steps is None:
        raise BadRequest(f"{config.recipe} needs a budget; give either minutes or steps")
    settings = runs.settings_for(config.run, recipe, config.assignments)
    stores = [Store.open(path) for path in config.stores]
    runs.claim(config.run, config.recipe, settings, config.seed, config.stores)
    if recipe.stages is not None:
        _run_stages(config, recipe.stages(settings))
        return True
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    kind = precision.fastest(device) if config.precision == "auto" else config.precision
    mixed = precision.plugin(kind, device)
    several = config.devices * config.num_nodes > 1
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Fabric's hints on this machine's other accelerators
        fabric = Fabric(
            devices=config.devices,
            num_nodes=config.num_nodes,
            # A step may leave parameters unused: those of refinements, or of the other adversary.
            strategy=DDPStrategy(find_unused_parameters=True) if several else "auto",
            precision=None if mixed else kind,  # type: ignore[arg-type]
            plugins=mixed,
        )
        fabric.launch()
    torch.manual_seed(config.seed)
    context = RunContext(
        stores=stores,
        run=config.run,
        device=fabric.device,
        init=config.init,
        teacher=config.teacher,
        seed=config.seed,
    )
    # What is fitted into the run's folder is written by one process after the other.
    with fabric.rank_zero_first():
        task = recipe.start(context, settings)
    if task is None:
        return fabric.is_global_zero
    budget = loop.Budget(
        minutes=None if config.steps is not None else config.minutes,
        steps=config.steps,
        save_every_s=config.save_every_s,
        log_every=config.log_every,
    )
    loop.train(task, config.run, budget, fabric, seed=config.seed, precision=kind)
    if recipe.after is not None and fabric.is_global_zero:
        recipe.after(context, task)
    return fabric.is_global_zero


def _run_stages(config: RunConfig, stages: tuple[Stage, ...]) -> None:
    """Train stage after stage, each in its own folder of the run, into the run's bundle.

    Each is resumed like any run; one whose budget is used up is only exported again.
    """
    bundle = config.run / "bundle"
    for stage in stages:
        init = bundle if bundle.exists() else config.init
        name = stage.name or stage.recipe
        assignments = tuple(one.replace("{run}", str(config.run)) for one in stage.assignments)
        nested = dataclasses.replace(
            config,
            recipe=stage.recipe,
            run=config.run / name,
            minutes=None if config.minutes is None else config.minutes * stage.share,
            steps=None if config.steps is None else max(1, round(config.steps * stage.share)),
            assignments=() if (config.run / name / runs.FILE).exists() else assignments,
            init=None if stage.own_bundle else init,
        )
        log.info("stage %s, %.0f %% of the budget", name, 100 * stage.share)
        run(nested)
        publish.publish([nested.run], nested.run / "bundle" if stage.own_bundle else bundle)
