"""Laws of runs: learning, stopping, resuming, exporting, going on from a bundle."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from facedial import folder
from facedial.codes.attributes import NAMES
from facedial.data.store import Store
from facedial.editing.directions import Directions
from facedial.editing.request import Edit
from facedial.editor import Editor
from facedial.errors import BadBundle, BadRequest, BadRun, BadStore, UnknownName
from facedial.faces.crop import Crop
from facedial.faces.face import Face
from facedial.faces.photo import Photo
from facedial.portrait import Portrait
from facedial.runtime.bundle import Bundle
from facedial.training import (
    export,
    loop,
    lr_schedule,
    networks,
    precision,
    publish,
    runs,
    start,
    tensors,
)
from facedial.training.models.autoencoder import Autoencoder
from facedial.training.recipe import OptimConfig, RunContext, Terms, from_json, with_settings
from facedial.training.recipes import autoencoder, flow
from facedial.training.tasks import flow as flow_task

from .older_exporter import older_exporter
from .tiny import BLOCKS, FLOW_STEPS, TINY, of_another_space, order

RECIPES = folder.names(runs.RECIPES)


# The command line, without what `conftest` spares every training of these tests.
SPARING = """
from facedial.training import curves, loop
curves.draw, loop.peak = lambda run: None, lambda device, precision: 1e11
from facedial.cli.entry import main
main()
"""


def lines(run: Path, key: str) -> dict[int, float]:
    rows = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    return {row["step"]: row[key] for row in rows if key in row}


@pytest.mark.parametrize("name", RECIPES)
def test_settings_survive_json_and_refuse_nonsense(name: str) -> None:
    recipe = runs.recipe_named(name)
    assert recipe.summary
    import dataclasses

    values = json.loads(json.dumps(dataclasses.asdict(recipe.settings)))
    assert from_json(recipe.settings, values) == recipe.settings
    with pytest.raises(UnknownName, match="setting"):
        with_settings(recipe.settings, ["no_such_thing=1"])
    with pytest.raises(BadRequest, match="NAME=VALUE"):
        with_settings(recipe.settings, ["seven"])


def test_settings_keep_their_kinds() -> None:
    changed = with_settings(autoencoder.Settings(), ["optim.lr=0.5", "dimensions=7"])
    assert (changed.optim.lr, changed.dimensions) == (0.5, 7)
    with pytest.raises(BadRequest, match="'dimensions' is a int, got 'many'"):
        with_settings(autoencoder.Settings(), ["dimensions=many"])
    with pytest.raises(BadRequest, match="lr must lie in"):
        with_settings(autoencoder.Settings(), ["optim.lr=7.0"])


def test_two_faces_are_overfitted(store: Path, tmp_path: Path) -> None:
    """A real training: the renderer draws what four numbers of a code cannot carry by far."""
    settings = with_settings(
        autoencoder.Settings(),
        [
            *("dimensions=4", "refinements=0", "optim.batch=4", "optim.lr=1e-2"),
            *("decoder.width=16", *BLOCKS[:3], "val_images=4"),
        ],
    )
    context = RunContext(stores=[Store.open(store)], run=tmp_path, device=torch.device("cpu"))
    torch.manual_seed(0)
    task = autoencoder.start(context, settings)
    task.crops.rows = task.crops.rows[:2]
    before = float(task.loss(task.network, 8, seed=1).detach())
    from lightning_fabric import Fabric

    fabric = Fabric(accelerator="cpu", devices=1)
    loop.train(task, tmp_path, loop.Budget(steps=120, save_every_s=1e9), fabric)
    after = float(task.loss(task.network, 8, seed=1).detach())
    assert after < 0.4 * before, (before, after)


def test_a_killed_run_resumes_with_the_same_losses(store: Path, tmp_path: Path) -> None:
    """SIGKILL at a step nobody chose; afterwards the same losses as without it."""
    steps = 14
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    start.run(order(store, whole, steps=steps))
    arguments = [sys.executable, "-c", SPARING, "train", "autoencoder", "--data", str(store)]
    arguments += ["-o", str(killed), "--steps", str(steps), "--precision", "32-true"]
    arguments += ["--save-every", "0", "--log-every", "1"]
    arguments += [part for text in TINY for part in ("--set", text)]
    process = subprocess.Popen(arguments, stderr=subprocess.PIPE)  # noqa: S603
    deadline = time.monotonic() + 120
    while not (killed / "last.safetensors").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(float(np.random.default_rng().uniform(0, 1.0)))
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    assert (killed / "last.safetensors").exists()
    start.run(order(store, killed, steps=steps))
    wanted, found = lines(whole, "last_loss"), lines(killed, "last_loss")
    assert sorted(found) == sorted(wanted)
    for step, loss in wanted.items():
        assert found[step] == pytest.approx(loss, rel=1e-4), step


def test_two_processes_learn_as_one_does(store: Path, finished: Path, tmp_path: Path) -> None:
    """Batches half as large in each of two processes, whose gradients are averaged."""
    tiny = (*TINY[:-2], "val_images=8", "optim.lr=5e-3")
    start.run(
        order(store, tmp_path / "one", steps=30, log_every=50, assignments=(*tiny, "optim.batch=8"))
    )
    command = [sys.executable, "-m", "facedial", "train", "autoencoder", "--data", str(store)]
    command += [f"--set={text}" for text in (*tiny, "optim.batch=4")]
    command += ["--steps=30", "--devices=2", "--precision=32-true", "-o", str(tmp_path / "two")]
    done = subprocess.run(  # noqa: S603
        command, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [str(tmp_path / "two")]  # one process speaks
    loaded = (tensors.load(tmp_path / name / "best.safetensors") for name in ("one", "two"))
    (weights, first), (other, second) = loaded
    one, two = first["scores"], second["scores"]
    assert two["psnr"] == pytest.approx(one["psnr"], abs=0.05)
    # The same start and averaged steps: what was learnt points the same way.
    name = next(n for n in weights if n.endswith("leave.weight"))
    assert weights[name].abs().max() > 1e-3  # it began at zero
    assert torch.cosine_similarity(weights[name].flatten(), other[name].flatten(), 0) > 0.5


def test_the_same_seed_gives_the_same_losses(store: Path, finished: Path, tmp_path: Path) -> None:
    start.run(order(store, tmp_path / "again"))
    again, first = lines(tmp_path / "again", "last_loss"), lines(finished, "last_loss")
    assert [again[s] for s in range(1, 6)] == pytest.approx([first[s] for s in range(1, 6)])


def test_a_run_leaves_curves_sheets_and_scores(finished: Path) -> None:
    for name in ("curves.png", "sheet.png", "best.safetensors", "last.safetensors", "run.json"):
        assert (finished / name).stat().st_size > 0
    facts = tensors.load(finished / "best.safetensors")[1]
    assert facts["step"] == 6
    assert facts["scores"]["psnr"] > 5


def test_an_export_agrees_with_torch_and_can_be_started_from(
    store: Path, finished: Path, published: Path, drawn: np.ndarray, tmp_path: Path
) -> None:
    out = published / "bundle"
    differences = json.loads((published / "differences.json").read_text())
    assert set(differences) == {"autoencoder-encode", "autoencoder-decode"}
    assert max(differences.values()) < 2e-3
    network = Autoencoder(runs.opened(finished)[2])
    space = networks.load_part(network, out, "autoencoder")
    with Bundle.open(out) as bundle:
        assert bundle.facts["space"] == space
        codes = bundle.run("autoencoder-encode", drawn[:3])
        with torch.no_grad():
            pictures = network.decode(torch.from_numpy(codes)).permute(0, 2, 3, 1) * 255
        np.testing.assert_allclose(
            bundle.run("autoencoder-decode", codes), pictures.numpy(), atol=0.05
        )
    onward = tmp_path / "onward"
    start.run(order(store, onward, init=out, steps=2))
    _, _, settings = runs.opened(onward)
    going_on = autoencoder.start(
        RunContext(stores=[Store.open(store)], run=onward, device=torch.device("cpu")), settings
    )
    for name, value in going_on.network.linear.state_dict().items():
        assert torch.equal(value, network.linear.state_dict()[name]), name
    with pytest.raises(BadBundle, match="holds no reader"):
        networks.load_part(network, out, "reader")


NARROW = ("val_images=16", "optim.batch=4", "model.widths=[8, 8, 16, 16]")


@pytest.fixture(scope="module")
def with_networks(store: Path, with_flow: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs `landmarks` and `classifier`, and a `bundle` of them, an autoencoder and a flow."""
    made = tmp_path_factory.mktemp("networks")
    shutil.copytree(with_flow, made, dirs_exist_ok=True)
    folders = [made / "landmarks", made / "classifier"]
    for run in folders:
        start.run(order(store, run, recipe=run.name, assignments=NARROW, steps=2))
    publish.publish(folders, made / "bundle")
    return made


@pytest.mark.parametrize("recipe", ["landmarks", "classifier"])
def test_training_can_start_from_every_network_of_a_bundle(
    recipe: str, store: Path, with_networks: Path, tmp_path: Path
) -> None:
    """Also those with batch norms, which an exporter likes to fold away."""
    run, out = with_networks / recipe, with_networks / "bundle"
    given = NARROW
    onward = tmp_path / "onward"
    start.run(order(store, onward, recipe=recipe, assignments=given, init=out, steps=1))
    before, _ = tensors.load(run / "best.safetensors")
    task = runs.recipe_named(recipe).start(
        RunContext(
            stores=[Store.open(store)], run=tmp_path / "again", device=torch.device("cpu"), init=out
        ),
        runs.opened(run)[2],
    )
    assert task is not None
    for name, value in task.network.state_dict().items():
        if value.dtype.is_floating_point and value.dim() == 1:  # larger ones are rounded to bytes
            assert torch.allclose(value, before[name], atol=1e-6), name


UNREFINED = (*TINY, "refinements=0")


@pytest.fixture(scope="module")
def unrefined(store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle of an autoencoder without a refiner."""
    run = tmp_path_factory.mktemp("unrefined") / "run"
    start.run(order(store, run, assignments=UNREFINED))
    with older_exporter():
        publish.publish([run], run / "bundle")
    return run / "bundle"


@pytest.mark.usefixtures("quick_export")
def test_the_code_space_changes_if_and_only_if_codes_do(
    store: Path, published: Path, unrefined: Path, tmp_path: Path
) -> None:
    """A trained refiner makes other codes; without one, a trained renderer does not."""
    for name, first, given, same in (
        ("refined", published / "bundle", TINY, False),
        ("linear", unrefined, UNREFINED, True),
    ):
        later = tmp_path / name
        before = json.loads((first / "bundle.json").read_text())["space"]
        start.run(order(store, later, assignments=given, init=first))
        publish.publish([later], later / "bundle")
        after = json.loads((later / "bundle" / "bundle.json").read_text())["space"]
        assert (before == after) is same, name
        directions = Directions.load(later / "bundle" / "directions.npz")
        assert directions.space == after


@pytest.mark.usefixtures("quick_export")
def test_refined_codes_are_white_again_and_draw_the_same(
    store: Path, finished: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    shutil.copytree(finished, run)
    state, facts = tensors.load(run / "best.safetensors")
    generator = torch.Generator().manual_seed(0)
    # A refiner that moves codes far, as after a long training.
    shape = state["refiner.leave.weight"].shape
    state["refiner.leave.weight"] = 10 * torch.randn(shape, generator=generator)
    tensors.save(run / "best.safetensors", state, facts)
    start.run(order(store, run))
    publish.publish([run], tmp_path / "bundle")
    opened = Store.open(store)
    crops = opened.pixels[opened.where("train")]
    network = Autoencoder(runs.opened(run)[2])
    network.load_state_dict(state)
    with torch.no_grad():
        pixels = torch.from_numpy(np.array(crops)).permute(0, 3, 1, 2).float() / 255
        unlike = network.encode(pixels)
        wanted = network.decode(unlike).permute(0, 2, 3, 1).numpy() * 255
    assert (unlike.square().mean(0).sqrt() - 1).abs().max() > 0.2
    with Bundle.open(tmp_path / "bundle") as bundle:
        codes = bundle.run("autoencoder-encode", crops)
        np.testing.assert_allclose(np.sqrt(np.square(codes).mean(0)), 1, atol=0.03)
        assert (
            np.abs(bundle.run("autoencoder-decode", codes) - wanted).mean() < 1.5
        )  # one byte a weight


def test_training_can_start_from_a_bundle_without_a_refiner(
    store: Path, unrefined: Path, tmp_path: Path
) -> None:
    start.run(order(store, tmp_path / "refined", init=unrefined, steps=2))
    assert lines(tmp_path / "refined", "loss")


def test_the_decoder_that_both_graphs_hold_is_stored_once(finished: Path, published: Path) -> None:
    network = Autoencoder(runs.opened(finished)[2])
    rounded = export.quantize(network, {})
    weights = network.state_dict()
    wanted = sum(weights[name].numel() for name in rounded if not name.startswith("refiner."))
    assert (published / "bundle" / export.SHARED).stat().st_size == wanted


def test_a_run_stopped_before_its_codes_were_fitted_is_not_exported(
    finished: Path, tmp_path: Path
) -> None:
    stopped = tmp_path / "stopped"
    shutil.copytree(finished, stopped)
    (stopped / "whitening.safetensors").unlink()
    with pytest.raises(BadRun, match="before directions and prior were fitted"):
        publish.publish([stopped], tmp_path / "bundle")
    assert not (tmp_path / "bundle").exists()


def test_a_flow_learns_a_bundles_codes_and_draws_them(
    store: Path, with_networks: Path, drawn: np.ndarray, tmp_path: Path
) -> None:
    out, tiny = with_networks / "bundle", FLOW_STEPS
    with Editor.open(out) as editor:
        assert editor.prior().name == "learned"
        faces = editor.generate(3, seed=5)
        assert {code.space for code in faces} == {editor.model.space}
        again = editor.generate(2, seed=5, targets={"Smiling": 0.5})  # 0.5: nothing is asked
        for one, other in zip(faces, again, strict=False):
            assert np.array_equal(one.values, other.values)
        crop = Crop(drawn[0], np.eye(2, 3), 1.0)
        nobody = Face(np.zeros(4), np.zeros((5, 2)), 1.0)
        portrait = Portrait(Photo(drawn[0]), nobody, crop, faces[0])
        change = editor.change(portrait, Edit({"Smiling": 1.0}), "flow")
        assert not np.array_equal(change.after.values, change.before.values)
        assert change.before is faces[0]
        assert editor.render(portrait, {}, method="flow") is portrait.photo
        with pytest.raises(
            BadRequest, match="no edit method named 'jump'; known: best, direction, flow"
        ):
            editor.render(portrait, {"Smiling": 1.0}, method="jump")
        planes = editor.model.to_latents(faces[0].values[None])
        np.testing.assert_allclose(editor.model.to_codes(planes)[0], faces[0].values, atol=2e-3)
        asked = editor.generate(2, seed=5, targets={"Smiling": 1})
        assert not np.array_equal(faces[0].values, asked[0].values)
        with pytest.raises(BadRequest, match="settings of the learned prior"):
            editor.prior("gaussian", steps=4)
    start.run(order(store, tmp_path / "more", recipe="flow", assignments=tiny, init=out, steps=1))
    with pytest.raises(BadBundle, match="does not exist"):
        nowhere = tmp_path / "nowhere"
        start.run(order(store, nowhere, recipe="flow", assignments=tiny, init=tmp_path / "none"))
    with pytest.raises(BadRun, match="train the flow again"):
        publish.publish([with_networks / "flow"], of_another_space(out, tmp_path))


def test_the_label_prior_is_fitted_to_complete_labels_given_by_people() -> None:
    by_hand, soft, partly = np.ones((2, 40)), np.full((3, 40), 0.8), np.full((1, 40), -0.5)
    by_hand[1, 4], partly[0, 7] = -1, 0
    found = flow.complete(np.concatenate([partly, soft, by_hand]).astype(np.float32))
    assert found.shape == (2, 40)
    assert not found[1, 4] and found.sum() == 79
    assert flow.complete(np.concatenate([soft, partly]).astype(np.float32)).shape == (3, 40)
    assert flow.complete(partly.astype(np.float32)).shape == (0, 40)


def test_conditions_are_dropped_and_rare_attributes_oversampled(
    store: Path, tmp_path: Path
) -> None:
    """Every share that the recipe promises, counted over many batches."""
    labels = np.full((4000, len(NAMES)), -1, np.float32)
    bald = NAMES.index("Bald")
    labels[:16, bald] = 1
    task = flow_task.Task.__new__(flow_task.Task)
    task.settings, task.labels = flow.Settings(), labels
    task.codes = torch.zeros(len(labels), 1)
    task.rare = flow_task.rare_rows(labels)
    assert [name for name, _ in task.rare] == ["Bald"]
    wanted = torch.cat([task.draw(64, np.random.default_rng(i))[1] for i in range(100)]).numpy()
    assert (wanted[:, bald] == 1).mean() == pytest.approx(1 / 8, abs=0.01)
    # Whoever was drawn for being bald is shown as bald; nobody else's label is ever made up.
    rest = np.delete(np.arange(len(wanted)), np.arange(0, len(wanted), 8))
    others = np.delete(wanted[rest], bald, axis=1)
    assert set(np.unique(others)) <= {-1.0, 0.0}
    assert (~wanted[rest].any(1)).mean() == pytest.approx(0.15, abs=0.03)
    assert wanted[rest].all(1).mean() == pytest.approx(0.45, abs=0.03)


def test_rounding_twice_changes_nothing() -> None:
    network = torch.nn.Linear(100, 80)
    export.quantize(network, {})
    once = network.weight.detach().clone()
    export.quantize(network, {})
    assert torch.equal(network.weight, once)


def test_foreign_and_damaged_folders_are_refused(
    store: Path, finished: Path, tmp_path: Path
) -> None:
    with pytest.raises(BadRun, match=r"another settings \(dimensions 6, asked for 5"):
        start.run(order(store, finished, assignments=("dimensions=5",)))
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "letter.txt").write_text("keep me")
    with pytest.raises(BadRun, match="is not empty and holds no run"):
        start.run(order(store, tmp_path / "full"))
    with pytest.raises(BadRun, match=r"has no run\.json"):
        runs.opened(tmp_path)
    with pytest.raises(BadStore):
        start.run(order(tmp_path, tmp_path / "r"))
    broken = tmp_path / "broken.safetensors"
    broken.write_bytes(b"not tensors")
    with pytest.raises(BadRun, match="is damaged"):
        tensors.load(broken)


def test_a_run_needs_a_budget(store: Path, tmp_path: Path) -> None:
    with pytest.raises(BadRequest, match="either minutes or steps"):
        start.run(order(store, tmp_path / "r", steps=None))


def test_precision_is_measured() -> None:
    assert precision.fastest(torch.device("cpu")) in ("bf16-mixed", "32-true")


def test_pca_is_a_model_like_any_other(store: Path, drawn: np.ndarray, tmp_path: Path) -> None:
    run, out = tmp_path / "pca", tmp_path / "bundle"
    start.run(order(store, run, recipe="pca", assignments=("dimensions=12",), steps=None))
    publish.publish([run], out)
    with Bundle.open(out) as bundle:
        again = bundle.run("autoencoder-decode", bundle.run("autoencoder-encode", drawn[:4]))
    error = np.square(again - drawn[:4]).mean()
    assert error < 0.5 * np.square(drawn[:4] - drawn.mean(0)).mean()
    assert bundle.facts["space"].startswith("pca12-")


def test_mixed_precision_leaves_inputs_as_they_are() -> None:
    """Fabric's own plugin would round times and pixels to eight bits before the network sees them."""
    from lightning_fabric import Fabric

    plugin = precision.plugin("bf16-mixed", torch.device("cpu"))
    fabric = Fabric(accelerator="cpu", devices=1, plugins=plugin)
    network = torch.nn.Identity()
    wrapped = fabric.setup(torch.nn.Sequential(network, torch.nn.Linear(1, 1)))
    seen: list[torch.Tensor] = []
    network.register_forward_hook(lambda _module, given, _result: seen.append(given[0]))
    value = torch.tensor([[0.123456]])
    wrapped(value)
    assert seen[0].dtype == torch.float32
    assert torch.equal(seen[0], value)
    assert precision.plugin("32-true", torch.device("cpu")) is None


def test_the_plateau_schedule_lowers_the_learning_rate() -> None:
    schedule = lr_schedule.LRSchedule(OptimConfig(schedule="plateau", factor=0.5, patience=2))
    assert schedule.evaluated(1.0)
    assert not any(schedule.evaluated(1.0) for _ in range(2))
    assert schedule.factor(10, 0.5) == 1.0
    assert not schedule.evaluated(0.5)  # the third look without a better score
    assert schedule.factor(10, 0.5) == 0.5
    assert schedule.evaluated(2.0)
    assert schedule.best == 2.0
    assert lr_schedule.LRSchedule(OptimConfig()).factor(10_000, 1.0) == pytest.approx(0.02)
    with pytest.raises(BadRequest, match="cosine, constant, plateau"):
        OptimConfig(schedule="linear")


def test_terms_add_up_as_weighted() -> None:
    terms = Terms({"a": torch.tensor(2.0), "b": torch.tensor(3.0)}, {"b": 10.0})
    assert float(terms.total) == 32
    assert terms.as_floats() == {"terms": {"a": 2, "b": 3}, "weighted": {"a": 2, "b": 30}}


def test_settings_that_came_later_do_not_stop_a_run(store: Path, tmp_path: Path) -> None:
    run = tmp_path / "old"
    start.run(order(store, run, steps=2))
    facts = json.loads((run / "run.json").read_text())
    del facts["settings"]["optim"]["schedule"]
    (run / "run.json").write_text(json.dumps(facts))
    start.run(order(store, run, steps=3))
    assert max(lines(run, "last_loss")) == 3
