"""Where mouths go when they smile or open, and what open ones show."""

from pathlib import Path

import numpy as np
import pytest

from facedial.arrays import LUMA
from facedial.compose import smile
from facedial.compose.mouth import INNER_LOWER, INNER_UPPER, LOWER, UPPER, gap
from facedial.compose.smile import COARSE, FILE, OPEN, TEMPLATE, Mouths, Opening
from facedial.errors import BadBundle
from facedial.faces.geometry import apply
from facedial.runtime.bundle import Bundle


@pytest.fixture(scope="module")
def mouths() -> Mouths:
    return Mouths.load(Bundle.open().file(FILE))


@pytest.fixture(scope="module")
def closed(mouths: Mouths) -> np.ndarray:
    """The usual closed mouth without a smile, on the head frame's template."""
    return np.tensordot(smile.regressors(0, 0, *smile.pose(TEMPLATE)), mouths.shape, 1)


def test_a_smile_lifts_the_corners_and_widens_the_mouth(mouths: Mouths, closed: np.ndarray) -> None:
    moved = mouths.moved(closed, TEMPLATE, (0, 1), 0)
    step = moved - closed
    for side, corner in ((-1, 0), (1, -1)):
        assert side * step[0, corner, 0] > 2 and step[0, corner, 1] < -2
    assert gap(moved) < 1
    half = mouths.moved(closed, TEMPLATE, (0, 0.5), 0) - closed
    assert np.abs(half - step / 2).max() < 0.7
    # And taken away again, it is back.
    assert np.abs(mouths.moved(moved, TEMPLATE, (1, 0), 0) - closed).max() < 2.5


def test_a_mouth_opens_as_wide_as_usual_and_closes_along_all_of_it(
    mouths: Mouths, closed: np.ndarray
) -> None:
    opened = mouths.moved(closed, TEMPLATE, (0, 0), 1)
    assert abs(gap(opened) - OPEN) < 1.5
    down = opened[LOWER, 8, 1] - closed[LOWER, 8, 1]
    assert down > opened[UPPER, 8, 1] - closed[UPPER, 8, 1] + 2
    again = mouths.moved(opened, TEMPLATE, (0, 0), -1)
    assert np.abs(again[INNER_LOWER] - again[INNER_UPPER]).max() < 0.01
    stays = mouths.moved(opened, TEMPLATE, (0.3, 0.3), 0)
    assert np.abs(stays - opened).max() < 0.01


def test_a_smile_out_of_a_shout_closes_it_a_little_and_a_frown_unbends(
    mouths: Mouths, closed: np.ndarray
) -> None:
    wide = mouths.moved(closed, TEMPLATE, (0, 0), 1)
    wide[[INNER_LOWER, LOWER], 3:-3, 1] += 8
    assert gap(mouths.moved(wide, TEMPLATE, (0, 1), 1)) < gap(wide) - 2
    frown = closed.copy()
    frown[..., 1] += 4 * np.linspace(-1, 1, 17) ** 2
    bend = lambda mouth: mouth[0, [0, -1], 1].mean() - mouth[0, 8, 1]  # noqa: E731
    differs = bend(frown) - bend(closed)
    smiles = bend(mouths.moved(frown, TEMPLATE, (0, 1), 0)) - bend(
        mouths.moved(closed, TEMPLATE, (0, 1), 0)
    )
    assert 0.2 * differs < smiles < 0.6 * differs


def test_a_larger_mouth_moves_with_its_face(mouths: Mouths, closed: np.ndarray) -> None:
    straight = mouths.moved(closed, TEMPLATE, (0, 1), 0) - closed
    larger = np.array([[1.3, 0.0, -30.0], [0.0, 1.3, -50.0]])
    scaled = mouths.moved(apply(larger, closed), apply(larger, TEMPLATE), (0, 1), 0)
    assert np.abs(scaled - apply(larger, closed) - 1.3 * straight).max() < 1e-6


def test_folds_darken_cheeks_beside_a_smile_and_not_the_lips(
    mouths: Mouths, closed: np.ndarray
) -> None:
    smiling = mouths.moved(closed, TEMPLATE, (0, 1), 1)
    light = mouths.folds(smiling, TEMPLATE)
    assert light.shape == (COARSE, COARSE, 3)
    left, right = (smiling[0, k] for k in (0, -1))
    for corner, aside in ((left, -5), (right, 5)):
        x, y = (corner + np.array([aside, -9])) / 4
        assert light[int(y), int(x)].max() < -0.04
    middle = smiling.mean((0, 1)) / 4
    assert np.abs(light[int(middle[1]), int(middle[0])]).max() < 1e-6
    assert not light[:16].any() and not light[:, :8].any()


def test_teeth_are_lighter_than_what_lies_around_them_and_have_edges(
    mouths: Mouths, closed: np.ndarray
) -> None:
    smiling = mouths.moved(closed, TEMPLATE, (0, 1), 1)
    # Eight places to a pixel, through the middle of the teeth.
    left, right = smiling[0, [0, -1], 0]
    x = np.linspace(left + 4, right - 4, 400)
    y = np.interp(x, smiling[0, :, 0], smiling[[INNER_UPPER, INNER_LOWER], :, 1].mean(0))
    opening = Opening.of(smiling, np.stack([x, y], 1))
    assert opening.share[50:350].min() > 0.9
    skin = np.array([200, 150, 130], np.float32)
    shown = smile.teeth(mouths.inside(skin, 1), smiling, TEMPLATE, opening, 1.0) @ LUMA
    middle, corners = shown[150:250].mean(), shown[[0, -1]].mean()
    assert middle > 1.3 * corners and middle > skin @ LUMA
    dips = (shown[1:-1] < shown[:-2]) & (shown[1:-1] <= shown[2:])
    assert 7 <= dips.sum() <= 15
    # Who does not smile shows darker teeth, and a darker face has darker ones.
    assert mouths.inside(skin, 0).mean() < mouths.inside(skin, 1).mean()
    assert mouths.inside(skin / 2, 1).mean() < 0.85 * mouths.inside(skin, 1).mean()


def test_places_of_an_opening_are_found_in_another_mouth(
    mouths: Mouths, closed: np.ndarray
) -> None:
    opened = mouths.moved(closed, TEMPLATE, (0, 0), 1)
    places = (opened[INNER_UPPER] + opened[INNER_LOWER]) / 2
    assert np.abs(Opening.of(opened, places).before(opened) - places)[2:-2].max() < 1e-6
    assert Opening.of(opened, opened[UPPER] - [0, 3]).share.max() == 0


def test_skin_too_dark_to_tell_its_colour_gives_none() -> None:
    assert smile.skin_of(np.full((256, 256, 3), 20, np.float32)) is None
    colour = smile.skin_of(np.full((256, 256, 3), 90, np.float32))
    assert colour is not None and colour.tolist() == [90, 90, 90]


def test_what_is_saved_is_loaded_and_other_files_are_refused(
    mouths: Mouths, tmp_path: Path
) -> None:
    mouths.save(tmp_path / FILE)
    again = Mouths.load(tmp_path / FILE)
    for name in ("shape", "usual", "light", "teeth"):
        assert np.allclose(getattr(again, name), getattr(mouths, name), atol=2e-3)
    assert again.skin == mouths.skin
    np.savez(tmp_path / "other.npz", format=1, shape=np.zeros(3))
    with pytest.raises(BadBundle, match="mouths"):
        Mouths.load(tmp_path / "other.npz")
