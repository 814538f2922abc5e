"""Beards and moustaches put on at the photo's own resolution: strands grown where people have them.

A face that is drawn with a beard has another mouth and another skin too, and at 128 px a moustache is a
stain. So only one thing is learned: how dense hair is at each place of the lower face, from many people
(`training.recipes.beards`). Strands are drawn anew: noise, smeared along the direction in which hair
grows (line integral convolution, Cabral and Leedom 1993), tells where one covers the skin and how much
light it gets. They are drawn in the coordinates of the face, so that they move with it in a clip.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image

from facedial.arrays import LUMA, Bytes, Floats, open_part, save_arrays
from facedial.compose.masks import box_mean, smoothstep
from facedial.faces.crop import head_template
from facedial.faces.parse import SIDE

FILE = "beards.npz"  # in a bundle
FORMAT = 1
STUBBLE = "5_o_Clock_Shadow"  # short hair, of strands of its own
TEMPLATE = head_template(SIDE)
NOSE, LEFT, RIGHT = 2, 3, 4  # landmarks to which a density is fitted
MILLIMETRE = float(np.ptp(TEMPLATE[:2, 0])) / 63  # px of the template: eyes are 63 mm apart
# Pixels of strands to one of the template; so many at least to one of the photo's.
SCALES, FINER = (4, 8), 1.5
LONG, SHORT = 3.0, 0.6  # mm to either side over which noise is smeared
SAMPLES = 8  # to either side
CLUMP, FINE = 0.32, 0.22  # mm: width of strands that are seen as one, of long and of short hair
SWAY, SWAY_CELLS = 0.3, 10  # radians by which directions vary, over so many parts of the face
SOFT, FILLED = 0.4, 0.25  # of strands: softness of their edges, and share between them where dense
SPARSE = 0.02, 0.45  # density up to which no strand is seen, and from which on whole ones are
DENSEST, UNDERTONE = 0.93, 0.38  # of hair; of skin seen between strands
SHORT_STRANDS = 0.4  # opacity of strands of stubble
SHADE = 0.6, 0.75  # light on the darkest strand, and what the lightest has more
SHADOW, SHADOW_REACH = 0.22, 1.2  # share of the light that strands keep from the skin; mm around
LIGHT_REACH, LIGHTEST = 4.0, (0.45, 1.35)  # mm over which light is a mean; its limits
DARK, GREY_DARK = 0.55, 1.05  # luma of hair over the skin's at most; of grey hair
GREY = (
    0.55,
    0.8,
)  # chroma over the skin's: up to the first hair is grey, from the second on it is not
LEAST = 0.01  # density that counts


@dataclass(frozen=True, slots=True, eq=False)
class Beards:
    """Attribute -> density of hair, float32 [256, 256] in 0..1, on the head frame's template.

    `No_Beard`: that of a full beard, which comes where this attribute goes.
    """

    densities: Mapping[str, Floats]

    @staticmethod
    def load(path: Path) -> "Beards":
        """The densities of a bundle's file; raises `BadBundle`."""
        with open_part(path, "beards", FORMAT) as file:
            names = [str(name) for name in file["names"]]
            values = np.asarray(file["densities"], np.float32) / 255
            if values.shape != (len(names), SIDE, SIDE):
                raise ValueError(f"densities of shape {values.shape}")
            return Beards(dict(zip(names, values, strict=True)))

    def save(self, path: Path) -> None:
        """Write them, in 255ths."""
        values = np.stack([np.rint(255 * one).astype(np.uint8) for one in self.densities.values()])
        names = np.array([*self.densities])
        save_arrays(path, compressed=True, format=FORMAT, names=names, densities=values)

    def grown(self, shares: Mapping[str, float]) -> tuple[Floats, Floats]:
        """Density of long and of short hair [256, 256], of attributes each by its share."""
        none = np.zeros((SIDE, SIDE), np.float32)
        kinds: list[list[Floats]] = [[none], [none]]
        for name, share in shares.items():
            density = np.clip(np.float32(share) * self.densities[name], 0, 1)
            kinds[int(name == STUBBLE)].append(density)
        long, short = (np.max(one, 0) for one in kinds)
        return long, short

    @property
    def box(self) -> tuple[int, int, int, int]:
        """x0, y0, x1, y1 of the template outside which no hair grows, half-open."""
        rows, columns = np.nonzero(np.max([*self.densities.values()], 0) > LEAST)
        return (
            int(columns.min()),
            int(rows.min()),
            int(columns.max()) + 1,
            int(rows.max()) + 1,
        )


def planes(beards: Beards, shares: Mapping[str, float], scale: int) -> Floats:
    """Coverage by strands, their light 0..1, and density: [h, w, 3] of `Beards.box`, times `scale`."""
    box = x0, y0, x1, y1 = beards.box
    size = ((x1 - x0) * scale, (y1 - y0) * scale)

    def fine(density: Floats) -> Floats:
        part = Image.fromarray(np.ascontiguousarray(density[y0:y1, x0:x1]))
        return np.asarray(part.resize(size, Image.Resampling.BILINEAR))

    covers = np.zeros((size[1], size[0]), np.float32)
    lights, dense = np.full_like(covers, 0.5), np.zeros_like(covers)
    kinds = zip(beards.grown(shares), (LONG, SHORT), (1.0, SHORT_STRANDS), strict=True)
    for density, length, opacity in kinds:
        if not density.any():
            continue
        share = fine(density)
        cover, light = strands(box, scale, length)
        there = np.clip((cover - (1 - share)) / SOFT + FILLED * share, 0, 1)
        there = opacity * there * smoothstep(share, SPARSE)
        lights = np.where(there >= covers, light, lights)
        covers, dense = np.maximum(covers, there), np.maximum(dense, share)
    return np.stack([covers, lights, dense], 2)


@lru_cache(maxsize=8)
def strands(box: tuple[int, int, int, int], scale: int, length: float) -> tuple[Floats, Floats]:
    """Two textures of strands in a box of the template: values 0..1, each as frequent as any other.

    `length`: mm. The same every time.
    """
    along = directions(box, scale)
    rng = np.random.default_rng(0)
    width, height = along.shape[1], along.shape[0]
    pitch = max(1.0, (CLUMP if length == LONG else FINE) * MILLIMETRE * scale)
    reach = length * MILLIMETRE * scale
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    found = []
    for _ in range(2):
        cells = int(width / pitch) + 2, int(height / pitch) + 2
        grains = Image.fromarray(rng.standard_normal(cells[::-1]).astype(np.float32))
        noise = np.asarray(grains.resize((width, height), Image.Resampling.BICUBIC))
        smeared = np.zeros((height, width), np.float32)
        for step in np.linspace(-reach, reach, 2 * SAMPLES + 1):
            y = np.clip(np.rint(rows + step * along[..., 1]), 0, height - 1).astype(np.intp)
            x = np.clip(np.rint(columns + step * along[..., 0]), 0, width - 1).astype(np.intp)
            smeared += noise[y, x]
        normal = (smeared - smeared.mean()) / max(float(smeared.std()), 1e-6)
        # The logistic function is near the normal distribution's own (Bowling 2009).
        found.append(np.asarray(1 / (1 + np.exp(-1.702 * normal)), np.float32))
    return found[0], found[1]


def directions(box: tuple[int, int, int, int], scale: int) -> Floats:
    """Unit vectors [h, w, 2] along which hair grows: a moustache outwards, what is below it down."""
    x0, y0, x1, y1 = box
    y, x = (np.mgrid[: (y1 - y0) * scale, : (x1 - x0) * scale] / scale).astype(np.float32)
    mouth = TEMPLATE[[LEFT, RIGHT]].mean(0)
    half = float(np.ptp(TEMPLATE[[LEFT, RIGHT], 0])) / 2
    aside = (x + x0 - TEMPLATE[NOSE, 0]) / half  # 1 at the corner of the mouth
    above = smoothstep(mouth[1] + 2 - (y + y0), (-8.0, 6.0))
    outwards = above * np.clip(1.6 * aside, -1.5, 1.5) - (1 - above) * 0.15 * aside
    down = above * np.maximum(0.55, 0.9 - 0.3 * np.abs(aside)) + (1 - above)
    rng = np.random.default_rng(1)
    cells = Image.fromarray(rng.standard_normal((SWAY_CELLS, SWAY_CELLS)).astype(np.float32))
    size = (x.shape[1], x.shape[0])
    turn = np.arctan2(down, outwards) + SWAY * np.asarray(
        cells.resize(size, Image.Resampling.BICUBIC)
    )
    return np.stack([np.cos(turn), np.sin(turn)], 2).astype(np.float32)


def hair_colour(skin: Floats, hair: Floats | None, brows: Floats | None) -> Floats:
    """Colour [3] of a beard beside skin, hair and brows of colours [3], where these are seen.

    A beard is no lighter than `DARK` of the skin, unless the hair is grey.
    """
    light = float(skin @ LUMA)
    if hair is None:
        colour, grey = (skin * DARK if brows is None else brows), 0.0
    else:
        own = np.ptp(hair) / max(float(hair.max()), 1.0)
        theirs = max(float(np.ptp(skin)) / max(float(skin.max()), 1.0), 0.05)
        bright = smoothstep(np.array(hair @ LUMA / max(light, 1.0)), (0.5, 0.8))
        grey = float(bright * (1 - smoothstep(np.array(own / theirs), GREY)))
        mixed = hair if brows is None else 0.6 * hair + 0.4 * brows
        colour = grey * hair + (1 - grey) * mixed
    most = light * (DARK + grey * (GREY_DARK - DARK))
    return np.asarray(colour * min(1.0, most / max(float(colour @ LUMA), 1.0)), np.float32)


def grown(
    pixels: Bytes, planes: Floats, allowed: Floats, colour: Floats, skin: float, millimetre: float
) -> Bytes:
    """A part of a photo [H, W, 3] with a beard on it.

    `planes` [H, W, 3]: see `planes`, in the photo's pixels; `allowed` [H, W]: where hair may grow, 0..1;
    `colour` [3] of the hair; `skin`: luma of the face; `millimetre`: in photo pixels.
    """
    part = pixels.astype(np.float32)
    covers, light, dense = planes[..., 0] * allowed, planes[..., 1], planes[..., 2] * allowed
    reach = max(1, round(LIGHT_REACH * millimetre))
    weight = allowed + np.float32(1e-3)
    around = box_mean((part @ LUMA) * weight, reach) / box_mean(weight, reach)
    lit = np.clip(around / max(skin, 1.0), *LIGHTEST)[..., None]
    found = part + UNDERTONE * dense[..., None] * (colour * lit - part)
    found *= (1 - SHADOW * box_mean(covers, max(1, round(SHADOW_REACH * millimetre))))[..., None]
    strand = colour * lit * (SHADE[0] + SHADE[1] * light)[..., None]
    found += DENSEST * covers[..., None] * (strand - found)
    touched = (covers > 0) | (dense > LEAST)
    result = np.where(touched[..., None], np.clip(np.rint(found), 0, 255), pixels)
    return np.asarray(result, np.uint8)
