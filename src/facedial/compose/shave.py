"""Beards taken off: the skin under them, by what the face shows beside them and what many faces teach.

Once features lie where they usually do, light falls on one face much as on the next: two dozen patterns
(`training.recipes.shave`) give most of it. They are fitted to the skin that a face shows, and continue it
under the beard. Whatever is darker there, or rougher, is hair.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from facedial.arrays import LUMA, Bytes, Doubles, Floats
from facedial.compose import features
from facedial.compose.face_patterns import FacePatterns
from facedial.compose.inpaint import BEHIND, fill
from facedial.compose.maps import grid, on_map
from facedial.compose.masks import (
    beside_nose,
    box_mean,
    box_means,
    enlarged,
    grown,
    resize_mask,
    smoothstep,
)
from facedial.compose.mouth import sampled
from facedial.compose.retouch import OFFSET, known_points, moved
from facedial.faces.parse import SIDE

FILE = "shave.npz"  # in a bundle
MAP = 64  # pixels along the side of the maps of light
UPPER = slice(16, 36)  # rows of such a map whose skin has no beard: light counts from theirs
RIDGE = 0.72  # of the fit: patterns have a variance of 1, and neighbouring pixels err alike
SHOWN = 0.85  # share of face from which on a pixel is fitted
SMOOTH = 2  # px of a crop: light is broader
# Where beards grow on the usual face: px beside its middle, and the first row. Sideburns end softly.
BESIDE, FIRST, SOFT = (0.0, 18.0, 45.0, 60.0), (161.0, 160.0, 152.0, 142.0), (4.0, 4.0, 4.0, 16.0)
MIDDLE = 127.5
# Shares of the side by which skin, a beard's rim, and hair below a chin reach beyond the usual outline;
# rows from which on hair is below a chin. Px to each side that are hair in long hair, not in a rim.
BEYOND, BUSHY, HANGING, HANGS, THICK = 0.02, 0.04, 0.07, (165.0, 185.0), 6
SIDES, STRANDS = (
    (34.0, 46.0),
    12,
)  # px beside the middle that long hair may cover; px of its strands
# Px beyond the cheeks, from eyes to nose, up to which beards reach, and from which on hair is the head's.
# Pixels of skin in a column that is a cheek's; of an ear, beside which hair is short: a beard's.
WIDER, CHEEK, EAR = (3.0, 8.0), 3, 40.0
# Rows of the usual face to which a moustache reaches down, and a goatee up; px beside the middle.
MOUSTACHE, GOATEE, WIDE = (178.0, 190.0), (168.0, 180.0), (40.0, 50.0)
PARTS = ("Mustache", "Goatee")  # the others are the whole beard
MOUTH = 0.3, 0.8  # share of mouth up to which skin is drawn, and from which on it is not
DARKER, ROUGHER = (0.1, 0.25), (1.8, 3.0)  # log of luma, and times the skin's contrast, of hair
AS_DARK = -0.1, 0.1  # rough hair of a skin's colour: log of luma it is darker at least
PATCH, TIMES = 4, 2.5  # px around hair that is hair, too
FAINT = 0.05, 0.3  # share of hair up to which a pixel is fitted
ROUNDS = 2  # of finding hair and fitting what is left
HAIR = 0.1, 0.6  # evidence up to which skin stays, and from which on it is drawn
# Px around skin and hair in which a beard's rim may hide what is behind; log of luma by which it is
# darker; px around what goes in which it is this beard's.
RIM, RIM_DARKER, RIM_NEAR = 5, (0.12, 0.35), 4
AROUND = 5  # px around hair that are not known to be skin
SKIN, BARE = 0.9, 0.05  # of skin that is known; evidence of hair on it
LIMIT = 0.5  # log of light by which the photo differs from the patterns
NO_ROUGHNESS = 0.03  # log: the contrast of skin, where none is known


@dataclass(frozen=True, slots=True, eq=False)
class CleanFaces(FacePatterns):
    """How light falls on faces without beards; its tone is that of the upper face."""

    SHOWN = "faces without beards"
    SHAPE = (MAP, MAP)

    def continued(self, light: Floats, known: Floats) -> Floats:
        """Log of light [64, 64, 3] everywhere, fitted to it where it is `known` [64, 64], 0..1."""
        mean, patterns = self.rows()
        weighted = patterns * np.repeat(known.ravel(), 3)
        system = weighted @ patterns.T + RIDGE * np.eye(len(patterns))
        shares = np.linalg.solve(system, weighted @ (light.ravel() - mean))
        return np.asarray((mean + shares @ patterns).reshape(MAP, MAP, 3), np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """A head crop: pixels [256, 256, 3], `points` [121, 2] (NaN: not seen) and `landmarks` [5, 2].

    Shares [256, 256] of `skin`, of the `face` with brows and eyes, of `mouth` and lips, of `hair`, of
    `ears`, and of what is `behind` a beard: neck, clothes, and background in the photo.
    """

    pixels: Bytes
    points: Doubles
    landmarks: Doubles
    skin: Floats
    face: Floats
    mouth: Floats
    hair: Floats
    ears: Floats
    behind: Floats


class Shaved(NamedTuple):
    """What is under a beard: its `light` [256, 256, 3], a log, without grain, and the share of `hair`.

    `skin` [256, 256]: share of skin of what is under it; the rest lies behind its rim. `known`
    [256, 256]: skin that is seen, 0 or 1. `parts` [256, 256, 2]: where a moustache and a goatee
    would be.
    """

    light: Floats
    hair: Floats
    skin: Floats
    known: Floats
    parts: Floats


def shaved(seen: Seen, faces: CleanFaces) -> Shaved:
    """The skin of a face, as it would be without a beard, and where its beard is."""
    there = known_points(seen.points, faces.usual)
    own, usual = seen.points[there], faces.usual[there]
    before = moved(usual, own, grid(MAP))
    at = moved(own, usual, grid(MAP)).reshape(MAP, MAP, 2)

    def on_face(maps: Floats) -> Floats:
        return enlarged(on_map(maps, at), SIDE)

    log = np.log(seen.pixels.astype(np.float32) + OFFSET)
    smooth = box_means(log, SMOOTH)
    found = sampled(np.concatenate([smooth, seen.face[..., None]], 2), *before.T)
    light, shown = np.split(found.reshape(MAP, MAP, 4), [3], 2)
    visible = (shown[..., 0] > SHOWN).astype(np.float32)
    on_usual_face = _zones(faces.usual)
    zones = on_face(on_usual_face)
    hairy = smoothstep(seen.hair, (0.2, 0.6))
    long = _long((seen.hair > 0.5) & (zones[..., 0] < 0.5)) * zones[..., 2]
    grows = np.maximum(zones[..., 0], zones[..., 1] * hairy) * (1 - long * hairy)
    # Nostrils are dark, too.
    grows = np.clip(grows, 0, 1) * beside_nose(seen.landmarks, SIDE) * _between_cheeks(seen)
    mouth = np.maximum(_lips(seen.points), seen.mouth)
    allowed = np.clip(seen.skin + seen.hair, 0, 1) * (1 - smoothstep(mouth, MOUTH))
    weight = visible * (1 - on_usual_face[..., 0])
    upper = weight[UPPER]
    tone = (light[UPPER] * upper[..., None]).sum((0, 1)) / max(float(upper.sum()), 1.0)
    for _ in range(ROUNDS):
        clean = on_face(faces.continued(light - tone, weight) + tone)
        hair = _hair(log, clean, grows, (seen.skin > SKIN) & (seen.hair < BARE)) * grows
        hair = np.asarray(
            box_mean(np.minimum(1, TIMES * box_mean(hair * (allowed > 0.5), PATCH)), PATCH - 1)
        )
        hair = hair * grows * allowed
        on_usual = sampled(hair[..., None], *before.T).reshape(MAP, MAP)
        on_usual = np.minimum(1, (AROUND - 2) * box_mean(on_usual, 1))
        weight = visible * (1 - smoothstep(on_usual, FAINT))
    near = np.minimum(1, (AROUND - 2) * box_mean(hair, AROUND))
    known = ((near < BARE) & (seen.skin > SKIN)).astype(np.float32)
    share = np.maximum(box_mean(known, 2 * SMOOTH), 1e-3)
    lacking = np.clip(smooth - clean, -LIMIT, LIMIT) * known[..., None]
    met = box_means(lacking, 2 * SMOOTH) / share[..., None]
    clean = clean + fill(met.astype(np.float32), known, BEHIND)
    hair = smoothstep(hair, HAIR)
    hair = box_mean(grown(hair, 0.012), SMOOTH) * allowed * smoothstep(grows, (0, 0.5))
    behind, rim = _rim(seen, log, hair, np.clip(zones[..., 1], 0, 1))
    over = np.maximum(hair + rim, 1e-6)
    light = clean + (rim / over)[..., None] * (behind - clean)
    goes, skin = np.minimum(hair + rim, 1), 1 - rim / over
    parts = np.clip(zones[..., 3:], 0, 1)
    return Shaved(light, np.asarray(goes, np.float32), np.asarray(skin, np.float32), known, parts)


def _rim(seen: Seen, log: Floats, hair: Floats, hangs: Floats) -> tuple[Floats, Floats]:
    """What lies behind a beard's rim, log of light [256, 256, 3], and the share of the rim there.

    Strands that reach over the neck, or over the wall, belong to no skin that the parser sees.
    """
    known = (grown((seen.behind < 0.5).astype(np.float32), RIM / SIDE) < 0.5).astype(np.float32)
    behind = fill(log, known, BEHIND)
    near = np.minimum(1, 2 * box_mean(grown(hair, RIM_NEAR / SIDE), 2))
    share = smoothstep((behind - log) @ LUMA, RIM_DARKER) * hangs * near * seen.behind * (1 - known)
    return np.maximum(behind, log), np.asarray(box_mean(share, 1) * seen.behind, np.float32)


def _hair(log: Floats, clean: Floats, grows: Floats, skin: NDArray[np.bool_]) -> Floats:
    """How surely a place is hair [256, 256]: darker than skin would be, or rougher and as dark."""
    darker = (clean - box_means(box_means(log, SMOOTH), SMOOTH)) @ LUMA
    luma = log @ LUMA
    contrast = np.sqrt(box_mean((luma - box_mean(luma, SMOOTH)) ** 2, PATCH))
    bare = skin & (grows < 0.02)
    usual = max(float(np.median(contrast[bare])) if bare.any() else NO_ROUGHNESS, 1e-3)
    rough = smoothstep(contrast / usual, ROUGHER) * smoothstep(darker, AS_DARK)
    return np.asarray(np.maximum(smoothstep(darker, DARKER), rough), np.float32)


def _between_cheeks(seen: Seen) -> Floats:
    """1 in columns [256] of a face as wide as its cheeks, 0 beside it where hair hides the ear.

    1 everywhere of a face without cheeks.
    """
    rows = slice(*np.rint([seen.landmarks[:2, 1].min(), seen.landmarks[2, 1]]).astype(int).tolist())
    (cheeks,) = np.nonzero((seen.skin[rows] > SKIN).sum(0) >= CHEEK)
    if not len(cheeks):
        return np.ones(SIDE, np.float32)
    x = np.arange(SIDE, dtype=np.float32)
    left, right = features.ear_pixels(seen.ears, seen.landmarks) < EAR
    beyond = np.maximum(left * (cheeks[0] - x), right * (x - cheeks[-1]))
    return np.asarray(1 - smoothstep(beyond, WIDER), np.float32)


def _long(hair: NDArray[np.bool_]) -> Floats:
    """1 where hair beside a face is long hair, or hangs from it over a cheek, 0 elsewhere [256, 256]."""
    thick = box_mean(hair.astype(np.float32), THICK) > 0.95
    return grown(thick.astype(np.float32), (THICK + STRANDS) / SIDE)


def _zones(usual: Doubles) -> Floats:
    """On the usual face [64, 64, 5]: where skin, and where hair gives way; sides; moustache, goatee."""
    x, y = grid(MAP).astype(np.float32).reshape(MAP, MAP, 2).transpose(2, 0, 1)
    beside = np.abs(x - MIDDLE)
    first, soft = (np.interp(beside, BESIDE, one) for one in (FIRST, SOFT))
    below = np.clip((y - first) / soft + 0.3, 0, 1)
    picture = Image.new("L", (SIDE, SIDE))
    outline = [(float(px), float(py)) for px, py in usual[features.OUTLINE]]
    ImageDraw.Draw(picture).polygon(outline, fill=255)
    inside = np.asarray(picture, np.float32) / np.float32(255)

    def around(share: float) -> Floats:
        return resize_mask(box_mean(smoothstep(grown(inside, share), (0.2, 0.8)), 3), MAP)

    hanging = np.maximum(around(BUSHY), around(HANGING) * smoothstep(y, HANGS))
    middle = 1 - smoothstep(beside, WIDE)
    moustache, goatee = 1 - smoothstep(y, MOUSTACHE), smoothstep(y, GOATEE)
    zones = [below * around(BEYOND), below * hanging, smoothstep(beside, SIDES)]
    zones += [middle * moustache, middle * goatee]
    return np.stack(zones, 2).astype(np.float32)


def _lips(points: Doubles) -> Floats:
    """Inside of a mouth's outer contours [256, 256], 0..1; 0 where the mouth is not seen."""
    contours = points[features.MOUTH].reshape(4, -1, 2)
    if not np.isfinite(contours).all():
        return np.zeros((SIDE, SIDE), np.float32)
    picture = Image.new("L", (4 * SIDE, 4 * SIDE))
    ring = np.concatenate([contours[0], contours[3][::-1]])
    ImageDraw.Draw(picture).polygon(
        [(4 * x + 1.5, 4 * y + 1.5) for x, y in ring.tolist()], fill=255
    )
    inside = np.asarray(picture.resize((SIDE, SIDE), Image.Resampling.BOX), np.float32) / 255
    return box_mean(inside, 1)
