"""The folder of a run: whose it is, and with which settings."""

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from facedial import __version__, files, folder
from facedial.errors import BadRun
from facedial.training import legacy
from facedial.training.recipe import Recipe, from_json, with_settings

RECIPES = "facedial.training.recipes"
FILE = "run.json"


def recipe_named(name: str) -> Recipe:
    """The recipe of that name; raises `UnknownName` with the nearest."""
    recipe: Recipe = folder.load(RECIPES, name, "recipe").RECIPE
    return recipe


def opened(run: Path) -> tuple[str, Recipe, Any]:
    """Recipe name, recipe and settings of an existing run; raises `BadRun` when it is none."""
    facts = _facts(run)
    name = legacy.recipe_name(facts["recipe"])
    recipe = recipe_named(name)
    return name, recipe, from_json(recipe.settings, legacy.settings(name, facts["settings"]))


def settings_for(run: Path, recipe: Recipe, assignments: Sequence[str]) -> Any:
    """The recipe's settings with assignments; without any, those of the run that is to be resumed."""
    if not assignments and (run / FILE).exists():
        return opened(run)[2]
    return with_settings(recipe.settings, assignments)


def claim(run: Path, recipe: str, settings: Any, seed: int, stores: Sequence[Path]) -> None:
    """Write `run.json` of a new run, or check that the folder holds the same one.

    Raises `BadRun` when the folder holds another run, or files and no run.
    """
    run.mkdir(parents=True, exist_ok=True)
    facts = {
        "recipe": recipe,
        "settings": dataclasses.asdict(settings),
        "seed": seed,
        "stores": [path.name for path in stores],
        "version": __version__,
    }
    facts = json.loads(json.dumps(facts))
    path = run / FILE
    if path.exists():
        old = _facts(run)
        old["recipe"] = legacy.recipe_name(old["recipe"])
        if old["recipe"] == recipe:
            # A setting that the run's version did not have counts as its default.
            old["settings"] = json.loads(json.dumps(dataclasses.asdict(opened(run)[2])))
        for key in ("recipe", "settings", "seed"):
            if old.get(key) != facts[key]:
                raise BadRun(
                    f"{run} holds a run with another {key} ({_difference(old.get(key), facts[key])}); "
                    "resume it with the settings it has, or choose another folder"
                )
        return
    if any(run.iterdir()):
        raise BadRun(f"{run} is not empty and holds no run; choose another folder")
    files.write(path, json.dumps(facts, indent=1) + "\n")


def _facts(run: Path) -> dict[str, Any]:
    path = run / FILE
    try:
        facts: dict[str, Any] = json.loads(path.read_text())
    except FileNotFoundError as error:
        raise BadRun(f"{run} is no run: it has no run.json; train first") from error
    except json.JSONDecodeError as error:
        raise BadRun(f"{path} is damaged ({error})") from error
    return facts


def _difference(old: Any, new: Any, path: str = "") -> str:
    """`there, asked for` of every value that differs, by dotted name."""
    if isinstance(old, dict) and isinstance(new, dict):
        parts = (_difference(old.get(k), new.get(k), f"{path}.{k}".strip(".")) for k in new)
        return "; ".join(part for part in parts if part)
    return "" if old == new else f"{path} {old}, asked for {new}".strip()
