"""The state of a training on disk: `last.safetensors`, from which a run is resumed."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from facedial.errors import BadRun
from facedial.training import tensors
from facedial.training.lr_schedule import LRSchedule

LAST, BEST = "last.safetensors", "best.safetensors"
# Beginnings of the names of tensors in `last.safetensors`: not to be changed, or runs cannot be resumed.
NETWORK, AVERAGE, OPTIMIZER = "network", "average", "optimiser"


@dataclass(frozen=True, slots=True)
class Training:
    """All that a resumed run needs: network, moving average of its weights, optimiser, schedule."""

    network: nn.Module
    average: nn.Module
    optimizer: torch.optim.Optimizer
    schedule: LRSchedule


def save(path: Path, training: Training, facts: dict[str, Any]) -> None:
    """Write a training's state, with `facts`, which hold `step` and `seconds`."""
    state: dict[str, Tensor] = {}
    state |= {f"{NETWORK}.{k}": v for k, v in training.network.state_dict().items()}
    state |= {f"{AVERAGE}.{k}": v for k, v in training.average.state_dict().items()}
    for number, values in training.optimizer.state_dict()["state"].items():
        state |= {f"{OPTIMIZER}.{number}.{k}": torch.as_tensor(v) for k, v in values.items()}
    schedule = training.schedule
    kept = {"best": schedule.best, "stale": schedule.stale, "lowered": schedule.lowered}
    tensors.save(path, state, {**facts, **kept})


def restore(path: Path, training: Training) -> tuple[int, float]:
    """Fill a training with the state in `path`; returns steps and seconds done.

    Raises `BadRun` for a state of other sizes.
    """
    state, facts = tensors.load(path)

    def part(name: str) -> dict[str, Tensor]:
        return {k[len(name) + 1 :]: v for k, v in state.items() if k.startswith(name + ".")}

    try:
        training.network.load_state_dict(part(NETWORK))
        training.average.load_state_dict(part(AVERAGE))
    except RuntimeError as error:
        found = str(error).splitlines()[-1].strip()
        raise BadRun(f"{path} belongs to a network of other sizes ({found})") from error
    inner: dict[int, dict[str, Tensor]] = {}
    for name, value in part(OPTIMIZER).items():
        number, _, key = name.partition(".")
        inner.setdefault(int(number), {})[key] = value
    whole = training.optimizer.state_dict()
    whole["state"] = inner
    training.optimizer.load_state_dict(whole)
    schedule = training.schedule
    schedule.best = float(facts["best"])
    # The first runs had no plateau schedule.
    schedule.stale, schedule.lowered = int(facts.get("stale", 0)), float(facts.get("lowered", 1))
    return int(facts["step"]), float(facts["seconds"])
