"""Start or resume a run: settings checked, data opened, devices set up, then the loop."""

import dataclasses
import json
import logging
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from lightning_fabric.strategies.ddp import DDPStrategy

from facedial import __version__, files, folder
from facedial.data.store import Store
from facedial.errors import BadRequest, BadRun
from facedial.training import loop
from facedial.training.precision import plugin
from facedial.training.recipe import Context, Recipe, Stage, from_json, with_settings

log = logging.getLogger(__name__)

RECIPES = "facedial.training.recipes"


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
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


def run(order: Order) -> bool:
    """Train as ordered; whether this is the one of all processes that speaks for the run.

    Raises `BadRun` when the folder holds another run.
    """
    recipe = recipe_named(order.recipe)
    if recipe.trained and order.minutes is None and order.steps is None:
        raise BadRequest(f"{order.recipe} needs --minutes or --steps to know its end")
    settings = _settings(recipe, order)
    stores = [Store.open(path) for path in order.stores]
    _claim(order, recipe, settings)
    if recipe.stages is not None:
        _staged(order, recipe.stages(settings))
        return True
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    precision = order.precision
    if precision == "auto":
        precision = loop.fastest_precision(device)
    mixed = plugin(precision, device)
    several = order.devices * order.num_nodes > 1
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Fabric's hints on this machine's other accelerators
        fabric = Fabric(
            devices=order.devices,
            num_nodes=order.num_nodes,
            # A step may leave parts of a network out: refinements, players whose turn it is not.
            strategy=DDPStrategy(find_unused_parameters=True) if several else "auto",
            precision=None if mixed else precision,  # type: ignore[arg-type]
            plugins=mixed,
        )
        fabric.launch()
    torch.manual_seed(order.seed)
    context = Context(
        stores=stores,
        run=order.run,
        device=fabric.device,
        init=order.init,
        teacher=order.teacher,
        seed=order.seed,
    )
    # What is fitted into the run's folder is written by one process after the other.
    with fabric.rank_zero_first():
        task = recipe.start(context, settings)
    if task is None:
        return fabric.is_global_zero
    budget = loop.Budget(
        minutes=None if order.steps is not None else order.minutes,
        steps=order.steps,
        save_every_s=order.save_every_s,
        log_every=order.log_every,
    )
    loop.train(task, order.run, budget, fabric, seed=order.seed, precision=precision)
    if recipe.after is not None and fabric.is_global_zero:
        recipe.after(context, task)
    return fabric.is_global_zero


def _staged(order: Order, stages: tuple[Stage, ...]) -> None:
    """Train stage after stage, each in its own folder of the run, into the run's bundle.

    Each is resumed like any run; one that has had its share adds nothing but is exported again.
    """
    from facedial.training import publish  # it opens runs by this module

    bundle = order.run / "bundle"
    for stage in stages:
        init = bundle if bundle.exists() else order.init
        name = stage.name or stage.recipe
        assignments = tuple(one.replace("{run}", str(order.run)) for one in stage.assignments)
        nested = dataclasses.replace(
            order,
            recipe=stage.recipe,
            run=order.run / name,
            minutes=None if order.minutes is None else order.minutes * stage.share,
            steps=None if order.steps is None else max(1, round(order.steps * stage.share)),
            assignments=() if (order.run / name / "run.json").exists() else assignments,
            init=None if stage.alone else init,
        )
        log.info("stage %s, %.0f %% of the whole", name, 100 * stage.share)
        run(nested)
        publish.publish([nested.run], nested.run / "bundle" if stage.alone else bundle)


def recipe_named(name: str) -> Recipe:
    """The recipe of that name; raises `UnknownName` with the nearest."""
    recipe: Recipe = folder.load(RECIPES, name, "recipe").RECIPE
    return recipe


def opened(run: Path) -> tuple[str, Recipe, Any]:
    """Recipe name, recipe and settings of an existing run; raises `BadRun` when it is none."""
    path = run / "run.json"
    try:
        facts = json.loads(path.read_text())
    except FileNotFoundError as error:
        raise BadRun(f"{run} is no run: it has no run.json; train first") from error
    except json.JSONDecodeError as error:
        raise BadRun(f"{path} is damaged ({error})") from error
    recipe = recipe_named(facts["recipe"])
    return facts["recipe"], recipe, from_json(recipe.settings, facts["settings"])


def _settings(recipe: Recipe, order: Order) -> Any:
    """The settings asked for; without any, those of the run that is there to be resumed."""
    if not order.assignments and (order.run / "run.json").exists():
        return opened(order.run)[2]
    return with_settings(recipe.settings, order.assignments)


def _claim(order: Order, recipe: Recipe, settings: Any) -> None:
    order.run.mkdir(parents=True, exist_ok=True)
    facts = {
        "recipe": order.recipe,
        "settings": dataclasses.asdict(settings),
        "seed": order.seed,
        "stores": [path.name for path in order.stores],
        "version": __version__,
    }
    facts = json.loads(json.dumps(facts))
    path = order.run / "run.json"
    if path.exists():
        old = json.loads(path.read_text())
        if old.get("recipe") == order.recipe:
            # Settings that came later count with their defaults.
            completed = dataclasses.asdict(from_json(recipe.settings, old["settings"]))
            old["settings"] = json.loads(json.dumps(completed))
        for key in ("recipe", "settings", "seed"):
            if old.get(key) != facts[key]:
                raise BadRun(
                    f"{order.run} holds a run with another {key} ({_difference(old.get(key), facts[key])}"
                    "); resume it without --set, or choose another -o"
                )
        return
    if any(order.run.iterdir()):
        raise BadRun(f"{order.run} is not empty and holds no run; choose another -o")
    files.write(path, json.dumps(facts, indent=1) + "\n")


def _difference(old: Any, new: Any, path: str = "") -> str:
    """`there, asked for` of every value that differs, by dotted name."""
    if isinstance(old, dict) and isinstance(new, dict):
        parts = (_difference(old.get(k), new.get(k), f"{path}.{k}".strip(".")) for k in new)
        return "; ".join(part for part in parts if part)
    return "" if old == new else f"{path} {old}, asked for {new}".strip()
