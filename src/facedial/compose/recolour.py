"""Hair recoloured at the photo's own resolution: it takes other colours, its strands stay.

Colour transfer in CIELAB by mean and standard deviation (Reinhard 2001), with three departures for dark
hair, whose own colours are mostly noise of the camera: chroma follows lightness as it does in hair, only
a share of the hair's own variation of chroma is kept, and light and shadow are those of the drawing.
The colours asked for by name are those of people who have them, in the light of the photo.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from facedial.arrays import Bytes, Floats
from facedial.compose.lab import to_lab, to_rgb
from facedial.compose.masks import box_mean
from facedial.errors import BadRequest

# Limits of the factor on the deviation of lightness: less makes flat patches, more shows noise.
CONTRAST = 0.7, 1.9
OWN_CHROMA = 0.35  # share of the hair's own variation of chroma that stays
# Exponent of chroma over lightness, relative to the target's, in shadows; above the target's lightness
# chroma falls, since highlights have the colour of the light.
SHADOW_EXPONENT, HIGHLIGHT_LOSS = 0.75, 0.5
MIN_WEIGHT = 0.5  # of a matte, for a pixel to count as hair in statistics
MIN_PIXELS = 40
NATURAL_SD = 11.0, 4.0, 4.0  # in CIELAB, of lit hair: for a colour without statistics
SKIN = 61.8, 15.4, 19.7  # median of mean skin over the people of `NATURAL`, CIELAB
SHADING_RADIUS = 2  # crop pixels to each side: finer light and shadow are the photo's own
MAX_SHADING = 30.0  # of lightness
MIN_DRAWN = 60.0  # crop pixels of hair that photo and drawing must share for a shading


@dataclass(frozen=True, slots=True, eq=False)
class HairColour:
    """Mean and standard deviation of hair in CIELAB, float32 [3] each."""

    mean: Floats
    sd: Floats

    @staticmethod
    def of(pixels: Bytes, matte: Floats) -> "HairColour | None":
        """Statistics of the pixels [H, W, 3] that are hair by the matte [H, W]; None for too few."""
        chosen = pixels[matte > MIN_WEIGHT]
        if len(chosen) < MIN_PIXELS:
            return None
        lab = to_lab(chosen)
        return HairColour(lab.mean(0), lab.std(0))

    @staticmethod
    def parse(text: str) -> "HairColour":
        """A colour written `#rrggbb`, with the contrast of natural hair; raises `BadRequest`."""
        digits = text.strip().removeprefix("#")
        try:
            if len(digits) != 6:
                raise ValueError
            rgb = np.array([[int(digits[i : i + 2], 16) for i in (0, 2, 4)]], np.uint8)
        except ValueError as error:
            raise BadRequest(f"a hair colour is written #rrggbb, found {text!r}") from error
        return HairColour(to_lab(rgb)[0], np.array(NATURAL_SD, np.float32))


@dataclass(frozen=True, slots=True)
class NaturalColour:
    """Hair of people who clearly have a colour: mean and standard deviation in CIELAB.

    `slope`: change of the mean with that of the same people's skin, which tells the light of a photo.
    """

    mean: tuple[float, float, float]
    sd: tuple[float, float, float]
    slope: tuple[float, float, float]

    def beside(self, skin: HairColour | None) -> HairColour:
        """This colour in the light that the photo's skin is in; as the median person's where None."""
        mean = np.array(self.mean, np.float32)
        if skin is not None:
            mean += np.array(self.slope, np.float32) * (skin.mean - np.array(SKIN, np.float32))
        return HairColour(mean, np.array(self.sd, np.float32))


# `sd` and slopes are medians of 227 to 259 people each, the slopes halved. The means are theirs, moved
# away from the other colours until validation people are seen to have them
# (docs/experiments/0023-hair-colour.md).
NATURAL: Mapping[str, NaturalColour] = {
    "Black_Hair": NaturalColour((8.0, 2.0, 3.0), (9.5, 3.4, 4.2), (0.07, 0.08, 0.14)),
    "Blond_Hair": NaturalColour((63.0, 7.0, 25.0), (15.8, 4.2, 6.0), (0.24, 0.29, 0.36)),
    "Brown_Hair": NaturalColour((28.0, 10.0, 16.0), (13.1, 4.1, 5.8), (0.16, 0.21, 0.19)),
    "Gray_Hair": NaturalColour((57.0, 2.0, 5.0), (13.1, 4.2, 4.5), (0.3, 0.29, 0.36)),
}


def mixed(source: HairColour, parts: Sequence[tuple[float, HairColour]]) -> HairColour:
    """`source` plus the sum of share * (colour - source) over `parts`, (share, colour)."""
    mean = source.mean + sum(share * (other.mean - source.mean) for share, other in parts)
    sd = source.sd + sum(share * (other.sd - source.sd) for share, other in parts)
    low, high = np.array([2, -60, -60]), np.array([95, 60, 60])
    return HairColour(
        np.clip(mean, low, high).astype(np.float32), np.maximum(sd, 0.5).astype(np.float32)
    )


@dataclass(frozen=True, slots=True, eq=False)
class Transfer:
    """From hair of one colour to another: `gain` scales lightness around the means.

    `amount`, 0..1: how far chroma and the limits of lightness go from the hair's own to the target's
    law, so that no change is none.
    """

    source: HairColour
    target: HairColour
    gain: float
    amount: float = 1.0

    @staticmethod
    def of(source: HairColour, target: HairColour, amount: float = 1.0) -> "Transfer":
        """The transfer between two colours that are `amount` apart (1: entirely another colour)."""
        gain = np.clip(target.sd[0] / max(float(source.sd[0]), 1.0), *CONTRAST)
        share = float(np.clip(amount, 0, 1))
        return Transfer(source, target, float(1 + share * (gain - 1)), share)

    def __call__(self, lab: Floats, shading: Floats | float = 0.0) -> Floats:
        """CIELAB [N, 3] of hair in its new colour; `shading` [N] is added to its lightness."""
        source, target = self.source, self.target
        lightness = target.mean[0] + self.gain * (lab[:, 0] - source.mean[0]) + shading
        lightness = lightness + self.amount * (_soft_clip(lightness, 2.0, 98.0) - lightness)
        relative = lightness / max(float(target.mean[0]), 1.0)
        chroma = np.where(
            relative < 1,
            np.maximum(relative, 0) ** SHADOW_EXPONENT,
            1 - HIGHLIGHT_LOSS * np.clip(relative - 1, 0, 1),
        )
        chroma = 1 + self.amount * (chroma - 1)
        own = 1 + self.amount * (OWN_CHROMA - 1)
        colour = chroma[:, None] * target.mean[1:] + own * (lab[:, 1:] - source.mean[1:])
        return np.concatenate([lightness[:, None], colour], 1).astype(np.float32)


def shading(
    crop: Bytes, hair: Floats, drawing: Bytes, drawn_hair: Floats, transfer: Transfer
) -> Floats:
    """What the light and shadow of a drawing's hair add to the lightness of a crop's, [S, S].

    `crop`, `drawing`: pixels [S, S, 3]; `hair`, `drawn_hair`: share of hair [S, S] in each. 0 where one
    of them shows no hair, or the drawing too little of it.
    """
    both = np.minimum(hair, drawn_hair) ** 2
    total = float(both.sum())
    if total < MIN_DRAWN:
        return np.zeros_like(both)
    drawn = to_lab(drawing)[..., 0]
    relative = _smooth(drawn, both) - float((drawn * both).sum()) / total
    own = _smooth(to_lab(crop)[..., 0], np.maximum(hair, 0.02)) - float(transfer.source.mean[0])
    covered = np.clip(2 * box_mean(both, SHADING_RADIUS), 0, 1)
    wanted = np.clip(relative, -MAX_SHADING, MAX_SHADING)
    return np.asarray(transfer.amount * covered * (wanted - transfer.gain * own), np.float32)


def recoloured(
    pixels: Bytes, matte: Floats, hair: Floats, transfer: Transfer, shade: Floats
) -> Bytes:
    """Pixels uint8 [H, W, 3] with their hair in its new colour.

    `matte` [H, W]: share of hair at each pixel, 0..1. `hair` [H, W, 3]: the hair's own colour there, so
    that a pixel of hair and skin changes as its hair does. `shade` [H, W]: as `shading`. Pixels where
    the matte is 0 keep their bits.
    """
    result = pixels.copy()
    there = matte > 0
    if there.any():
        own = np.clip(np.rint(hair[there]), 0, 255).astype(np.uint8)
        change = to_rgb(transfer(to_lab(own), shade[there])) - own
        changed = np.rint(pixels[there] + matte[there][:, None] * change)
        result[there] = np.clip(changed, 0, 255).astype(np.uint8)
    return result


def _smooth(values: Floats, weight: Floats) -> Floats:
    """Weighted means around each place."""
    mean = box_mean(values * weight, SHADING_RADIUS)
    return np.asarray(mean / np.maximum(box_mean(weight, SHADING_RADIUS), 1e-2), np.float32)


def _soft_clip(values: Floats, low: float, high: float, knee: float = 8.0) -> Floats:
    """Values bent smoothly into low..high within `knee` of both ends."""
    top = high - knee
    values = np.where(values > top, top + knee * np.tanh((values - top) / knee), values)
    bottom = low + knee
    return np.where(values < bottom, bottom + knee * np.tanh((values - bottom) / knee), values)
