"""The detail network on test people: its feature ratio, as in training, and its time for a crop.

`python benchmarks/detail.py FEATURES STORE... [--model BUNDLE] [--people N] [--work FOLDER]`: FEATURES is
the file of SqueezeNet's weights that the recipe `detail` trains with, stores hold head crops of 256 px.
Prints the scores of the recipe (`recipes.detail.Task.scores`) for test people, and beside the median
milliseconds of the network for one crop on one thread that of the parser.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from facedial.data.store import Store
from facedial.model import Model
from facedial.training import networks
from facedial.training.decoded_crops import DecodedCrops, decoded
from facedial.training.models.detail import SIDE
from facedial.training.recipe import RunContext
from facedial.training.recipes.detail import Settings, Task


def milliseconds(call: Callable[[], object]) -> float:
    """Median of thirty calls."""
    times = []
    for _ in range(31):
        start = time.perf_counter()
        call()
        times.append((time.perf_counter() - start) * 1000)
    return statistics.median(times[1:])


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("features", type=Path)
    parser.add_argument("stores", nargs="+", type=Path)
    parser.add_argument("--model")
    parser.add_argument("--people", type=int, default=24, help="of each store")
    parser.add_argument("--work", type=Path, help="keeps the decoded faces")
    asked = parser.parse_args()
    stores = [Store.open(path) for path in asked.stores]
    with tempfile.TemporaryDirectory() as folder, torch.no_grad():
        work = asked.work or Path(folder)
        model = Model.open(asked.model, threads=1)
        settings = Settings(
            features_file=str(asked.features), train_images=1, val_images=1, decoded=str(work)
        )
        context = RunContext(stores=stores, run=work, device=torch.device("cpu"), init=model.path)
        task = Task(settings, context)
        parts = [decoded(store, "test", asked.people, work, model) for store in stores]
        task.val = DecodedCrops.of(parts, "test")
        networks.load_part(task.network.detail, model.path, "detail")
        task.network.eval()
        print(f"{len(task.val)} test people of {', '.join(s.path.name for s in stores)}")
        for name, value in task.scores(task.network).items():
            print(f"  {name:24} {value:.3f}")
        crop = stores[0].pixels[:1]
        inside = np.ones((1, SIDE, SIDE), np.float32)
        noise = np.zeros((1, 8, SIDE // 4, SIDE // 4), np.float32)
        for name, call in (
            ("detail", lambda: model.detail(crop, inside, noise)),
            ("parser", lambda: model.parse(crop)),
        ):
            print(f"  {name}, one crop, one thread  {milliseconds(call):.1f} ms")
        model.close()


if __name__ == "__main__":
    main()
