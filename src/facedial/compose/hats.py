"""A knitted cap put on a head: where the head is, in the light that falls on it.

A hat that is drawn at 128 px is a scribble. A cap is a simple thing: it follows the outline of the head,
which bald people have taught (`compose.scalp`), has a fold around it, ribs of wool, and the light and
shadow of the head below. It is computed at each pixel of the photo from its place in the head crop, so
that it is sharp on every photo. Places and lengths are pixels of a head crop of 256 px, or parts of the
distance of the eyes.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from facedial.arrays import LUMA, Bytes, Doubles, Floats
from facedial.compose.features import brow_row
from facedial.compose.maps import on_map
from facedial.compose.masks import box_mean, grown, smoothstep
from facedial.compose.mouth import sampled
from facedial.compose.scalp import Head
from facedial.faces.parse import SIDE

COLOUR = np.array([54.0, 60.0, 74.0], np.float32)  # levels, dark blue, on skin of luma `USUAL`
USUAL, LIGHT_RANGE = 150.0, (0.4, 1.25)
HEAD = 0.5  # share of a head's outline that is head
# In distances of the eyes: the lower edge above the brows, and by how much it hangs at the sides.
ABOVE_BROWS, HANGS = 0.2, 0.16
FARTHEST = 1.2  # half widths from the middle, from which on it hangs no lower
THICK, HIGHER = 8.0, 13.0  # px beyond the head, beside and above it
ROUND, ROUND_ABOVE = 2.3, 2.1  # exponents of the outline, across and up
FOLD, FOLD_WIDER, FOLD_ROUND = 0.36, 2.5, (9.0, 5.0)  # distances of the eyes; px; exponents
AROUND = 0.02  # share of the side around the head that is covered
SOFT = 0.9  # px over which the outline fades
DRAPE = 0.9  # px that hair beside the cap begins lower, a px outwards
RIBS, RIB, STITCH, STITCH_LENGTH, SLANT = 30.0, 0.12, 0.05, 3.2, 1.2  # count; light; light; px; px
WOOL, WOOL_CELLS = 0.07, 96  # light by chance, and how many parts the cap has of it
LEARNED = 0.8  # share of the learned light of a head
LEARNED_RANGE = -0.7, 0.35  # its limits, log
TURN, MOST_TURN = 1.6, 0.3  # how much light from one side counts, and its limit
RIM, RIM_BEND = 0.45, 0.6  # light that is lost at the outline, and how soon
SEAM, SEAM_WIDTH, ABOVE_FOLD, ABOVE_FOLD_REACH = 0.35, 1.6, 0.25, 6.0  # shadow of the fold, px
SHADOW, SHADOW_REACH = 0.45, 0.13  # of the cap on what is below; distances of the eyes
BARE = 0.95  # share of skin that shows the light


@dataclass(frozen=True, slots=True, eq=False)
class Cap:
    """Where a cap lies: `middle` and half `width` of the head, its lower `edge` and `height`, px.

    `across`: distance of the eyes. `luma`: of the face's skin; `turn`: light from the left, -1..1.
    """

    middle: float
    width: float
    edge: float
    height: float
    across: float
    luma: float
    turn: float


class Worn(NamedTuple):
    """Levels [..., 3], cover and shadow beside it [...], 0..1."""

    colours: Floats
    covers: Floats
    shade: Floats


def fitted(pixels: Bytes, skin: Floats, brows: Floats, eyes: Doubles, head: Head) -> Cap | None:
    """The cap of a head; None where the crop does not show where the head is.

    `pixels` uint8 [256, 256, 3]; `skin`, `brows`: shares [256, 256]; `eyes` [2, 2].
    """
    across = float(np.hypot(*(eyes[1] - eyes[0])))
    edge = brow_row(brows, eyes) - ABOVE_BROWS * across
    inside = head.share > HEAD
    lowest = int(np.clip(edge, 0, SIDE - 1))
    # All that is above the edge: a turned head reaches farther to one side, and so may its forehead.
    columns = np.flatnonzero((inside | (skin > HEAD))[: lowest + 1].any(0))
    first = np.flatnonzero(inside.any(1))
    bare = skin > BARE
    if not len(first) or first[0] >= edge or not bare.any():
        return None
    middle, width = (columns[0] + columns[-1]) / 2, (columns[-1] - columns[0]) / 2
    luma = pixels.astype(np.float32) @ LUMA
    left = np.arange(SIDE)[None] < eyes[:, 0].mean()
    both = [float(luma[bare & one].mean()) if (bare & one).any() else 0.0 for one in (left, ~left)]
    turn = (both[0] - both[1]) / max(sum(both), 1.0)
    turn = float(np.clip(turn, -MOST_TURN, MOST_TURN))
    own = float(np.median(luma[bare]))
    return Cap(float(middle), float(width), edge, edge - float(first[0]), across, own, turn)


def rows_of(cap: Cap) -> tuple[float, float]:
    """First and last row of the head crop that a cap or its shadow changes."""
    sides = HANGS * cap.across * FARTHEST**2
    return cap.edge - cap.height - HIGHER - 3, cap.edge + sides + SHADOW_REACH * cap.across + 1


def beneath(cap: Cap) -> Floats:
    """Where hair gives way to a cap, 0..1 [256, 256]: above its edge, and beside it above a slope."""
    y, x = np.mgrid[:SIDE, :SIDE].astype(np.float64)
    beside = np.maximum(np.abs(x - cap.middle) - cap.width - THICK, 0)
    return smoothstep(_above(cap, x, y) + DRAPE * beside, (-1.0, 1.0))


def worn(cap: Cap, places: Doubles, head: Head) -> Worn:
    """The cap at places of the head crop [..., 2]."""
    x, y = places[..., 0], places[..., 1]
    u, above = (x - cap.middle) / (cap.width + THICK), _above(cap, x, y)
    up = np.clip(above / (cap.height + HIGHER), 0, 2)
    out = np.abs(u) ** ROUND + up**ROUND_ABOVE
    size, over = cap.width + THICK, smoothstep(above, (-SOFT, SOFT))
    dome = smoothstep((1 - np.sqrt(out)) * size, (-SOFT, SOFT)) * over
    fold = FOLD * cap.across
    aside = np.abs(u) * size / (size + FOLD_WIDER)
    along = np.abs(2 * above / fold - 1)
    corner = (aside ** FOLD_ROUND[0] + along ** FOLD_ROUND[1]) ** (1 / FOLD_ROUND[0])
    folded = smoothstep((1 - corner) * size, (-SOFT, SOFT))
    # A turned head bulges to one side.
    bulge = sampled(box_mean(grown(head.share, AROUND), 2)[..., None], x, y)[..., 0]
    dome = np.maximum(dome, smoothstep(bulge, (0.3, 0.7)) * over)
    covers = np.asarray(np.maximum(dome, folded), np.float32)
    narrow = np.sqrt(np.clip(1 - np.clip(up, 0, 0.999) ** ROUND_ABOVE, 0.04, 1))
    angle = np.arcsin(np.clip(u / narrow, -1, 1))
    rib = np.cos(2 * RIBS * angle)
    stitch = np.cos((y + SLANT * np.abs(rib)) * 2 * np.pi / STITCH_LENGTH)
    wool = sampled(
        _wool()[..., None], (angle / np.pi + 0.5) * WOOL_CELLS, y / SIDE * 2 * WOOL_CELLS
    )
    light = 1 + RIB * rib + STITCH * stitch + WOOL * wool[..., 0]
    learned = on_map(box_mean(head.light, 4)[..., None], places)[..., 0]
    light *= np.exp(np.clip(LEARNED * learned, *LEARNED_RANGE))
    light *= 1 - RIM + RIM * np.clip(1 - np.minimum(out, 1), 0, 1) ** (RIM_BEND / 2)
    light *= 1 - TURN * cap.turn * np.clip(u, -1, 1)
    light *= 1 - SEAM * np.exp(-(((above - fold) / SEAM_WIDTH) ** 2))
    light *= 1 - ABOVE_FOLD * np.exp(-np.maximum(above - fold, 0) / ABOVE_FOLD_REACH) * (
        above > fold
    )
    colour = COLOUR * float(np.clip(cap.luma / USUAL, *LIGHT_RANGE))
    below = np.clip(1 + above / (SHADOW_REACH * cap.across), 0, 1) * (above <= 0)
    shade = SHADOW * below**1.5 * np.clip(1 - np.abs(u) ** 6, 0, 1) * (1 - covers)
    return Worn(
        np.asarray(light[..., None] * colour, np.float32), covers, np.asarray(shade, np.float32)
    )


def _above(cap: Cap, x: Doubles, y: Doubles) -> Doubles:
    """Px above the lower edge, which hangs at the sides."""
    aside = np.clip((x - cap.middle) / cap.width, -FARTHEST, FARTHEST)
    return cap.edge + HANGS * cap.across * aside**2 - y


@lru_cache(maxsize=1)
def _wool() -> Floats:
    """Light by chance [2 * cells, cells], of deviation 1; the same every time."""
    chance = np.random.default_rng(5).standard_normal((2 * WOOL_CELLS, WOOL_CELLS))
    return chance.astype(np.float32)
