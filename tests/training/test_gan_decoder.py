"""The GAN decoder: initialisation, gradients, export; and the flagship that trains all parts."""

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from facedial.compose.retouch import RETOUCHED
from facedial.editor import Editor
from facedial.errors import BadRequest, BadRun
from facedial.flow.sampler import FlowPrior
from facedial.training import loop, publish, start, tensors
from facedial.training.models import decoder, gan_decoder
from facedial.training.models.discriminators import Discriminators
from facedial.training.recipe import OptimConfig, Stage
from facedial.training.recipes import flagship
from facedial.training.recipes import gan_decoder as gan_recipe

from .older_exporter import older_exporter
from .test_perceptual import keras_file
from .tiny import FEW, FLOW_STEPS, STUDENT_STEPS, TINY, of_another_space, order

CODED = ("autoencoder", "flow", "weak-flow", "gan-decoder")


def test_a_gan_decoder_is_trained_exported_and_used_by_the_editor(
    store: Path, published: Path, tmp_path: Path
) -> None:
    out, run = shutil.copytree(published / "bundle", tmp_path / "bundle"), tmp_path / "sharp"
    keras_file(tmp_path / "squeezenet.h5")
    tiny = (
        "val_images=4",
        "optim.batch=4",
        "warmup_steps=1",
        f"features_file={tmp_path / 'squeezenet.h5'}",
    )
    given = {"recipe": "gan-decoder", "assignments": tiny, "init": out}
    start.run(order(store, run, steps=3, **given))
    logged = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    assert {"score", "psnr", "sharpness"} == next(
        r["scores"] for r in logged if "scores" in r
    ).keys()
    publish.publish([run], out)
    with Editor.open(out) as editor:
        assert editor.model.has_gan_decoder
        assert max(editor.model.bundle.prove().values()) < 1e-3
        codes = editor.generate(2, seed=1)
        sharp_, faithful = editor.decode(codes), editor.decode(codes, mse=True)
        assert not np.array_equal(sharp_, faithful)
        assert np.abs(sharp_.astype(int) - faithful).mean() < 20
        assert np.array_equal(sharp_[:1], editor.decode(codes[:1]))  # no new noise each time
        portrait = editor.reader.of_code(codes[0])
        assert np.array_equal(portrait.photo.pixels, sharp_[0])
        assert editor.render(portrait, {}) is portrait.photo
    # Resumed, it finds its own export in the bundle, which is not what it started from.
    start.run(order(store, run, steps=4, **given))
    assert not (run / "begun.safetensors").exists()
    more = tmp_path / "more"
    start.run(order(store, more, steps=1, **given))
    for name, value in tensors.load(more / "best.safetensors")[0].items():
        if name == "renderer.enter.weight":
            assert (
                value[:, 48:].abs().max() > 0
            )  # started from the bundle's, whose weights of noise are trained
    # What is exported is the mean of the weights it started from and its best.
    before, after = (tensors.load(more / f"{name}.safetensors")[0] for name in ("begun", "best"))
    with older_exporter():
        publish.publish([more], out)
    graph = onnx.load(out / "sharp.onnx").graph
    known = {one.name: onnx.numpy_helper.to_array(one) for one in graph.initializer}
    name = "renderer.leave.bias"
    mean = (before["leave.bias"] + after[name]).numpy() / 2
    assert not np.array_equal(before["leave.bias"].numpy(), after[name].numpy())
    np.testing.assert_allclose(known[name], mean, atol=1e-6)
    with pytest.raises(BadRun, match="train it again"):
        publish.publish([run], of_another_space(out, tmp_path))


def test_a_new_gan_decoder_equals_the_mse_decoder() -> None:
    torch.manual_seed(0)
    mse = decoder.Decoder(decoder.Config(width=8, down=1, below=1, up=1))
    for parameter in mse.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    drawn = gan_decoder.GanDecoder(decoder.Config(width=8, down=1, below=1, up=1))
    drawn.init_from(mse)
    base = torch.rand(2, 3, 128, 128)
    torch.testing.assert_close(drawn(base), mse(base))


def test_decoder_and_discriminators_have_separate_gradients() -> None:
    torch.manual_seed(0)
    drawn = gan_decoder.GanDecoder(decoder.Config(width=8, down=1, below=1, up=1))
    torch.nn.init.normal_(drawn.leave.weight, std=0.1)
    discriminators = Discriminators([3], [0.5])
    gan = gan_decoder.GanTraining(drawn, discriminators)
    base, real = torch.rand(2, 2, 3, 128, 128)
    noise = torch.randn(2, gan_decoder.ALL_NOISE, 32, 32)
    for term, learner, other in (
        ("g_loss", drawn, discriminators),
        ("d_loss", discriminators, drawn),
    ):
        gan.zero_grad()
        gan(base, noise, real, lambda pictures: [pictures[:, :, ::2, ::2]])[term].backward()
        assert any(p.grad is not None and p.grad.abs().max() > 0 for p in learner.parameters())
        assert all(p.grad is None or p.grad.abs().max() == 0 for p in other.parameters())
    # Pictures of generated codes have no photo: the discriminators see them, but no error is computed.
    flat = lambda pictures: [pictures[:, :, ::2, ::2]]  # noqa: E731
    gan.eval()  # in training mode every call updates the spectral norms
    plain = torch.rand(1, 3, 128, 128)
    whole, half = (
        gan(base, noise, real, flat),
        gan(base, noise, real, flat, plain),
    )
    alone = gan(base[1:], noise[1:], real[1:], flat)
    for term in ("mse", "perceptual"):
        torch.testing.assert_close(half[term], alone[term])
    for term in ("g_loss", "d_loss"):
        torch.testing.assert_close(half[term], whole[term])
    assert half["generated_mse"] > 0 == whole["generated_mse"]
    same = gan(base, noise, real, flat, drawn(base[:1], noise[:1]).detach())
    assert float(same["generated_mse"].detach()) == pytest.approx(0, abs=1e-9)
    assert all(not p.requires_grad for p in discriminators.projections.parameters())
    assert all(p.requires_grad for p in discriminators.heads.parameters())


def test_prefixes_of_names_have_learning_rates_of_their_own() -> None:
    network = torch.nn.ModuleDict({"a": torch.nn.Linear(2, 2), "b": torch.nn.Linear(2, 2)})
    optim = OptimConfig(lr_factors=(("b.", 2.0), ("c.", 3.0)))
    groups = loop._parameter_groups(network, optim)
    assert [(len(group["params"]), group["factor"]) for group in groups] == [(2, 1.0), (2, 2.0)]
    assert groups[1]["params"][0] is network["b"].weight


@pytest.mark.usefixtures("quick_export")
def test_the_flagship_trains_its_stages_and_is_resumed(
    labelled_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keras_file(tmp_path / "squeezenet.h5")
    tiny = {
        "autoencoder": TINY,
        "flow": FLOW_STEPS,
        "weak-flow": FLOW_STEPS,
        "distilled-editor": STUDENT_STEPS,
        "gan-decoder": (
            "val_images=4",
            "optim.batch=4",
            "warmup_steps=1",
            "generated=3",
            "flow_steps=1",
        ),
        "edit-table": (*FEW, 'attributes=["Smiling"]'),
        "classifier": ("model.widths=[8, 8, 8, 8]", "optim.batch=4", "val_images=8"),
        "fine-tuned-editor": (*STUDENT_STEPS, "val_images=4", "adversarial.faces=16"),
    }
    settings = flagship.Settings(features_file=str(tmp_path / "squeezenet.h5"))
    small = tuple(
        Stage(
            recipe=s.recipe,
            share=s.share,
            assignments=(*s.assignments, *tiny[s.name if s.name in tiny else s.recipe]),
            name=s.name,
            own_bundle=s.own_bundle,
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
        "weak-flow": 1,
        "gan-decoder": 2,
        "distilled-editor": 1,
        "robust-classifier": 1,
        "fine-tuned-editor": 1,
    }
    assert len(tensors.load(run / "gan-decoder" / gan_recipe.GENERATED)[0]["codes"]) == 3
    # Crops are coded once for all stages.
    codes = [tensors.load(run / n / "codes-train.safetensors")[0]["codes"] for n in CODED]
    assert all(torch.equal(codes[0], other) for other in codes[1:])
    with Editor.open(run / "bundle") as editor:
        assert editor.model.has_flow
        assert editor.model.has_gan_decoder
        assert editor.model.has_distilled_editor
        assert not (run / "bundle" / "reader.onnx").exists()  # the robust classifier is not shipped
        assert editor.model.bundle.facts["parts"]["student"]["settings"]["adversarial"][
            "features_file"
        ]
        guided = editor.prior()
        assert isinstance(guided, FlowPrior)
        lone = dataclasses.replace(guided, weak_velocity=None)
        one, other = (prior.sample([1], {}) for prior in (guided, lone))
        assert not np.allclose(one, other)
        assert len(editor.generate(2, seed=1)) == 2
        assert set(editor.model.edit_table.methods) == {"Smiling", *RETOUCHED}
    # Called again it trains nothing more.
    monkeypatch.setattr(flagship, "RECIPE", dataclasses.replace(recipe, stages=lambda _: small[:2]))
    start.run(order(labelled_store, run, recipe="flagship", assignments=(), steps=10))
    assert tensors.load(run / "flow" / "last.safetensors")[1]["step"] == 4
    with pytest.raises(BadRun, match="has its bundle already"):
        publish.publish([run], tmp_path / "again")


def test_shares_of_the_flagship_add_to_one() -> None:
    with pytest.raises(BadRequest, match="add to 1"):
        flagship.Settings(flow=0.9)
    nothing = dict.fromkeys(
        (
            "autoencoder",
            "flow",
            "weak_flow",
            "gan_decoder",
            "distilled_editor",
            "robust_classifier",
            "adversarial",
        ),
        0.0,
    )
    only = flagship.Settings(**{**nothing, "flow": 1})
    assert [stage.recipe for stage in flagship.stages(only)] == ["flow", "edit-table"]
    codes = flagship.Settings(**{**nothing, "autoencoder": 0.9, "weak_flow": 0.1})
    assert [stage.recipe for stage in flagship.stages(codes)] == ["autoencoder"]
