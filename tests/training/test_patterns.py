"""The recipes that fit patterns of light: on faces without beards, and around eyes without glasses."""

from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from facedial.compose import rims, shave
from facedial.compose.face_patterns import FacePatterns
from facedial.compose.shave import MAP
from facedial.errors import BadRequest, BadRun, BadStore
from facedial.runtime.bundle import Bundle
from facedial.training import patterns, start
from facedial.training.recipes import eyes as eyes_recipe
from facedial.training.recipes import shave as shave_recipe

from .tiny import order


def test_patterns_are_found_though_some_of_the_light_is_hidden() -> None:
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[:MAP, :MAP] / MAP
    # Mirror images of people are people: each pattern is even or odd.
    true = np.stack([np.cos(3 * rows), np.sin(4 * (columns - 0.5 + 0.5 / MAP))])[..., None]
    true = np.repeat(true, 3, 3)
    shares = rng.standard_normal((150, 2)) * [2, 1]
    light = 0.3 + np.tensordot(shares, true, 1).astype(np.float32)
    shown = np.ones((150, MAP, MAP), np.float32)
    for one in shown:
        x, y = rng.integers(0, MAP - 20, 2)
        one[y : y + 20, x : x + 20] = 0
    found = patterns.fitted(np.where(shown[..., None] > 0, light, -7).astype(np.float32), shown, 2)
    mean, *others = found.reshape(3, -1)
    for one, expected, deviation in zip(others, true.reshape(2, -1), (2, 1), strict=True):
        assert abs(np.corrcoef(one, expected)[0, 1]) > 0.99
        assert np.linalg.norm(one) == pytest.approx(deviation * np.linalg.norm(expected), rel=0.15)
    assert np.abs(mean - light.mean((0,)).ravel()).max() < 0.5


@pytest.mark.parametrize(
    ("recipe", "kind", "file", "few", "count"),
    [
        (shave_recipe, shave.CleanFaces, shave.FILE, ("men=4", "women=4"), 24),
        (eyes_recipe, rims.BareEyes, rims.FILE, ("people=4",), 64),
    ],
)
def test_too_few_people_wrong_settings_and_unfinished_runs_are_refused(
    recipe: ModuleType,
    kind: type[FacePatterns],
    file: str,
    few: tuple[str, ...],
    count: int,
    store: Path,
    tmp_path: Path,
) -> None:
    with pytest.raises(BadStore, match="256"):
        start.run(
            order(
                store, tmp_path / "run", recipe=recipe.__name__.rpartition(".")[2], assignments=few
            )
        )
    with pytest.raises(BadRequest, match="1 or more, got 0"):
        recipe.Settings(patterns=0)
    with pytest.raises(BadRun, match="finish the run"):
        recipe.finish(tmp_path, recipe.Settings(), tmp_path)
    kind.load(Bundle.open().file(file)).save(tmp_path / file)
    out = tmp_path / "out"
    out.mkdir()
    assert recipe.finish(tmp_path, recipe.Settings(), out) == {"patterns": count}
