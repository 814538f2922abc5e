"""The detector's second stage: what it learns from, and that what ships is what was trained."""

from pathlib import Path

import numpy as np
import pytest
import torch

from facedial.data.candidates import Candidates
from facedial.data.labelled_photos import LabelledPhoto
from facedial.data.scenes import SceneConfig, Scenes
from facedial.faces.detector import NetworkDetector
from facedial.faces.face_boxes import FaceBoxes
from facedial.faces.second_stage import PATCH
from facedial.model import Model
from facedial.training import networks, publish, start
from facedial.training.models.second_stage import Config, Look, SecondStage

from .drawn_photos import drawn
from .tiny import bare_bundle, order

TINY = (8, 8, 8, 8)


def test_candidates_are_faces_or_none_and_nothing_between(monkeypatch: pytest.MonkeyPatch) -> None:
    """A detector that proposes the face, a box over its half, and one far away."""
    # No decoys, which have the shapes of heads.
    monkeypatch.setattr("facedial.data.candidates.KINDS", (0.5, 0.0, 0.0, 0.5))
    size = 256
    box = np.array([80.0, 80.0, 120.0, 120.0])
    faces = FaceBoxes.of_boxes(box[None], np.full((1, 5, 2), np.nan), np.array([True]))
    photo = LabelledPhoto(np.full((size, size, 3), 90, np.uint8), faces)
    nobody = LabelledPhoto(np.full((size, size, 3), 30, np.uint8), FaceBoxes.none())
    scenes = Scenes([photo], [], [nobody], None, SceneConfig(pasted=0, empty=1, decoy=0, cover=0))  # type: ignore[arg-type]

    def proposed(pictures: np.ndarray) -> np.ndarray:
        """One cell in the middle, of a face of 32 px."""
        height, width = pictures.shape[1:3]
        found = np.zeros((1, sum(height * width // s**2 for s in (8, 16, 32, 64)), 15), np.float32)
        found[0, 0, 0] = 0.5
        return found

    rng = np.random.default_rng(0)
    found = Candidates.collected(scenes, NetworkDetector(proposed), 12, rng)
    assert len(found) >= 12 and found.patches.shape[1:] == (PATCH, PATCH, 3)
    assert not found.faces.any()  # the corner is never a face's box
    assert np.allclose(found.scores, 0.5)
    again = Candidates.collected(scenes, NetworkDetector(proposed), 12, np.random.default_rng(0))
    assert np.array_equal(again.patches, found.patches)


def test_it_learns_what_its_candidates_show_and_its_export_says_the_same(
    tmp_path: Path, quick_export: None
) -> None:
    store, photos = drawn(tmp_path)
    labels = tmp_path / "labels"
    labels.mkdir()
    rng = np.random.default_rng(0)
    truth = np.arange(64) % 2 == 0
    # Bright above is a face, bright below is none, in noise; the first stage does not know.
    patches = rng.integers(0, 80, (64, PATCH, PATCH, 3))
    patches[truth, : PATCH // 2] += 150
    patches[~truth, PATCH // 2 :] += 150
    for split in ("train", "val"):
        found = Candidates(patches.astype(np.uint8), truth, np.full(64, 0.5, np.float32))
        found.save(labels / f"candidates-{split}-{PATCH}.npz")
    settings = (
        f"photos={photos}", f"labels={labels}", f"model.widths={list(TINY)}",
        "optim.batch=16", "optim.lr=0.02", "optim.ema_steps=5",
    )  # fmt: skip
    asked = order(store, tmp_path / "run", recipe="second-stage", steps=40, assignments=settings)
    assert start.run(asked)
    assert (tmp_path / "run" / "sheet.png").stat().st_size > 1000
    bundle = bare_bundle(tmp_path / "bundle")
    assert publish.publish([tmp_path / "run"], bundle)["second_stage"] < 2e-2
    trained = SecondStage(Config(widths=TINY))
    networks.load_part(trained, bundle, "second_stage")
    with Model.open(bundle).bundle, torch.no_grad():
        model = Model.open(bundle)
        assert model.has_second_stage
        odds = model.face_odds(patches.astype(np.uint8))
        wanted = Look(trained.eval())(torch.from_numpy(patches.astype(np.uint8))).numpy()
    assert odds == pytest.approx(wanted, abs=2e-2)
    assert (odds[truth] > 0).mean() > 0.9 and (odds[~truth] < 0).mean() > 0.9
