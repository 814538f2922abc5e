"""What a crop shows of hair, and how much of each pixel of the photo is hair of which colour.

A parser's matte says where hair is to some pixels; colours say it to the pixel where hair and what lies
beside it differ (the compositing equation, Porter 1984: pixel = share * hair + (1 - share) * rest). Both
colours are continued from where only the one or only the other is seen, at the crop's 256 px; shares are
those of the photo's own pixels.
"""

import numpy as np

from facedial.arrays import Bytes, Floats
from facedial.compose import strands
from facedial.compose.inpaint import fill
from facedial.compose.lab import to_lab
from facedial.compose.masks import box_mean, smoothstep

# Planes of a crop: colours of hair and of the rest; share by the matte alone, and the largest and the
# smallest that colours may say; near and deep in hair; lightness without detail, its bands, strands;
# where hair ends at skin; and how near to skin its roots are.
HAIR, REST = slice(0, 3), slice(3, 6)
BY_MATTE, MOST, DEEP, NEARLY, SMOOTH = range(6, 11)
BANDS, STRANDS, HAIRLINE, ROOTS, PLANES = slice(11, 14), slice(14, 17), 17, 18, 19
# A layer of the photo: share of hair, its own colour, what of the pixel neither explains times the
# share as far as that is believed, of the planes above the last nine, and the colour of the rest.
SHARE, OWN, UNEXPLAINED = 0, slice(1, 4), slice(4, 7)
LIGHT, THIN, ROOTED, BESIDE, LAYER = slice(7, 14), 14, 15, slice(16, 19), 19
FINE_STRANDS = slice(11, 13)  # of `LIGHT`: the coarse ones would thin whole locks

SMOOTHED, LARGE, AROUND = 3, 8, 8  # px: detail, light and shadow, and where bands are measured
# Of a matte averaged over 2 and 3 px to each side: from not to entirely.
NEAR_HAIR, DEEP_HAIR = (0.9, 0.985), (0.96, 0.995)
FIRST_HAIR, FIRST_REST = (0.93, 0.99), (0.93, 0.995)  # for a first estimate of both colours
ONLY_HAIR = 0.9, 0.995  # share by colours of hair and nothing else
SURE = 0.6, 0.98  # certainty of that
BY_COLOUR = 0.08, 0.92  # share by colours that counts
REACH, LIGHT_REACH = (0.25, 0.7), (0.05, 0.3)  # matte where it may count, of dark and of light hair
IS_LIGHT = 30.0, 55.0  # its lightness
BY_MATTE_ALONE = 0.35, 0.75  # matte that counts without colours
ENDS = 0.4  # by how much of it strands end sooner or later
APART = 40.0  # levels between both colours at which they say as much as the matte
OTHER = 3.0  # weight of the squared distance of a pixel from all mixtures of both
# px to each side over which a matte is averaged twice for its edge, and from where to where that is it.
EDGE, IN_EDGE = 4, (0.97, 0.5)
ROOT, IN_ROOTS = 14, (1.0, 0.72)  # the same, of roots
# Rows, of the side, from where to where hair that ends above skin is a fringe, with tips and not roots.
TIPS = 0.34, 0.42
LEAST = 0.02  # matte from which on there are strands


def planes(
    crop: Bytes,
    matte: Floats,
    skin: Floats | None = None,
    smoothed: int = SMOOTHED,
    *,
    with_strands: bool = True,
) -> Floats:
    """Planes float32 [S, S, 19] of a crop [S, S, 3] and its matte of hair [S, S], 0..1.

    `skin` [S, S], 0..1: where it shows skin; without it no hairline is found. `smoothed`: pixels to each
    side over which light and shadow are told from strands. Without strands their planes are 0.
    """
    pixels = crop.astype(np.float32)
    # The parser's matte has the grain of its own upsampling.
    matte = box_mean(box_mean(matte, 1), 1)
    deep = smoothstep(box_mean(matte, 3), DEEP_HAIR)
    nearly = smoothstep(box_mean(matte, 2), NEAR_HAIR)
    result = np.empty((*matte.shape, PLANES), np.float32)
    result[..., DEEP], result[..., NEARLY] = deep, nearly
    result[..., REST] = fill(pixels, smoothstep(1 - matte, FIRST_REST) ** 2)
    result[..., HAIR] = fill(pixels, smoothstep(matte, FIRST_HAIR) ** 2)
    sure = _sure(result, *_by_colour(pixels, result))
    result[..., HAIR] = fill(pixels, sure)
    # Where skin is not known, all that is beside hair may be skin.
    beside = np.ones_like(matte) if skin is None else _skin_beside(matte, skin)
    light = smoothstep(_lightness(result[..., HAIR]), IS_LIGHT) * (1 - beside)
    # Around dark hair, and at skin, what a parser doubts is shadow; around light hair it is strands.
    dark = smoothstep(matte, REACH)
    result[..., MOST] = dark + light * (smoothstep(matte, LIGHT_REACH) - dark)
    own = result[..., HAIR] + sure[..., None] * (pixels - result[..., HAIR])
    lightness = _lightness(own)
    weight = sure + 0.02

    def smooth(values: Floats, reach: int) -> Floats:
        return np.asarray(box_mean(values * weight, reach) / box_mean(weight, reach), np.float32)

    fine, base = smooth(lightness, 1), smooth(lightness, smoothed)
    result[..., SMOOTH] = base
    bands = (lightness - fine, fine - base, base - smooth(base, LARGE))
    for k, band in enumerate(bands):
        result[..., BANDS.start + k] = np.sqrt(smooth(band * band, AROUND))
    result[..., HAIRLINE] = result[..., ROOTS] = 0
    if skin is not None:
        edge = smoothstep(box_mean(box_mean(matte, EDGE), EDGE), IN_EDGE)
        result[..., HAIRLINE] = edge * beside
        roots = box_mean(box_mean(matte, ROOT), ROOT)
        tips = _ends_downwards(roots) * smoothstep(_ends(matte), TIPS)
        near = smoothstep(roots, IN_ROOTS) * _skin_beside(matte, skin, ROOT)
        result[..., ROOTS] = near * (1 - tips)
    result[..., STRANDS] = 0
    if with_strands:
        along = strands.directions(to_lab(crop)[..., 0], nearly)
        result[..., STRANDS] = strands.textures(along, matte > LEAST)
    middle = np.clip(result[..., STRANDS.start + 1], -2, 2)
    result[..., BY_MATTE] = smoothstep(matte + ENDS * middle * matte * (1 - matte), BY_MATTE_ALONE)
    return result


def layer(pixels: Bytes, seen: Floats) -> Floats:
    """Layer float32 [H, W, 19] of a photo's pixels [H, W, 3].

    `seen` [H, W, 19]: a crop's planes at each pixel.
    """
    levels = pixels.astype(np.float32)
    by_colour, believed = _by_colour(levels, seen)
    share = seen[..., BY_MATTE] + believed * (
        smoothstep(by_colour, BY_COLOUR) - seen[..., BY_MATTE]
    )
    share = np.clip(share, np.minimum(seen[..., DEEP], seen[..., MOST]), seen[..., MOST])
    sure = _sure(seen, by_colour, believed)[..., None]
    own = seen[..., HAIR] + sure * (levels - seen[..., HAIR])
    explained = share[..., None] * own + (1 - share[..., None]) * seen[..., REST]
    result = np.empty((*share.shape, LAYER), np.float32)
    result[..., SHARE], result[..., OWN] = share, own
    result[..., UNEXPLAINED] = (share * believed)[..., None] * (levels - explained)
    result[..., LIGHT.start : ROOTED + 1] = seen[..., SMOOTH:]
    result[..., BESIDE] = seen[..., REST]
    return result


def _lightness(levels: Floats) -> Floats:
    """CIELAB's, of colours [..., 3] in levels."""
    return to_lab(np.clip(np.rint(levels), 0, 255).astype(np.uint8))[..., 0]


def _skin_beside(matte: Floats, skin: Floats, reach: int = EDGE) -> Floats:
    """How much of what is beside hair is skin, 0..1 [S, S]."""
    bare, every = np.minimum(skin, 1 - matte), 1 - matte
    near = [box_mean(box_mean(one, reach), reach) for one in (bare, every)]
    return np.asarray(near[0] / np.maximum(near[1], 0.02), np.float32)


def _ends(matte: Floats) -> Floats:
    """Row, as a share of the side, at which hair ends below each place [S, S]; 1 where it does not."""
    rows = np.arange(len(matte), dtype=np.float32)[:, None] / len(matte)
    ends = np.where(matte < 0.5, rows, np.float32(1))
    return np.asarray(np.minimum.accumulate(ends[::-1], 0)[::-1], np.float32)


def _ends_downwards(smooth: Floats) -> Floats:
    """How far down, not aside, a smoothed matte ends, 0..1 [S, S]."""
    down, across = np.gradient(smooth)
    return np.asarray(np.maximum(-down, 0) / (np.hypot(down, across) + 1e-6), np.float32)


def _by_colour(levels: Floats, seen: Floats) -> tuple[Floats, Floats]:
    """Share of hair by both colours, 0..1 [H, W], and how much that is worth beside the matte, 0..1."""
    way = seen[..., REST] - seen[..., HAIR]
    squared = (way * way).sum(-1)
    share = ((seen[..., REST] - levels) * way).sum(-1) / np.maximum(squared, 1)
    share = np.clip(share, 0, 1)
    # Gloss, and what is behind, may be neither.
    other = levels - seen[..., REST] + share[..., None] * way
    doubt = APART**2 + OTHER * (other * other).sum(-1)
    return share, squared / (squared + doubt)


def _sure(seen: Floats, share: Floats, believed: Floats) -> Floats:
    """Where a pixel shows hair and nothing else, 0..1 [H, W]; `share`, `believed`: as `_by_colour`."""
    # Where both colours are alike, the one does no harm to the other.
    there = np.maximum(seen[..., DEEP], 1 + believed * (smoothstep(share, ONLY_HAIR) - 1))
    return smoothstep(seen[..., NEARLY] * there, SURE)
