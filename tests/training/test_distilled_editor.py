"""The distilled editor: trained on a flow's edits, used in its place."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from facedial.editing.request import Edit
from facedial.editor import Editor
from facedial.errors import BadBundle, BadRequest, BadRun
from facedial.training import publish, start, tensors
from facedial.training.models import flow, latents
from facedial.training.models.distilled_editor import DistilledEditor
from facedial.training.recipes import distilled_editor
from facedial.training.tasks.pairs import Pairs

from .tiny import STUDENT_STEPS, of_another_space, order


def test_an_editor_is_distilled_from_a_flow_and_used_for_fast_edits(
    labelled_store: Path, published: Path, with_student: Path, drawn: np.ndarray, tmp_path: Path
) -> None:
    out, run = with_student / "bundle", tmp_path / "student"
    shutil.copytree(with_student / "student", run)
    kept, _ = tensors.load(run / "pairs-0000.safetensors")
    assert len(kept["faces"]) == len(kept["wishes"]) == len(kept["changes"]) >= 32
    now, then = kept["wishes"].float().chunk(2, 1)
    assert ((now - then).abs() > 0.3).any(1).all()  # every pair is of a wish
    made = (run / "pairs-0000.safetensors").stat().st_mtime_ns
    given = {"recipe": "distilled-editor", "assignments": STUDENT_STEPS}
    start.run(order(labelled_store, run, init=out, steps=6, **given))
    assert (run / "pairs-0000.safetensors").stat().st_mtime_ns == made
    with Editor.open(out) as editor:
        assert editor.model.has_distilled_editor
        assert max(editor.model.bundle.prove().values()) < 1e-3
        pixels = drawn[0]
        portrait = editor.reader.of_crop(pixels)
        code = portrait.code
        edit = Edit({"Smiling": 1.0}, exactly=True)
        fast, best = (editor.change(portrait, edit, "flow", q) for q in ("fast", "best"))
        assert not np.array_equal(fast.after.values, best.after.values)
        half = editor.change(portrait, Edit({"Smiling": 1.0}, strength=0.5, exactly=True), "flow")
        step = best.after.values - code.values
        np.testing.assert_allclose(half.after.values - code.values, step / 2, atol=1e-5)
        with pytest.raises(BadRequest, match="no quality named 'good'; known: fast, best"):
            editor.change(portrait, edit, "flow", "good")
    with pytest.raises(BadRun, match="train it again"):
        publish.publish([run], of_another_space(out, tmp_path))
    plain = published / "bundle"
    with pytest.raises(BadBundle, match="no flow to distil"):
        start.run(order(labelled_store, tmp_path / "x", steps=1, init=plain, **given))


def test_distillation_converges_on_changes_that_are_a_function_of_the_input() -> None:
    """On changes that are a function of face and wish, the error goes down; still faces stay."""
    torch.manual_seed(0)
    count = 64
    faces = torch.randn(count, latents.CHANNELS, latents.SIDE, latents.SIDE)
    now = torch.zeros(count, 40)
    then = now.clone()
    then[:, 31] = torch.tensor([1.0, -1.0]).repeat(count // 2)
    changes = then[:, 31, None, None, None] * torch.ones_like(faces)
    changes[:, 1:4:2] = 0  # these turn round with the face, which says nothing of the side here
    # Beyond the mask there is what nobody could learn, and nobody asks for.
    masks = torch.ones(count, latents.SIDE, latents.SIDE)
    masks[:, :8] = 0
    changes[:, :, :8] = 5 * torch.randn(count, latents.CHANNELS, 8, latents.SIDE)
    settings = distilled_editor.Settings(
        model=flow.Config(width=8, condition=16, heads=2, middle=1), identity_fraction=0.25
    )
    task = distilled_editor.Task.__new__(distilled_editor.Task)
    task.settings, task.device = settings, torch.device("cpu")
    task.pairs = Pairs(faces, torch.cat([now, then], 1), changes, masks)
    task.val_rows, task.train_rows = torch.arange(0, 64, 5), torch.arange(64)
    network = DistilledEditor(settings.model)
    assert task.scores(network)["explained"] == pytest.approx(0, abs=1e-6)
    optimiser = torch.optim.Adam(network.parameters(), 1e-2)
    for step in range(90):
        optimiser.zero_grad()
        task.loss(network, 8, step).backward()
        optimiser.step()
    assert task.scores(network)["explained"] > 0.7
    with torch.no_grad():
        still = network(faces[:4], torch.cat([now, now], 1)[:4])
    assert float(still.square().mean()) < 0.3  # where a wish changes 1
    with pytest.raises(BadRequest, match="pairs must be 32 or more, got 3"):
        distilled_editor.Settings(pairs=3)


def test_an_editor_may_start_from_the_weights_of_a_weak_flow() -> None:
    torch.manual_seed(0)
    config = flow.Config(width=8, condition=16, heads=2, middle=1)
    weak, editor = flow.Flow(config, 40), DistilledEditor(config)
    for parameter in weak.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    editor.init_from(weak)
    faces, wishes = torch.randn(2, latents.CHANNELS, latents.SIDE, latents.SIDE), torch.randn(2, 80)
    assert not editor(faces, wishes).any()  # it changes nothing yet
    editor.network.leave.load_state_dict(weak.leave.state_dict())
    same = wishes[:, :40].repeat(1, 2)
    torch.testing.assert_close(editor(faces, same), weak(faces, torch.ones(2), same[:, :40]))
