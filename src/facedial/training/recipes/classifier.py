"""The attribute classifier: 40 probabilities from a crop, trained on labelled people, calibrated."""

from pathlib import Path
from typing import Any

import torch

from facedial.codes.attributes import NAMES
from facedial.training import export, networks
from facedial.training.batches import labelled
from facedial.training.models import classifier
from facedial.training.recipe import Recipe, RunContext
from facedial.training.tasks.classifier import Settings, Task, calibration


def start(context: RunContext, settings: Settings) -> Task:
    """A new network, or that of a bundle."""
    groups = [labelled(context.stores, split, "attributes") for split in ("train", "val")]
    task = Task(settings, context, (groups[0], groups[1]))
    if context.init is not None:
        networks.load_part(task.network, context.init, "reader")
    return task


def finish(run: Path, settings: Settings, out: Path) -> dict[str, Any]:
    """Write `reader.onnx` and its golden numbers into the bundle folder `out`."""
    network = classifier.Classifier(settings.model, len(NAMES))
    facts = networks.load_best(network, run)
    axes = export.quantize(network, {}, settings.optim.bits)
    temperature, stated = calibration(run)
    pixels = export.picture_like(torch.Generator().manual_seed(0), 128)
    names = (["pixels"], ["probabilities"])
    module = classifier.Predict(network, temperature)
    export.write_one(module, (pixels,), names, out / "reader.onnx", axes)
    return {**facts, "attributes": stated}


RECIPE = Recipe(
    summary="40 attributes of a face from its 4:2:0 picture, calibrated",
    settings=Settings(),
    start=start,
    export=finish,
    part="reader",
)
