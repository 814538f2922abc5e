"""Glasses taken off: rims give way to the face beside them and behind their lenses.

Around eyes, patterns of light learned from faces without glasses (`training.recipes.eyes`) are fitted to
what the photo shows beside and through the lenses, and continue it under the rims. A rim is what differs
from that and is thin; it lies along the edge of what is parsed as glasses. What is behind clear lenses is
the photo's own.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from facedial.arrays import LUMA, Doubles, Floats
from facedial.compose import features
from facedial.compose.face_patterns import FacePatterns
from facedial.compose.grain import even
from facedial.compose.inpaint import BEHIND, fill
from facedial.compose.maps import grid
from facedial.compose.masks import box_mean, box_means, enlarged, grown, smoothstep
from facedial.compose.mouth import sampled
from facedial.compose.retouch import OFFSET, known_points, moved
from facedial.compose.worn import (
    HALO,
    INSIDE,
    OUTSIDE,
    WORN,
    Seen,
    arms_of,
    face_behind,
    from_eyes,
    lower_rims,
    rim_band,
)
from facedial.faces.parse import SIDE, dilated, eroded

EYES_AT = (features.LEFT_EYE, features.RIGHT_EYE)
FILE = "eyes.npz"  # in a bundle
# The map around the eyes of the usual face: px of the crop at its first pixel and between two, and its
# rows and columns.
FIRST, STEP, SHAPE = (28.5, 66.5), 2, (44, 100)
ENDS = 4.0  # pixels of the map's edge over which what it says ends
# Of the fit: of shares of patterns (variance 1; neighbouring pixels err alike), of the tone of the whole,
# and of the tone of each lens.
RIDGE, FREE, TINTED = 0.3, 0.01, 20.0
SHOWN = 0.95  # share of face from which on a pixel of the map is fitted
COARSE, IN_CROP = 64, 128  # px of maps of a crop: of places, and of what is seen there
LEAST = 60  # pixels of glasses that are seen
# By which brows, and hair, must be likelier than glasses to stay.
BROWS, HAIR = (0.3, 0.8), (0.5, 0.9)
THIN = 5  # px: half the width of the thickest rim
# Times as dark, or as bright, as the other that a rim must be to be all dark, or all bright.
DARK, BRIGHT = 1.4, 1.8
COLOURED, CLEARLY = 0.7, 0.12  # weight of a rim's hue; contrast from which on its luma is enough
ROUNDS = 3  # of finding rims and filling in
RIM, FAINTEST, CLEAREST = 0.25, 0.07, 0.25  # share of the contrast of most rims; log of light
BEGINS = 0.6  # share of that at which a rim begins
AROUND = 2  # px around a rim that go with it
LIMIT = 0.6  # log of light by which the photo differs from the patterns
# Of a rim's colour: fewest pixels; log by which others differ from it at least; times the spread.
MANY, ALIKE, SPREAD = 30, 0.25, 1.5
EDGE, STRANDS = (0.6, 0.9), (0.2, 0.5)  # share of face, and of hair, at which colour must tell
OPAQUE, DIM, EYES = -1.0, -0.6, 0.02  # log of luma of lenses beside skin's; probability of eyes
BARE, AWAY = 0.95, 10  # share of skin whose grain is continued; px of it away from glasses


@dataclass(frozen=True, slots=True, eq=False)
class BareEyes(FacePatterns):
    """How light falls around eyes without glasses; its tone is that of the whole map."""

    SHOWN = "eyes without glasses"
    SHAPE = SHAPE

    def continued(self, light: Floats, known: Floats, lenses: Floats) -> Floats:
        """Log of light [44, 100, 3] everywhere, fitted to it where it is `known` [44, 100], 0 or 1.

        `lenses` [44, 100, 2]: where it is seen through the left and the right lens, of any tint.
        """
        mean, patterns = self.rows()
        count = len(patterns)
        tones = np.zeros((3, 3, *SHAPE, 3), np.float32)
        for k, where in enumerate((np.ones(SHAPE, np.float32), *np.moveaxis(lenses, 2, 0))):
            for c in range(3):
                tones[k, c, ..., c] = where
        columns = np.concatenate([patterns, tones.reshape(9, -1)])
        strength = np.repeat([RIDGE, FREE, TINTED], [count, 3, 6])
        weighted = columns * np.repeat(known.ravel(), 3)
        system = weighted @ columns.T + np.diag(strength)
        shares = np.linalg.solve(system, weighted @ (light.ravel() - mean))
        found = mean + shares[: count + 3] @ columns[: count + 3]
        return np.asarray(found.reshape(*SHAPE, 3), np.float32)


def eye_map() -> Doubles:
    """Centres of the map's pixels in the usual head crop [44 * 100, 2], x and y in px."""
    rows, columns = np.mgrid[: SHAPE[0], : SHAPE[1]]
    return np.stack([columns.ravel(), rows.ravel()], 1) * float(STEP) + FIRST


def placed(points: Doubles, landmarks: Doubles, usual: Doubles) -> tuple[Doubles, Doubles]:
    """Where a face lies, and where it usually does: [K, 2] each, in px of the crop.

    Points [121, 2] of mouth and outline that are seen, and eyes by their `landmarks`: glasses hide the
    edges of eyes, and brows move.
    """
    known = known_points(points, usual)
    for hidden in (*EYES_AT, features.LEFT_BROW, features.RIGHT_BROW):
        known[hidden] = False
    eyes = np.stack([usual[one].mean(0) for one in EYES_AT])
    own = np.concatenate([landmarks[:2], points[known]])
    return own, np.concatenate([eyes, usual[known]])


class Bare(NamedTuple):
    """A face without its glasses: log of `light` [256, 256, 3], without grain, and share of `rim` now.

    `face` [256, 256]: where the grain of skin belongs. `known` [256, 256]: even skin that shows it.
    """

    light: Floats
    rim: Floats
    face: Floats
    known: Floats


def see_through(seen: Seen) -> bool:
    """Whether one sees eyes through the lenses: they are not dark, or eyes are parsed behind them."""
    worn = (seen.share("glasses") > WORN).astype(np.float32)
    lens = eroded(worn, INSIDE) > 0.5
    skin = seen.share("skin") > 0.9
    if not lens.any() or not skin.any():
        return True
    luma = np.log(seen.pixels.astype(np.float32) + OFFSET) @ LUMA
    dark = float(np.median(luma[lens]) - np.median(luma[skin]))
    eyes = max(
        float(seen.share("eyes")[away < 1].max(initial=0.0)) for away in from_eyes(seen.landmarks)
    )
    return dark > (OPAQUE if eyes > EYES else DIM)


def bare(seen: Seen, eyes: BareEyes) -> Bare | None:
    """The face as it would be without its glasses, and where their rims are; None where none are seen."""
    glasses, brows, hair = seen.share("glasses"), seen.share("brows"), seen.share("hair")
    worn = (glasses > WORN).astype(np.float32)
    if worn.sum() < LEAST:
        return None
    log = np.log(seen.pixels.astype(np.float32) + OFFSET)
    smooth = box_means(log, 1)
    lens = 1 - grown(1 - worn, INSIDE / SIDE)
    band = rim_band(worn, lens, seen.landmarks) * (1 - smoothstep(brows - glasses, BROWS))
    arms = arms_of(worn, seen.landmarks) * (1 - band)
    arms = arms * (seen.share("skin", "glasses", "hair") > 0.5)
    band = (band + arms) * (1 - smoothstep(hair - glasses, HAIR))
    inside, surely = face_behind(seen, worn, band)
    behind = (worn > 0) & (inside > 0.5)
    face = (seen.share("skin", "brows", "eyes", "ears") > 0.6) | behind
    edge = eroded(inside, 3)
    unsure = np.clip(1 - smoothstep(edge, EDGE) + smoothstep(hair, STRANDS) + arms, 0, 1)
    thin = _thin(smooth, lower_rims(worn, seen.landmarks) & (surely > 0.5) & (band > 0.5))
    around = _AroundEyes.of(seen, eyes, (lens > 0.5) & behind)
    beside = ~face & (inside < 0.5) & (dilated(worn, OUTSIDE) < 0.5)
    beyond = _beyond(log, beside, ~face & (inside < 0.5) & (dilated(worn, HALO) < 0.5), hair)
    rim, base = band, None
    for _ in range(ROUNDS):
        known = rim < 0.05
        here = (known & face).astype(np.float32)
        base = fill(log, here, BEHIND) if base is None else base
        base = around.continued(smooth, here, base)
        lacking = np.clip(log - base, -LIMIT, LIMIT)
        light = base + fill(np.asarray(lacking, np.float32), here, BEHIND)
        if beyond is not None:
            light = beyond + inside[..., None] * (light - beyond)
        both = np.minimum(np.abs(light - smooth).mean(2), thin)
        least = float(np.clip(RIM * np.percentile(both[band > 0.5], 85), FAINTEST, CLEAREST))
        found = band * smoothstep(both, (BEGINS * least, least))
        found = found * (1 - unsure * (1 - _alike(log, (found > 0.5) & (surely > 0.5))))
        rim = dilated(found, AROUND) * (band > 0.02)
    skin = (seen.share("skin") > BARE) & (dilated(worn, AWAY) < 0.5)
    return Bare(
        np.asarray(light, np.float32),
        np.asarray(box_mean(rim, 1) * (band > 0.02), np.float32),
        np.asarray(inside, np.float32),
        even(log @ LUMA, skin),
    )


def _thin(smooth: Floats, ring: NDArray[np.bool_]) -> Floats:
    """By how much a place differs from what lies to both sides of it [256, 256], log of light.

    As dark or as bright as `ring`, where rims surely are; by hue only where luma does not tell.
    """
    luma = smooth @ LUMA
    found = np.zeros((SIDE, SIDE), np.float32)
    hues = (smooth[..., 0] - smooth[..., 1], smooth[..., 2] - smooth[..., 1])
    for weight, plane in ((1.0, luma), *((COLOURED, hue) for hue in hues)):
        closed = eroded(dilated(plane, THIN), THIN)
        opened = dilated(eroded(plane, THIN), THIN)
        dark, bright = closed - plane, plane - opened
        darker, brighter = (
            (float(one[ring].mean()) for one in (dark, bright)) if ring.any() else (0.0, 0.0)
        )
        either = np.maximum(dark, bright)
        if darker > DARK * brighter:
            either = dark
        elif brighter > BRIGHT * darker:
            either = bright
        found = np.maximum(found, weight * either)
        if max(darker, brighter) > CLEARLY:
            break
    return np.asarray(found, np.float32)


def _alike(log: Floats, rims: NDArray[np.bool_]) -> Floats:
    """How much a place has the colour of `rims`, 0..1 [256, 256]."""
    if rims.sum() < MANY:
        return np.ones((SIDE, SIDE), np.float32)
    away = np.abs(log - np.median(log[rims], 0)).mean(2)
    most = max(ALIKE, SPREAD * float(np.median(away[rims])))
    return np.asarray(1 - smoothstep(away, (most, 2 * most)), np.float32)


def _beyond(
    log: Floats, known: NDArray[np.bool_], parsed: NDArray[np.bool_], hair: Floats
) -> Floats | None:
    """What lies beside the face [256, 256, 3], hair and background apart; None where nothing does.

    `known` [256, 256]: whose colours are seen; `parsed`: of which it is known whether they are hair.
    """
    kinds = [known & (hair < 0.5), known & (hair >= 0.5)]
    found = [fill(log, one.astype(np.float32), BEHIND) for one in kinds if one.any()]
    if len(found) < 2:
        return found[0] if found else None
    is_hair = (hair >= 0.5)[..., None].astype(np.float32)
    share = fill(is_hair, parsed.astype(np.float32), BEHIND)
    return found[0] + smoothstep(share, (0.45, 0.55)) * (found[1] - found[0])


@dataclass(frozen=True, slots=True, eq=False)
class _AroundEyes:
    """Where the map lies on a face: `before` [4400, 2], and `at` [128, 128, 2], the map's pixel there.

    `weight` [256, 256, 1]: 1 inside the map, 0 outside; `lenses` [44, 100, 2].
    """

    eyes: BareEyes
    before: Doubles
    at: Doubles
    weight: Floats
    lenses: Floats

    @staticmethod
    def of(seen: Seen, eyes: BareEyes, lens: NDArray[np.bool_]) -> "_AroundEyes":
        own, usual = placed(seen.points, seen.landmarks, eyes.usual)
        before = moved(usual, own, eye_map())
        places = moved(own, usual, grid(COARSE)).reshape(COARSE, COARSE, 2)
        whole = enlarged(places.astype(np.float32), IN_CROP)
        at = (whole.astype(np.float64) - np.array(FIRST)) / STEP
        last = np.array(SHAPE[::-1]) - 1
        within = np.clip(np.minimum(at, last - at).min(2) / ENDS, 0, 1)
        weight = enlarged(within[..., None].astype(np.float32), SIDE)
        left = np.arange(SIDE) < seen.landmarks[:2, 0].mean()
        sides = np.stack([lens & left, lens & ~left], 2).astype(np.float32)
        lenses = sampled(sides, *before.T).reshape(*SHAPE, 2)
        return _AroundEyes(eyes, before, at, np.clip(weight, 0, 1), lenses)

    def continued(self, smooth: Floats, known: Floats, beside: Floats) -> Floats:
        """Log of light [256, 256, 3] by the patterns, fitted where it is known; `beside` the map."""
        seen = sampled(np.concatenate([smooth, known[..., None]], 2), *self.before.T)
        light, shown = np.split(seen.reshape(*SHAPE, 4), [3], 2)
        fitted = (shown[..., 0] > SHOWN).astype(np.float32)
        tone = (light * fitted[..., None]).sum((0, 1)) / max(float(fitted.sum()), 1.0)
        found = self.eyes.continued(light - tone, fitted, self.lenses) + tone
        on_face = sampled(np.asarray(found, np.float32), self.at[..., 0], self.at[..., 1])
        whole = enlarged(on_face, SIDE)
        return np.asarray(beside + self.weight * (whole - beside), np.float32)
