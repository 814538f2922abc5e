"""The parser: what it learns from, what carries no loss, and that what ships is what was trained."""

import io
from contextlib import closing
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image

from facedial.data import parse_teacher
from facedial.data.prepare import prepare
from facedial.data.sources import open_source
from facedial.data.store import Store
from facedial.errors import BadRequest, BadStore
from facedial.faces.parse import CLASSES, HAIR, UNKNOWN, class_overlap, dilated, from_ids
from facedial.model import Model
from facedial.training import parse_labels, publish, start
from facedial.training.augment import Augmentation
from facedial.training.models.parser import Config, Parser
from facedial.training.recipe import RunContext
from facedial.training.recipes.parser import Settings, Task

from .tiny import bare_bundle, order

PEOPLE = {"train": 6, "val": 2}
SMALL = ("model.levels=[[16, 0, 1], [16, 1, 0]]", "optim.batch=4", "optim.bits=8")
SIDE = 256


def encoded(pixels: np.ndarray) -> bytes:
    """A picture as PNG."""
    packed = io.BytesIO()
    Image.fromarray(pixels).save(packed, "PNG")
    return packed.getvalue()


def drawn(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """A head of three colours uint8 [256, 256, 3], and its classes in CelebAMask-HQ's numbers."""
    rng = np.random.default_rng(seed)
    down, across = np.mgrid[:SIDE, :SIDE] / (SIDE - 1)
    middle = 0.5 + rng.uniform(-0.05, 0.05)
    ids = np.zeros((SIDE, SIDE), np.uint8)
    ids[np.hypot((across - middle) / 0.3, (down - 0.45) / 0.4) < 1] = 13
    ids[np.hypot((across - middle) / 0.2, (down - 0.55) / 0.25) < 1] = 1
    colours = np.array([[20, 60, 160], [220, 170, 140]] + [[60, 40, 30]] * 12, np.float64)
    picture = colours[ids] + rng.normal(0, 4, (SIDE, SIDE, 3))
    ids[:, :20] = 255  # the photo begins there
    return np.clip(picture, 0, 255).astype(np.uint8), ids


@pytest.fixture(scope="module")
def heads(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of drawn heads with classes, one with a hair mask and one with a person mask instead."""
    folder = tmp_path_factory.mktemp("heads")
    rows: dict[str, list[object]] = {}
    for i, split in enumerate(s for s, count in PEOPLE.items() for _ in range(count)):
        picture, ids = drawn(i)
        masks = {
            "parts": encoded(ids) if i not in (0, 1) else None,
            "hair": encoded((ids == 13).astype(np.uint8) * 255) if i == 0 else None,
            "person_mask": encoded((ids % 255 > 0).astype(np.uint8) * 255) if i == 1 else None,
        }
        own = {"name": f"{i}.png", "person": str(i), "split": split, "webp": encoded(picture)}
        place = {"to_crop": [1.0, 0.0, 20.0, 0.0, 1.0, 0.0], "width": 236, "height": 256}
        for name, value in {**own, **place, **masks}.items():
            rows.setdefault(name, []).append(value)
    pq.write_table(pa.table(rows), folder / "heads.parquet")
    out = folder / "store"
    prepare(open_source([folder / "heads.parquet"]), out, size=SIDE, processes=1)
    return out


@pytest.fixture
def labels(heads: Path, tmp_path: Path) -> Path:
    """What teachers would have said of them, kept as a run keeps it: hair a little too wide."""
    store = Store.open(heads)
    for split in PEOPLE:
        rows = parse_labels.labelled_rows(store, split, 100)
        classes = np.stack([from_ids(drawn(int(row))[1]) for row in rows])
        hair = np.stack([dilated(c == HAIR, 2) for c in classes]).astype(np.uint8) * 255
        folder = parse_labels.label_folder(store, split, tmp_path / "labels")
        folder.mkdir(parents=True)
        (folder / "classes.u8").write_bytes(classes.tobytes())
        (folder / "hair.u8").write_bytes(hair.tobytes())
    return tmp_path / "labels"


def task(heads: Path, labels: Path, run: Path, **changes: object) -> Task:
    small = Config(levels=((8, 0, 1), (8, 1, 0)))
    settings = Settings(model=small, labels=str(labels), **changes)  # type: ignore[arg-type]
    context = RunContext(stores=[Store.open(heads)], run=run, device=torch.device("cpu"))
    return Task(settings, context)


def test_ids_of_two_schemes_mean_the_same_classes():
    named = {
        "skin": (1, (1, 10)), "brows": (6, (2, 3)), "eyes": (4, (4, 5)), "glasses": (3, (6,)),
        "ears": (8, (7, 8, 9)), "mouth": (10, (11,)), "lips": (11, (12, 13)), "neck": (17, (14, 15)),
        "clothes": (18, (16,)), "hair": (13, (17,)), "hat": (14, (18,)), "background": (0, (0,)),
    }  # fmt: skip
    assert set(named) == set(CLASSES)
    for name, (celeba, bisenet) in named.items():
        assert CLASSES[from_ids(np.uint8(celeba))] == name
        assert {CLASSES[parse_teacher.BISENET[i]] for i in bisenet} == {name}
    # Nose, the second of a pair, earring, necklace.
    assert from_ids(np.array([2, 5, 7, 9, 12, 15, 16], np.uint8)).tolist() == [1, 3, 2, 5, 7, 5, 8]
    assert from_ids(np.array([19, 200, 255], np.uint8)).tolist() == [UNKNOWN] * 3
    assert len(parse_teacher.BISENET) == 19


def test_a_matte_keeps_to_its_class():
    classes = np.zeros((64, 64), np.uint8)
    classes[:, 20:44] = HAIR
    classes[:, 44:] = CLASSES.index("skin")
    full, none = (
        parse_teacher.restrict_matte(np.full((64, 64), v, np.uint8), classes, 4) for v in (200, 0)
    )
    assert (full[:, :16] == 0).all() and (full[:, 48:] == 0).all()
    assert (full[:, 16:20] == 200).all() and (full[:, 26:38] == 255).all()
    assert (none[:, 26:38] == 255).all() and (none[:, :20] == 0).all()


def test_the_middle_of_a_wide_crop_is_looked_at_nearer():
    def look(pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Everything is of the class that is the crop's side in dozens of pixels."""
        found = np.full(pixels.shape[:2], len(pixels) // 12, np.uint8)
        found.flags.writeable = False
        return found, 2 * found

    classes, hair = parse_teacher.with_zoom(look, np.zeros((48, 48, 3), np.uint8))
    assert (classes[12:36, 12:36] == 2).all() and classes.sum() == 4 * 48**2 - 2 * 24**2
    assert (hair == 2 * classes).all()


def test_other_peoples_heads_are_background():
    classes = np.full((100, 100), CLASSES.index("clothes"), np.uint8)
    hair = np.full((100, 100), 200, np.uint8)
    own, other = np.array([30.0, 50, 10]), np.array([[80.0, 50, 10]])
    told, matte = parse_teacher.without_others(classes, hair, own, other)
    assert told[50, 80] == 0 and told[90, 90] == UNKNOWN and told[50, 30] == classes[0, 0]
    assert (matte[:, 60:] == 0).all() and (matte[:, :50] == 200).all()
    alone, _ = parse_teacher.without_others(classes, hair, own, np.zeros((0, 3)))
    assert (alone == classes).all()


def test_masks_made_by_hand_overrule_the_teachers(heads: Path, labels: Path):
    store = Store.open(heads)
    own = parse_labels.teacher_labels(store, "train", 100, labels, None)
    assert len(own) == PEOPLE["train"]
    found = {
        int(own.rows[i]): (classes, matte) for i, classes, matte in parse_labels.mask_labels(own)
    }
    assert sorted(found) == list(range(6))
    for row, (classes, matte) in found.items():
        assert (classes[:, :20] == UNKNOWN).all(), "nothing of the photo lies there"
        assert (classes[:, 20:] == from_ids(drawn(row)[1])[:, 20:]).all()
        assert matte.max() == 255 and (matte[:, :20] == 0).all()
    # Where a mask and the teachers differ, only what the mask says is left.
    hair = np.zeros((4, 4), bool)
    hair[0] = True
    told = np.array([[1] * 4, [HAIR] * 4, [0] * 4, [255] * 4], np.uint8)
    mixed = parse_labels.with_mask(told, hair, HAIR, parse_labels.NO_HAIR)
    assert [row[0] for row in mixed.tolist()] == [HAIR, parse_labels.NO_HAIR, 0, 255]


def test_labels_that_are_lacking_need_the_teachers(heads: Path, tmp_path: Path):
    with pytest.raises(BadRequest, match="teachers"):
        parse_labels.teacher_labels(Store.open(heads), "train", 9, tmp_path, None)
    with pytest.raises(BadRequest, match="has no bisenet"):
        parse_labels.teacher_labels(Store.open(heads), "train", 9, tmp_path, tmp_path)


def test_what_is_unknown_carries_no_loss(heads: Path, labels: Path, tmp_path: Path):
    still = Augmentation(other_frame=1.0, rotation=0.0, shift=0.0, log_scale=0.0)
    one = task(heads, labels, tmp_path, augmentation=still, dice=0.5)
    seen, classes, _, phase = one.batch(4, np.random.default_rng(0))
    assert seen.shape == (4, 3, SIDE, SIDE) and seen.min() >= 0 and seen.max() <= 1
    assert classes.shape == (4, SIDE // 2, SIDE // 2)
    unknown = classes == UNKNOWN
    # Seen at 1 / (1.8 exp(0.05)) of its size, a crop fills 68 of the 128 places, from 30 on.
    assert unknown[:, :29].all() and not unknown[:, 34:94, 50:80].any()
    assert set(classes.unique().tolist()) <= {0, 1, HAIR, UNKNOWN}
    odds = torch.zeros(4, 13, *classes.shape[1:], requires_grad=True)
    kept = one.batch
    one.batch = lambda *_: kept(4, np.random.default_rng(0))  # type: ignore[method-assign]
    one.loss(lambda *_: odds, 4, 0).total.backward()  # type: ignore[arg-type]
    assert odds.grad is not None
    touched = odds.grad.abs().sum(1) > 0
    assert (touched == ~unknown).all()
    assert phase in {(i, j) for i in (0, 1) for j in (0, 1)}


def test_a_phase_is_every_second_place_and_what_ships_is_the_same():
    torch.manual_seed(0)
    network = Parser(Config(levels=((8, 0, 1), (8, 1, 0)))).eval()
    seen = torch.rand(2, 3, SIDE, SIDE)
    with torch.no_grad():
        whole = network(seen)
        assert whole.shape == (2, 13, SIDE, SIDE)
        for phase in ((0, 0), (0, 1), (1, 0), (1, 1)):
            part = network(seen, phase)
            assert torch.allclose(part, whole[:, :, phase[0] :: 2, phase[1] :: 2], atol=1e-5)
        classes, hair = network.outputs(seen)
    assert torch.allclose(classes, whole[:, :-1], atol=1e-4)
    assert torch.allclose(hair, whole[:, -1], atol=1e-4)


def test_class_overlap_are_counted_where_something_is_known():
    told = np.array([[0, 0, 1], [1, 255, parse_labels.NO_HAIR]], np.uint8)
    found = np.array([[0, 1, 1], [0, 0, HAIR]], np.uint8)
    both, either = class_overlap(found, told)
    assert both[:2].tolist() == [1, 1] and either[:2].tolist() == [3, 3] and either[2:].sum() == 0


def test_it_learns_and_ships(heads: Path, labels: Path, tmp_path: Path):
    run, out = tmp_path / "parser", tmp_path / "bundle"
    given = {"recipe": "parser", "assignments": (*SMALL, f"labels={labels}", "optim.lr=0.03")}
    given["assignments"] += (
        "optim.ema_steps=1",
        "augmentation.shift=0.02",
        "optim.schedule=constant",
    )
    start.run(order(heads, run, steps=30, **given))
    assert (run / "sheet.png").exists()
    bare_bundle(out)
    publish.publish([run], out)
    with closing(Model.open(out)) as model:
        assert model.has_parser and model.bundle.prove()["parser"] < 2e-3
        assert (out / "parser-golden.npz").stat().st_size < 200_000
        stated = model.facts("parser")
        assert stated["classes"] == list(CLASSES) and stated["scores"]["iou_hair"] > 0.5
        picture, ids = drawn(7)
        classes, hair = model.parse(picture[None])
        assert classes.shape == (1, 12, SIDE, SIDE) and hair.shape == (1, SIDE, SIDE)
        known = ids != UNKNOWN
        assert (classes.argmax(1)[0] == from_ids(ids))[known].mean() > 0.8
        assert hair.min() >= 0 and hair.max() <= 1
        assert hair[0][ids == 13].mean() > hair[0][ids == 1].mean() + 0.2
        assert "/" not in str(stated["settings"]["labels"])
    start.run(order(heads, tmp_path / "on", steps=1, init=out, **given))


def test_other_crops_are_refused(store: Path, heads: Path, tmp_path: Path):
    with pytest.raises(BadStore, match="256-px crops"):
        start.run(order(store, tmp_path / "r", recipe="parser", assignments=SMALL, steps=1))
    with pytest.raises(BadRequest, match="class_weights"):
        Settings(class_weights=(1.0,))
    with pytest.raises(BadRequest, match="one for each store"):
        given = (*SMALL, "train_images=[1, 2]")
        start.run(order(heads, tmp_path / "n", recipe="parser", assignments=given, steps=1))
    with pytest.raises(BadRequest, match="levels"):
        Config(levels=((8, 1),))  # type: ignore[arg-type]
