"""Adversarial fine-tuning of a distilled editor: gradients, sampled edits, the exported result."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from facedial.codes.attributes import NAMES
from facedial.editing.request import Edit
from facedial.editor import Editor
from facedial.errors import BadBundle, BadRequest, BadRun
from facedial.training import publish, start, tensors
from facedial.training.models import classifier, latents
from facedial.training.models import distilled_editor as editing
from facedial.training.recipes import distilled_editor, edit_table
from facedial.training.tasks import adversarial

from .test_perceptual import keras_file
from .tiny import FEW, STUDENT_STEPS, TINY_FLOW, order

OWN = NAMES.index("Smiling")


def planes() -> latents.Latents:
    """Of codes of 24 numbers, in an orthonormal basis."""
    linear = latents.LinearMap(24)
    torch.manual_seed(0)
    linear.basis.copy_(torch.linalg.qr(torch.randn_like(linear.basis))[0])
    linear.mean.fill_(0.3)
    made = latents.Latents(linear)
    made.fit(torch.randn(64, 24))
    return made


def critics() -> tuple[editing.Critics, editing.ConditionalDiscriminators]:
    network = (
        classifier.Classifier(classifier.Config(widths=(8, 8, 8, 8))).eval().requires_grad_(False)
    )
    ones = torch.ones(40)
    flat = lambda pictures: [pictures[:, :, ::2, ::2], pictures[:, :, ::4, ::4]]  # noqa: E731
    class_logits = torch.stack([-1.5 * ones, 1.5 * ones])
    observers = editing.Critics(planes(), flat, network, class_logits, ones, ones)
    return observers, editing.ConditionalDiscriminators([3, 3], [0.5, 0.5])


class Same(nn.Module):
    """The same change for every face."""

    def __init__(self) -> None:
        super().__init__()
        self.change = nn.Parameter(torch.full((6, 32, 32), 0.1))

    def forward(self, faces: torch.Tensor, conditions: torch.Tensor) -> torch.Tensor:
        return self.change.expand(len(faces), -1, -1, -1)


def edits(count: int = 4) -> editing.Edits:
    signs = torch.zeros(count, 40)
    signs[:, OWN] = 1
    labels = torch.where(torch.rand(count, 40) < 0.5, -1.0, 1.0)
    return editing.Edits(
        faces=torch.randn(count, 6, 32, 32),
        conditions=torch.randn(count, 80),
        masks=torch.ones(count, 1, 32, 32),
        signs=signs,
        photos=torch.randn(count, 6, 32, 32),
        labels=labels,
    )


def test_editor_and_discriminators_have_separate_gradients() -> None:
    torch.manual_seed(1)
    observers, discriminators = critics()
    network = editing.AdversarialEditing(Same(), discriminators)
    pairs = (torch.randn(2, 6, 32, 32), torch.randn(2, 80), torch.randn(2, 6, 32, 32))
    own = ("distillation", "g_loss", "g_loss_conditional", "target", "preserve")
    some = edits()
    for term in (*own, "d_loss"):
        network.zero_grad()
        raw = network((*pairs, torch.ones(2, 1, 32, 32)), some, observers)
        assert set(raw) == {*own, "d_loss"}
        raw[term].backward()
        learnt = [
            any(p.grad is not None and bool(p.grad.any()) for p in part.parameters())
            for part in (network.editor, discriminators)
        ]
        assert learnt == ([True, False] if term in own else [False, True]), term


def test_a_mask_of_zeros_leaves_the_face_unchanged() -> None:
    """Under a mask of zeros nothing changes, and the target is missed as before."""
    torch.manual_seed(2)
    observers, discriminators = critics()
    some = edits()
    none = editing.Edits(
        some.faces, some.conditions, 0 * some.masks, some.signs, some.photos, some.labels
    )
    network = editing.AdversarialEditing(Same(), discriminators)
    pair = (torch.zeros(1, 6, 32, 32), torch.zeros(1, 80), network.editor.change[None].detach())
    raw = network((*pair, torch.ones(1, 1, 32, 32)), none, observers)
    assert float(raw["preserve"].detach()) == 0
    assert float(raw["distillation"].detach()) == 0  # equal to the flow's change
    before = observers.logits(some.faces)[:, OWN]
    torch.testing.assert_close(raw["target"], torch.relu(1.5 - before).mean())


@pytest.fixture(scope="module")
def made(
    labelled_store: Path, with_student: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """Runs, and a bundle with a flow, a student, and a table by which *Smiling* and *Bangs* flow."""
    tmp_path = tmp_path_factory.mktemp("ready")
    shutil.copytree(with_student, tmp_path, dirs_exist_ok=True)
    out = tmp_path / "bundle"
    few = (*FEW, 'attributes=["Smiling", "Bangs", "Male"]')
    start.run(
        order(labelled_store, tmp_path / "moves", recipe="edit-table", assignments=few, init=out)
    )
    path = tmp_path / "moves" / edit_table.TABLE
    facts = json.loads(path.read_text())
    for name, row in facts["table"].items():
        row["move"] = "direction" if name == "Male" else "flow"
        row["place"], row["gain"] = 0.5, 1.5
    path.write_text(json.dumps(facts))
    publish.publish([tmp_path / "moves"], out)
    return tmp_path


@pytest.fixture
def ready(made: Path, tmp_path: Path) -> Path:
    """That bundle, beside its runs, to be written into."""
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    return tmp_path / "bundle"


@pytest.mark.usefixtures("quick_export")
def test_fine_tuning_starts_from_the_bundles_editor_and_may_become_the_best_method(
    labelled_store: Path, ready: Path, drawn: np.ndarray, tmp_path: Path
) -> None:
    run = tmp_path / "school"
    keras_file(tmp_path / "squeezenet.h5")
    few = (
        *TINY_FLOW, "pairs=32", "val_images=6", "adversarial.faces=40", "adversarial.warmup_steps=1",
        f"pairs_from={tmp_path / 'student'}", f"adversarial.features_file={tmp_path / 'squeezenet.h5'}",
    )  # fmt: skip
    given = {"recipe": "distilled-editor", "assignments": few, "init": ready}
    start.run(order(labelled_store, run, steps=3, **given))
    logged = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    scores = next(r["scores"] for r in logged if "scores" in r)
    assert scores["score"] == pytest.approx(scores["target_probability"] - scores["collateral"])
    first, second = (next(r for r in logged if r["step"] == k)["weighted"] for k in (1, 2))
    assert first["target"] == 0 != second["target"]  # warm-up
    initial = tensors.load(tmp_path / "student" / "best.safetensors")[0]
    ended = tensors.load(run / "best.safetensors")[0]
    name = "network.middle.0.first.weight"
    # It goes on from the bundle's student, whose weights are bytes.
    assert float((ended[f"editor.{name}"] - initial[name]).abs().max()) < 0.05
    before = (ready / "student.onnx").read_bytes()
    publish.publish([run], ready)
    assert (ready / "student.onnx").read_bytes() != before
    chosen = tmp_path / "chosen"
    tried = (
        "people=4",
        "mask_thresholds=[0]",
        "gains=[1]",
        'qualities=["fast"]',
        'attributes=["Smiling"]',
    )
    start.run(order(labelled_store, chosen, recipe="edit-table", assignments=tried, init=ready))
    facts = json.loads((chosen / edit_table.TABLE).read_text())
    assert set(facts["table"]) == {"Smiling", "Bangs", "Male"}
    facts["table"]["Smiling"] |= {"move": "flow", "quality": "fast"}
    (chosen / edit_table.TABLE).write_text(json.dumps(facts))
    publish.publish([chosen], ready)
    with Editor.open(ready) as editor:
        assert max(editor.model.bundle.prove().values()) < 1e-3
        portrait = editor.reader.of_crop(drawn[0])

        def after(name: str, move: str, quality: str, target: float = 1.0) -> np.ndarray:
            edit = Edit({name: target}, exactly=True)
            return editor.change(portrait, edit, move, quality).after.values

        flowed = after("Smiling", "flow", "best")
        fast = after("Smiling", "flow", "fast")  # the flow's result is in the cache
        best = after("Smiling", "best", "best")
        assert not np.array_equal(best, flowed)
        assert np.array_equal(best, fast)
        # A fringe that goes is drawn.
        gone, by_flow = (after("Bangs", move, "best", 0.0) for move in ("best", "flow"))
        assert np.array_equal(gone, by_flow)
    with pytest.raises(BadRun, match=r"holds \d+ pairs, 9999 are wanted"):
        start.run(
            order(labelled_store, tmp_path / "x", **{**given, "assignments": (*few, "pairs=9999")})
        )


def test_edits_are_drawn_by_seed_with_targets_that_people_lack(
    labelled_store: Path, ready: Path, tmp_path: Path
) -> None:
    from facedial.data.store import Store
    from facedial.training.batches import Crops
    from facedial.training.recipe import RunContext

    store = Store.open(labelled_store)
    context = RunContext(stores=[store], run=tmp_path, device=torch.device("cpu"), init=ready)
    with Editor.open(ready) as editor:
        crops = Crops([store], ["train"])
        codes = torch.from_numpy(
            np.concatenate([editor.model.encode(crops.read(part)) for part in crops.blocks(64)])
        )
        linear = latents.LinearMap(6)
        made = latents.Latents(linear)
        asking = adversarial.EditSampler(context, "train", 40, editor, codes, made)
    # What becomes of the code of who is retouched the distilled editor says, too.
    assert asking.names == ["Bangs", "Male", "Smiling"]
    one, same, other = asking.draw(16, 3), asking.draw(16, 3), asking.draw(16, 4)
    assert torch.equal(one.conditions, same.conditions) and torch.equal(one.faces, same.faces)
    assert not torch.equal(one.conditions, other.conditions)
    now, then = one.conditions.chunk(2, 1)
    for i, signs in enumerate(one.signs):
        (k,) = torch.nonzero(signs.abs() == 1)[0]
        assert NAMES[k] in asking.names
        assert signs[k] * now[i, k] <= 0 and signs[k] * then[i, k] > 0
        stays = signs == 0
        assert torch.equal(now[i][stays], then[i][stays])
    assert float(one.masks.max()) == pytest.approx(1.5)  # as far as the table goes
    parts = one.split(6)
    assert [len(part.faces) for part in parts] == [6, 6, 4]
    assert torch.equal(torch.cat([part.signs for part in parts]), one.signs)


def test_wrong_settings_and_bundles_are_refused(
    store: Path, with_flow: Path, tmp_path: Path
) -> None:
    with pytest.raises(BadRequest, match="between 0 and 1, got 1"):
        adversarial.AdversarialConfig(unpaired_fraction=1.0)
    with pytest.raises(BadRequest, match="0 or more"):
        adversarial.AdversarialConfig(preserve=-1.0)
    with pytest.raises(BadRequest, match="qualities are fast or best"):
        edit_table.Settings(qualities=("finest",))
    out = with_flow / "bundle"
    with pytest.raises(BadBundle, match="no distilled editor; set qualities to best alone"):
        start.run(
            order(
                store,
                tmp_path / "m",
                recipe="edit-table",
                assignments=('qualities=["fast"]',),
                init=out,
            )
        )
    few = (*STUDENT_STEPS, "adversarial.features_file=x.h5")
    with pytest.raises(BadBundle, match="no distilled editor to fine-tune"):
        start.run(
            order(
                store, tmp_path / "s", recipe="distilled-editor", assignments=few, steps=1, init=out
            )
        )
    assert distilled_editor.Settings().adversarial.features_file == ""
