"""Patterns of light on many faces, of which some is hidden on each: principal components."""

from collections.abc import Callable
from itertools import islice
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from facedial.arrays import Bytes, Doubles, Floats
from facedial.compose.maps import Halves
from facedial.compose.masks import box_means
from facedial.compose.mouth import sampled
from facedial.compose.retouch import OFFSET
from facedial.errors import BadRequest, BadStore
from facedial.faces.parse import SIDE
from facedial.faces.sheet import shrunk
from facedial.model import CLASSIFIER_SIDE, Model
from facedial.training.batches import Crops, known
from facedial.training.recipe import RunContext

ROUNDS = 12  # of filling in what is hidden, by what the patterns make of it
SHOWN = 0.84  # share of face around a pixel that counts
READ_AT_ONCE = 64
Rows: TypeAlias = NDArray[np.int64]
# Log of light [H, W, 3], and where it is shown [H, W], 0 or 1.
Light: TypeAlias = tuple[Floats, Floats]


def of_people(
    context: RunContext,
    count: int,
    who: str,
    chosen: Callable[[Model, Crops, np.random.Generator], Rows],
    light: Callable[[Model, Crops, np.int64, Floats, Doubles], Light | None],
    most: int | None = None,
) -> tuple[Doubles, Halves]:
    """Usual places of features, and mean and patterns of the light on training people.

    `chosen`: rows of people `who` are such, in words; `light`: that of a row, by its landmarks and the
    usual places, or None; of the first `most`. Raises `BadRequest` for a bundle without usual
    places, `BadStore` where people are too few.
    """
    crops, landmarks = known(Crops(context.stores, ["train"], SIDE), "landmarks", "train people")
    model = Model.open(context.init)
    try:
        if model.retouch is None:
            raise BadRequest(
                f"the bundle {model.name} does not know the usual places of features; start from one "
                "with retouching (--init)"
            )
        usual = model.retouch.usual
        rows = chosen(model, crops, np.random.default_rng(context.seed))
        seen = (light(model, crops, row, landmarks[row], usual) for row in rows)
        found = list(islice((one for one in seen if one is not None), most))
    finally:
        model.close()
    if len(found) <= count:
        raise BadStore(
            f"the stores show {len(found)} people {who}, too few for {count} patterns; prepare one of "
            f"sharp photos of many people, at {SIDE} px"
        )
    lights, shown = (np.stack(one) for one in zip(*found, strict=True))
    return usual, fitted(lights, shown, count).astype(np.float16)


def attributes(model: Model, crops: Crops) -> Floats:
    """Attributes of all people, by the classifier [N, 40]."""
    blocks = (shrunk(crops.read(part), CLASSIFIER_SIDE) for part in crops.blocks(READ_AT_ONCE))
    return np.concatenate([model.predict_attributes(one) for one in blocks])


def light_at(
    pixels: Bytes, face: Floats, places: Doubles, shape: tuple[int, int], reach: int
) -> Light:
    """Log of light of a crop [256, 256, 3] at `places` [H * W, 2], smoothed over `reach` px.

    Shown where there is `face` [256, 256].
    """
    log = np.log(pixels.astype(np.float32) + OFFSET)
    planes = np.concatenate([box_means(log, reach), face[..., None]], 2)
    light, share = np.split(sampled(planes, *places.T).reshape(*shape, 4), [3], 2)
    return light, (share[..., 0] > SHOWN).astype(np.float32)


def fitted(light: Floats, shown: Floats, count: int) -> Floats:
    """Mean and patterns [1 + count, H, W, 3] of light [N, H, W, 3] where it is shown [N, H, W].

    Principal components of people and their mirror images, where what is hidden is what they make of it;
    each times the standard deviation of its share.
    """
    values = np.concatenate([light, light[:, :, ::-1]]).reshape(2 * len(light), -1)
    there = np.concatenate([shown, shown[:, :, ::-1]]).reshape(2 * len(light), -1)
    there = np.repeat(there > 0, 3, 1)
    mean = (values * there).sum(0) / np.maximum(there.sum(0), 1)
    values = np.where(there, values - mean, 0)
    filled = values.copy()
    basis = np.linalg.qr(np.random.default_rng(0).standard_normal((values.shape[1], count)))[0]
    for _ in range(ROUNDS):
        basis = np.linalg.qr(filled.T @ (filled @ basis))[0].astype(np.float32)
        filled = np.where(there, values, (filled @ basis) @ basis.T)
    shares = filled @ basis
    turn, spread, _ = np.linalg.svd(shares.T @ shares / len(shares))
    patterns = (basis @ turn).T * np.sqrt(spread)[:, None]
    return (
        np.concatenate([mean[None], patterns])
        .reshape(1 + count, *light.shape[1:])
        .astype(np.float32)
    )
