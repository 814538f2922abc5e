"""Person and background: what colours say of one crop, and what a network learns of many."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from facedial.errors import BadRequest
from facedial.runtime.bundle import Bundle
from facedial.training import publish, start, tensors
from facedial.training.mattes import matte
from facedial.training.recipes.matte import MATTES

from .tiny import order

SMALL = (
    "model.width=8",
    "model.below=1",
    "model.up=1",
    "train_images=12",
    "val_images=8",
    "optim.batch=8",
    "optim.ema_steps=1",
    "optim.lr=0.01",
)


def head(hair: int, behind: int) -> tuple[np.ndarray, np.ndarray]:
    """A head drawn before a wall, uint8 [128, 128, 3], and where it is."""
    down, across = np.mgrid[:128, :128] / 127
    whole = np.hypot((across - 0.5) / 0.32, (down - 0.48) / 0.42) < 1
    face = np.hypot((across - 0.5) / 0.20, (down - 0.57) / 0.25) < 1
    person = whole | (np.hypot((across - 0.5) / 0.45, (down - 1.2) / 0.3) < 1)
    picture = np.full((128, 128, 3), behind, np.float64)
    picture[person] = hair
    picture[face] = (200, 160, 140)
    picture += np.random.default_rng(0).normal(0, 4, picture.shape)
    return np.clip(picture, 0, 255).astype(np.uint8), person


@pytest.mark.parametrize(("hair", "behind"), [(40, 190), (210, 60)])
def test_colours_segment_a_head_from_a_wall(hair, behind):
    picture, person = head(hair, behind)
    found = matte(picture)
    assert found.shape == (64, 64) and found.dtype == np.float32
    assert found.min() >= 0 and found.max() <= 1
    # Beside the shoulders, at the bottom, colours alone cannot tell what goes on behind them.
    assert ((found > 0.5) == person[::2, ::2])[:48].mean() > 0.97
    assert (found == matte(picture)).all()


def test_a_network_is_trained_on_them_and_exported(
    store: Path, drawn: np.ndarray, published: Path, tmp_path: Path
):
    run = tmp_path / "matte"
    out = shutil.copytree(published / "bundle", tmp_path / "bundle")
    given = {"recipe": "matte", "assignments": SMALL}
    start.run(order(store, run, steps=60, **given))
    known, _ = tensors.load(run / MATTES)
    assert {name: v.shape for name, v in known.items()} == {
        "train": (12, 64, 64),
        "val": known["val"].shape,
    }
    publish.publish([run], out)
    with Bundle.open(out) as bundle:
        assert bundle.has("matte")
        assert bundle.prove()["matte"] < 2e-3
        found = bundle.run("matte", drawn[:3])
        assert found.shape == (3, 64, 64) and found.min() >= 0 and found.max() <= 1
        # What it was taught, it knows: heads are in the middle.
        assert found[:, 28:40, 28:36].mean() > found[:, :6, :6].mean() + 0.4
    start.run(order(store, tmp_path / "on", steps=1, init=out, **given))


def test_no_training_images_are_refused(store: Path, tmp_path: Path):
    with pytest.raises(BadRequest, match="at least 1"):
        start.run(
            order(store, tmp_path / "m", recipe="matte", assignments=("train_images=0",), steps=1)
        )
