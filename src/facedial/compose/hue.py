"""The hue of what stays what it is: skin and hair may become lighter, darker or greyer, not blue."""

import numpy as np

from facedial.arrays import LUMA, Floats
from facedial.compose.masks import box_mean, smoothstep

MOST = 1.1  # of the saturation before
SURELY, LEAST = 0.6, 40  # weight, and pixels with it, that show how a drawing's hair is
# Levels in hue from which on hair is another's, and by which it is; levels that it is darker count less.
DIFFERS, LUMA_COUNTS = (11.0, 18.0), 0.3
SPREAD = 15, 50, 85  # percentiles of hair's luma
BRIGHTER = 1.3  # of luma over that of hair whose tint it has in proportion
DARK = 15.0, 80.0  # luma of hair whose tint is not seen, and wholly
SPREADS, NEAR = (0.8, 1.2), 15.0  # of hair's luma over a drawing's; levels
REACH = 2  # pixels to each side over which hues are averaged


def kept(before: Floats, after: Floats, weight: Floats) -> Floats:
    """`after` [S, S, 3] with the hue of `before` as far as a weight [S, S], 0..1, says.

    Its luma stays. Its colour is that of `before` times the saturation that `after` has in that hue
    over that of `before`, at least 0 and at most `MOST`.
    """
    luma = (after @ LUMA)[..., None]
    own, drawn = before - (before @ LUMA)[..., None], after - luma
    along, square = box_mean((own * drawn).sum(2), REACH), box_mean((own * own).sum(2), REACH)
    share = np.clip(along / np.maximum(square, 1.0), 0, MOST)[..., None]
    return np.asarray(after + weight[..., None] * (share * own - drawn), np.float32)


def like_skin(picture: Floats, weight: Floats, skin: Floats) -> Floats:
    """What is added to `picture` [S, S, 3] for a skin's colours, as far as a weight [S, S], 0..1, says.

    `skin` [N, 3]: the skin's pixels, of which the median counts; nothing is added where there are
    none. Luma stays; the colour is the skin's in proportion to it.
    """
    if not len(skin):
        return np.zeros_like(picture)
    colour = np.median(skin, 0)
    ratio = colour / max(float(colour @ LUMA), 1.0)
    luma = np.clip(picture @ LUMA, 0, 255)[..., None]
    return np.asarray(weight[..., None] * (luma * ratio - picture), np.float32)


def like_hair(picture: Floats, weight: Floats, hair: Floats) -> Floats:
    """What is added to `picture` [S, S, 3] for the colour of a person's own hair, by a weight [S, S].

    `hair` [N, 3]: its pixels. Only where a drawing's hair differs in hue, at the luma of `hair`, or is
    much darker, as a brown fringe of grey hair. Small differences stay, since hair is lit in many ways,
    and so does a drawing lighter than dark hair: what falls forward is lit. Luma gets nearer
    to their median than `NEAR`, and its spread, within `SPREADS`, theirs; the colour is their
    median in proportion to it, so that strands and shadows of the drawing stay.
    """
    drawn = weight > SURELY
    if min(len(hair), int(drawn.sum())) < LEAST:
        return np.zeros_like(picture)
    luma, own = picture @ LUMA, hair @ LUMA
    (low, middle, high), (dark, usual, bright) = (
        np.percentile(one, SPREAD) for one in (luma[drawn], own)
    )
    stretch = np.clip((bright - dark) / max(high - low, 1.0), *SPREADS)
    apart = usual - middle
    nearer = middle + np.sign(apart) * max(abs(apart) - NEAR, 0)
    lit = np.clip(nearer + stretch * (luma - middle), 0, 255)[..., None]
    colour = np.median(hair, 0)
    grey = float(colour @ LUMA)
    # In proportion to luma, but not far beyond, and less of dark hair: a gleam on it is no colour.
    told = float(smoothstep(np.array(grey), DARK))
    tint = told * (colour - grey) * np.clip(lit / max(grey, 1.0), 0, BRIGHTER)
    other = np.median(picture[drawn], 0)
    alike = other * grey / max(float(other @ LUMA), 1.0)
    differs = np.array([np.abs(alike - colour).max(), LUMA_COUNTS * apart])
    share = float(smoothstep(differs, DIFFERS).max())
    return np.asarray(share * weight[..., None] * (lit + tint - picture), np.float32)
