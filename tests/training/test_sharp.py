"""The sharp renderer: how it begins, who teaches what, and how it is used."""

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from facedial.codes.flow import FlowPrior
from facedial.editor import Editor
from facedial.errors import BadRequest, BadRun
from facedial.training import loop, publish, start, tensors
from facedial.training.models import renderer
from facedial.training.models import sharp as sharp_model
from facedial.training.recipe import Pace, Stage
from facedial.training.recipes import flagship
from facedial.training.recipes import sharp as sharp_recipe

from .test_perceptual import keras_file
from .tiny import TINY, TINY_FLOW, of_another_space, order

CODED = ("autoencoder", "flow", "guide", "sharp")


def test_a_sharp_renderer_is_taught_and_draws_what_people_see(
    store: Path, published: Path, tmp_path: Path
) -> None:
    out, run = shutil.copytree(published / "bundle", tmp_path / "bundle"), tmp_path / "sharp"
    keras_file(tmp_path / "squeezenet.h5")
    tiny = ("judged=4", "pace.batch=4", "warm=1", f"features_file={tmp_path / 'squeezenet.h5'}")
    given = {"recipe": "sharp", "assignments": tiny, "init": out}
    start.run(order(store, run, steps=3, **given))
    logged = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    assert {"merit", "psnr", "sharpness"} == next(
        r["scores"] for r in logged if "scores" in r
    ).keys()
    publish.publish([run], out)
    with Editor.open(out) as editor:
        assert editor.bundle.has_sharp
        assert max(editor.bundle.prove().values()) < 1e-3
        codes = editor.generate(2, seed=1)
        sharp_, faithful = editor.decode(codes), editor.decode(codes, faithful=True)
        assert not np.array_equal(sharp_, faithful)
        assert np.abs(sharp_.astype(int) - faithful).mean() < 20
        assert np.array_equal(sharp_[:1], editor.decode(codes[:1]))  # no new noise each time
        portrait = editor.portrait_of(codes[0])
        assert np.array_equal(portrait.photo.pixels, sharp_[0])
        assert editor.render(portrait, {}) is portrait.photo
    # Gone on, it finds its own export in the bundle, and that was not its beginning.
    start.run(order(store, run, steps=4, **given))
    assert not (run / "begun.safetensors").exists()
    more = tmp_path / "more"
    start.run(order(store, more, steps=1, **given))
    for name, value in tensors.load(more / "best.safetensors")[0].items():
        if name == "renderer.enter.weight":
            assert value[:, 48:].abs().max() > 0  # gone on from the bundle's, which has seen noise
    # What is exported lies halfway between what it went on from and what it became.
    before, after = (tensors.load(more / f"{name}.safetensors")[0] for name in ("begun", "best"))
    publish.publish([more], out)
    graph = onnx.load(out / "sharp.onnx").graph
    known = {one.name: onnx.numpy_helper.to_array(one) for one in graph.initializer}
    name = "renderer.leave.bias"
    mean = (before["leave.bias"] + after[name]).numpy() / 2
    assert not np.array_equal(before["leave.bias"].numpy(), after[name].numpy())
    np.testing.assert_allclose(known[name], mean, atol=1e-6)
    with pytest.raises(BadRun, match="train it again"):
        publish.publish([run], of_another_space(out, tmp_path))


def test_a_sharp_renderer_begins_as_the_faithful_one() -> None:
    torch.manual_seed(0)
    faithful = renderer.Renderer(renderer.Config(width=8, down=1, below=1, up=1))
    for parameter in faithful.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    drawn = sharp_model.Sharp(renderer.Config(width=8, down=1, below=1, up=1))
    drawn.take(faithful)
    base = torch.rand(2, 3, 128, 128)
    torch.testing.assert_close(drawn(base), faithful(base))


def test_the_two_players_get_their_own_gradients_alone() -> None:
    torch.manual_seed(0)
    drawn = sharp_model.Sharp(renderer.Config(width=8, down=1, below=1, up=1))
    torch.nn.init.normal_(drawn.leave.weight, std=0.1)
    judges = sharp_model.Discriminators([3], [0.5])
    game = sharp_recipe.Game(drawn, judges)
    base, real = torch.rand(2, 2, 3, 128, 128)
    noise = torch.randn(2, sharp_model.EVERY, 32, 32)
    for term, learner, other in (("deceived", drawn, judges), ("judged", judges, drawn)):
        game.zero_grad()
        game(base, noise, real, lambda pictures: [pictures[:, :, ::2, ::2]])[term].backward()
        assert any(p.grad is not None and p.grad.abs().max() > 0 for p in learner.parameters())
        assert all(p.grad is None or p.grad.abs().max() == 0 for p in other.parameters())
    # Pictures of new codes stand beside no photo: they are told apart, but not compared.
    flat = lambda pictures: [pictures[:, :, ::2, ::2]]  # noqa: E731
    game.eval()  # in training every look improves the spectral norms a little
    plain = torch.rand(1, 3, 128, 128)
    whole, half = game(base, noise, real, flat), game(base, noise, real, flat, plain)
    alone = game(base[1:], noise[1:], real[1:], flat)
    for term in ("squared", "likeness"):
        torch.testing.assert_close(half[term], alone[term])
    for term in ("deceived", "judged"):
        torch.testing.assert_close(half[term], whole[term])
    assert half["kept"] > 0 == whole["kept"]
    same = game(base, noise, real, flat, drawn(base[:1], noise[:1]).detach())
    assert float(same["kept"].detach()) == pytest.approx(0, abs=1e-9)
    assert all(not p.requires_grad for p in judges.projections.parameters())
    assert all(p.requires_grad for p in judges.heads.parameters())


def test_each_part_of_a_network_has_its_own_rate() -> None:
    network = torch.nn.ModuleDict({"a": torch.nn.Linear(2, 2), "b": torch.nn.Linear(2, 2)})
    pace = Pace(factors=(("b.", 2.0), ("c.", 3.0)))
    groups = loop._groups(network, pace)
    assert [(len(group["params"]), group["factor"]) for group in groups] == [(2, 1.0), (2, 2.0)]
    assert groups[1]["params"][0] is network["b"].weight


def test_the_flagship_goes_through_its_stages_and_is_resumed(
    labelled_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keras_file(tmp_path / "squeezenet.h5")
    small_flow = TINY_FLOW
    tiny = {
        "autoencoder": TINY,
        "flow": (*small_flow, "judged=4"),
        "guide": (*small_flow, "judged=4"),
        "student": (*small_flow, "pairs=32", "steps=1"),
        "sharp": ("judged=4", "pace.batch=4", "warm=1", "pool=3", "steps=1"),
        "matte": ("model.width=8", "taught=8", "judged=4", "pace.batch=8", "pace.rate=0.05"),
        "moves": ("people=8", "steps=1", "turnings=[0.2]", 'attributes=["Smiling"]'),
        "reader": ("model.widths=[8, 8, 8, 8]", "pace.batch=4"),
        "school": (*small_flow, "pairs=32", "steps=1", "judged=4", "school.faces=16"),
    }
    settings = flagship.Settings(features_file=str(tmp_path / "squeezenet.h5"))
    small = tuple(
        Stage(
            recipe=s.recipe,
            share=s.share,
            assignments=(*s.assignments, *tiny[s.name if s.name in tiny else s.recipe]),
            name=s.name,
            alone=s.alone,
        )
        for s in flagship.stages(settings)
    )
    recipe = dataclasses.replace(flagship.RECIPE, stages=lambda _: small)
    monkeypatch.setattr(flagship, "RECIPE", recipe)
    run = tmp_path / "flagship"
    start.run(order(labelled_store, run, recipe="flagship", assignments=(), steps=10))
    trained = [s.name or s.recipe for s in small if s.share]
    steps = {name: tensors.load(run / name / "last.safetensors")[1]["step"] for name in trained}
    assert steps == {
        "autoencoder": 2,
        "flow": 4,
        "guide": 1,
        "sharp": 2,
        "student": 1,
        "firm": 1,
        "school": 1,
        "matte": 1,
    }
    assert len(tensors.load(run / "sharp" / sharp_recipe.POOL)[0]["codes"]) == 3
    # Crops are coded once for all stages.
    codes = [tensors.load(run / n / "codes-train.safetensors")[0]["codes"] for n in CODED]
    assert all(torch.equal(codes[0], other) for other in codes[1:])
    with Editor.open(run / "bundle") as editor:
        assert editor.bundle.has_flow
        assert editor.bundle.has_sharp
        assert editor.bundle.has_student
        assert editor.bundle.has_matte
        assert not (run / "bundle" / "reader.onnx").exists()  # the firm reader only teaches
        assert editor.bundle.facts["parts"]["student"]["settings"]["school"]["features_file"]
        guided = editor.prior()
        assert isinstance(guided, FlowPrior)
        lone = dataclasses.replace(guided, guide=None)
        one, other = (prior.sample([1], {}) for prior in (guided, lone))
        assert not np.allclose(one, other)
        assert len(editor.generate(2, seed=1)) == 2
        assert set(editor.manners.table) == {"Smiling"}
    # Called again it trains nothing more.
    monkeypatch.setattr(flagship, "RECIPE", dataclasses.replace(recipe, stages=lambda _: small[:2]))
    start.run(order(labelled_store, run, recipe="flagship", assignments=(), steps=10))
    assert tensors.load(run / "flow" / "last.safetensors")[1]["step"] == 4
    with pytest.raises(BadRun, match="has its bundle already"):
        publish.publish([run], tmp_path / "again")


def test_shares_of_the_flagship_make_a_whole() -> None:
    with pytest.raises(BadRequest, match="make 1"):
        flagship.Settings(flow=0.9)
    nothing = dict.fromkeys(
        ("autoencoder", "flow", "guide", "sharp", "student", "firm", "school", "matte"), 0.0
    )
    only = flagship.Settings(**{**nothing, "flow": 1})
    assert [stage.recipe for stage in flagship.stages(only)] == ["flow", "moves"]
    codes = flagship.Settings(**{**nothing, "autoencoder": 0.9, "guide": 0.1})
    assert [stage.recipe for stage in flagship.stages(codes)] == ["autoencoder"]
