"""Laws of fringes grown from a head's own hair."""

from dataclasses import replace

import numpy as np
import pytest

from facedial.arrays import LUMA
from facedial.compose import fringe
from facedial.compose.fringe import Columns, Seen

LINE, BROWS = 70, 112


def head(hair: tuple[int, int, int] = (60, 40, 30), first: int = 20) -> Seen:
    """A head with strands of hair from a row to `LINE`, skin below, brows, and hair at both sides."""
    rng = np.random.default_rng(0)
    pixels = np.full((256, 256, 3), (210, 170, 150), np.uint8)
    matte = np.zeros((256, 256), np.float32)
    matte[first:LINE, 60:196] = 1
    matte[first:200, 60:76] = matte[first:200, 180:196] = 1
    strands = np.array(hair) + rng.integers(-6, 7, (1, 256, 1))
    pixels = np.where(matte[..., None] > 0, strands, pixels).astype(np.uint8)
    brows = np.zeros_like(matte)
    brows[BROWS : BROWS + 6, 88:168] = 1
    eyes = np.array([[100.0, 132.0], [156.0, 132.0]])
    return Seen(pixels, matte, (1 - matte) * (1 - brows), brows, np.ones_like(matte), eyes)


def grown(seen: Seen, share: float = 1.0, scale: int = 1) -> tuple[Columns, np.ndarray, np.ndarray]:
    """Columns, the crop with a fringe, and how much of it is covered."""
    found = fringe.columns(seen)
    assert found is not None
    x0, y0, x1, y1 = fringe.box_of(found, share)
    part = seen.pixels[y0:y1, x0:x1].repeat(scale, 0).repeat(scale, 1)
    one = fringe.grown(seen, found, fringe.colours(seen, found), share, part, scale)
    crop = seen.pixels.astype(np.float32)
    covers = np.zeros((256, 256), np.float32)
    covers[y0:y1, x0:x1] = one.covers.reshape(y1 - y0, scale, x1 - x0, scale).mean((1, 3))
    lit = part * (1 - one.shade[..., None])
    drawn = lit + one.covers[..., None] * (one.colours - lit)
    crop[y0:y1, x0:x1] = drawn.reshape(y1 - y0, scale, x1 - x0, scale, 3).mean((1, 3))
    return found, crop, covers


def test_it_hangs_from_the_line_to_the_brows_between_the_sides() -> None:
    found, _, covers = grown(head())
    middle = slice(100, 156)
    assert np.abs(found.line[middle] - (LINE - 1)).max() < 1
    assert np.abs(found.line + found.drop - BROWS)[middle].max() < 12
    assert (covers[LINE + 2 : LINE + 14, 84:172] > 0.9).all()
    assert covers[BROWS + 12 :].max() < 0.02 and not covers[:, :60].any()
    # Tips: fewer and fewer strands.
    rows = covers[:, middle].mean(1)
    assert rows[LINE + 10] > rows[BROWS - 10] > rows[BROWS] > 0.02


@pytest.mark.parametrize("hair", [(25, 20, 18), (120, 80, 50), (190, 160, 110)])
def test_it_has_the_colour_and_the_contrast_of_the_hair(hair: tuple[int, int, int]) -> None:
    _, crop, covers = grown(head(hair))
    fell = np.zeros_like(covers, bool)
    fell[LINE + 4 : BROWS] = covers[LINE + 4 : BROWS] > 0.95
    assert np.abs(crop[fell].mean(0) - hair).max() < 8
    assert 1 < (crop[fell] @ LUMA).std() < 12


def test_a_part_of_it_is_shorter_and_none_is_nothing() -> None:
    whole, half = (grown(head(), share)[2] for share in (1.0, 0.5))
    below = slice(LINE, 256), slice(100, 156)
    assert 0.3 < half[below].sum() / whole[below].sum() < 0.7
    assert half[LINE + 30 :, 100:156].max() < 0.05
    _, crop, covers = grown(head(), 1e-3)
    assert covers[LINE:, 100:156].max() < 0.01
    assert np.abs(crop - head().pixels).max() < 2


def test_skin_below_is_in_its_shadow_and_hair_above_it_stays_where_it_begins() -> None:
    seen = head()
    _, crop, covers = grown(seen)
    below = slice(BROWS - 8, BROWS + 8), slice(100, 156)
    darker = (seen.pixels - crop)[below][(covers[below] < 0.05) & (seen.skin[below] > 0)]
    assert 2 < darker.mean() < 40
    assert np.array_equal(crop[:20], seen.pixels[:20])
    assert np.array_equal(crop[160:], seen.pixels[160:])


def test_it_is_the_same_at_any_scale_and_every_time() -> None:
    first, again, fine = (grown(head(), scale=scale)[1] for scale in (1, 1, 4))
    assert np.array_equal(first, again)
    assert np.abs(first - fine).mean() < 0.25


def test_there_is_none_without_hair_above_the_forehead_or_where_it_hangs_already() -> None:
    assert fringe.columns(head(first=LINE - 8)) is None  # a shade on a bald head
    seen = head()
    every = np.ones_like(seen.hair)
    covered = replace(seen, hair=every, skin=0 * seen.skin)
    assert fringe.columns(covered) is None


def test_a_head_that_the_photo_cuts_has_one_in_the_part_that_is_seen() -> None:
    seen = head()
    cut = seen.inside.copy()
    cut[:, 150:] = 0
    whole, part = fringe.columns(seen), fringe.columns(replace(seen, inside=cut))
    assert whole is not None and part is not None
    assert np.abs(part.drop - whole.drop)[80:140].max() < 1
    assert part.drop[160:].max() < 1
    cut[:, 115:] = 0
    assert fringe.columns(replace(seen, inside=cut)) is None  # hardly any of the forehead


def test_skin_in_a_parting_does_not_hang_down() -> None:
    seen = head()
    pixels = seen.pixels.copy()
    pixels[20:LINE, 126:130] = 210, 170, 150
    _, crop, _ = grown(replace(seen, pixels=pixels))
    below = crop[LINE + 15 : LINE + 30, 118:138] @ LUMA
    assert below.max() < 100


@pytest.mark.parametrize("parting", [105, 128, 150])
def test_hair_falls_to_both_sides_of_a_parting_and_one_way_without(parting: int) -> None:
    plain = head()
    straight = fringe.columns(plain)
    assert straight is not None
    np.testing.assert_allclose(straight.aside, fringe.SWAY)
    x, y = np.arange(256)[None], np.arange(256)[:, None]
    line = LINE - 25 * np.exp(-(((x - parting) / 14) ** 2))
    bare = (y >= line) & (y < LINE)
    parted = replace(
        plain,
        hair=np.where(bare & (plain.hair > 0), 0, plain.hair).astype(np.float32),
        skin=np.where(bare, 1, plain.skin).astype(np.float32),
    )
    found = fringe.columns(parted)
    assert found is not None
    assert found.aside[parting - 25] < -0.1 and found.aside[parting + 25] > 0.1
    assert abs(found.aside[parting]) < 0.1
    assert (np.diff(found.aside) >= 0).all()


@pytest.mark.parametrize("aside", [-0.4, 0.4])
def test_strands_that_fall_aside_lie_there(aside: float) -> None:
    seen = head()
    found = fringe.columns(seen)
    assert found is not None
    x0, y0, x1, y1 = fringe.box_of(found)

    def light(by: float) -> np.ndarray:
        leaning = found._replace(aside=np.full(256, by))
        one = fringe.grown(
            seen, leaning, fringe.colours(seen, found), 1, seen.pixels[y0:y1, x0:x1], 1
        )
        return (one.covers[..., None] * one.colours)[LINE + 22 - y0] @ LUMA

    straight, leans, middle = light(0), light(aside), np.arange(100, 156) - x0
    alike = [np.corrcoef(straight[middle], leans[middle + k])[0, 1] for k in range(-14, 15)]
    assert max(alike) > 0.9
    assert np.argmax(alike) - 14 == pytest.approx(23 * aside, abs=2)


def test_hair_that_is_lit_from_behind_is_darker_in_front_of_a_forehead_in_shadow() -> None:
    seen = head((235, 225, 215))
    dark = seen.pixels.copy()
    dark[seen.skin > 0] //= 2
    _, crop, covers = grown(replace(seen, pixels=dark))
    fell = np.zeros_like(covers, bool)
    fell[BROWS - 22 : BROWS - 5] = covers[BROWS - 22 : BROWS - 5] > 0.9
    skin = float(np.median(dark[seen.skin > 0] @ LUMA))
    assert skin < float((crop[fell] @ LUMA).mean()) < 1.5 * skin
