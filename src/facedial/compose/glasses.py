"""Glasses put on at the photo's own resolution: outlines from a drawing, all else from the photo.

A drawing of 128 px says where its glasses are and what shape they have, but its rims are blurred and its
lenses are dark or clear by chance. So its mask is reduced to an outline that both lenses share, mirrored,
and this is drawn anew: rims with antialiased edges, and lenses through which the photo is seen.
"""

from dataclasses import dataclass, fields

import numpy as np

from facedial.arrays import LUMA, Bytes, Doubles, Floats
from facedial.compose.masks import box_mean, smoothstep
from facedial.faces.crop import head_template
from facedial.faces.geometry import Affine, apply, invert
from facedial.faces.parse import SIDE, Bools, dilated, eroded

UNIT = float(np.ptp(head_template(SIDE)[:2, 0]))  # eye distance of the head frame, px
# Of the outline: its radius at so many angles. 0 points to the nose, a quarter turn down.
ANGLES = 96
ANGLE = (np.arange(ANGLES) * 2 * np.pi / ANGLES).astype(np.float32)
ORDER = 5  # of the Fourier series that smooths an outline
SUPERELLIPSE = 2.7  # exponent of the outline that a drawn one is drawn to
# Share of the superellipse: at least, for each unit by which both lenses differ, and at most.
PRIOR = 0.2, 2.5, 0.8
BRIDGE = 0.06  # share of the side around the middle where the drawing's bridge is looked for
OPENING = 0.21  # of a lens' height: radius of the opening that removes bridge and arms
# Limits in eye distances (across: those of this face, along: `UNIT`).
APART = 0.53, 0.62  # half the distance of the lenses' centres
WIDE, HIGH = (0.38, 0.50), (0.27, 0.43)  # half axes of a lens
ASIDE, BELOW = (-0.10, 0.10), (0.02, 0.17)  # the middle of both from that of the eyes
NOSE = 0.085  # half the least distance between the lenses
TILT = 0.05  # at most, in radians, from the line through the eyes
UNEVEN = 0.14  # log of the widths' ratio at most: of a head that is turned
DEFAULT = 0.57, 0.43, 0.33, 0.10  # half distance, half axes, distance below the eyes
RIM = 1.7, 3.6  # px of the 256: thickness of a rim
PLAIN_RIM = 2.6  # where lenses are too dark to show one
VISIBLE = 10.0  # levels by which a rim is darker than what is beside it
DARK = 0.24  # luma of a rim over that of the skin, at most
ARM = 1.0, 1.35  # eye distances from the lens at which an arm begins to fade, and ends
SOFT = 0.35  # px of the 256: least half width of an edge
SHADOW, SHADOW_REACH, SHADOW_BELOW = 0.42, 1.6, 1.8  # strength; px of the 256
DARKEST, FADING = (
    0.965,
    0.22,
)  # share of the light that dark lenses absorb at the top, less at the bottom
SHEEN, SHEEN_CLEAR = 20.0, 3.0  # levels that a lens reflects: when dark, and when clear
LIGHT = 170.0  # luma of skin in whose light the levels above are given


@dataclass(frozen=True, slots=True, eq=False)
class Glasses:
    """Shape and colours of glasses in pixels of the parser's head crop, float32 arrays.

    `origin` [2]: between the eyes. `axis` [2]: unit vector along the frame. `centres` [2] of the lenses
    along it, `below` [1] across it; `half_widths` [2], `half_height` [1]; `outline` [ANGLES]: radius over
    the half axes. `rim` [1]: thickness. `eyes` [1]: their distance. `colour`, `tint` [3]: of rim and
    dark lens. `light` [1]: luma of the skin. `fitted` [1]: whether both lenses were found, 0 or 1.
    """

    origin: Floats
    axis: Floats
    centres: Floats
    below: Floats
    half_widths: Floats
    half_height: Floats
    outline: Floats
    rim: Floats
    eyes: Floats
    colour: Floats
    tint: Floats
    light: Floats
    fitted: Floats

    @property
    def across(self) -> Floats:
        """Unit vector down the frame."""
        return np.array([-self.axis[1], self.axis[0]], np.float32)

    def packed(self) -> Floats:
        """As one array, for a cache."""
        return np.concatenate([getattr(self, one.name) for one in fields(self)])

    @staticmethod
    def unpacked(values: Floats) -> "Glasses":
        """The glasses that `packed` wrote."""
        sizes = (2, 2, 2, 1, 2, 1, ANGLES, 1, 1, 3, 3, 1, 1)
        return Glasses(*np.split(values, np.cumsum(sizes)[:-1]))

    @staticmethod
    def of(
        picture: Bytes, mask: Floats, eyes: Doubles, light: float, *, drawn: bool = True
    ) -> "Glasses":
        """The glasses of a picture [256, 256, 3].

        `mask` [256, 256]: probability of glasses in it. `eyes` [2, 2]: the photo's, in pixels of the same
        crop. `light`: luma of the photo's skin. Glasses that are only `drawn` are made symmetric, smooth
        and of usual size, and put where the eyes are; plain ones where no lens is found.
        """
        middle, apart = eyes.mean(0), eyes[1] - eyes[0]
        distance = max(float(np.linalg.norm(apart)), 1e-3)
        along = apart / distance
        turned = np.stack([along, [-along[1], along[0]]])
        found = [lens for lens in _lenses(mask) if lens is not None and lens.usual]
        places = [turned @ (lens.centre - middle) for lens in found]
        both = len(found) == 2
        half, wide, high, below = np.array(DEFAULT) * [distance, distance, UNIT, UNIT]
        aside = tilt = uneven = 0.0
        outline = _superellipse()
        if found:
            differ = float(np.abs(found[0].outline - found[-1].outline).mean()) if both else 0.0
            prior = min(PRIOR[0] + PRIOR[1] * differ, PRIOR[2]) if drawn else 0.0
            own = _smooth(np.mean([lens.outline for lens in found], 0))
            outline = (1 - prior) * own + prior * outline
            wide = np.mean([lens.half_width for lens in found])
            high = np.mean([lens.half_height for lens in found])
            below = np.mean([place[1] for place in places])
            half = abs(places[0][0])
        if both:
            half = (places[1][0] - places[0][0]) / 2
            aside = float(places[0][0] + places[1][0]) / 2
            tilt = float(places[1][1] - places[0][1]) / max(2 * float(half), 1.0)
            uneven = float(np.log(found[0].half_width / found[1].half_width))
        if drawn:
            half = np.clip(half, *np.multiply(APART, distance))
            aside = np.clip(aside, *np.multiply(ASIDE, distance))
            wide = min(np.clip(wide, *np.multiply(WIDE, distance)), half - NOSE * distance)
            high, below = (
                np.clip(a, *np.multiply(b, UNIT)) for a, b in ((high, HIGH), (below, BELOW))
            )
            tilt = np.clip(tilt / 2, -TILT, TILT)
            uneven = np.clip(0.6 * uneven, -UNEVEN, UNEVEN)
        shape = Glasses(
            origin=_vector(*middle),
            axis=_vector(*(np.cos(tilt) * turned[0] + np.sin(tilt) * turned[1])),
            centres=_vector(aside - half, aside + half),
            below=_vector(below),
            half_widths=_vector(wide * np.exp(uneven / 2), wide * np.exp(-uneven / 2)),
            half_height=_vector(high),
            outline=outline.astype(np.float32),
            rim=_vector(PLAIN_RIM),
            eyes=_vector(distance),
            colour=_vector(0, 0, 0),
            tint=_vector(0, 0, 0),
            light=_vector(light),
            fitted=_vector(both),
        )
        return shape._coloured(picture)

    def _coloured(self, picture: Bytes) -> "Glasses":
        """With the rim and the colours that the picture has along the outline."""
        away = np.arange(-9, 7, 0.5, dtype=np.float32)  # from the outline, px; below 0: in the lens
        cosine, sine = np.cos(ANGLE), np.sin(ANGLE)
        # Not where bridge and arms begin.
        open_ = np.abs(cosine) < 0.86
        seen = []
        for centre, half, side in zip(self.centres, self.half_widths, (1, -1), strict=True):
            rim = (
                np.stack([side * half * cosine, self.half_height * sine], 1) * self.outline[:, None]
            )
            rim = rim[open_]
            by = 1 + away[:, None, None] / np.linalg.norm(rim, axis=1)[None, :, None]
            places = rim * by + [centre, self.below[0]]
            places = self.origin + places[..., :1] * self.axis + places[..., 1:] * self.across
            seen.append(np.stack([_sampled(picture[..., i], places) for i in range(3)], 2))
        profile = np.median(np.concatenate(seen, 1), 1)
        luma = profile @ LUMA
        lens, skin = profile[:5].mean(0), profile[-5:].mean(0)
        beside = min(np.median(luma[:5]), np.median(luma[-5:]))
        at = 4 + int(np.argmin(luma[4:-6]))
        depth = float(beside - luma[at])
        if depth > VISIBLE:
            # Blur makes a rim wider and paler than it is.
            rim_width = 0.62 * 0.5 * float(np.maximum(0, beside - luma).sum()) / depth
            colour = skin - 1.35 * (skin - profile[at])
        else:
            rim_width, colour = PLAIN_RIM, 0.7 * np.minimum(profile[at], lens)
        colour = np.clip(colour, 6, None)
        darkest = max(14.0, DARK * float(self.light[0]))
        colour = colour * min(1.0, darkest / float(colour @ LUMA))
        tint = (lens * (24 / max(float(lens @ LUMA), 1.0)) + [20, 18, 20]) / 2
        given = {one.name: getattr(self, one.name) for one in fields(self)}
        given["rim"] = _vector(np.clip(rim_width, *RIM))
        given["colour"] = colour.astype(np.float32)
        given["tint"] = np.clip(tint, 8, 60).astype(np.float32)
        return Glasses(**given)

    def box(self, to_photo: Affine, size: tuple[int, int]) -> tuple[int, int, int, int] | None:
        """Rectangle x0, y0, x1, y1 of the photo (half-open) outside which there is nothing of them."""
        x = self.centres + np.array([-1, 1]) * (self.half_widths + ARM[1] * self.eyes)
        y = self.below + np.array([-1, 1]) * (self.half_height + 12)
        corners = self.origin + np.array([a * self.axis + b * self.across for a in x for b in y])
        seen = apply(to_photo, corners.astype(np.float64))
        x0, y0 = np.maximum(np.floor(seen.min(0)), 0).astype(int)
        x1, y1 = np.minimum(np.ceil(seen.max(0)) + 1, size).astype(int)
        return (int(x0), int(y0), int(x1), int(y1)) if x1 - x0 > 1 and y1 - y0 > 1 else None

    def layer(self, to_photo: Affine, box: tuple[int, int, int, int], skin: Floats) -> Floats:
        """What glasses cover in a rectangle of the photo, float32 [H, W, 6].

        Share of frame, of lens, of light on the frame, of shadow; then the place in the lens across and
        down, -1..1. `skin` [H, W]: where the photo shows skin: arms and shadows are seen there alone.
        """
        x0, y0, x1, y1 = box
        to_crop = invert(to_photo).astype(np.float32)
        pixel = float(np.sqrt(abs(np.linalg.det(to_crop[:, :2]))))  # px of the 256
        edge = 2 * float(np.hypot(0.75 * pixel, SOFT))
        columns, rows = np.meshgrid(np.arange(x0, x1), np.arange(y0, y1))
        places = np.stack([columns, rows], 2).astype(np.float32) @ to_crop[:, :2].T
        places += to_crop[:, 2] - self.origin
        x = np.asarray(places @ self.axis, np.float32)
        y = np.asarray(places @ self.across - self.below[0], np.float32)
        del places
        inner = self.centres + np.array([1, -1], np.float32) * self.half_widths
        right = x > inner.mean()
        side = np.where(right, np.float32(-1), np.float32(1))
        half = self.half_widths[right.astype(int)]
        away = side * (x - self.centres[right.astype(int)])
        angle = np.arctan2(y / self.half_height, away / half)
        outline = np.interp(np.mod(angle, 2 * np.pi), *self._closed()).astype(np.float32)
        radius = outline * np.hypot(half * np.cos(angle), self.half_height * np.sin(angle))
        # Signed distance to the outline, to first order; below 0 in the lens.
        beyond = np.hypot(away, y) - radius
        down, across = np.gradient(beyond, pixel)
        steepness = np.clip(np.hypot(down, across), 0.7, 2)
        beyond /= steepness
        rim = self.rim[0] * (1 - 0.18 * np.sin(angle))  # thicker above
        frame = _inside(rim / 2 - np.abs(beyond + rim / 2), edge)
        lens = _inside(-beyond - rim / 2, edge)
        lit = np.exp(-np.square((2 * beyond / rim + 0.75) / 0.4))
        lit *= frame * (0.15 + 0.85 * np.clip(-down / steepness, 0, 1))
        free = (beyond > -rim) & (lens < 0.5)
        joined = np.maximum(self._bridge(x, y, inner, edge), self._arms(x, y, skin, edge))
        frame = np.maximum(frame, joined * free)
        reach = max(1, round(SHADOW_REACH / pixel))
        shadow = box_mean(box_mean(frame, reach), reach)
        lower = min(round(SHADOW_BELOW / pixel), len(shadow) - 1)
        shadow = np.concatenate([np.zeros_like(shadow[:lower]), shadow[: len(shadow) - lower]])
        planes = (frame, lens, lit, shadow * skin, away / half, y / self.half_height)
        return np.stack(planes, 2).astype(np.float32)

    def _closed(self) -> tuple[Floats, Floats]:
        """Angles 0..2 pi, both ends included, and the outline there."""
        return np.append(ANGLE, np.float32(2 * np.pi)), np.append(self.outline, self.outline[:1])

    def _bridge(self, x: Floats, y: Floats, inner: Floats, edge: float) -> Floats:
        """Share of the bridge: an arch between the lenses."""
        half = float(inner[1] - inner[0]) / 2 + 3
        along = (x - inner.mean()) / half
        arch = -0.32 * self.half_height[0] - 2.6 * (1 - along * along)
        away = np.abs(y - arch) / np.hypot(1, 2 * 2.6 * along / half)
        return _inside(0.58 * self.rim[0] - away, edge) * _inside(
            half - np.abs(x - inner.mean()), edge
        )

    def _arms(self, x: Floats, y: Floats, skin: Floats, edge: float) -> Floats:
        """Share of the arms: from each lens towards the ear, as far as skin is seen."""
        angle = np.pi + 0.42
        radius = np.interp(angle, *self._closed())
        start_y = self.half_height[0] * np.sin(angle) * radius
        arms = np.zeros_like(x)
        for centre, half, side in zip(self.centres, self.half_widths, (-1, 1), strict=True):
            along = side * (x - centre) + half * np.cos(angle) * radius
            thin = self.rim[0] * (0.72 - 0.30 * np.clip(along / 12, 0, 1))
            arm = _inside(thin - np.abs(y - start_y - 0.02 * along), edge)
            arm *= _inside(along + self.rim[0], edge)
            arm *= 1 - smoothstep(along, (ARM[0] * self.eyes[0], ARM[1] * self.eyes[0]))
            # The hinge is seen beside the face too.
            arms = np.maximum(arms, arm * np.maximum(skin, np.clip(1 - along / 2.5, 0, 1)))
        return arms


def worn(
    pixels: Bytes,
    glasses: Glasses,
    layer: Floats,
    *,
    darkness: float,
    share: float,
    own: bool = False,
) -> Bytes:
    """Pixels uint8 [H, W, 3] with glasses, `share` of them (1: entirely) and lenses of some darkness.

    `layer`: `Glasses.layer` of these pixels. `own`: glasses that the pixels show already; only their
    lenses are darkened. Pixels that the layer does not cover keep their bits.
    """
    frame, lens, lit, shadow, across, down = (layer[..., i] for i in range(6))
    light = float(glasses.light[0]) / LIGHT
    before = pixels.astype(np.float32)
    seen = before if own else before * (1 - SHADOW * shadow * (1 - frame))[..., None]
    absorbed = darkness * (DARKEST - FADING * smoothstep(down, (-0.3, 1.0)))
    streak = np.clip(0.75 - 0.6 * down, 0, 1) * smoothstep(
        0.62 - np.abs(across + 0.55 * down + 0.28), (0.0, 0.5)
    )
    clear = 0.0 if own else SHEEN_CLEAR
    sheen = light * streak * (darkness * SHEEN * absorbed + (1 - darkness) * clear)
    tint = glasses.tint * np.float32(np.sqrt(light))
    glass = seen + absorbed[..., None] * (tint - seen) + sheen[..., None]
    after = seen + lens[..., None] * (glass - seen)
    if not own:
        metal = glasses.colour * (1 - 0.45 * darkness) + 0.05 * before
        metal = metal + (lit * light * (44 - 16 * darkness))[..., None]
        after = after + frame[..., None] * (metal - after)
    changed = np.rint(before + np.float32(share) * (after - before))
    return np.asarray(np.clip(changed, 0, 255), np.uint8)


@dataclass(frozen=True, slots=True, eq=False)
class _Lens:
    """One lens of a drawing: its bounding box, and its outline in it with the nose on the right."""

    centre: Floats
    half_width: float
    half_height: float
    outline: Floats

    @property
    def usual(self) -> bool:
        """Whether its size can be a lens'."""
        return 0.2 < self.half_width / UNIT < 0.62 and 0.18 < self.half_height / UNIT < 0.55


def _lenses(mask: Floats) -> tuple[_Lens | None, _Lens | None]:
    """The lenses of a mask [256, 256], divided where it is thinnest: at the bridge."""
    low, high = round((0.5 - BRIDGE) * SIDE), round((0.5 + BRIDGE) * SIDE)
    middle = low + int(np.argmin(np.convolve(mask.sum(0), np.ones(5), "same")[low:high]))
    across = np.arange(SIDE)
    there = mask > 0.5
    return _lens(there & (across < middle), 1), _lens(there & (across >= middle), -1)


def _lens(there: Bools, side: int) -> _Lens | None:
    """The lens in one half of a mask, without bridge and arm; `side`: 1 where the nose is right of it."""
    height = np.sort(there.sum(0))[-8:].mean()
    radius = max(2, round(OPENING * height))
    opened = dilated(eroded(there, radius), radius)
    if opened.sum() < 150:
        return None
    columns, rows = np.flatnonzero(opened.any(0)), np.flatnonzero(opened.any(1))
    centre = np.array([columns[0] + columns[-1], rows[0] + rows[-1]]) / 2
    half = np.array([columns[-1] - columns[0] + 1, rows[-1] - rows[0] + 1]) / 2
    soft = box_mean(box_mean(opened.astype(np.float32), 2), 2)
    radii = np.arange(0, 1.75, 0.0125)
    rays = np.stack([side * half[0] * np.cos(ANGLE), half[1] * np.sin(ANGLE)], 1)
    within = _sampled(soft, centre + rays[:, None] * radii[:, None]) > 0.5
    last = np.where(within.all(1), len(radii) - 1, np.argmin(within, 1))
    return _Lens(
        centre.astype(np.float32), float(half[0]), float(half[1]), radii[last].astype(np.float32)
    )


def _smooth(outline: Floats) -> Floats:
    """The first terms of an outline's Fourier series, the last of them weakened."""
    terms = np.fft.rfft(outline)
    order = np.arange(len(terms))
    weight = np.where(order <= ORDER, np.exp(-0.7 * (order / ORDER) ** 4), 0.0)
    return np.asarray(np.fft.irfft(terms * weight, ANGLES), np.float32)


def _superellipse() -> Floats:
    across, down = np.abs(np.cos(ANGLE)), np.abs(np.sin(ANGLE))
    radius = (across**SUPERELLIPSE + down**SUPERELLIPSE) ** (-1 / SUPERELLIPSE)
    return np.asarray(radius, np.float32)


def _inside(depth: Floats, edge: float) -> Floats:
    """Share of a pixel that lies within a shape, by its depth there; `edge`: width of the ramp."""
    return np.asarray(np.clip(0.5 + depth / edge, 0, 1), np.float32)


def _sampled(plane: Floats | Bytes, places: Floats) -> Floats:
    """Bilinear values of a plane [H, W] at places [..., 2] of x and y, clipped to it."""
    x = np.clip(places[..., 0], 0, plane.shape[1] - 1.001)
    y = np.clip(places[..., 1], 0, plane.shape[0] - 1.001)
    column, row = x.astype(int), y.astype(int)
    right, lower = x - column, y - row
    upper_row = plane[row, column] * (1 - right) + plane[row, column + 1] * right
    lower_row = plane[row + 1, column] * (1 - right) + plane[row + 1, column + 1] * right
    return np.asarray(upper_row * (1 - lower) + lower_row * lower, np.float32)


def _vector(*values: float) -> Floats:
    return np.array(values, np.float32)
