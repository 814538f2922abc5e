"""Pictures with labelled faces, made at random: photos turned and scaled, with heads pasted into them."""

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from facedial.data.heads import ALPHA_SIDE, Heads
from facedial.data.labelled_photos import LabelledPhoto
from facedial.data.overlays import cover, lay, warped
from facedial.errors import BadRequest
from facedial.faces.face_boxes import FaceBoxes, covered
from facedial.faces.geometry import Affine, apply, compose, invert, similarity

UInt8 = NDArray[np.uint8]
Doubles = NDArray[np.float64]
Generator = np.random.Generator

LEAST_SEEN, LEAST_KEPT = 0.5, 0.12  # shares of a box in the picture: below, not sure; not a face
MOST_COVERED = 0.6  # share of a box that pasted heads may cover; beyond it, the face is not sure
MORE_HEADS = 0.45  # of the geometric distribution of the number of heads
NOISE = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class SceneConfig:
    """How scenes are made. Probabilities, and pixels of `side` x `side` scenes.

    `photo_shares`: of photos of groups, of single people, and without faces. `smallest`: size (geometric
    mean of a box's sides) below which a face is not sure. `largest`: of pasted heads, as a share of the
    side. `turned`: any roll, else a roll of `roll` degrees (standard deviation). `pasted`: heads are
    pasted, up to `most_pasted`; into photos without faces, unless they stay `empty`. `decoy`: the shape
    of a head filled with background is pasted. `coloured`: of photos without faces that get random
    colours, since those at hand may be grey, and skin is not. `cover`: of each face that something is
    laid over it. `blur`, `coarse`, `jpeg`, `noise`, `grey`, `dark`: of each picture.
    """

    side: int = 256
    photo_shares: tuple[float, float, float] = (0.4, 0.2, 0.4)
    smallest: float = 11.0
    pasted_from: float = 13.0
    largest: float = 1.1
    turned: float = 0.3
    roll: float = 14.0
    pasted: float = 0.35
    empty: float = 0.25
    most_pasted: int = 6
    decoy: float = 0.25
    coloured: float = 0.5
    cover: float = 0.25
    blur: float = 0.12
    coarse: float = 0.12
    jpeg: float = 0.3
    noise: float = 0.25
    grey: float = 0.3
    dark: float = 0.07

    def __post_init__(self) -> None:
        if self.side % 64:
            raise BadRequest(f"scenes.side must be a multiple of 64, got {self.side}")


@dataclass(frozen=True, slots=True)
class Scene:
    """Pixels uint8 [S, S, 3] and the faces in them, in its pixels."""

    pixels: UInt8
    faces: FaceBoxes

    def turned(self, quarters: int, mirrored: bool) -> "Scene":
        """The scene mirrored, then turned anticlockwise by so many quarters."""
        last = len(self.pixels) - 1.0
        move = np.array([[-1.0, 0, last], [0, 1, 0]]) if mirrored else np.eye(2, 3)
        for _ in range(quarters):
            move = compose(np.array([[0, 1.0, 0], [-1, 0, last]]), move)
        pixels = self.pixels[:, ::-1] if mirrored else self.pixels
        return Scene(np.rot90(pixels, quarters), self.faces.moved(move))


@dataclass(frozen=True, slots=True)
class Scenes:
    """Photos and heads from which scenes are made; `backgrounds`: photos without faces."""

    groups: Sequence[LabelledPhoto]
    singles: Sequence[LabelledPhoto]
    backgrounds: Sequence[LabelledPhoto]
    heads: Heads
    config: SceneConfig

    def draw(self, rng: Generator) -> Scene:
        """A scene, by `rng` alone."""
        config = self.config
        kinds = (self.groups, self.singles, self.backgrounds)
        shares = np.array(
            [share * bool(kind) for share, kind in zip(config.photo_shares, kinds, strict=True)]
        )
        photos = kinds[int(rng.choice(3, p=shares / shares.sum()))]
        photo = photos[int(rng.integers(len(photos)))]
        to_photo = self._view(photo, rng)
        image = self._warped(photo, to_photo, rng)
        if not len(photo.faces):
            image = self._coloured(image, rng)
        faces = _inside(photo.faces.moved(invert(to_photo)), config.side)
        if rng.random() < config.decoy:
            self._decoy(image, faces, rng)
        if rng.random() < (config.pasted if len(faces) else 1 - config.empty):
            for _ in range(min(int(rng.geometric(MORE_HEADS)), config.most_pasted)):
                faces = self.paste(image, faces, rng)
        self._cover(image, faces, rng)
        sure = faces.sure & (faces.sizes >= config.smallest)
        return Scene(degraded(image, config, rng), faces.but_sure(sure))

    def _view(self, photo: LabelledPhoto, rng: Generator) -> Affine:
        """Scene pixel -> photo pixel: a face somewhere in the scene, or any part of the photo."""
        side = self.config.side
        height, width = photo.pixels.shape[:2]
        sure = np.flatnonzero(photo.faces.sure)
        angle = self._roll(rng)
        fit = max(width, height) / side  # photo pixels per scene pixel, with the whole photo in it
        if len(sure) and rng.random() < 0.85:
            face = int(rng.choice(sure))
            own = float(photo.faces.sizes[face])
            most = min(self.config.largest * side, 2.5 * own)
            least = max(self.config.pasted_from, 0.7 * own / fit)
            wanted = math.exp(rng.uniform(math.log(min(least, most)), math.log(most)))
            scale = own / wanted
            half = wanted / 3
            place = rng.uniform(half, side - half, 2) if half < side / 2 else np.full(2, side / 2)
            middle = photo.faces.middle[face]
        else:
            scale = fit * math.exp(rng.uniform(math.log(0.35), math.log(1.1)))
            middle = rng.uniform(0.2, 0.8, 2) * [width, height]
            place = np.full(2, side / 2)
        return _mirrored(similarity(scale, angle, place, middle), side, rng)

    def _warped(self, photo: LabelledPhoto, to_photo: Affine, rng: Generator) -> Image.Image:
        """Part of a photo; outside it a colour or a photo without faces."""
        side = self.config.side
        image = warped(photo.image, to_photo, side, rng)
        corners = apply(to_photo, np.array([[0.0, 0], [side, 0], [0, side], [side, side]]))
        if ((corners > -1) & (corners < photo.image.size)).all() or rng.random() < 0.35:
            return image
        other = self.backgrounds[int(rng.integers(len(self.backgrounds)))].image
        scale = min(other.size) / side * float(rng.uniform(0.5, 1.0))
        view = similarity(scale, 0.0, np.full(2, side / 2), np.array(other.size) / 2)
        behind = self._coloured(warped(other, view, side, rng), rng)
        whole = Image.new("L", photo.image.size, 255)
        behind.paste(image, (0, 0), warped(whole, to_photo, side, None))
        return behind

    def _coloured(self, image: Image.Image, rng: Generator) -> Image.Image:
        """Part of a photo without faces, in random colours or its own."""
        if not self.config.coloured or rng.random() >= self.config.coloured:
            return image
        knots = np.linspace(0, 255, 4)
        curves = [np.interp(np.arange(256), knots, knots + rng.normal(0, 60, 4)) for _ in range(3)]
        table = np.rint(np.clip(curves, 0, 255)).astype(int).reshape(-1).tolist()
        return image.convert("L").convert("RGB").point(table)

    def _roll(self, rng: Generator) -> float:
        turned = rng.random() < self.config.turned
        return float(rng.uniform(-180, 180) if turned else rng.normal(0, self.config.roll))

    def paste(self, image: Image.Image, faces: FaceBoxes, rng: Generator) -> FaceBoxes:
        """A head pasted into `image`, which changes; the faces with it, those it covers not sure."""
        side, number = image.width, int(rng.integers(len(self.heads)))
        own = FaceBoxes.of_landmarks(self.heads.landmarks(number)[None].astype(np.float64))
        angle = self._roll(rng)
        for _ in range(6):
            least, most = self.config.pasted_from, self.config.largest * side
            wanted = math.exp(rng.uniform(math.log(least), math.log(most)))
            squeeze = float(rng.uniform(0.72, 1.05)) if rng.random() < 0.3 else 1.0
            half = min(wanted / 3, side / 2 - 1)
            place = rng.uniform(half, side - half, 2)
            narrow = np.array([[squeeze, 0, (1 - squeeze) * 128], [0, 1.0, 0]])
            to_scene = compose(
                similarity(wanted / float(own.sizes[0]), angle, own.middle[0], place), narrow
            )
            if rng.random() < 0.5:
                to_scene = compose(to_scene, np.array([[-1.0, 0, 255], [0, 1, 0]]))
            face = own.moved(to_scene, squeeze)
            box = face.boxes[0]
            hidden = covered(box, faces.boxes) if len(faces) else np.zeros(1)
            if hidden.max() < 0.5 or (wanted < 0.4 * side and rng.random() < 0.2):
                break
        else:
            return faces
        opacity = self.heads.opacity(number)
        style = rng.random()
        if style < 0.15:
            opacity = _oval(face=own)
        elif style < 0.22:
            opacity = np.full((ALPHA_SIDE, ALPHA_SIDE), 255, np.uint8)
        table = _light(rng, 0.22) if rng.random() < 0.6 else None
        lay(image, Image.fromarray(self.heads.pixels(number)), opacity, to_scene, table)
        sure = faces.sure & (covered(box, faces.boxes) <= MOST_COVERED)
        return _inside(faces.but_sure(sure).and_also(face), side)

    def _decoy(self, image: Image.Image, faces: FaceBoxes, rng: Generator) -> None:
        """The shape of a head, filled with background, where no face is."""
        side, number = image.width, int(rng.integers(len(self.heads)))
        photo = self.backgrounds[int(rng.integers(len(self.backgrounds)))]
        wanted = math.exp(rng.uniform(math.log(20), math.log(0.7 * side)))
        place = rng.uniform(0, side, 2)
        to_scene = similarity(wanted / 128, float(rng.uniform(-180, 180)), np.full(2, 127.5), place)
        reach = np.concatenate([place - wanted, place + wanted])
        if len(faces) and covered(reach, faces.boxes).max() > 0:
            return
        zoom = min(photo.image.size) / 256 * float(rng.uniform(0.3, 1.0))
        part = similarity(zoom, 0.0, np.full(2, 127.5), np.array(photo.image.size) / 2)
        filled = self._coloured(warped(photo.image, part, 256, rng), rng)
        lay(image, filled, self.heads.opacity(number), to_scene)

    def _cover(self, image: Image.Image, faces: FaceBoxes, rng: Generator) -> None:
        """Dark glasses, masks, hands' and hats' worth of flat or textured shapes over faces."""
        for i in range(len(faces)):
            if rng.random() < self.config.cover and faces.sizes[i] > 16:
                kind = ("glasses", "mask", "object")[int(rng.choice(3, p=[0.25, 0.3, 0.45]))]
                cover(image, faces.chosen(np.array([i])), kind, rng)


def degraded(image: Image.Image, config: SceneConfig, rng: Generator) -> UInt8:
    """Light, blur, coarseness, JPEG and noise, each at random."""
    side = image.width
    if rng.random() < config.blur:
        image = image.filter(ImageFilter.GaussianBlur(float(rng.uniform(0.4, 1.4))))
    if rng.random() < config.coarse:
        small = round(side * float(rng.uniform(0.45, 0.9)))
        image = image.resize((small, small), Image.Resampling.BILINEAR)
        image = image.resize((side, side), Image.Resampling.BILINEAR)
    if rng.random() < config.grey:
        image = image.convert("L").convert("RGB")
    pixels = np.asarray(image.point(_light(rng, 0.18, dark=rng.random() < config.dark)))
    if rng.random() < config.noise:
        strength = float(rng.uniform(1, 16))
        start = int(rng.integers(len(_NOISE) - pixels.size)) if pixels.size < len(_NOISE) else 0
        grain = np.resize(_NOISE[start:], pixels.shape)
        pixels = np.clip(pixels + strength * grain, 0, 255).astype(np.uint8)
    if rng.random() < config.jpeg:
        held = io.BytesIO()
        Image.fromarray(pixels).save(held, "JPEG", quality=int(rng.integers(25, 90)))
        pixels = np.asarray(Image.open(held))
    return pixels


def _light(rng: Generator, strength: float, dark: bool = False) -> list[int]:
    """Other brightness, contrast and colour: a table of 256 values for each channel."""
    line = np.arange(256) / 255
    gain = math.exp(rng.normal(0, strength))
    gain *= float(rng.uniform(0.15, 0.5)) if dark else 1.0
    gamma = math.exp(rng.normal(0, strength))
    lift = 0.0 if dark else float(rng.normal(0, 0.04))
    tint = np.exp(rng.normal(0, 0.08, 3))
    values = line**gamma * gain * tint[:, None] + lift
    table: list[int] = np.rint(255 * np.clip(values, 0, 1)).astype(int).reshape(-1).tolist()
    return table


def _oval(face: FaceBoxes) -> UInt8:
    """Opacity [128, 128] of the face alone, of a 256-px crop: its ellipse, with a soft edge."""
    y, x = np.mgrid[:ALPHA_SIDE, :ALPHA_SIDE] * 2 + 0.5
    (cx, cy), (a, b) = face.middle[0], face.axes[0]
    radius = np.sqrt(((x - cx) / a) ** 2 + ((y - cy) / b) ** 2)
    opacity: UInt8 = np.rint(255 * np.clip((1.15 - radius) / 0.2, 0, 1)).astype(np.uint8)
    return opacity


def _mirrored(to_photo: Affine, side: int, rng: Generator) -> Affine:
    flip = np.array([[-1.0, 0, side - 1], [0, 1, 0]])
    return compose(to_photo, flip) if rng.random() < 0.5 else to_photo


def _inside(faces: FaceBoxes, side: int) -> FaceBoxes:
    """Faces of which something is seen; of those that are cut, only half a face is sure."""
    seen = covered(np.array([0.0, 0.0, side, side]), faces.boxes)
    sure = faces.sure & (seen >= LEAST_SEEN)
    return faces.but_sure(sure).chosen(seen >= LEAST_KEPT)


_NOISE = np.random.default_rng(0).standard_normal(NOISE).astype(np.float32)
_NOISE.flags.writeable = False
