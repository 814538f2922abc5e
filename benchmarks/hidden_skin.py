"""What is told of skin under beards and under rims of glasses: error of the log of its light.

`python benchmarks/hidden_skin.py --data STORE [--data STORE] [-n 200] [--bundle NAME]` takes validation
people without a beard, and without glasses, hides what a beard or a pair of rims would, and continues the
rest: by the mean face, smoothly, by the bundle's patterns, and by these with what the rest differs by.
"""

import argparse
from collections.abc import Callable

import numpy as np

from facedial.arrays import Floats
from facedial.compose import rims, shave
from facedial.compose.inpaint import BEHIND, fill
from facedial.data.store import Store
from facedial.faces.parse import SIDE
from facedial.model import Model
from facedial.training.batches import Crops, known
from facedial.training.recipes import eyes as eyes_recipe
from facedial.training.recipes import shave as shave_recipe

RIMS = (17.0, 12.0, 0.16)  # half axes of a lens on the map around the eyes, px; width of its rim
LENSES, ROW, BRIDGE = (32.0, 67.0), 22.0, 18.0
BELOW = 36  # row of the map of light under which a beard grows


def smoothly(light: Floats, seen: Floats) -> Floats:
    """Light [H, W, 3] continued by diffusion from where it is seen [H, W]."""
    square = np.zeros((128, 128, 4), np.float32)
    square[: light.shape[0], : light.shape[1]] = np.concatenate([light, seen[..., None]], 2)
    return fill(square[..., :3], square[..., 3], BEHIND)[: light.shape[0], : light.shape[1]]


def around_rims() -> Floats:
    """1 where a pair of rims hides the map around the eyes [44, 100]."""
    row, column = np.mgrid[: rims.SHAPE[0], : rims.SHAPE[1]]
    hidden = (abs(row - BRIDGE) < 2) & (abs(column - 49.5) < 8)
    for middle in LENSES:
        away = np.hypot((column - middle) / RIMS[0], (row - ROW) / RIMS[1])
        hidden |= abs(away - 1) < RIMS[2]
    return hidden.astype(np.float32)


def errors(
    people: list[tuple[Floats, Floats]],
    hides: Floats,
    mean: Floats,
    continued: Callable[[Floats, Floats], Floats],
) -> dict[str, float]:
    """Root mean square error of what is hidden, by each way."""
    squares: dict[str, list[float]] = {}
    for light, shown in people:
        seen, under = shown * (1 - hides), (shown * hides) > 0
        if seen.sum() < 100 or not under.any():
            continue
        tone = (light * seen[..., None]).sum((0, 1)) / seen.sum()
        found = continued(light - tone, seen) + tone
        rest = smoothly(np.asarray(light - found, np.float32), seen)
        ways = {
            "mean face": mean + tone,
            "smoothly": smoothly(light, seen),
            "patterns": found,
            "patterns and rest": found + rest,
        }
        for name, one in ways.items():
            squares.setdefault(name, []).append(float(((one - light)[under] ** 2).mean()))
    return {name: float(np.sqrt(np.mean(each))) for name, each in squares.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", action="append", required=True, help="a store of 256-px crops")
    parser.add_argument("-n", type=int, default=200, help="people")
    parser.add_argument("--bundle", default=None)
    wanted = parser.parse_args()
    crops = Crops([Store.open(path) for path in wanted.data], ["val"], SIDE)
    crops, landmarks = known(crops, "landmarks", "validation people")
    model = Model.open(wanted.bundle)
    clean, bare = model.clean_faces, model.bare_eyes
    assert clean is not None and bare is not None, "a bundle with shave.npz and eyes.npz"
    rng = np.random.default_rng(0)
    no_lenses = np.zeros((*rims.SHAPE, 2), np.float32)
    beard = np.zeros((shave.MAP, shave.MAP), np.float32)
    beard[BELOW:] = 1

    def lights(
        rows: "np.ndarray", read: Callable[..., tuple[Floats, Floats] | None], usual: object
    ):
        found = (read(model, crops, row, landmarks[row], usual) for row in rows[: wanted.n])
        return [one for one in found if one is not None]

    few = shave_recipe.Settings(men=wanted.n // 2, women=wanted.n // 2)
    beardless = shave_recipe._clean(few, model, crops, rng)
    without = eyes_recipe._without(model, crops, rng)
    kinds = {
        "beards": errors(
            lights(beardless, shave_recipe._light, clean.usual),
            beard,
            clean.patterns[0].astype(np.float32),
            clean.continued,
        ),
        "rims": errors(
            lights(without, eyes_recipe._light, bare.usual),
            around_rims(),
            bare.patterns[0].astype(np.float32),
            lambda light, seen: bare.continued(light, seen, no_lenses),
        ),
    }
    for kind, found in kinds.items():
        print(kind, {name: round(one, 3) for name, one in found.items()})


if __name__ == "__main__":
    main()
