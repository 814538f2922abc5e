"""What is laid over a picture: other pictures, and things that cover faces."""

import math

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from facedial.faces.face_boxes import FaceBoxes
from facedial.faces.geometry import Affine, apply, compose, invert, pillow_coefficients, scale_of

UInt8 = NDArray[np.uint8]
Doubles = NDArray[np.float64]
Generator = np.random.Generator


def cover(image: Image.Image, face: FaceBoxes, kind: str, rng: Generator) -> None:
    """Lay dark `glasses`, a `mask` or any `object` over one face; `image` changes."""
    draw = ImageDraw.Draw(image)
    middle, axes, down = face.middle[0], face.axes[0], face.down[0]
    across = np.array([down[1], -down[0]])
    frame = np.stack([across * axes[0], down * axes[1]], 1)

    def corners(points: Doubles) -> list[tuple[float, float]]:
        return [(float(x), float(y)) for x, y in middle + points @ frame.T]

    turn = np.linspace(0, 2 * math.pi, 17)[:-1]
    circle = np.stack([np.cos(turn), np.sin(turn)], 1)
    colour = tuple(int(v) for v in rng.integers(0, 256, 3))
    if kind == "glasses":
        dark = tuple(int(v) for v in rng.integers(0, 50, 3))
        for x in (-0.42, 0.42):
            lens = circle * [0.3, float(rng.uniform(0.14, 0.24))] + [x, -0.34]
            draw.polygon(corners(lens), fill=dark)
        bar = np.array([[-0.95, -0.4], [0.95, -0.4], [0.95, -0.33], [-0.95, -0.33]])
        draw.polygon(corners(bar), fill=dark)
    elif kind == "mask":
        light = tuple(int(v) for v in rng.integers(120, 256, 3)) if rng.random() < 0.6 else colour
        top = float(rng.uniform(-0.2, 0.05))
        shape = np.array(
            [[-0.95, top], [0, top - 0.12], [0.95, top], [0.8, 0.75], [0, 1.0], [-0.8, 0.75]]
        )
        draw.polygon(corners(shape), fill=light)
        for y in (0.3, 0.55):
            shade = tuple(int(0.85 * v) for v in light)
            draw.line(
                corners(np.array([[-0.7, y], [0.7, y]])),
                fill=shade,
                width=max(1, int(axes[1] / 25)),
            )
    else:
        shape = circle if rng.random() < 0.5 else np.array([[-1, -1], [1, -1], [1, 1], [-1, 1.0]])
        size = rng.uniform(0.2, 0.7, 2)
        place = rng.uniform(-0.8, 0.8, 2)
        outline = corners(shape * size + place)
        if rng.random() < 0.5:
            draw.polygon(outline, fill=colour)
            return
        mask = Image.new("L", image.size, 0)
        ImageDraw.Draw(mask).polygon(outline, fill=255)
        shift = rng.integers(-image.width // 2, image.width // 2, 2)
        texture = Image.fromarray(np.roll(np.asarray(image), tuple(shift), (0, 1)))
        image.paste(texture, (0, 0), mask)


def lay(
    image: Image.Image,
    head: Image.Image,
    opacity: UInt8,
    to_scene: Affine,
    table: list[int] | None = None,
) -> None:
    """Blend a 256-px picture with its opacity [128, 128] over `image`, where `to_scene` takes it.

    `table`: other light for it, as Pillow's `point` takes it.
    """
    last = head.width - 0.5
    corners = apply(to_scene, np.array([[x, y] for x in (-0.5, last) for y in (-0.5, last)]))
    low = np.maximum(np.floor(corners.min(0)), 0).astype(int)
    high = np.minimum(np.ceil(corners.max(0)) + 1, image.size).astype(int)
    if (high - low < 2).any():
        return
    size = (int(high[0] - low[0]), int(high[1] - low[1]))
    back = compose(invert(to_scene), np.array([[1.0, 0, low[0]], [0, 1, low[1]]]))
    shrink = len(opacity) / head.width
    to_mask = np.array([[shrink, 0, (shrink - 1) / 2], [0, shrink, (shrink - 1) / 2]])
    cut, mask = (
        _reduced(part, step)
        for part, step in ((head, back), (Image.fromarray(opacity), compose(to_mask, back)))
    )
    shown, where = (
        part.transform(
            size, Image.Transform.AFFINE, pillow_coefficients(step), Image.Resampling.BILINEAR
        )
        for part, step in (cut, mask)
    )
    image.paste(shown if table is None else shown.point(table), (int(low[0]), int(low[1])), where)


def warped(image: Image.Image, to_image: Affine, side: int, rng: Generator | None) -> Image.Image:
    """A square part of an image; outside it a random colour, or 0 without `rng`."""
    part, step = _reduced(image, to_image)
    fill = 0 if rng is None else tuple(int(v) for v in rng.integers(0, 256, 3))
    return part.transform(
        (side, side),
        Image.Transform.AFFINE,
        pillow_coefficients(step),
        Image.Resampling.BILINEAR,
        fillcolor=fill,
    )


def _reduced(image: Image.Image, to_source: Affine) -> tuple[Image.Image, Affine]:
    """The image shrunk by whole blocks where `to_source` minifies it, and the map to its pixels."""
    block = max(1, round(scale_of(to_source) / 1.2))
    if block == 1:
        return image, to_source
    shrink = np.array([[1 / block, 0, 0.5 / block - 0.5], [0, 1 / block, 0.5 / block - 0.5]])
    return image.reduce(block), compose(shrink, to_source)
