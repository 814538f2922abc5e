"""What makes a face older, manlier or made up, learned from many people, done to the photo's own pixels.

A drawing of 128 px shows what changes, and is softer than the photo and lies a little beside it. So only
the change is learned (`training.recipes.retouch`): where features go, what light falls on them, and how
rough skin is there, each with what an attribute adds to it while sex, age, smile, pose and light stay
as they are. Features are moved, lit and smoothed in the photo.
"""

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facedial.arrays import LUMA, Doubles, Floats, open_part, save_arrays
from facedial.compose.features import COUNT
from facedial.compose.maps import Halves, grid, on_map, packed, unpacked
from facedial.compose.masks import beside_nose, box_mean, enlarged, grown, smoothstep
from facedial.compose.mouth import face_mask, sampled
from facedial.compose.thin_plate import influence, spline
from facedial.faces.parse import SIDE

FILE = "retouch.npz"  # in a bundle
FORMAT = 1
AGE = "Young"  # the attribute with which lines come and go
# Attributes that are made so, where a bundle knows them.
RETOUCHED = (
    AGE, "Male", "Heavy_Makeup", "Big_Lips", "Narrow_Eyes", "Arched_Eyebrows", "Bushy_Eyebrows",
    "Chubby", "Double_Chin", "Oval_Face", "Rosy_Cheeks", "Attractive",
)  # fmt: skip
# Those that move the outline of the head; others do not.
OUTLINED = ("Male", "Chubby", "Double_Chin", "Oval_Face")
MAP, ROUGH = 128, 32  # pixels along the side of the maps of light and of roughness
COARSE = 64  # the same, at which displacements are computed
ROUNDS = 2  # of finding where a place came from
STEP = SIDE // MAP
OFFSET = 8.0  # levels by which black has a log
FAR = 35.0  # px from its usual place, from which on a point is an error
# Beyond the crop's edge and on it: what stays.
RIM = np.array(
    [[x, y] for x in (-20, 60, 128, 196, 276) for y in (-20, 276)]
    + [[x, y] for x in (-20, 276) for y in (60, 128, 196)],
    np.float64,
)
RIM.flags.writeable = False
# Times what is learned of shape and of light, where an attribute comes and where it goes: the mean of
# many changes is less than the change that one asks for.
GAINS = {
    AGE: ((1.5, 1.8), (1.5, 1.3)),
    "Male": ((1.6, 1.5), (1.6, 1.5)),
    "Heavy_Makeup": ((1.5, 1.2), (1.7, 1.2)),
    "Narrow_Eyes": ((0.8, 0.8), (0.8, 0.8)),
    "Big_Lips": ((1.2, 1.2), (0.6, 0.6)),
}
USUAL_GAIN = (1.5, 1.5), (1.5, 1.5)
# Times the fine part of light on skin, of what goes: folds of many people lie beside each other, so their
# mean is faint. Of what is brighter beside them, a share. Px of a map that count as fine; px of a crop
# beside features that stay without.
CREASED, BETWEEN = {AGE: 3.5}, 0.5
SHADE = np.array(
    [0.7, 1.05, 1.15], np.float32
)  # of red, green, blue: skin shines red from within its folds
SHADE.flags.writeable = False
# Rows of the usual face over which its light begins: above them few people show their foreheads.
HAIRLINE = 60.0, 92.0
FINE, BESIDE = 4, 8
# Share of the hue in light that brightens: brows that go only in part would turn orange.
COLOURED = 0.4
BRIGHTEST, DARKEST = 0.22, 0.7  # log of light that is added, and taken, at most
# Share of the light on eyes, and of what brightens around them, that is left out: lashes that go where
# there were none leave a bright line. Px around them.
EYES_KEEP, LIDS_KEEP, LIDS = 0.6, 0.9, 5
RIMS = 5  # px around glasses in which all stays
BANDS = 2  # of skin's roughness: from 3 to 7, and from 7 to 15 px
REACHES = ((1, 0), (2, 1), (4, 3))  # of the box means between the bands, px
ROUGHEST = 0.9  # log of what a band is multiplied by, at most
BROAD = 12  # px of a map: light of skin that is broader is the photo's own
# Px around the face in which what moves ends, and over how many.
AROUND, ENDS = 30, 14
INNER, SKIN = (0.6, 1.0), (0.7, 1.0)  # share of face, and of skin, around what is lit and smoothed
BARE = (0.75, 0.98)  # the same, of skin, around what gets lines


@dataclass(frozen=True, slots=True, eq=False)
class Retouch:
    """What each of `names` adds to a face that has none of it, and where points usually lie.

    `usual` [121, 2] of a head crop (`compose.features`); `shape` [A, 121, 2]; `light` float16
    [A, 128, 128, 3], in the frame of `usual`; `roughness` [A, 32, 32, 2].
    """

    names: tuple[str, ...]
    usual: Doubles
    shape: Doubles
    light: Halves
    roughness: Halves

    @staticmethod
    def load(path: Path) -> "Retouch":
        """Those of a bundle's file; raises `BadBundle`."""
        with open_part(path, "retouching", FORMAT) as file:
            names = tuple(str(name) for name in file["names"])
            usual, shape = (np.asarray(file[name], np.float64) for name in ("usual", "shape"))
            light, roughness = (unpacked(file, name) for name in ("light", "roughness"))
            shapes = [one.shape for one in (usual, shape, light, roughness)]
            n = len(names)
            if shapes != [
                (COUNT, 2), (n, COUNT, 2), (n, MAP, MAP, 3), (n, ROUGH, ROUGH, BANDS),
            ]:  # fmt: skip
                raise ValueError(f"arrays of shapes {shapes}")
            return Retouch(names, usual, shape, light, roughness)

    def save(self, path: Path) -> None:
        """Write it, maps in 8 bits."""
        arrays = {"usual": self.usual.astype(np.float32), "shape": self.shape.astype(np.float32)}
        maps = {**packed("light", self.light), **packed("roughness", self.roughness)}
        save_arrays(
            path, compressed=True, format=FORMAT, names=np.array(self.names), **arrays, **maps
        )

    def shape_of(self, shares: Mapping[str, float]) -> Doubles:
        """Ways of points, px: the sum of what attributes add, each times its share.

        [2, 121, 2]: of attributes that leave the outline of the head, and of those that move it. A
        share is negative where an attribute is taken away.
        """
        ways = np.zeros((2, *self.shape.shape[1:]))
        for k, name in enumerate(self.names):
            share = shares.get(name, 0.0)
            by = share * GAINS.get(name, USUAL_GAIN)[0][share < 0]
            ways[int(name in OUTLINED)] += by * self.shape[k]
        return ways


@dataclass(frozen=True, slots=True, eq=False)
class Planes:
    """What becomes of each place of a head crop, in 128 px.

    `back` [128, 128, 2]: from a place after the change to where it was before, px of the crop; `light`
    [128, 128, 3] and `roughness` [128, 128, 2], logs of factors. `lines` [128, 128, 3],
    of a change of age: where it lies on the usual face, px, and the share of skin there that may get or
    lose lines; of other changes [128, 128, 0].
    """

    back: Floats
    light: Floats
    roughness: Floats
    lines: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """A face in its head crop: `points` [121, 2] (NaN: not seen) and `landmarks` [5, 2].

    `head`, `face`, `skin`, `eyes`, `glasses` [256, 256]: share of all that is not background, clothes or
    a hat, of the face, of its skin without features, of its eyes, and of glasses before it.
    """

    points: Doubles
    landmarks: Doubles
    head: Floats
    face: Floats
    skin: Floats
    eyes: Floats
    glasses: Floats


@dataclass(frozen=True, slots=True, eq=False)
class OnFace:
    """What is learned, brought onto one face. `keep`: keeps arrays by key (`cache.Cache.get`).

    What does not depend on the shares of an edit is computed once.
    """

    retouch: Retouch
    seen: Seen
    keep: Callable[[Hashable, Callable[[], Floats]], Floats]

    def planes(self, shares: Mapping[str, float]) -> Planes:
        """How the face changes with shares of attributes, negative where they are taken away.

        The nose stays, by which a person is known, and so do glasses.
        """
        masks = np.moveaxis(self.keep("retouch masks", self._masks), 2, 0)
        inner, smooth, _, deep, lids, moves, inside, bare = masks
        stays, moved = (self._spread(one) for one in self.retouch.shape_of(shares))
        ahead = (stays * inside[..., None] + moved) * moves[..., None]
        places = grid(MAP).reshape(MAP, MAP, 2)
        # What moves a place back is what moved it here: the way at the place it came from.
        back = -on_map(ahead, places)
        for _ in range(ROUNDS):
            back = -on_map(ahead, places + back)
        own = np.zeros((MAP, MAP, 4 + BANDS), np.float32)
        for k, name in enumerate(self.retouch.names):
            if share := shares.get(name, 0.0):
                one = self.keep(("retouch", name), partial(self._own, k))
                lit = np.float32(share * GAINS.get(name, USUAL_GAIN)[1][share < 0])
                creased = CREASED.get(name, 0.0) * min(share, 0.0)
                by = [lit] * 3 + [np.float32(creased)] + [lit] * BANDS
                own += np.array(by, np.float32) * one
        light, creases = own[..., :3], own[..., 3] * deep
        light = light + (np.where(creases > 0, BETWEEN, 1) * creases)[..., None] * SHADE
        light = _limited(np.where(light > 0, light * lids[..., None], light)) * inner[..., None]
        rough = np.clip(own[..., 4:], -ROUGHEST, ROUGHEST) * smooth[..., None]
        lines = (
            [self.keep("retouch usual", self._usual), bare[..., None]] if shares.get(AGE) else []
        )
        seen = on_map(np.concatenate([light, rough, *lines], 2), places + back)
        return Planes(np.asarray(back, np.float32), *np.split(seen, [3, 3 + BANDS], 2))

    def _spread(self, ways: Doubles) -> Floats:
        """Ways of points [121, 2], continued to all places [128, 128, 2] by thin-plate splines."""
        known = known_points(self.seen.points, self.retouch.usual)

        def made() -> Floats:
            nodes = np.concatenate([self.seen.points[known], RIM])
            places = grid(COARSE)
            # Nothing moves at the rim.
            return influence(nodes, places)[:, : int(known.sum())].astype(np.float32)

        coarse = self.keep("retouch influence", made) @ ways[known].astype(np.float32)
        return enlarged(coarse.reshape(COARSE, COARSE, 2), MAP)

    def _masks(self) -> Floats:
        """Planes [128, 128, 8].

        Lit, smoothed, skin, skin beside no feature, no lid, what moves, head, and skin that gets or loses
        lines.
        """
        seen, beside = self.seen, beside_nose(self.seen.landmarks, SIDE)
        # What is behind glasses would move their rims.
        behind = np.minimum(2 * box_mean(grown(seen.glasses, RIMS / SIDE), RIMS), 1)
        beside = beside * (1 - behind)
        # Around the face, and at the crop's edge, everything stays.
        near = box_mean(np.minimum(grown(seen.face, AROUND / SIDE), _edge_mask(ENDS)), ENDS)
        around_eyes = np.minimum(2 * box_mean(grown(seen.eyes, LIDS / SIDE), 2), 1)
        planes = (
            smoothstep(box_mean(seen.face, 4), INNER) * (1 - EYES_KEEP * seen.eyes) * beside,
            smoothstep(box_mean(seen.skin, 3), SKIN) * beside,
            seen.skin,
            smoothstep(box_mean(seen.skin, BESIDE), SKIN) * beside,
            1 - LIDS_KEEP * around_eyes,
            smoothstep(near, (0.5, 1.0)) * beside,
            face_mask(seen.head),
            smoothstep(box_mean(seen.skin, 2), BARE) * beside,
        )
        blocks = np.stack(planes, 2).reshape(MAP, STEP, MAP, STEP, len(planes))
        return np.asarray(blocks.mean((1, 3)), np.float32)

    def _usual(self) -> Floats:
        """Where each place lies on the usual face, [128, 128, 2]."""
        points = np.nan_to_num(self.seen.points)
        places = grid(MAP).reshape(MAP, MAP, 2)
        return np.asarray(places + self._spread(self.retouch.usual - points), np.float32)

    def _own(self, k: int) -> Floats:
        """What attribute number `k` adds there [128, 128, 6]: light, creases, roughness."""
        retouch = self.retouch
        at = self.keep("retouch usual", self._usual).astype(np.float64)
        light = np.asarray(retouch.light[k], np.float32)
        maps = np.concatenate([light, _fine(light @ LUMA)[..., None]], 2)
        found = on_map(maps, at)
        cells = (at + 0.5) * ROUGH / SIDE - 0.5
        rough = sampled(np.asarray(retouch.roughness[k], np.float32), cells[..., 0], cells[..., 1])
        skin = self.keep("retouch masks", self._masks)[..., 2]
        lights = np.concatenate([_narrow(found[..., :3], skin), found[..., 3:]], 2)
        return np.concatenate([lights * smoothstep(at[..., 1:], HAIRLINE), rough], 2)


def known_points(points: Doubles, usual: Doubles) -> NDArray[np.bool_]:
    """Which points are seen where they may lie [121]."""
    known = np.isfinite(points[:, 0])
    known[known] &= np.hypot(*(points - usual)[known].T) < FAR
    return known


def moved(source: Doubles, target: Doubles, places: Doubles) -> Doubles:
    """Where places [n, 2] lie when points at `source` [k, 2] lie at `target`; at the rim all stay."""
    ends = np.concatenate([source, RIM])
    ways = np.concatenate([target - source, np.zeros_like(RIM)])
    return np.asarray(places + spline(ends, ways, places))


def _narrow(light: Floats, skin: Floats) -> Floats:
    """Light without its broad part on skin: that one is each photo's own."""
    weight = skin + 1e-3
    total, *sums = (
        box_mean(box_mean(one, BROAD), BROAD)
        for one in (weight, *(light[..., k] * weight for k in range(3)))
    )
    return np.asarray(light - np.stack(sums, 2) / total[..., None], np.float32)


def _fine(light: Floats) -> Floats:
    """A map of light [128, 128] without what is broader than lines."""
    return np.asarray(light - box_mean(box_mean(light, FINE), FINE), np.float32)


def _limited(light: Floats) -> Floats:
    """Log of light with soft limits: brows that go end in skin, not beyond it."""
    luma = (light @ LUMA)[..., None]
    light = np.where(luma > 0, luma + COLOURED * (light - luma), light)
    most = np.where(light > 0, BRIGHTEST, DARKEST)
    return np.asarray(most * np.tanh(light / most), np.float32)


def bands(log_luma: Floats, scale: float) -> list[Floats]:
    """Parts of a picture's log luma [H, W], from fine to coarse, of so many pixels to one of a crop."""

    def mean(values: Floats, reaches: tuple[int, int]) -> Floats:
        for reach in (max(1, round(scale * one)) for one in reaches if one):
            values = box_mean(values, reach)
        return values

    smooth = [mean(log_luma, one) for one in REACHES]
    return [smooth[k] - smooth[k + 1] for k in range(BANDS)]


def _edge_mask(ends: int) -> Floats:
    """1 inside a head crop, 0 over twice so many px at its edge: [256, 256]."""
    inside = np.zeros((SIDE, SIDE), np.float32)
    inside[2 * ends : -2 * ends, 2 * ends : -2 * ends] = 1
    return inside


def log_luma(pixels: NDArray[np.uint8] | Floats) -> Floats:
    """Log of luma of pixels [..., 3] in levels."""
    return np.asarray(np.log(pixels @ LUMA + OFFSET), np.float32)
