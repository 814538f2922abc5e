"""The judge of attributes: a reader of other people than any generator or reader has learnt from."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from facedial.codes.attributes import NAMES
from facedial.data.judging import Rows, judging
from facedial.data.store import Store
from facedial.errors import BadRequest
from facedial.training import export, tensors
from facedial.training.batches import Crops, known
from facedial.training.models import reader
from facedial.training.recipe import Context, Pace, Recipe
from facedial.training.recipes import reader as reader_recipe
from facedial.training.recipes.reader import Settings


def start(context: Context, settings: Settings) -> reader_recipe.Task:
    """A fresh network on the judge's people; it goes on from nothing that others have learnt."""
    if context.init is not None:
        raise BadRequest("a judge begins from nothing; leave out --init")
    groups = [
        _group(context, lambda store: judging(store)[0]),
        _group(context, lambda store: judging(store)[1]),
    ]
    return reader_recipe.Task(settings, context, (groups[0], groups[1]))


def _group(context: Context, of: Callable[[Store], Rows]) -> reader_recipe.Group:
    crops = Crops(context.stores, ["val", "test"])
    rows = [of(store) for store in context.stores]
    numbers = [np.full(len(r), number) for number, r in enumerate(rows)]
    crops.rows = np.stack([np.concatenate(numbers), np.concatenate(rows)], 1)
    return known(crops, "attributes", "the judge's people")


class _Judge(nn.Module):
    """Bytes [N, 128, 128, 3] -> findings of 40 attributes and features [N, 40 + C], two maps.

    A finding is above 0.5 where the judge is as sure as it must be to find equal shares of people with
    and without: asked about new faces, it must not lean on how rare an attribute is in photos.
    """

    temperature: Tensor
    even: Tensor

    def __init__(self, network: reader.Reader, temperature: Tensor, even: Tensor) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("temperature", temperature)
        self.register_buffer("even", even)

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        features, middle, coarse = self.network.seen(pixels.permute(0, 3, 1, 2).float() / 255)
        read = torch.sigmoid((self.network.leave(features) - self.even) / self.temperature)
        # Means alone: maxima are heavy-tailed, and a Frechet distance takes features for normal.
        judged = torch.cat([read, features[:, : features.shape[1] // 2]], 1)
        return judged, middle, coarse


def finish(run: Path, settings: Settings, out: Path) -> dict[str, Any]:
    """Write `judge.onnx` and its golden numbers into the bundle folder `out`."""
    network = reader.Reader(settings.model, len(NAMES)).eval()
    state, facts = tensors.load(run / "best.safetensors")
    network.load_state_dict(state)
    temperature, stated = reader_recipe.calibration(run)
    axes = export.round_network(network, {}, settings.pace.bits)
    generator = torch.Generator().manual_seed(0)
    pixels = export.picture_like(generator, 128)
    names = (["pixels"], ["judged", "middle", "coarse"])
    learnt = json.loads((run / "reader.json").read_text())["even_logit"]
    module = _Judge(network, temperature, torch.tensor([learnt.get(n, 0.0) for n in NAMES]))
    export.write_one(module, (pixels,), names, out / "judge.onnx", axes)
    return {**facts, "attributes": stated}


RECIPE = Recipe(
    summary="the judge of generated and changed faces, on people no generator or reader has seen",
    settings=Settings(
        model=reader.Config(widths=(48, 96, 160, 256), dropped=0.5),
        pace=Pace(batch=64, rate=2e-3, memory=800),
        shift=6.0,
        turn=8.0,
        light=0.25,
    ),
    start=start,
    export=finish,
)
