"""Beards and moustaches: what is added is hair over the skin, what goes leaves skin bare."""

import numpy as np

from facedial.arrays import LUMA, Floats
from facedial.compose.masks import changed_mask, grown

DARKEST = 0.04  # share of the region, where luma falls most, that shows the hair's colour
LEAST_DROP = 18.0  # mean drop of luma there, in levels, below which no hair is added
DENSEST = 0.88  # of hair: skin is seen through any beard
FAINT = 0.08  # share of hair up to which a change is shading
STUBBLE = 0.02  # share of the side around hair that goes


def over_skin(before: Floats, after: Floats, region: Floats, hair: Floats | None) -> Floats:
    """`after` [S, S, 3] where what darkens the face in a region [S, S] is hair, and else `before`.

    A face drawn with a beard has other skin too: redder, or lit from elsewhere. Of the drawing only the
    share of hair at each pixel is taken, by how far luma falls towards that of the places where it falls
    most. Their colour is the new hair's, halfway to `hair` [3], that of the head, where it is darker.
    Where hardly anything darkens, as where a beard goes, `after` is returned as it is.
    """
    drop = (before - after) @ LUMA
    inside = region > 0.5
    count = int(DARKEST * inside.sum())
    if not count:
        return after
    order = np.argsort(np.where(inside, drop, -np.inf), axis=None)[-count:]
    darkest = after.reshape(-1, 3)[order].mean(0)
    if drop.ravel()[order].mean() < LEAST_DROP:
        return after
    room = np.maximum(before @ LUMA - darkest @ LUMA, LEAST_DROP)
    share = np.clip((drop / room - FAINT) / (1 - FAINT), 0, 1)[..., None]
    if hair is not None and hair @ LUMA < darkest @ LUMA:
        darkest = (darkest + hair) / 2
    drawn = before + DENSEST * share * (darkest - before)
    return np.asarray(after + region[..., None] * (drawn - after), np.float32)


def bared(before: Floats, after: Floats, region: Floats) -> Floats:
    """Where hair goes from a region [S, S] of a face, so that skin comes to light: 0..1 [S, S].

    The photo shows neither colour nor detail of that skin: what brightens is replaced by the drawing,
    where the face brightens on the whole. Nowhere else.
    """
    gain = (after - before) @ LUMA
    if (gain * region).sum() <= 0:
        return np.zeros_like(region)
    brighter = np.repeat(np.maximum(gain, 0)[..., None], 3, 2)
    return grown(changed_mask(brighter) * region, STUBBLE)
