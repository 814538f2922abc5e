"""Smiles: which way a mouth goes, the light of folds beside it, and the teeth that it shows.

Learned from many people (`training.recipes.mouths`) is the shape alone: how contours move with a smile
and with the opening of the mouth, how much darker cheeks are beside a smile, and the mean colour of what
an open mouth shows. Lips and cheeks are the photo's own (`compose.mouth`). A mean of teeth has no teeth,
so their edges are drawn, by the usual widths of teeth (Sterrett 1999), at the photo's resolution.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facedial.arrays import LUMA, Doubles, Floats, open_part, save_arrays
from facedial.compose.maps import grid, on_map
from facedial.compose.masks import smoothstep
from facedial.compose.mouth import (
    COLUMNS,
    INNER_LOWER,
    INNER_UPPER,
    LOWER,
    UPPER,
    Warp,
    gap,
    sampled,
)
from facedial.compose.scalp import pose
from facedial.faces.crop import head_template
from facedial.faces.geometry import Affine, apply, fit_similarity, invert
from facedial.faces.parse import SIDE

FILE = "mouths.npz"  # in a bundle
FORMAT = 1
COARSE = 64  # pixels along the side of maps
STEP = SIDE // COARSE
TEETH = 16, 48  # places of an open mouth, down and across
TEMPLATE = head_template(SIDE)
# Times the mean smile, across and down: of one that comes, and of one that goes.
COMES, GOES = (1.4, 1.4), (1.1, 1.5)
# Px between the lips of a smile, of a mouth that opens without one, and of the widest that smiles.
SMILES, OPEN, SHOUT = 8.5, 11.0, 11.0
FACED = 0.2  # of `pose`: faces turned further move as those turned so far
UNBENT = 0.6, 0.9  # share of a mouth's own bend that goes when a smile comes, and when it goes
NARROWS = 0.16  # of eyes beside a smile
# Rows and columns of a crop that show skin between the eyes.
SQUARE = slice(125, 150), slice(118, 138)
DARKEST, OFFSET = 40.0, 8.0  # luma of that skin at least; levels by which black has a log
FOLDS, UNFOLDS = 1.0, 0.6  # of the learned light: of smiles that come, and that go
# Halves of the row of teeth, mm from its middle: edges of incisors, canine, premolars; and their light.
EDGES = np.array([0, 7.6, 13.2, 18.6, 23.2, 26.6, 29.2])
LIGHT = np.array([1, 0.97, 0.9, 0.84, 0.76, 0.66])
HALF_ROW = 29.0  # mm from the middle to the corner of a smile
# Darkness of the line between teeth and its width in mm; of the notch at their ends, width and height; of
# the shadow below them and its height; light of a tooth's middle over that of its sides.
LINE, NOTCH, SHADOW, ROUND = (0.22, 0.55), (0.55, 1.1, 2.2), (0.4, 0.9), 0.05
# Share of a smile's light on teeth without one: by the mean of such mouths they would be grey.
LIT = 0.6
UNLIT = 0.3  # of lines and notches, in a mouth that does not smile
WHITER, LIGHTEST = 1.06, 250.0
PROTRUDES, FARTHEST = (
    0.35,
    0.25,
)  # of the nose's turn, which the teeth follow; of the half width at most
# Px of a gap up to which a mouth shows teeth that are drawn, from which on its own; and luma of what it
# shows over that of teeth: a smile out of a dark mouth shows teeth.
OWN, DARK = (2.0, 4.0), (0.45, 0.65)


@dataclass(frozen=True, slots=True, eq=False)
class Mouths:
    """What is learned of mouths.

    `shape` [7, 4, 17, 2]: contours in px of a head frame fitted by eyes and nose, a linear function of
    `regressors`; `usual` [4, 17, 2]: the mean open smile there. `light`
    float32 [64, 64, 3]: log of the light around it over that around a mouth that does not smile. `teeth`
    float32 [4, 16, 48, 3]: log colour of an open mouth from corner to corner and from lip to lip, an
    affine function of luma and hue of the skin and of the smile; `skin`: mean of the skin's log luma.
    """

    shape: Doubles
    usual: Doubles
    light: Floats
    teeth: Floats
    skin: float

    @staticmethod
    def load(path: Path) -> "Mouths":
        """Those of a bundle's file; raises `BadBundle`."""
        with open_part(path, "mouths", FORMAT) as file:
            shape, usual = (np.asarray(file[name], np.float64) for name in ("shape", "usual"))
            light, teeth = (np.asarray(file[name], np.float32) for name in ("light", "teeth"))
            shapes = [one.shape for one in (shape, usual, light, teeth)]
            contour = (4, COLUMNS, 2)
            if shapes != [(7, *contour), contour, (COARSE, COARSE, 3), (4, *TEETH, 3)]:
                raise ValueError(f"arrays of shapes {shapes}")
            return Mouths(shape, usual, light, teeth, float(file["skin"]))

    def save(self, path: Path) -> None:
        """Write them, in 16 bits where that is enough."""
        arrays = {"shape": self.shape.astype(np.float32), "usual": self.usual.astype(np.float32)}
        maps = {name: getattr(self, name).astype(np.float16) for name in ("light", "teeth")}
        save_arrays(path, compressed=True, format=FORMAT, skin=self.skin, **arrays, **maps)

    def moved(
        self, mouth: Doubles, landmarks: Doubles, smile: tuple[float, float], opened: float
    ) -> Doubles:
        """Contours [4, 17, 2] of a mouth, as they are when its smile goes from one share to another.

        `opened`: -1 closed .. 1 opened as wide as usual; 0 leaves the gap as it is. What is the person's
        own stays, but for the bend of lips: of those that frown or shout when a smile comes, and of those
        that smile more than usual when it goes.
        """
        frame = to_frame(landmarks)
        framed, turned = apply(frame, mouth), pose(landmarks)
        turned[0] = np.clip(turned[0], -FACED, FACED)
        grows = smile[1] > smile[0]
        before = max(gap(framed), 0.0)
        if opened < 0:
            after = before * (1 + opened)
        else:
            widest = max(SMILES, min(before, SHOUT)) if grows else max(OPEN, before)
            after = before + opened * (widest - before)
        usual = self._at(smile[0], before, turned)
        more = np.array(COMES if grows else GOES)
        step = self._at(smile[1], after, turned) - usual
        # Along and across the mouth, of what the smile alone moves.
        alone = self._at(smile[1], before, turned) - usual
        goal = framed + step + (more - 1) * alone
        own = (framed - usual).mean(0)
        goal -= UNBENT[int(not grows)] * abs(smile[1] - smile[0]) * (own - own.mean(0))
        goal = apply(invert(frame), goal)
        upper, lower = goal[INNER_UPPER], goal[INNER_LOWER]
        if opened < 0:
            # The gap of every column goes by the same share, so that lips meet along all of it.
            own_gap = mouth[INNER_LOWER, :, 1] - mouth[INNER_UPPER, :, 1]
            left = np.maximum(own_gap, 0) * (1 + opened)
        else:
            left = np.maximum(lower[:, 1] - upper[:, 1], 0)
        middle = (upper[:, 1] + lower[:, 1]) / 2
        upper[:, 1], lower[:, 1] = middle - left / 2, middle + left / 2
        # Lips do not turn inside out.
        goal[UPPER, :, 1] = np.minimum(goal[UPPER, :, 1], upper[:, 1])
        goal[LOWER, :, 1] = np.maximum(goal[LOWER, :, 1], lower[:, 1])
        return goal

    def _at(self, smile: float, open_: float, turned: Doubles) -> Doubles:
        """Usual contours in the head frame, of a face turned so (`compose.scalp.pose`)."""
        by = regressors(smile, open_, *turned)
        return np.tensordot(by, self.shape, 1)

    def folds(self, mouth: Doubles, landmarks: Doubles) -> Floats:
        """Log of the light around a smiling mouth, [64, 64, 3] of its head crop; 0 on its lips."""
        frame = to_frame(landmarks)
        places = grid(COARSE)
        seen = Warp(self.usual, apply(frame, mouth), TEMPLATE)
        framed = apply(frame, places)
        inside = seen.window(framed) * (1 - on_lips(mouth, places))
        light = on_map(self.light, origins(seen, framed)) * inside[:, None]
        return np.asarray(light.reshape(COARSE, COARSE, 3), np.float32)

    def inside(self, skin: Floats, smile: float) -> Floats:
        """Colours [16, 48, 3] of an open mouth in a face whose skin has the mean colour `skin` [3]."""
        log = np.log(skin + OFFSET)
        luma = float(log @ LUMA)
        by = np.stack([np.ones(3), np.full(3, luma - self.skin), log - luma, np.full(3, smile)])
        return np.asarray(np.exp(np.einsum("kc,khwc->hwc", by, self.teeth)) - OFFSET, np.float32)


def regressors(smile: float, open_: float, aside: float, nods: float) -> Doubles:
    """What contours depend on [7]: smile, px of gap, both, none, and how the face is turned."""
    return np.array([smile, open_, smile * open_, 1.0, nods, aside, smile * aside])


def to_frame(landmarks: Doubles) -> Affine:
    """Head crop -> a head frame fitted by eyes and nose [2, 3], which a smile leaves where they are."""
    return fit_similarity(landmarks[:3], TEMPLATE[:3])


def skin_of(crop: Floats) -> Floats | None:
    """Mean colour [3] of skin in a head crop [256, 256, 3]; None where it is too dark."""
    colour = crop[SQUARE].mean((0, 1))
    return None if float(colour @ LUMA) < DARKEST else np.asarray(colour, np.float32)


def curve(mouth: Doubles, which: int, x: Doubles) -> Doubles:
    """Height in px of one contour of a mouth [4, 17, 2] at `x`."""
    return np.interp(x, mouth[which, :, 0], mouth[which, :, 1])


def below_seam(mouth: Doubles, places: Doubles, soft: float = 0.5) -> Doubles:
    """1 on the lower lip's side of places [..., 2], 0 on the upper's; soft over `soft` px."""
    x, y = places[..., 0], places[..., 1]
    seam = (curve(mouth, INNER_UPPER, x) + curve(mouth, INNER_LOWER, x)) / 2
    return np.asarray(smoothstep(y - seam, (-soft, soft)), np.float64)


def origins(warp: Warp, places: Doubles) -> Doubles:
    """Where places [N, 2] after a warp were before it, each on its own side of the seam."""
    upper, lower = warp.displacements(places)
    return places + np.where(below_seam(warp.end, places)[:, None] > 0.5, lower, upper)


def on_lips(mouth: Doubles, places: Doubles) -> Doubles:
    """1 on lips and what they enclose, 0 elsewhere, soft around them: of places [..., 2]."""
    x, y = places[..., 0], places[..., 1]
    left, right = mouth[0, [0, -1], 0]
    down = smoothstep(y - curve(mouth, UPPER, x), (-1.5, 0.5))
    down = down * (1 - smoothstep(y - curve(mouth, LOWER, x), (-0.5, 1.5)))
    across = smoothstep(x - left, (-1.0, 1.0)) * (1 - smoothstep(x - right, (-1.0, 1.0)))
    return np.asarray(down * across, np.float64)


@dataclass(frozen=True, slots=True, eq=False)
class Opening:
    """Places in an open mouth: `across` from its left corner to its right, `down` from lip to lip.

    `share` of the place that it shows, `gap` between the lips there in px; all [...].
    """

    across: Doubles
    down: Doubles
    share: Doubles
    gap: Doubles

    @staticmethod
    def of(mouth: Doubles, places: Doubles) -> "Opening":
        """Where places of a head crop lie in a mouth [4, 17, 2]."""
        x, y = places[..., 0], places[..., 1]
        upper, lower = curve(mouth, INNER_UPPER, x), curve(mouth, INNER_LOWER, x)
        open_ = lower - upper
        left, right = mouth[0, [0, -1], 0]
        share = smoothstep(y - upper, (-0.4, 0.4)) * smoothstep(lower - y, (-0.4, 0.4))
        share = share * smoothstep(open_, (0.3, 1.5)) * ((x > left) & (x < right))
        down = np.clip((y - upper) / np.maximum(open_, 1e-3), 0, 1)
        across = np.clip((x - left) / (right - left), 0, 1)
        return Opening(across, down, np.asarray(share, np.float64), np.maximum(open_, 0))

    def at(self, chosen: NDArray[np.bool_]) -> "Opening":
        """Those of its places that are chosen."""
        planes = (self.across, self.down, self.share, self.gap)
        return Opening(*(one[chosen] for one in planes))

    def before(self, mouth: Doubles) -> Doubles:
        """The same places in another mouth: x and y in px, [..., 2]."""
        left, right = mouth[0, [0, -1], 0]
        x = left + (right - left) * self.across
        upper, lower = curve(mouth, INNER_UPPER, x), curve(mouth, INNER_LOWER, x)
        return np.stack([x, upper + (lower - upper) * self.down], -1)


def teeth(
    colours: Floats, mouth: Doubles, landmarks: Doubles, opening: Opening, smile: float
) -> Floats:
    """What an open mouth shows, in levels [..., 3]: teeth between lips.

    `colours` [16, 48, 3]: see `Mouths.inside`. `smile`: 0..1; without one teeth lie in the dark.
    """
    high, wide = TEETH
    base = sampled(colours, opening.across * wide - 0.5, opening.down * high - 0.5)
    left, right = mouth[0, [0, -1], 0]
    half = (right - left) / 2
    eyes, across = landmarks[:2].mean(0), landmarks[1] - landmarks[0]
    turned = float((landmarks[2] - eyes) @ across / np.hypot(*across))
    aside = PROTRUDES * (turned - ((left + right) / 2 - eyes[0]))
    middle = half + float(np.clip(aside, -FARTHEST * half, FARTHEST * half))
    x = opening.across * (right - left)
    from_middle = np.where(x < middle, (middle - x) / middle, (x - middle) / (2 * half - middle))
    at = HALF_ROW * from_middle
    tooth = np.clip(np.searchsorted(EDGES, at, side="right") - 1, 0, len(LIGHT) - 1)
    first, last = EDGES[tooth], EDGES[tooth + 1]
    part = np.clip((at - first) / (last - first), 0, 1)
    apart = np.minimum(part, 1 - part) * (last - first)
    below = opening.gap * (1 - opening.down)
    light = 1 + ROUND * (0.4 - (2 * part - 1) ** 2)
    seen = UNLIT + (1 - UNLIT) * smile
    light = light * (1 - LINE[0] * seen * np.exp(-((apart / LINE[1]) ** 2)))
    notch = np.exp(-((apart / NOTCH[1]) ** 2)) * np.clip(1 - below / NOTCH[2], 0, 1)
    light = light * (1 - NOTCH[0] * seen * notch)
    light = light * (1 - SHADOW[0] * np.clip(1 - below / SHADOW[1], 0, 1))
    return np.asarray(np.clip(WHITER * base, 0, LIGHTEST) * light[..., None], np.float32)
