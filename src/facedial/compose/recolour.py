"""Hair recoloured at the photo's own resolution: it takes other colours, its strands stay.

Colour transfer in CIELAB (Reinhard 2001), with departures for dark hair, whose own colours are mostly
noise of the camera. Light and shadow go by quantiles, from the hair's own to those that hair of the
other colour has; detail is stretched, within limits. What is missing then of what such hair shows is
added: light and shadow of the drawing, and strands along the hair's own direction (`strands`). Chroma
follows lightness as it does in hair. The colours asked for by name are those of people who have them, in
the light of the photo.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from facedial.arrays import Bytes, Floats
from facedial.compose import hair_planes as planes
from facedial.compose.lab import to_lab, to_rgb
from facedial.compose.maps import Halves
from facedial.compose.masks import box_mean
from facedial.errors import BadRequest

# Of hair that is black, brown and blond: lightness at `SHARES` of its pixels, standard deviation of
# detail up to 1 px, of 1 to 3, of 3 to 8 and of light and shadow, at 256 px; and chroma at `RELATIVE`
# lightness over that at the median. Medians of 39, 40 and 40 people (benchmarks/hair_colours.py).
SHARES = 0.02, 0.1, 0.25, 0.5, 0.75, 0.9, 0.98
LIGHTNESS = np.array(
    [[3.2, 4.2, 5.3, 7.9, 11.7, 16.1, 21.2], [4.1, 9.4, 14.6, 21.8, 32.3, 39.8, 51.4],
     [19.1, 33.1, 44.2, 58.6, 70.5, 78.9, 84.3]], np.float32
)  # fmt: skip
DEVIATIONS = np.array(
    [[1.13, 1.05, 1.34, 2.96], [2.86, 2.74, 3.27, 9.5], [2.84, 3.12, 3.83, 12.1]], np.float32
)
RELATIVE = 0.15, 0.4, 0.6, 0.8, 1.0, 1.2, 1.45, 1.9
CHROMA = np.array(
    [[0.44, 0.65, 0.89, 1.01, 1.08, 1.18, 1.18, 1.27],
     [0.37, 0.68, 0.89, 1.01, 1.08, 1.13, 1.15, 1.22],
     [0.60, 0.84, 1.08, 1.11, 1.05, 0.99, 0.88, 0.87]], np.float32
)  # fmt: skip
MEDIAN = SHARES.index(0.5)
# Limits of the factor on detail: less makes flat patches, more shows noise. Limits of the largest factor
# on light and shadow, which is so many times that on the median; what quantiles of pixels are of those
# without detail; and what beyond the outermost is kept.
CONTRAST, STEEPEST, STEEPER, SMOOTHER, BEYOND = (0.7, 2.2), (1.0, 3.0), 1.3, 0.82, 0.25
# By which, half way, both axes of colour exceed the mean of both ends, over the way in lightness.
BROWNER = 0.09
NATURAL_CHROMA = 30.0
OWN_CHROMA = 0.25  # share of the hair's own variation of chroma that stays
MOST_DETAIL, MOST_STRANDS = 25.0, 16.0  # of lightness
# Least and largest lightness over the median, to which detail is in proportion.
DARK_STRANDS = 0.35, 1.2
LIGHTEST = 90.0  # of quantiles: above it hair has no colour
MIN_WEIGHT = 0.5  # of a matte, for a pixel to count in statistics
MIN_PIXELS = 40
SHINES = 30.0, 60.0  # mean lightness of hair that counts as light in part, and wholly
LIGHT_HAIR = 25.0  # mean lightness above which hair keeps some of its light when it is dyed
SKIN = 61.8, 15.4, 19.7  # median of mean skin over the people of `NATURAL`, CIELAB
# Of hair that becomes darker by so much lightness (none, all) the line is thinned by up to so much, more
# or less by strand, and so much of what goes shows skin.
DARKER, THINNEST, ROUGH, SKIN_THROUGH = (15.0, 40.0), 0.75, 0.25, 0.8
# Of dark hair that becomes lighter by so much (none, all) roots at skin keep up to so much of their own.
LIGHTER, ROOTS = (15.0, 45.0), 0.6
DRAWN = 0.6  # of what light and shadow lack, that comes from the drawing
SHADING_RADIUS = 2  # crop pixels to each side: finer light and shadow are the photo's own
MAX_SHADING, LEAST_DRAWN_SD = 26.0, 4.0  # of lightness
MIN_DRAWN = 60.0  # crop pixels of hair that photo and drawing must share for a shading


def mean_colour(pixels: Bytes, matte: Floats) -> Floats | None:
    """Mean in CIELAB [3] of the pixels [H, W, 3] that a matte [H, W] covers; None for too few."""
    chosen = pixels[matte > MIN_WEIGHT]
    return None if len(chosen) < MIN_PIXELS else to_lab(chosen).mean(0)


@dataclass(frozen=True, slots=True, eq=False)
class HairColour:
    """Colours of hair in CIELAB, and how light and dark lie in it.

    `mean` float32 [3]; `lightness` [7]: at `SHARES` of its pixels, without detail; `deviations` [4]: of
    detail of three sizes, and of light and shadow.
    """

    mean: Floats
    lightness: Floats
    deviations: Floats

    @staticmethod
    def seen(layer: Floats) -> "HairColour | None":
        """Of hair in a crop's own layer [S, S, 19] (`hair_planes.layer`); None for too little."""
        inside = layer[..., planes.SHARE] > 1 - 1e-3
        if inside.sum() < MIN_PIXELS:
            return None
        own = np.clip(np.rint(layer[inside][:, planes.OWN]), 0, 255).astype(np.uint8)
        light = layer[inside][:, planes.LIGHT]
        lightness = np.percentile(light[:, 0], 100 * np.array(SHARES))
        deviations = np.sqrt((light[:, 1:4] ** 2).mean(0))
        return HairColour(
            to_lab(own).mean(0),
            lightness.astype(np.float32),
            np.append(deviations, light[:, 0].std()).astype(np.float32),
        )

    @staticmethod
    def usual(mean: Floats) -> "HairColour":
        """A colour with the light and dark of hair as light as its mean [3]."""
        mean = np.asarray(mean, np.float32)
        lightness = _between(LIGHTNESS, mean[0])
        lightness = lightness + (mean[0] - lightness.mean())
        middle = lightness[MEDIAN]
        lightness = middle + SMOOTHER * (np.clip(lightness, 2, LIGHTEST) - middle)
        return HairColour(mean, lightness, _between(DEVIATIONS, mean[0]))

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
        return HairColour.usual(to_lab(rgb)[0])


@dataclass(frozen=True, slots=True)
class NaturalColour:
    """Hair of people who clearly have a colour: mean in CIELAB.

    `slope`: change of the mean with that of the same people's skin, which tells the light of a photo.
    `dyed`: change with the lightness above `LIGHT_HAIR` of the hair that takes it.
    """

    mean: tuple[float, float, float]
    slope: tuple[float, float, float]
    dyed: tuple[float, float, float] = (0.0, 0.0, 0.0)

    def beside(self, skin: Floats | None, hair: Floats | None = None) -> HairColour:
        """This colour in the light of a photo; as beside the median person's skin where None.

        `skin` [3]: its mean there, CIELAB; `hair` [3]: that of the hair that takes the colour.
        """
        mean = np.array(self.mean, np.float32)
        if skin is not None:
            mean += np.array(self.slope, np.float32) * (skin - np.array(SKIN, np.float32))
        if hair is not None:
            mean += np.array(self.dyed, np.float32) * max(float(hair[0]) - LIGHT_HAIR, 0)
        return HairColour.usual(mean)


# Slopes are medians of 227 to 259 people each, halved. The means are theirs, moved
# away from the other colours until validation people are seen to have them
# (docs/experiments/0023-hair-colour.md).
NATURAL: Mapping[str, NaturalColour] = {
    "Black_Hair": NaturalColour((8.0, 2.0, 3.0), (0.07, 0.08, 0.14), (0.1, 0.01, 0.03)),
    "Blond_Hair": NaturalColour((61.5, 7.0, 22.5), (0.24, 0.29, 0.36)),
    "Brown_Hair": NaturalColour((28.0, 10.0, 16.0), (0.16, 0.21, 0.19)),
    "Gray_Hair": NaturalColour((57.0, 2.0, 5.0), (0.3, 0.29, 0.36)),
}


def mixed(source: HairColour, parts: Sequence[tuple[float, HairColour]]) -> HairColour:
    """The colour that hair of `source` goes to by `parts`, (share, colour).

    Their mean; of shares of more than 1 in all, `source` plus the sum of share * (colour - source).
    """
    total = sum(share for share, _ in parts)
    scale = 1 / total if 0 < total < 1 else 1.0
    way = sum(share * scale * (other.mean - source.mean) for share, other in parts)
    low, high = np.array([2, -60, -60]), np.array([95, 60, 60])
    return HairColour.usual(np.clip(source.mean + way, low, high))


@dataclass(frozen=True, slots=True, eq=False)
class Transfer:
    """From hair of one colour to another: light and shadow from `lightness` [7] to `arrives` [7].

    `gain` scales detail; `amount`, 0..1: how far hair goes, so that no change is none.
    """

    source: HairColour
    target: HairColour
    gain: float
    arrives: Floats
    amount: float = 1.0

    @staticmethod
    def of(source: HairColour, target: HairColour, amount: float = 1.0) -> "Transfer":
        """The transfer between two colours; `amount`: share of the way."""
        ratio = target.deviations[:3] / np.maximum(source.deviations[:3], 0.3)
        # Light hair that is dyed dark still shines: its detail stays.
        least = CONTRAST[0] + _light_share(source) * (1 - CONTRAST[0])
        gain = float(np.clip(np.median(ratio), least, CONTRAST[1]))
        share = float(np.clip(amount, 0, 1))
        return Transfer(source, target, gain, _within(source, target), share)

    @property
    def lacks(self) -> float:
        """Deviation of light and shadow that the target has and the transferred hair has not."""
        spread = float(
            np.interp(0.84, SHARES, self.arrives) - np.interp(0.16, SHARES, self.arrives)
        )
        missing = max(float(self.target.deviations[3]) ** 2 - (spread / 2) ** 2, 0.0)
        return self.hidden * float(np.sqrt(missing))

    @property
    def thinner(self) -> float:
        """How much the hairline is thinned, 0..1: dark hair shows skin between its last strands.

        Light hair hides that.
        """
        darker = float(self.source.mean[0] - self.target.mean[0])
        return self.amount * float(np.interp(darker, DARKER, (0, 1)))

    @property
    def rooted(self) -> float:
        """Share of the way that hair at its line does not go, 0..1: dyed hair has dark roots."""
        lighter = float(self.target.mean[0] - self.source.mean[0])
        dark = 1 - _light_share(self.source)
        return ROOTS * dark * float(np.interp(lighter, LIGHTER, (0, 1)))

    @property
    def hidden(self) -> float:
        """How much of its structure hair has that only its darkness hides, 0..1.

        Flat hair that is as light as the target is flat.
        """
        return float(np.clip(_lighter(self.source, self.target) - 1, 0, 1))

    def __call__(self, lab: Floats, light: Floats, shading: Floats | float = 0.0) -> Floats:
        """CIELAB [N, 3] of hair in its new colour.

        `light` [N, 7]: as `hair_planes.LIGHT`. `shading` [N] is added to lightness.
        """
        source, target = self.source, self.target
        base = light[:, 0]
        first, last = source.lightness[0], source.lightness[-1]
        # Quantiles that are alike, of flat hair, must still grow.
        known = np.maximum.accumulate(source.lightness + 1e-3 * np.arange(len(SHARES)))
        lightness = np.interp(base, known, self.arrives).astype(np.float32) + shading
        lightness = lightness + BEYOND * (np.maximum(base - last, 0) - np.maximum(first - base, 0))
        middle = max(float(target.lightness[MEDIAN]), 1.0)
        proportion = np.clip(lightness / middle, *DARK_STRANDS)
        detail = np.clip(self.gain * (lab[:, 0] - base), -MOST_DETAIL, MOST_DETAIL)
        more = np.zeros_like(base)
        for k, sd in enumerate(target.deviations[:3]):
            missing = (sd * proportion) ** 2 - (self.gain * light[:, 1 + k]) ** 2
            more += np.sqrt(np.maximum(missing, 0)) * light[:, 4 + k]
        more = np.clip(more, -MOST_STRANDS, MOST_STRANDS)
        lightness = _soft_clip(lightness + detail + self.hidden * more, 2.0, 96.0)
        law = np.interp(lightness / middle, RELATIVE, _between(CHROMA, float(target.mean[0])))
        # Beyond what hair has by nature, its lights are no redder than the colour asked for.
        law = np.minimum(
            law, max(1.0, NATURAL_CHROMA / max(float(np.hypot(*target.mean[1:])), 1.0))
        )
        own = OWN_CHROMA * (lab[:, 1:] - source.mean[1:])
        new = np.concatenate([lightness[:, None], law[:, None] * target.mean[1:] + own], 1)
        halfway = 4 * self.amount * (1 - self.amount)
        if (target.mean[1:] > 0).all():
            # Between black and blond lies brown, not grey.
            new[:, 1:] += self._browner * halfway / max(self.amount, 1e-3)
        return np.asarray(lab + self.amount * (new - lab), np.float32)

    @property
    def _browner(self) -> float:
        return BROWNER * abs(float(self.target.mean[0] - self.source.mean[0]))


def shading(hair: Floats, drawing: Bytes, drawn_hair: Floats, transfer: Transfer) -> Floats:
    """What the light and shadow of a drawing's hair add to the lightness of a crop's, [S, S].

    As much as the transferred hair lacks. `drawing`: pixels [S, S, 3]; `hair`, `drawn_hair`: share of
    hair [S, S] in the crop and in the drawing. 0 where one of them shows no hair, or the drawing too
    little of it.
    """
    both = np.minimum(hair, drawn_hair) ** 2
    total = float(both.sum())
    if total < MIN_DRAWN:
        return np.zeros_like(both)
    drawn = _smooth(to_lab(drawing)[..., 0], both)
    relative = drawn - float((drawn * both).sum()) / total
    spread = np.sqrt(float((relative**2 * both).sum()) / total)
    covered = np.clip(2 * box_mean(both, SHADING_RADIUS), 0, 1)
    wanted = DRAWN * transfer.lacks / max(spread, LEAST_DRAWN_SD) * relative
    return np.asarray(covered * np.clip(wanted, -MAX_SHADING, MAX_SHADING), np.float32)


def recoloured(pixels: Bytes, layer: Floats | Halves, transfer: Transfer, shade: Floats) -> Bytes:
    """Pixels uint8 [H, W, 3] with their hair in its new colour.

    `layer` [H, W, 19] (`hair_planes.layer`): a pixel of hair and skin changes as its hair does. `shade`
    [H, W]: as `shading`. Pixels without hair keep their bits.
    """
    result = pixels.copy()
    there = layer[..., planes.SHARE] > 0
    if there.any():
        seen = layer[there].astype(np.float32)
        own = np.clip(np.rint(seen[:, planes.OWN]), 0, 255).astype(np.uint8)
        change = to_rgb(transfer(to_lab(own), seen[:, planes.LIGHT], shade[there])) - own
        through = transfer.thinner * _thin(seen)[:, None]
        change = change + through * (SKIN_THROUGH * (seen[:, planes.BESIDE] - own) - change)
        # Skin shining through a strand, or its gloss, would shine twice as bright beside new hair.
        added = seen[:, :1] * change - transfer.amount * seen[:, planes.UNEXPLAINED]
        added = (1 - transfer.rooted * _rooted(seen)[:, None]) * added
        # What is lighter than the hair around it, or of another hue, darkens in proportion.
        darker = np.minimum(change, 0) / np.maximum(own, 1.0) * seen[:, :1] * pixels[there]
        # Of dark hair that is its gloss.
        light = _light_share(transfer.source)
        change = np.where(change < 0, added + light * np.minimum(darker - added, 0), added)
        result[there] = np.clip(np.rint(pixels[there] + change), 0, 255).astype(np.uint8)
    return result


def _thin(seen: Floats) -> Floats:
    """How much of hair [N, 19] is thin, 0..1 [N]: at its line, strand by strand."""
    line = seen[:, planes.THIN]
    return np.asarray(np.clip(THINNEST * line + _by_strand(line, seen), 0, 1), np.float32)


def _rooted(seen: Floats) -> Floats:
    """How near to skin the roots of hair [N, 19] are, 0..1 [N], strand by strand."""
    roots = seen[:, planes.ROOTED]
    return np.asarray(np.clip(roots + _by_strand(roots, seen), 0, 1), np.float32)


def _by_strand(share: Floats, seen: Floats) -> Floats:
    """More or less of a share [N] for each strand of hair [N, 19].

    Most half way, so that the forehead stays bare and deep hair whole.
    """
    strand = np.clip(seen[:, planes.FINE_STRANDS].sum(1), -2, 2)
    return np.asarray(ROUGH * strand * 4 * share * (1 - share), np.float32)


def _within(source: HairColour, target: HairColour) -> Floats:
    """Lightness [7] at which the quantiles of `source` arrive: the target's, by limited steps."""
    own = np.maximum(np.diff(source.lightness), 1e-3)
    steepest = np.clip(STEEPER * _lighter(source, target), *STEEPEST)
    steps = np.minimum(np.diff(target.lightness), steepest * own)
    found = np.concatenate([[0.0], np.cumsum(steps)])
    return np.asarray(found + target.lightness[MEDIAN] - found[MEDIAN], np.float32)


def _light_share(source: HairColour) -> float:
    """How light hair is, 0..1."""
    return float(np.interp(source.mean[0], SHINES, (0, 1)))


def _lighter(source: HairColour, target: HairColour) -> float:
    """Median lightness of `target` over that of `source`."""
    return float(target.lightness[MEDIAN]) / max(float(source.lightness[MEDIAN]), 1.0)


def _between(table: Floats, lightness: float) -> Floats:
    """The row of a table [3, K] for hair of a mean lightness."""
    places = LIGHTNESS.mean(1)
    return np.array([np.interp(lightness, places, column) for column in table.T], np.float32)


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
