"""The recipe that fits what attributes add to faces."""

from pathlib import Path

import numpy as np
import pytest

from facedial.compose import features
from facedial.compose.retouch import BANDS, FILE, MAP, RETOUCHED, ROUGH, Retouch
from facedial.errors import BadRun, BadStore
from facedial.runtime.bundle import Bundle
from facedial.training import start
from facedial.training.recipes import retouch

from .tiny import order


def test_what_an_attribute_adds_is_found_where_others_go_with_it() -> None:
    """Two attributes that mostly occur together, seen only in part: each gets its own effect."""
    rng = np.random.default_rng(0)
    count, places = 4000, 6
    one = rng.integers(0, 2, count)
    other = np.where(rng.uniform(size=count) < 0.8, one, 1 - one)
    by = np.stack([one, other, np.ones(count), np.ones(count)], 1).astype(np.float32)
    effects = rng.normal(0, 1, (3, places, 2))
    values = np.einsum("nk,kpc->npc", by[:, :3], effects).astype(np.float32)
    weights = (rng.uniform(size=(count, places)) < 0.7).astype(np.float32)
    values[weights == 0] = 50  # hidden: whatever it is
    weights[:, -1] = 0
    weights[:50, -1] = 1  # hardly ever seen
    sums = retouch._Sums(places, 4, 2)
    for part in range(0, count, 64):
        rows = slice(part, part + 64)
        sums.add(by[rows], weights[rows], values[rows])
    found = sums.effect([0, 1, 2])
    np.testing.assert_allclose(found[:-1], effects[0, :-1], atol=0.05)
    assert not found[-1].any()


def test_of_a_feature_only_its_own_points_and_places_count() -> None:
    usual = Retouch.load(Bundle.open().file(FILE)).usual
    for name in RETOUCHED:
        moves, zone = retouch._part(name, usual)
        assert zone.shape == (MAP, MAP) and zone.min() >= 0 and zone.max() <= 1
        assert (name in retouch.PARTS) == bool(moves.min() == 0)
    lips, zone = retouch._part("Big_Lips", usual)
    assert lips[features.MOUTH].all() and lips.sum() == 36
    mouth, chin = (
        np.rint(at / 2).astype(int) for at in (usual[features.MOUTH].mean(0), usual[-15])
    )
    assert zone[mouth[1], mouth[0]] == 1 and zone[chin[1], chin[0]] == 0


def test_stores_of_too_few_people_and_unfinished_runs_are_refused(
    store: Path, tmp_path: Path
) -> None:
    with pytest.raises(BadStore, match="256"):
        start.run(order(store, tmp_path / "run", recipe="retouch", assignments=("people=4",)))
    with pytest.raises(BadRun, match="finish the run"):
        retouch.finish(tmp_path, retouch.Settings(), tmp_path)
    Retouch(
        ("Male",),
        np.zeros((features.COUNT, 2)),
        np.zeros((1, features.COUNT, 2)),
        np.zeros((1, MAP, MAP, 3), np.float32),
        np.zeros((1, ROUGH, ROUGH, BANDS), np.float32),
    ).save(tmp_path / FILE)
    out = tmp_path / "out"
    out.mkdir()
    assert retouch.finish(tmp_path, retouch.Settings(), out) == {"names": ["Male"]}
    assert (out / FILE).exists()
