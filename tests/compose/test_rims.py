"""Eyes without glasses: patterns fitted to what is seen, lenses that one sees through, rims."""

import numpy as np
import pytest

from facedial.compose import rims
from facedial.compose.rims import SHAPE, BareEyes, bare, see_through
from facedial.compose.worn import Seen
from facedial.faces.crop import head_template
from facedial.faces.parse import CLASSES, SIDE
from facedial.runtime.bundle import Bundle

SKIN = np.array([200.0, 150.0, 130.0])


@pytest.fixture(scope="module")
def eyes() -> BareEyes:
    return BareEyes.load(Bundle.open().file(rims.FILE))


def wearer(rim: float = 0.2, lens: float = 1.0, seen: float = 0.0) -> Seen:
    """Plain skin with two round glasses: factors of light of rims and lenses; probability of eyes."""
    landmarks = head_template(SIDE)
    y, x = np.mgrid[:SIDE, :SIDE]
    pixels = np.broadcast_to(SKIN, (SIDE, SIDE, 3)).copy()
    classes = np.zeros((len(CLASSES), SIDE, SIDE), np.float32)
    worn = np.zeros((SIDE, SIDE), bool)
    for ex, ey in landmarks[:2]:
        away = np.hypot(x - ex, y - ey)
        pixels[away < 23] *= lens
        pixels[(away >= 20) & (away < 23)] = SKIN * rim
        worn |= away < 23
        classes[CLASSES.index("eyes"), int(ey), int(ex)] = seen
    classes[CLASSES.index("glasses")] = worn
    classes[CLASSES.index("skin")] = ~worn
    points = np.full((121, 2), np.nan)
    return Seen(np.rint(pixels).astype(np.uint8), points, landmarks, classes)


def test_light_that_is_made_of_the_patterns_is_continued_under_rims(eyes: BareEyes) -> None:
    rng = np.random.default_rng(0)
    shares = rng.standard_normal((6, len(eyes.patterns) - 1)).astype(np.float32)
    mean, patterns = eyes.patterns[0].astype(np.float32), eyes.patterns[1:].astype(np.float32)
    lights = mean + np.tensordot(shares, patterns, 1)
    known = np.ones(SHAPE, np.float32)
    known[10:13, 15:85] = known[28:31, 15:85] = 0
    hidden, none = known == 0, np.zeros((*SHAPE, 2), np.float32)
    found = np.stack(
        [eyes.continued(np.where(hidden[..., None], -9, one), known, none) for one in lights]
    )
    error = np.sqrt(((found - lights)[:, hidden] ** 2).mean())
    assert error < 0.5 * np.sqrt(((mean - lights)[:, hidden] ** 2).mean())


def test_the_tint_of_lenses_is_none_of_the_face(eyes: BareEyes) -> None:
    mean = eyes.patterns[0].astype(np.float32)
    known, lenses = np.ones(SHAPE, np.float32), np.zeros((*SHAPE, 2), np.float32)
    lenses[12:30, 15:40, 0] = lenses[12:30, 60:85, 1] = 1
    tinted = mean - 0.3 * lenses.sum(2)[..., None]
    found = eyes.continued(tinted, known, lenses)
    assert np.abs(found - mean).mean() < 0.02


def test_one_sees_through_clear_lenses_and_through_dim_ones_that_show_eyes() -> None:
    assert see_through(wearer(lens=1.0))
    assert not see_through(wearer(lens=0.2))
    assert not see_through(wearer(lens=0.45)) and see_through(wearer(lens=0.45, seen=0.1))


@pytest.mark.parametrize("rim", [0.2, 0.6, 1.25])
def test_rims_go_and_what_they_surround_stays(eyes: BareEyes, rim: float) -> None:
    seen = wearer(rim)
    found = bare(seen, eyes)
    assert found is not None
    y, x = np.mgrid[:SIDE, :SIDE]
    away = np.min([np.hypot(x - ex, y - ey) for ex, ey in seen.landmarks[:2]], axis=0)
    ring = (away > 20.5) & (away < 22.5)
    beside = ring & (y > seen.landmarks[0, 1])  # below the brows, whose place patterns know
    shown = found.light[beside] - np.log(SKIN + 8)
    assert found.rim[ring].mean() > 0.9 and np.abs(shown).mean() < 0.12
    assert not found.rim[(away < 8) | (away > 34)].any()


def test_who_wears_none_has_none_to_take(eyes: BareEyes) -> None:
    seen = wearer()
    classes = seen.classes.copy()
    classes[CLASSES.index("glasses")] = 0
    assert bare(Seen(seen.pixels, seen.points, seen.landmarks, classes), eyes) is None
