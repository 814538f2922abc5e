"""The recipe that fits how mouths move."""

from pathlib import Path

import numpy as np
import pytest

from facedial.compose.smile import COARSE, FILE, TEETH, TEMPLATE, Mouths, regressors
from facedial.errors import BadRun, BadStore
from facedial.training import start
from facedial.training.recipes import mouths

from .tiny import order

CONTOUR = (4, 17, 2)


def test_contours_are_found_again_as_the_function_that_made_them() -> None:
    rng = np.random.default_rng(0)
    truth = rng.normal(0, 1, (7, *CONTOUR))
    # Left and right are alike, but for what turning the head exchanges.
    mirrored = truth[:, :, ::-1] * [-1, 1]
    signs = np.array([1, 1, 1, 1, 1, -1, -1])[:, None, None, None]
    truth = (truth + signs * mirrored) / 2
    truth[3, ..., 0] += TEMPLATE[:2, 0].mean()
    smiles, gaps = rng.integers(0, 2, 300).astype(float), rng.uniform(0, 12, 300)
    poses = rng.normal([0, 0.55], 0.1, (300, 2))
    by = np.array([regressors(s, g, *p) for s, g, p in zip(smiles, gaps, poses, strict=True)])
    framed = np.tensordot(by, truth, 1)
    assert np.abs(mouths._shape(framed, smiles, gaps, poses) - truth).max() < 1e-6


def test_stores_of_too_few_smiles_and_unfinished_runs_are_refused(
    store: Path, tmp_path: Path
) -> None:
    with pytest.raises(BadStore, match="256"):
        start.run(order(store, tmp_path / "run", recipe="mouths", assignments=("people=4",)))
    with pytest.raises(BadRun, match="finish the run"):
        mouths.finish(tmp_path, mouths.Settings(), tmp_path)
    Mouths(
        np.zeros((7, *CONTOUR)),
        np.zeros(CONTOUR),
        np.zeros((COARSE, COARSE, 3), np.float32),
        np.zeros((4, *TEETH, 3), np.float32),
        5.0,
    ).save(tmp_path / FILE)
    out = tmp_path / "out"
    out.mkdir()
    found = mouths.finish(tmp_path, mouths.Settings(), out)
    assert found == {"corner": [0.0, 0.0], "lip": [0.0, 0.0]} and (out / FILE).exists()
