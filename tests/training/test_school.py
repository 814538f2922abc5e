"""A student in school: who learns from what, what is asked of whom, and what comes out."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from facedial.codes.attributes import NAMES
from facedial.codes.edit import Edit
from facedial.editor import Editor
from facedial.errors import BadBundle, BadRequest, BadRun
from facedial.training import publish, start, tensors
from facedial.training.models import flow, reader
from facedial.training.models.small_picture import LinearMap
from facedial.training.recipes import _school, moves, student

from .test_perceptual import keras_file
from .tiny import STUDENT_STEPS, TINY_FLOW, order

OWN = NAMES.index("Smiling")


def planes() -> flow.Planes:
    """Of codes of 24 numbers, in an orthonormal basis."""
    linear = LinearMap(24)
    torch.manual_seed(0)
    linear.basis.copy_(torch.linalg.qr(torch.randn_like(linear.basis))[0])
    linear.mean.fill_(0.3)
    made = flow.Planes(linear)
    made.fit(torch.randn(64, 24))
    return made


def watching() -> tuple[_school.Eyes, _school.Judges]:
    network = reader.Reader(reader.Config(widths=(8, 8, 8, 8))).eval().requires_grad_(False)
    ones = torch.ones(40)
    flat = lambda pictures: [pictures[:, :, ::2, ::2], pictures[:, :, ::4, ::4]]  # noqa: E731
    usual = torch.stack([-1.5 * ones, 1.5 * ones])
    eyes = _school.Eyes(planes(), flat, network, usual, ones, ones)
    return eyes, _school.Judges([3, 3], [0.5, 0.5])


class Same(nn.Module):
    """Changes every face by the same."""

    def __init__(self) -> None:
        super().__init__()
        self.change = nn.Parameter(torch.full((6, 32, 32), 0.1))

    def forward(self, faces: torch.Tensor, wishes: torch.Tensor) -> torch.Tensor:
        return self.change.expand(len(faces), -1, -1, -1)


def asked(count: int = 4) -> _school.Asked:
    signs = torch.zeros(count, 40)
    signs[:, OWN] = 1
    labels = torch.where(torch.rand(count, 40) < 0.5, -1.0, 1.0)
    return _school.Asked(
        faces=torch.randn(count, 6, 32, 32),
        wishes=torch.randn(count, 80),
        masks=torch.ones(count, 1, 32, 32),
        signs=signs,
        photos=torch.randn(count, 6, 32, 32),
        labels=labels,
    )


def test_student_and_judges_get_their_own_gradients_alone() -> None:
    torch.manual_seed(1)
    eyes, judges = watching()
    game = _school.Game(Same(), judges)
    pairs = (torch.randn(2, 6, 32, 32), torch.randn(2, 80), torch.randn(2, 6, 32, 32))
    own = ("imitated", "deceived", "suited", "asked", "kept")
    some = asked()
    for term in (*own, "judged"):
        game.zero_grad()
        raw = game((*pairs, torch.ones(2, 1, 32, 32)), some, eyes)
        assert set(raw) == {*own, "judged"}
        raw[term].backward()
        learnt = [
            any(p.grad is not None and bool(p.grad.any()) for p in part.parameters())
            for part in (game.student, judges)
        ]
        assert learnt == ([True, False] if term in own else [False, True]), term


def test_a_change_where_none_may_be_is_no_change() -> None:
    """Under a mask of zeros nothing moves, and what is asked is not found."""
    torch.manual_seed(2)
    eyes, judges = watching()
    some = asked()
    none = _school.Asked(
        some.faces, some.wishes, 0 * some.masks, some.signs, some.photos, some.labels
    )
    game = _school.Game(Same(), judges)
    pair = (torch.zeros(1, 6, 32, 32), torch.zeros(1, 80), game.student.change[None].detach())
    raw = game((*pair, torch.ones(1, 1, 32, 32)), none, eyes)
    assert float(raw["kept"].detach()) == 0
    assert float(raw["imitated"].detach()) == 0  # it is what the flow does
    before = eyes.read(some.faces)[:, OWN]
    torch.testing.assert_close(raw["asked"], torch.relu(1.5 - before).mean())


@pytest.fixture(scope="module")
def made(
    labelled_store: Path, with_student: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """Runs, and a bundle with a flow, a student, and a table by which *Smiling* and *Bangs* flow."""
    tmp_path = tmp_path_factory.mktemp("ready")
    shutil.copytree(with_student, tmp_path, dirs_exist_ok=True)
    out = tmp_path / "bundle"
    few = ("people=4", "steps=1", "turnings=[0.2]", "guidances=[2]", "gains=[1.5]", "places=[0.5]")
    few = (*few, 'attributes=["Smiling", "Bangs", "Male"]')
    start.run(order(labelled_store, tmp_path / "moves", recipe="moves", assignments=few, init=out))
    path = tmp_path / "moves" / moves.TABLE
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


def test_a_schooled_student_goes_on_and_may_be_what_an_edit_does(
    labelled_store: Path, ready: Path, drawn: np.ndarray, tmp_path: Path
) -> None:
    run = tmp_path / "school"
    keras_file(tmp_path / "squeezenet.h5")
    few = (
        *TINY_FLOW, "pairs=32", "judged=6", "school.faces=40", "school.warm=1",
        f"pairs_of={tmp_path / 'student'}", f"school.features_file={tmp_path / 'squeezenet.h5'}",
    )  # fmt: skip
    given = {"recipe": "student", "assignments": few, "init": ready}
    start.run(order(labelled_store, run, steps=3, **given))
    logged = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    scores = next(r["scores"] for r in logged if "scores" in r)
    assert scores["merit"] == pytest.approx(scores["likely"] - scores["kept"])
    first, second = (next(r for r in logged if r["step"] == k)["weighted"] for k in (1, 2))
    assert first["asked"] == 0 != second["asked"]  # the judges learn alone at first
    begun = tensors.load(tmp_path / "student" / "best.safetensors")[0]
    ended = tensors.load(run / "best.safetensors")[0]
    name = "network.middle.0.first.weight"
    # It goes on from the bundle's student, whose weights are bytes.
    assert float((ended[f"student.{name}"] - begun[name]).abs().max()) < 0.05
    before = (ready / "student.onnx").read_bytes()
    publish.publish([run], ready)
    assert (ready / "student.onnx").read_bytes() != before
    chosen = tmp_path / "chosen"
    tried = ("people=4", "places=[0]", "gains=[1]", 'qualities=["fast"]', 'attributes=["Smiling"]')
    start.run(order(labelled_store, chosen, recipe="moves", assignments=tried, init=ready))
    facts = json.loads((chosen / moves.TABLE).read_text())
    assert set(facts["table"]) == {"Smiling", "Bangs", "Male"}
    facts["table"]["Smiling"] |= {"move": "flow", "quality": "fast"}
    (chosen / moves.TABLE).write_text(json.dumps(facts))
    publish.publish([chosen], ready)
    with Editor.open(ready) as editor:
        assert max(editor.bundle.prove().values()) < 1e-3
        portrait = editor.portrait_of_crop(drawn[0])

        def after(name: str, move: str, quality: str) -> np.ndarray:
            edit = Edit({name: 1.0}, exactly=True)
            return editor.change(portrait, edit, move, quality).after.values

        flowed = after("Smiling", "flow", "best")
        fast = after("Smiling", "flow", "fast")  # asked for as a guess, the flow's is known
        best = after("Smiling", "best", "best")
        assert not np.array_equal(best, flowed)
        assert np.array_equal(best, fast)
        assert np.array_equal(after("Bangs", "best", "best"), after("Bangs", "flow", "best"))
    with pytest.raises(BadRun, match=r"holds \d+ pairs, 9999 are wanted"):
        start.run(
            order(labelled_store, tmp_path / "x", **{**given, "assignments": (*few, "pairs=9999")})
        )


def test_what_is_asked_is_drawn_by_seed_of_people_who_lack_it(
    labelled_store: Path, ready: Path, tmp_path: Path
) -> None:
    from facedial.data.store import Store
    from facedial.training.batches import Crops
    from facedial.training.recipe import Context

    store = Store.open(labelled_store)
    context = Context(stores=[store], run=tmp_path, device=torch.device("cpu"), init=ready)
    with Editor.open(ready) as editor:
        crops = Crops([store], ["train"])
        codes = torch.from_numpy(
            np.concatenate([editor.bundle.encode(crops.read(part)) for part in crops.blocks(64)])
        )
        linear = LinearMap(6)
        made = flow.Planes(linear)
        asking = _school.Asking(context, "train", 40, editor, codes, made)
    assert asking.names == ["Bangs", "Smiling"]
    one, same, other = asking.draw(16, 3), asking.draw(16, 3), asking.draw(16, 4)
    assert torch.equal(one.wishes, same.wishes) and torch.equal(one.faces, same.faces)
    assert not torch.equal(one.wishes, other.wishes)
    now, then = one.wishes.chunk(2, 1)
    for i, signs in enumerate(one.signs):
        (k,) = torch.nonzero(signs.abs() == 1)[0]
        assert NAMES[k] in asking.names
        assert signs[k] * now[i, k] <= 0 and signs[k] * then[i, k] > 0
        stays = signs == 0
        assert torch.equal(now[i][stays], then[i][stays])
    assert float(one.masks.max()) == pytest.approx(1.5)  # as far as the table goes
    parts = one.parts(6)
    assert [len(part.faces) for part in parts] == [6, 6, 4]
    assert torch.equal(torch.cat([part.signs for part in parts]), one.signs)


def test_what_cannot_be_schooled_is_refused(store: Path, with_flow: Path, tmp_path: Path) -> None:
    with pytest.raises(BadRequest, match="between 0 and 1, got 1"):
        _school.School(fresh=1.0)
    with pytest.raises(BadRequest, match="0 or more"):
        _school.School(kept=-1.0)
    with pytest.raises(BadRequest, match="qualities are fast or best"):
        moves.Settings(qualities=("finest",))
    out = with_flow / "bundle"
    with pytest.raises(BadBundle, match="no student; set qualities to best alone"):
        start.run(
            order(
                store, tmp_path / "m", recipe="moves", assignments=('qualities=["fast"]',), init=out
            )
        )
    few = (*STUDENT_STEPS, "school.features_file=x.h5")
    with pytest.raises(BadBundle, match="no student to school"):
        start.run(
            order(store, tmp_path / "s", recipe="student", assignments=few, steps=1, init=out)
        )
    assert student.Settings().school.features_file == ""
