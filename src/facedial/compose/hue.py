"""The hue of what stays what it is: skin and hair may become lighter, darker or greyer, not blue."""

import numpy as np

from facedial.arrays import LUMA, Floats
from facedial.compose.masks import box_mean

MOST = 1.1  # of the saturation before
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
