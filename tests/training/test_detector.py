"""The detector: what its loss wants, and that what ships finds what was trained."""

from pathlib import Path

import numpy as np
import pytest
import torch

from facedial.data.store import Store
from facedial.errors import BadRequest
from facedial.faces.detector import UNIT, decoded
from facedial.model import Model
from facedial.training import networks, publish, start
from facedial.training.detection_loss import Targets, assign, decode, pairwise_iou, terms
from facedial.training.models.detector import Config, Detect, Detector, cells
from facedial.training.recipe import RunContext
from facedial.training.recipes.detector import Settings, Task

from .drawn_photos import BOX, drawn
from .tiny import bare_bundle, order

SIDE = 128
SMALL = (
    "model.stem=[8, 8]", "model.widths=[8, 8, 8, 8]", "model.blocks=[1, 0, 0, 0]", "model.features=8",
    "scenes.side=128", "optim.batch=4", "val_scenes=4",
)  # fmt: skip


def targets(boxes: list[list[float]], sure: list[bool]) -> Targets:
    box = torch.tensor([boxes])
    landmarks = (box[..., :2] + 8)[:, :, None].expand(1, len(boxes), 5, 2)
    there = torch.ones(1, len(boxes), dtype=torch.bool)
    return Targets(box, landmarks, there, torch.tensor([sure]))


def ideal(boxes: list[list[float]]) -> torch.Tensor:
    """Predictions with exact boxes and landmarks in every cell, of the box nearest to it.

    Those cells score high to which faces are assigned.
    """
    middles, strides = cells((SIDE, SIDE), torch.zeros(1))
    box = torch.tensor(boxes)
    centre = (box[:, :2] + box[:, 2:] - 1) / 2
    near = (middles[:, None] - centre).norm(dim=-1).argmin(1)
    unit = UNIT * strides[:, None]
    at = (centre[near] - middles) / unit
    size = torch.log((box[:, 2:] - box[:, :2])[near] / unit)
    points = (box[near, :2] + 8 - middles).repeat(1, 5) / unit
    found = torch.cat([torch.zeros(len(at), 1), at, size, points], 1)[None]
    exact, _ = decode(found, middles, strides)
    wanted = targets(boxes, [True] * len(boxes))
    chosen, _, _ = assign(found[..., 0], exact, wanted, middles, strides)
    found[..., 0] = torch.where(chosen, 12.0, -12.0)
    return found


def test_predictions_are_decoded_alike_in_torch_and_numpy() -> None:
    torch.manual_seed(0)
    grid = cells((128, 192), torch.zeros(1))
    predictions = torch.randn(1, len(grid[0]), 15) * 0.5
    boxes, points = decode(predictions, *grid)
    scores = torch.rand(len(grid[0]))
    found = torch.cat([scores[:, None], predictions[0, :, 1:]], 1).numpy()
    order_by_score = np.argsort(-found[:, 0], kind="stable")
    values, in_numpy, landmarks = decoded(found, (128, 192), 0.0)
    assert values == pytest.approx(found[order_by_score, 0])
    assert in_numpy == pytest.approx(boxes[0].numpy()[order_by_score], abs=1e-3)
    assert landmarks == pytest.approx(points[0].numpy()[order_by_score], abs=1e-3)


def test_exact_predictions_cost_nothing_and_each_error_its_own_term() -> None:
    grid = cells((SIDE, SIDE), torch.zeros(1))
    exact = ideal([BOX])
    wanted = targets([BOX], [True])
    best = terms(exact, wanted, *grid)
    assert max(float(value) for value in best.values()) < 1e-3
    moved = exact.clone()
    moved[..., 1] += 0.3
    assert terms(moved, wanted, *grid)["box"] > 0.05
    turned = exact.clone()
    turned[..., 5:] += 0.3
    off = terms(turned, wanted, *grid)
    assert off["landmarks"] > 0.05 and off["box"] < 1e-3
    silent = exact.clone()
    silent[..., 0] = -12
    assert terms(silent, wanted, *grid)["score"] > 1


def test_an_unsure_face_gives_its_cells_no_loss() -> None:
    grid = cells((SIDE, SIDE), torch.zeros(1))
    loud = ideal([BOX])
    ignored = terms(loud, targets([BOX], [False]), *grid)["score"]
    elsewhere = terms(loud, targets([[90.0, 0, 120, 30]], [False]), *grid)["score"]
    assert ignored < 1e-2 < elsewhere


def test_unknown_landmarks_give_no_loss() -> None:
    grid = cells((SIDE, SIDE), torch.zeros(1))
    wanted = targets([BOX], [True])
    unknown = Targets(
        wanted.boxes, torch.full_like(wanted.landmarks, torch.nan), wanted.there, wanted.sure
    )
    found = ideal([BOX]).requires_grad_()
    loss = terms(found + 0.1, unknown, *grid)
    assert loss["landmarks"].item() == 0
    sum(loss.values()).backward()  # type: ignore[union-attr]
    assert torch.isfinite(found.grad).all()  # type: ignore[arg-type]


def test_cells_are_near_their_face_and_of_its_size() -> None:
    grid = cells((SIDE, SIDE), torch.zeros(1))
    boxes = [[30.0, 40, 62, 72], [60.0, 60, 124, 124]]
    untrained = torch.zeros(1, len(grid[0]), 15)
    found, _ = decode(untrained, *grid)
    chosen, face, overlap = assign(untrained[..., 0], found, targets(boxes, [True, True]), *grid)
    for number, box in enumerate(boxes):
        own = chosen[0] & (face[0] == number)
        assert 1 <= int(own.sum()) <= 10
        middle = torch.tensor([(box[0] + box[2]) / 2, (box[1] + box[3]) / 2])
        assert ((grid[0][own] - middle).abs() < 0.5 * (box[2] - box[0])).all()
        # Before training a cell predicts a box of four strides: that of the face's size is best.
        assert set(grid[1][own].tolist()) == {(box[2] - box[0]) / UNIT}
    assert (overlap[chosen] > 0.3).all()


def test_overlaps_by_hand() -> None:
    a = torch.tensor([[[0.0, 0, 10, 10]]])
    b = torch.tensor([[[5.0, 0, 15, 10], [20, 20, 30, 30]]])
    assert pairwise_iou(a, b).tolist() == [[[pytest.approx(50 / 150), 0]]]


def test_a_network_takes_pictures_of_any_size_and_begins_silent() -> None:
    network = Detector(Config()).eval()
    with torch.no_grad():
        found = Detect(network)(torch.randint(0, 256, (1, 128, 192, 3), dtype=torch.uint8))
    assert found.shape == (1, 16 * 24 + 8 * 12 + 4 * 6 + 2 * 3, 15)
    assert found[..., 0].max() < 0.1


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A store of drawn heads, and a folder of photos with and without a box."""
    return drawn(tmp_path_factory.mktemp("detector"))


def test_a_run_is_repeated_by_its_seeds_and_its_export_finds_the_same(
    data: tuple[Path, Path], tmp_path: Path, quick_export: None
) -> None:
    store, photos = data
    settings = (*SMALL, f"photos={photos}", f"labels={tmp_path / 'labels'}")
    for name in ("one", "again"):
        asked = order(store, tmp_path / name, recipe="detector", steps=2, assignments=settings)
        assert start.run(asked)
    logs = [(tmp_path / name / "log.jsonl").read_text().splitlines() for name in ("one", "again")]
    losses = [[line.split('"last_loss": ')[1].split(",")[0] for line in log[:2]] for log in logs]
    assert losses[0] == losses[1]
    assert (tmp_path / "one" / "sheet.png").stat().st_size > 1000
    bundle = bare_bundle(tmp_path / "bundle")
    differences = publish.publish([tmp_path / "one"], bundle)
    assert differences["detector"] < 2e-3
    trained = Detector(Config(stem=(8, 8), widths=(8, 8, 8, 8), blocks=(1, 0, 0, 0), features=8))
    networks.load_part(trained, bundle, "detector")
    # Golden numbers are of a square; sides of other lengths are as good.
    pixels = np.random.default_rng(1).integers(0, 256, (1, 64, 192, 3), dtype=np.uint8)
    with Model.open(bundle).bundle, torch.no_grad():
        found = Model.open(bundle).detect(pixels)
        wanted = Detect(trained.eval())(torch.from_numpy(pixels)).numpy()
    assert found == pytest.approx(wanted, abs=2e-3)


def test_a_run_without_photos_is_refused(data: tuple[Path, Path], tmp_path: Path) -> None:
    context = RunContext(stores=[Store.open(data[0])], run=tmp_path, device=torch.device("cpu"))
    with pytest.raises(BadRequest, match="needs photos"):
        Task(Settings(), context)
