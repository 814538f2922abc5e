"""Bald heads at 256 px: the head's own outline, skin where hair was, and background around it.

What a drawing of 128 px shows of a bald head is a bubble: its scalp has another colour than the face, its
outline another place than the head's, and there is a halo of lost hair around it. So only shape and
shading are learned, from many bald people (`training.recipes.scalp`): where the head is, and how light
falls on it, by how it is turned. Skin takes colour and light from the face's own and continues them;
background is continued into the place of hair by what is seen of it elsewhere (`compose.completion`).
"""

from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from facedial.arrays import LUMA, Bytes, Doubles, Floats, open_part, save_arrays
from facedial.compose.completion import Places, meeting, sources
from facedial.compose.features import ear_pixels, on_the_right
from facedial.compose.inpaint import BEHIND, continued, fill
from facedial.compose.masks import box_mean, grown, resize_mask, smoothstep
from facedial.faces.parse import SIDE

FILE = "scalp.npz"  # in a bundle
FORMAT = 1
COARSE = 64  # pixels along the side of what is learned
FARTHEST = np.array([0.35, 0.1])  # of `pose` from its mean
# Share of a head's outline: from the first on it is head, to the second on wholly. The jaw is narrower:
# hair beside a cheek hides no more of it.
OUTLINE, JAW, JAW_ROWS = (0.46, 0.54), 0.3, (0.57, 0.7)
# The same rows on a side whose ear is hidden, which has the cheek's edge; pixels of an ear that is hidden
# (a lobe shows), and of one that is seen.
EAR_ROWS, EAR = (0.34, 0.58), (60.0, 240.0)
# Stretches about a place, and shifts in px, that are tried, so that the outline fits the photo's head.
WIDER, HIGHER, ASIDE = (1.0, 1.04, 1.08, 1.12), (0.96, 1.0, 1.04, 1.08), (-6, -3, 0, 3, 6)
ABOUT, FITTED_ROWS, RING = (127.5, 150.0), 165, 2  # px, px, and px of the 64
# Weights: head outside the person, hair left in a ring around the head, stretching, shifting.
OUTSIDE, LEFT, STRETCH, SHIFT, USUAL = 4.0, 0.8, 6.0, 0.004, 1.03
STRANDS = 0.02  # of the side, around hair
HAIRLINE, HAIRLINE_SOFT = 0.025, 5  # of the side, and px: skin beside hair that is replaced with it
# The same above the brows, where hair throws shadows; rows, of the side, from which on that ends.
SHADED, SHADED_SOFT, BROWS = 0.06, 12, (0.4, 0.46)
GONE = 0.15, 0.5  # share of hair up to which a place stays, and from which on it is replaced
SURE, FREE, LEAST_SKIN = (
    0.93,
    0.01,
    400,
)  # of skin and of hair beside it; pixels of skin that are known
SMOOTH, LARGEST = 6, 0.35  # px, and log: of the light's difference from the learned one
# Skin that is surely the photo's, and new, of a place; px over which both meet, and levels from and to.
BARE, LEAST_NEW, MEETING, LACKING = 0.9, 0.02, 3, (-15.0, 45.0)
# Share of background that is continued, px of it that hair may colour, and share of hair there at most.
BACKGROUND, BESIDE, CLEAR = 0.85, 3, 0.08
UNSURE = 0.3  # share of background from which on a place beside hair is compared, though not copied
SOME = 0.02  # share of background that is missing


@dataclass(frozen=True, slots=True, eq=False)
class BaldHeads:
    """Affine functions of the head's `pose`, by regression on bald people.

    `outline` float32 [3, 64, 64]: probability of head and ears; `light` [3, 64, 64]: log of luma over
    that of the cheeks. `mean` [2] of the pose.
    """

    outline: Floats
    light: Floats
    mean: Doubles

    @staticmethod
    def load(path: Path) -> "BaldHeads":
        """Those of a bundle's file; raises `BadBundle`."""
        with open_part(path, "bald heads", FORMAT) as file:
            outline, light = (np.asarray(file[name], np.float32) for name in ("outline", "light"))
            mean = np.asarray(file["mean"], np.float64)
            shape = (3, COARSE, COARSE)
            if outline.shape != shape or light.shape != shape or mean.shape != (2,):
                raise ValueError(f"maps of shapes {outline.shape} and {light.shape}")
            return BaldHeads(outline, light, mean)

    def save(self, path: Path) -> None:
        """Write them, in 16 bits."""
        maps = {name: getattr(self, name).astype(np.float16) for name in ("outline", "light")}
        save_arrays(path, compressed=True, format=FORMAT, mean=self.mean, **maps)

    def of(self, landmarks: Doubles) -> tuple[Floats, Floats]:
        """Outline and log of light, [256, 256] each, of a head with these landmarks [5, 2]."""
        turned = np.clip(pose(landmarks) - self.mean, -FARTHEST, FARTHEST)
        by = np.array([1.0, *turned], np.float32)
        maps = (np.tensordot(by, one, 1) for one in (self.outline, self.light))
        outline, light = (resize_mask(np.asarray(one, np.float32), SIDE) for one in maps)
        return np.clip(outline, 0, 1), light


def pose(landmarks: Doubles) -> Doubles:
    """How a head is turned and nods [2], by five landmarks [5, 2].

    Place of the nose's tip beside the eyes' middle over the eyes' distance, and below it over that from
    eyes to mouth.
    """
    eyes, mouth = landmarks[:2].mean(0), landmarks[3:].mean(0)
    across = landmarks[1] - landmarks[0]
    distance = float(np.hypot(*across))
    along = across / distance
    nose = landmarks[2] - eyes
    aside = float(nose @ along)
    below = float(np.hypot(*(nose - aside * along)))
    return np.array([aside / distance, below / float(np.hypot(*(mouth - eyes)))])


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """Probabilities [256, 256] in a head crop, by the parser.

    `features`: what stays: eyes, brows, mouth, ears, glasses, hats. `inside`: where it shows the photo, 0
    or 1.
    """

    hair: Floats
    skin: Floats
    features: Floats
    ears: Floats
    background: Floats
    inside: Floats


class Head(NamedTuple):
    """A head without hair in its crop [256, 256]: `share` of each place, and learned `light`.

    The light is the log of luma over that of the face's skin.
    """

    share: Floats
    light: Floats


class Bald(NamedTuple):
    """A head crop without hair, in levels [256, 256, 3], and which share of it is `new` [256, 256].

    `skin`: share of new skin; the rest of what is new is background, which is copied from the places
    `copied`, int [256, 256] each of rows and columns; None where no background is new, and where too
    little of it is seen, so that it is smooth.
    """

    pixels: Floats
    new: Floats
    skin: Floats
    copied: tuple[Places, Places] | None


def bald(pixels: Bytes, landmarks: Doubles, seen: Seen, heads: BaldHeads) -> Bald:
    """A head crop without hair; hats stay, and what lies under them."""
    hair = seen.hair
    outline, light = _of_person(landmarks, seen, heads)
    rows = np.arange(SIDE, dtype=np.float32)[:, None] / SIDE
    ear, jaw = smoothstep(rows, EAR_ROWS), smoothstep(rows, JAW_ROWS)
    hidden = _without_ear(seen.ears, landmarks)
    narrower = JAW * (jaw + hidden * (ear - jaw))
    # A lobe that is all one sees of an ear would be left alone.
    lobe = hidden * seen.ears
    features = np.clip(seen.features - lobe, 0, 1)
    head = smoothstep(outline - narrower, OUTLINE)
    strands = box_mean(grown(np.maximum(hair, lobe), STRANDS), 1)
    only = (hair > GONE[1]).astype(np.float32)
    hairline = box_mean(grown(only, HAIRLINE), HAIRLINE_SOFT)
    shaded = box_mean(grown(only, SHADED), SHADED_SOFT) * (1 - smoothstep(rows, BROWS))
    hairline = np.maximum(hairline, shaded)
    hairline = np.where(features > GONE[1], 0, hairline)
    stays = smoothstep(features, GONE)
    scalp = smoothstep(np.maximum(hair, hairline), GONE) * head * (1 - stays)
    gone = smoothstep(strands, GONE) * (1 - head) * (1 - smoothstep(seen.skin + features, GONE))
    picture = pixels.astype(np.float32)
    drawn = _skin(picture, light, hair, seen.skin)
    drawn += _meeting(picture - drawn, (seen.skin > BARE) & (scalp < LEAST_NEW))
    over = np.maximum(scalp + gone, 1)
    scalp, gone = scalp / over, gone / over
    behind = (seen.background > BACKGROUND) & (box_mean(hair, BESIDE) < CLEAR) & (gone <= SOME)
    behind &= seen.inside > 0.5
    # What hair colours beside it is no example, and lies between what is missing and what is known.
    beside = (seen.background > UNSURE) & (seen.inside > 0.5)
    copied, around = None, picture
    if not behind.any():
        gone = np.zeros_like(gone)
    elif gone.any():
        missing = ((gone > SOME) | beside) & ~behind
        copied = sources(picture, behind, missing)
        if copied is None:
            around = fill(picture, behind.astype(np.float32), BEHIND)
        else:
            around = picture[copied] + meeting(picture, missing, behind, copied)
    found = picture + scalp[..., None] * (drawn - picture) + gone[..., None] * (around - picture)
    new = np.asarray(scalp + gone, np.float32)
    return Bald(np.clip(found, 0, 255), new, np.asarray(scalp, np.float32), copied)


def head_of(landmarks: Doubles, seen: Seen, heads: BaldHeads) -> Head:
    """Where a head is under its hair, and how light falls on it."""
    outline, light = _of_person(landmarks, seen, heads)
    bare = seen.skin > BARE
    usual = float(np.median(light[bare])) if bare.any() else 0.0
    return Head(smoothstep(outline, OUTLINE), light - usual)


def _of_person(landmarks: Doubles, seen: Seen, heads: BaldHeads) -> tuple[Floats, Floats]:
    """Outline and log of light [256, 256] each, stretched to fit a person's head."""
    outline, light = heads.of(landmarks)
    best = _fitted(outline, seen.hair, 1 - seen.background)
    return _stretched(outline, *best), _stretched(light, *best)


def _without_ear(ears: Floats, landmarks: Doubles) -> Floats:
    """How much the ear on a column's side of the head is hidden, 0..1 [256]."""
    left, right = smoothstep(ear_pixels(ears, landmarks), EAR)
    return np.asarray(1 - np.where(on_the_right(landmarks), right, left), np.float32)


def _meeting(lacking: Floats, known: NDArray[np.bool_]) -> Floats:
    """What skin that is drawn lacks of the photo's [256, 256, 3] where that is known, continued.

    So no line is left where the forehead ended. Limited, since hair throws shadows.
    """
    return continued(lacking, known.astype(np.float32), MEETING, LACKING)


def _skin(picture: Floats, light: Floats, hair: Floats, skin: Floats) -> Floats:
    """Skin everywhere [256, 256, 3]: the face's own, continued under the learned light."""
    luma = picture @ LUMA
    known = (box_mean(skin, 1) > SURE) & (box_mean(hair, SMOOTH) < FREE)
    if known.sum() < LEAST_SKIN:
        known = box_mean(skin, 1) > SURE
    if not known.any():
        return picture
    usual, own = float(np.median(light[known])), float(np.median(luma[known]))
    differs = np.log((luma + 8) / (own + 8)) - (light - usual)
    hue = picture / np.maximum(luma, 8)[..., None]
    values = np.concatenate([differs[..., None], hue], 2).astype(np.float32)
    most = np.array([LARGEST, *[np.inf] * 3], np.float32)  # hues have no limits
    found = continued(values, known.astype(np.float32), SMOOTH, (-most, most))
    lit = (own + 8) * np.exp(light - usual + found[..., 0]) - 8
    return np.asarray(lit[..., None] * found[..., 1:], np.float32)


def _fitted(outline: Floats, hair: Floats, person: Floats) -> tuple[float, float, float]:
    """Stretch across and down, and shift, by which an outline fits a person's head.

    It lies within the person, and little hair is left beside it where that is short; long hair says
    nothing, and the outline stays as it is.
    """
    small = coarse(outline)
    rows = np.arange(COARSE)[:, None] < FITTED_ROWS * COARSE / SIDE
    others, hairy = (coarse(person) < 0.5) & rows, coarse(hair) > 0.5

    def cost(fit: tuple[float, float, float]) -> float:
        wide, high, aside = fit
        head = (_stretched(small, *fit) > 0.5) & rows
        ring = (box_mean(head.astype(np.float32), RING) > 0) & ~head & rows
        beyond = (head & others).sum() / max(int(head.sum()), 1)
        left = (ring & hairy).sum() / max(int(ring.sum()), 1)
        stretch = (wide - USUAL) ** 2 + (high - 1) ** 2
        return float(OUTSIDE * beyond + LEFT * left + STRETCH * stretch + SHIFT * abs(aside))

    return min(product(WIDER, HIGHER, ASIDE), key=cost)


def _stretched(plane: Floats, wide: float, high: float, aside: float) -> Floats:
    """A plane [S, S] stretched about `ABOUT` and shifted by px of 256; 0 beyond the edge."""
    size = len(plane)
    x, y = (place * size / SIDE for place in ABOUT)
    aside *= size / SIDE
    seen = (1 / wide, 0.0, x - (x + aside) / wide, 0.0, 1 / high, y - y / high)
    picture = Image.fromarray(np.ascontiguousarray(plane, np.float32))
    method = Image.Transform.AFFINE
    return np.asarray(picture.transform((size, size), method, seen, Image.Resampling.BILINEAR))


def coarse(plane: NDArray[Any]) -> Floats:
    """Means of the blocks of a plane [S, S]: float32 [64, 64]."""
    block = len(plane) // COARSE
    return np.asarray(plane.reshape(COARSE, block, COARSE, block).mean((1, 3)), np.float32)
