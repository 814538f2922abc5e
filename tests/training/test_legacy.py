"""Runs and bundles of before 0.2: their settings are read under today's names."""

import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from facedial.errors import UnknownName
from facedial.runtime.bundle import Bundle
from facedial.training import legacy, networks, publish, runs, start
from facedial.training.models import flow, gan_decoder, latents
from facedial.training.models.distilled_editor import DistilledEditor
from facedial.training.recipe import from_json, with_settings

from .tiny import FLOW_STEPS, order

INVERSE = {new: old for old, new in legacy.RECIPES.items()}


def before(recipe: str, values: dict[str, Any]) -> dict[str, Any]:
    """Settings under the names that they had."""
    names = {new: old for old, new in (legacy.EVERYWHERE | legacy.OF.get(recipe, {})).items()}
    return {
        names.get(k, k): before(recipe, v) if isinstance(v, dict) else v for k, v in values.items()
    }


@pytest.mark.parametrize("recipe", sorted(legacy.OF))
def test_settings_of_before_are_those_of_today(recipe: str) -> None:
    settings = runs.recipe_named(recipe).settings
    today = json.loads(json.dumps(dataclasses.asdict(settings)))
    old = before(recipe, today)
    assert old != today
    assert legacy.settings(INVERSE.get(recipe, recipe), old) == today
    assert legacy.settings(recipe, today) == today  # today's names stay
    for new in legacy.OF[recipe].values():  # no name that leads nowhere
        assert f'"{new}":' in json.dumps(today), new


@pytest.mark.usefixtures("quick_export")
def test_a_run_of_before_goes_on(store: Path, published: Path, tmp_path: Path) -> None:
    """Stopped under the old names, resumed and exported under the new ones."""
    bundle, run = shutil.copytree(published / "bundle", tmp_path / "bundle"), tmp_path / "guide"
    given = {"recipe": "weak-flow", "assignments": FLOW_STEPS, "init": bundle}
    start.run(order(store, run, steps=2, **given))
    facts = json.loads((run / "run.json").read_text())
    old = {**facts, "recipe": "guide", "settings": before("weak-flow", facts["settings"])}
    assert old["settings"]["pace"]["rate"] == facts["settings"]["optim"]["lr"]
    (run / "run.json").write_text(json.dumps(old))
    start.run(order(store, run, steps=3, **{**given, "assignments": ()}))
    start.run(order(store, run, steps=4, **given))
    steps = [json.loads(line)["step"] for line in (run / "log.jsonl").read_text().splitlines()]
    assert sorted(set(steps)) == [1, 2, 3, 4]
    publish.publish([run], bundle)
    stated = json.loads((bundle / "bundle.json").read_text())["parts"]["guide"]
    assert stated["settings"]["optim"]["batch"] == 8


def test_old_names_are_not_settings_any_more() -> None:
    with pytest.raises(UnknownName, match="no setting named 'pace'"):
        with_settings(runs.recipe_named("autoencoder").settings, ["pace.rate=0.1"])
    with pytest.raises(UnknownName, match="no recipe named 'reader'"):
        runs.recipe_named("reader")


def test_networks_of_the_packaged_bundle_can_be_trained_on() -> None:
    """Its settings have the old names; every network that a recipe starts from is found."""
    with Bundle.open() as bundle:
        network, space = networks.autoencoder_of(bundle)
        assert space == bundle.facts["space"]
        assert network.config.dimensions == bundle.facts["dimensions"]
        for part in ("flow", "guide"):
            assert networks.flow_of(bundle, part).leave.weight.abs().sum() > 0
        assert networks.classifier_of(bundle).leave.weight.abs().sum() > 0
        to_latents = latents.Latents(network.linear)
        networks.load_part(to_latents, bundle.path, "flow-code", prefix="planes.")
        assert to_latents.deviation.std() > 0
        generator = gan_decoder.GanDecoder(network.config.decoder)
        networks.load_part(generator, bundle.path, "sharp", gan_decoder.NEW, "renderer.")
        assert generator.touch.leave.weight.abs().sum() > 0
        config = from_json(flow.Config(), networks.settings_of(bundle, "student")["model"])
        editor = DistilledEditor(config)
        networks.load_part(editor.network, bundle.path, "student")
        assert editor.network.leave.weight.abs().sum() > 0
        for part in bundle.facts["parts"]:
            recipe = runs.recipe_named(legacy.recipe_name(part))
            settings = networks.settings_of(bundle, part)
            known = json.loads(json.dumps(dataclasses.asdict(recipe.settings)))
            assert set(settings) <= set(known), part
            assert from_json(recipe.settings, settings)
