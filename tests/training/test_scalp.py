"""The recipe that fits bald heads."""

from pathlib import Path

import numpy as np
import pytest

from facedial.compose.scalp import COARSE, FILE, BaldHeads
from facedial.errors import BadRun, BadStore
from facedial.training import start
from facedial.training.recipes import scalp

from .tiny import order


def test_a_head_follows_its_pose_and_light_counts_where_the_head_is() -> None:
    rng = np.random.default_rng(0)
    poses = rng.normal([0, 0.55], 0.1, (200, 2))
    heads = np.zeros((200, COARSE, COARSE), np.float32)
    columns = np.arange(COARSE)
    for head, (aside, _) in zip(heads, poses, strict=True):
        head[20:50] = np.abs(columns - 31.5 - 60 * aside) < 12
    light = np.where(heads > 0, -0.2, 5.0).astype(np.float32)
    found = scalp.fitted(poses, heads, light)
    assert abs(found.mean[0]) < 1e-12
    straight = found.outline[0][35]
    assert np.allclose(straight, straight[::-1], atol=1e-5) and straight[31] > 0.9
    turned = straight + 0.15 * found.outline[1][35]
    assert turned[42] > 0.7 > 0.3 > turned[20]
    assert np.abs(found.light[0][35, 28:36] + 0.2).max() < 0.02


def test_a_store_without_bald_people_and_an_unfinished_run_are_refused(
    store: Path, tmp_path: Path
) -> None:
    with pytest.raises(BadStore, match="no labelled crops of bald people"):
        start.run(order(store, tmp_path / "run", recipe="scalp", assignments=("people=1",)))
    with pytest.raises(BadRun, match="finish the run"):
        scalp.finish(tmp_path, scalp.Settings(), tmp_path)
    BaldHeads(
        np.zeros((3, COARSE, COARSE), np.float32),
        np.zeros((3, COARSE, COARSE), np.float32),
        np.array([0.0, 0.5]),
    ).save(tmp_path / FILE)
    out = tmp_path / "out"
    out.mkdir()
    assert scalp.finish(tmp_path, scalp.Settings(), out) == {"mean": [0.0, 0.5]}
