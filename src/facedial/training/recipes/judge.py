"""The judge of attributes: a classifier trained on other people than any generator or classifier."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from facedial.codes.attributes import NAMES
from facedial.data.judging import Rows, judging
from facedial.data.store import Store
from facedial.errors import BadRequest
from facedial.training import export, networks
from facedial.training.batches import Crops, known
from facedial.training.models import classifier
from facedial.training.recipe import OptimConfig, Recipe, RunContext
from facedial.training.tasks.classifier import MEASURED, Group, Settings, Task, calibration


def start(context: RunContext, settings: Settings) -> Task:
    """A new network on the judge's people; it must share no training with what it judges."""
    if context.init is not None:
        raise BadRequest("a judge is trained from random weights; give no bundle to start from")
    groups = [
        _group(context, lambda store: judging(store)[0]),
        _group(context, lambda store: judging(store)[1]),
    ]
    return Task(settings, context, (groups[0], groups[1]))


def _group(context: RunContext, of: Callable[[Store], Rows]) -> Group:
    crops = Crops(context.stores, ["val", "test"])
    rows = [of(store) for store in context.stores]
    numbers = [np.full(len(r), number) for number, r in enumerate(rows)]
    crops.rows = np.stack([np.concatenate(numbers), np.concatenate(rows)], 1)
    return known(crops, "attributes", "the judge's people")


def finish(run: Path, settings: Settings, out: Path) -> dict[str, Any]:
    """Write `judge.onnx` and its golden numbers into the bundle folder `out`."""
    network = classifier.Classifier(settings.model, len(NAMES))
    facts = networks.load_best(network, run)
    temperature, stated = calibration(run)
    axes = export.quantize(network, {}, settings.optim.bits)
    pixels = export.picture_like(torch.Generator().manual_seed(0), 128)
    names = (["pixels"], ["judged", "middle", "coarse"])
    even = json.loads((run / MEASURED).read_text())["even_logit"]
    thresholds = torch.tensor([even.get(name, 0.0) for name in NAMES])
    module = classifier.Judge(network, temperature, thresholds)
    export.write_one(module, (pixels,), names, out / "judge.onnx", axes)
    return {**facts, "attributes": stated}


RECIPE = Recipe(
    summary="the judge of generated and edited faces, on people that no other recipe is trained on",
    settings=Settings(
        model=classifier.Config(widths=(48, 96, 160, 256), dropped=0.5),
        optim=OptimConfig(batch=64, lr=2e-3, ema_steps=800),
        shift=6.0,
        rotation=8.0,
        jitter=0.25,
    ),
    start=start,
    export=finish,
)
