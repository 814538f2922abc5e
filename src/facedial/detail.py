"""Fine detail at 256 px: inside what an edit draws at 128 px, and of whole decoded faces."""

from collections.abc import Sequence
from functools import cache

import numpy as np

from facedial.arrays import Bytes, Floats
from facedial.codes.code import Code
from facedial.errors import BadRequest
from facedial.faces import sheet
from facedial.faces.sheet import as_bytes
from facedial.model import FRAME, Model

SIDE = 256  # pixels along the side of the pictures that the network draws
NOISE_SHAPE = (8, 64, 64)
AT_ONCE = 8  # pictures drawn together: 9 MB of activations each


def draws_detail(model: Model) -> bool:
    """Whether detail can be drawn for a model: it codes head crops of 128 px, and has the network."""
    return model.frame == FRAME and 2 * model.side == SIDE and model.has_detail


def sizes(model: Model) -> tuple[int, ...]:
    """Sides, in pixels, at which codes can be decoded, the smallest first."""
    return (model.side, SIDE) if draws_detail(model) else (model.side,)


def size_of(model: Model, asked: int | None) -> int:
    """The side at which to decode: `asked`, the largest where None; raises `BadRequest`."""
    known = sizes(model)
    if asked is None:
        return known[-1]
    if asked not in known:
        raise BadRequest(
            f"the model {model.name} draws faces of {' or '.join(map(str, known))} px, found {asked}; "
            f"give {known[-1]}, or no size"
        )
    return asked


def decode(
    model: Model, codes: Sequence[Code], *, mse: bool = False, size: int | None = None
) -> Bytes:
    """Codes -> pictures uint8 [N, size, size, 3]; raises `CodeSpaceMismatch`, `BadRequest`.

    `size`: one of `sizes`; the model's own where None. `mse`: as for `Model.decode_bytes`.
    """
    side = model.side if size is None else size_of(model, size)
    pictures = model.decode_bytes(codes, mse=mse)
    return pictures if side == model.side else enlarged(model, pictures)


def enlarged(model: Model, pictures: Bytes) -> Bytes:
    """Decoded faces uint8 [N, 128, 128, 3] at twice the size, with the detail that they lack."""
    drawn = np.empty((len(pictures), SIDE, SIDE, 3), np.uint8)
    for start in range(0, len(pictures), AT_ONCE):
        part = np.stack([sheet.enlarged(one, SIDE) for one in pictures[start : start + AT_ONCE]])
        restored = model.detail(part, np.ones(part.shape[:3], np.float32), _noise(len(part)))
        drawn[start : start + AT_ONCE] = as_bytes(restored)
    return drawn


def added(model: Model, composite: Floats, region: Floats) -> Floats:
    """What the network adds to a composite float32 [256, 256, 3], in levels: 0 where the region is.

    `region` [256, 256], 0..1: share of the composite that is an enlarged picture of 128 px.
    """
    pixels = as_bytes(composite)
    (restored,) = model.detail(pixels[None], region[None], _noise(1))
    return np.asarray(restored - pixels, np.float32)


@cache
def _one_noise() -> Floats:
    # The same for every picture, so that nothing flickers from one step of a slider to the next.
    return np.random.default_rng(0).standard_normal(NOISE_SHAPE, np.float32)


def _noise(count: int) -> Floats:
    return np.broadcast_to(_one_noise(), (count, *NOISE_SHAPE))
