"""Laws of knitted caps."""

from dataclasses import replace

import numpy as np
import pytest

from facedial.arrays import LUMA, Doubles
from facedial.compose import hats
from facedial.compose.hats import Cap
from facedial.compose.scalp import Head

EYES = np.array([[100.0, 132.0], [156.0, 132.0]])
TOP, LEFT, RIGHT = 40, 68, 188


def head(luma: int = 160) -> tuple[np.ndarray, np.ndarray, np.ndarray, Head]:
    """Pixels, skin and brows of a crop, and where its head is: an ellipse, all of it skin."""
    y, x = np.mgrid[:256, :256].astype(np.float32)
    share = np.float32(((x - 128) / 60) ** 2 + ((y - 130) / 90) ** 2 < 1)
    pixels = np.where(share[..., None] > 0, luma, 40).repeat(3, 2).astype(np.uint8)
    brows = np.zeros_like(share)
    brows[110:116, 90:166] = 1
    return pixels, share * (1 - brows), brows, Head(share, 0 * share)


def cap(luma: int = 160) -> tuple[Cap, Head]:
    pixels, skin, brows, there = head(luma)
    found = hats.fitted(pixels, skin, brows, EYES, there)
    assert found is not None
    return found, there


def places(scale: int = 1) -> Doubles:
    rows, columns = (np.mgrid[: 256 * scale, : 256 * scale] + 0.5) / scale - 0.5
    return np.stack([columns, rows], 2)


def test_it_covers_the_head_above_the_brows_and_nothing_below() -> None:
    found, there = cap()
    worn = hats.worn(found, places(), there)
    assert worn.covers.min() >= 0 and worn.covers.max() <= 1
    edge = round(found.edge)
    assert 90 < edge < 110
    above = there.share[: edge - 2] > 0
    assert (worn.covers[: edge - 2][above] > 0.9).all()
    middle = slice(118, 138)
    assert not worn.covers[edge + 4 :, middle].any()
    assert not worn.covers[:20].any() and not worn.covers[:, :50].any()
    first, last = hats.rows_of(found)
    rows = np.arange(256)
    outside = (rows < first) | (rows > last)
    assert not worn.covers[outside].any() and not worn.shade[outside].any()
    # Its shadow lies below its edge, and nowhere far from it.
    assert worn.shade[edge + 3, 128] > 0.1 and not worn.shade[edge + 20 :, middle].any()


def test_it_is_lit_as_the_face_is() -> None:
    means = []
    for luma in (80, 160):
        found, there = cap(luma)
        worn = hats.worn(found, places(), there)
        means.append(float((worn.colours @ LUMA)[worn.covers > 0.9].mean()))
    assert means[1] > 1.6 * means[0]
    found, there = cap()
    right = hats.worn(replace(found, turn=-0.2), places(), there).colours @ LUMA
    row = round(found.edge) - 30
    assert right[row, 140:170].mean() > 1.1 * right[row, 86:116].mean()
    bright = Head(there.share, there.light + 0.3)
    assert (
        hats.worn(found, places(), bright).colours > hats.worn(found, places(), there).colours
    ).all()


def test_it_is_the_same_at_every_size_and_has_ribs() -> None:
    found, there = cap()
    one, four = (hats.worn(found, places(scale), there) for scale in (1, 4))
    small = four.covers.reshape(256, 4, 256, 4).mean((1, 3))
    assert np.abs(small - one.covers).mean() < 0.01
    row = (four.colours @ LUMA)[4 * round(found.edge) - 40, 4 * 100 : 4 * 156]
    turns = np.diff(np.sign(np.diff(row - np.convolve(row, np.ones(9) / 9, "same"))))
    assert 10 < np.count_nonzero(turns) / 2 < 80


def test_hair_goes_above_it_and_hangs_beside_it() -> None:
    found, _ = cap()
    gone = hats.beneath(found)
    edge = round(found.edge)
    assert gone[edge - 10, 20:236].min() > 0.9 and gone[edge + 4, 128] < 0.1
    beside = round(found.middle + found.width + hats.THICK)
    assert gone[edge + 40, beside + 60] > 0.9 > 0.1 > gone[edge + 40, beside + 5]


@pytest.mark.parametrize("what", ["head", "skin"])
def test_without_a_head_or_skin_there_is_none(what: str) -> None:
    pixels, skin, brows, there = head()
    if what == "head":
        there = Head(0 * there.share, there.light)
    else:
        skin = 0 * skin
    assert hats.fitted(pixels, skin, brows, EYES, there) is None
