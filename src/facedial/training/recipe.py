"""What a recipe is: settings, a task made from them, and what a finished run adds to a bundle."""

import dataclasses
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from facedial.data.store import Store
from facedial.errors import BadRequest, UnknownName
from facedial.folder import nearest
from facedial.training.muon import Muon

SCHEDULES = ("cosine", "constant", "plateau")
BITS = 6  # of a number in a large weight: no figure of a bundle differs measurably from 8 bits
OPTIMIZERS: Mapping[str, Callable[..., torch.optim.Optimizer]] = {
    "adam": torch.optim.Adam,
    "muon": Muon,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class OptimConfig:
    """How a network is optimised. `batch`: pictures per device; `lr`: peak learning rate; Adam's `betas`.

    `ema_steps`: time constant of the exponential moving average of the weights (1: no average).
    `schedule`: `cosine` (100 steps of warm-up, then half a cosine down to `lr` / 50), `constant`, or
    `plateau`, which multiplies the learning rate by `factor` when the first score has not risen for more
    than `patience` evaluations, as torch's `ReduceLROnPlateau`. `eval_every`: steps between evaluations,
    besides those at checkpoints (0: none). `clip`: largest norm of the gradient (0: not clipped).
    `lr_factors`: prefix of parameter names -> factor on their learning rate. `optimizer`: adam or muon
    (`training.muon`). `bits` per number of a bundle's large weights: 5, 6 or 8; from the fraction
    `qat_from` of the budget on, training is quantisation-aware (1: never).
    """

    batch: int = 16
    lr: float = 1e-3
    betas: tuple[float, float] = (0.9, 0.99)
    ema_steps: int = 400
    schedule: str = "cosine"
    factor: float = 0.1
    patience: int = 10
    eval_every: int = 0
    clip: float = 0.0
    lr_factors: tuple[tuple[str, float], ...] = ()
    optimizer: str = "adam"
    bits: int = BITS
    qat_from: float = 1.0

    def __post_init__(self) -> None:
        if self.optimizer not in OPTIMIZERS:
            raise BadRequest(
                f"optim.optimizer must be {' or '.join(OPTIMIZERS)}, got {self.optimizer!r}"
            )
        if self.batch < 1:
            raise BadRequest(f"optim.batch must be at least 1, got {self.batch}")
        if self.ema_steps < 1:
            raise BadRequest(f"optim.ema_steps must be at least 1, got {self.ema_steps}")
        if self.schedule not in SCHEDULES:
            raise BadRequest(
                f"optim.schedule must be one of {', '.join(SCHEDULES)}, got {self.schedule!r}"
            )
        if self.bits not in (5, 6, 8):
            raise BadRequest(f"optim.bits must be 5, 6 or 8, got {self.bits}")
        if not 0 <= self.qat_from <= 1:
            raise BadRequest(f"optim.qat_from must lie in 0..1, got {self.qat_from:g}")
        if not 0 < self.lr < 1:
            raise BadRequest(f"optim.lr must lie in (0, 1), got {self.lr}")


@dataclass(frozen=True, slots=True)
class Terms:
    """A loss of several terms; each is logged before and after weighting.

    `raw`: name -> scalar; `weights`: name -> its factor in the sum, 1 where none is given.
    """

    raw: Mapping[str, Tensor]
    weights: Mapping[str, float]

    @property
    def weighted(self) -> dict[str, Tensor]:
        """Name -> what it adds to the loss."""
        return {name: self.weights.get(name, 1.0) * value for name, value in self.raw.items()}

    @property
    def total(self) -> Tensor:
        """The loss."""
        return torch.stack(list(self.weighted.values())).sum()

    def as_floats(self) -> dict[str, dict[str, float]]:
        """`terms` and `weighted`, name -> number, for the log."""
        return {
            "terms": {name: float(value.detach()) for name, value in self.raw.items()},
            "weighted": {name: float(value.detach()) for name, value in self.weighted.items()},
        }


class Task(Protocol):
    """What the loop trains: a network, its loss on a step's batch, its scores, its sheet of pictures."""

    @property
    def network(self) -> nn.Module:
        """What is trained."""

    @property
    def optim(self) -> OptimConfig:
        """How."""

    def loss(self, network: nn.Module, batch: int, seed: int, step: int = 0) -> Tensor | Terms:
        """Scalar loss, or its terms, of `batch` pictures drawn by `seed` alone: a resumed step repeats.

        `step`: steps done before, for losses that change in the course of a training.
        """

    def scores(self, network: nn.Module) -> dict[str, float]:
        """Figures on validation people; the first is maximised and chooses the best checkpoint."""

    def sheet(self, network: nn.Module) -> NDArray[np.uint8]:
        """Picture [H, W, 3] that shows the network's present output."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunContext:
    """What a recipe starts from: stores, the run's folder, device, and a bundle to initialise from.

    `teacher`: ONNX file of a teacher network, for the recipes that distil one.
    """

    stores: Sequence[Store]
    run: Path
    device: torch.device
    init: Path | None = None
    teacher: Path | None = None
    seed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One stage of a recipe of several: a recipe, its share of the budget, its settings.

    `{run}` in a setting is replaced by the folder of the whole run. `name`: its folder there, the
    recipe's name unless given. `own_bundle`: it is exported to a bundle of its own in its folder, for
    later stages to use, and not to the run's bundle.
    """

    recipe: str
    share: float
    assignments: tuple[str, ...] = ()
    name: str = ""
    own_bundle: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How a model is trained and what it adds to a bundle.

    `settings` is a frozen dataclass with the defaults; `start` makes the task, and writes what is fitted
    in closed form to the run's folder; `after` does, in the same folder, what must wait for the end of
    the training, unless it is done already; `export` writes the run's part of a bundle and returns the
    facts for `bundle.json`, where they are kept under `part` (the recipe's name unless given).
    `trained` is False for what is fitted in closed form, without a budget. `stages`, of settings: recipes
    that are trained one after another instead, each initialised from the bundle so far.
    """

    summary: str
    settings: Any
    start: Callable[[RunContext, Any], Task | None]
    export: Callable[[Path, Any, Path], dict[str, Any]]
    after: Callable[[RunContext, Any], None] | None = None
    trained: bool = True
    stages: Callable[[Any], tuple[Stage, ...]] | None = None
    part: str = ""


def with_settings(settings: Any, assignments: Sequence[str]) -> Any:
    """`settings` with `path=value` replaced; values are read as JSON, paths may be dotted.

    Raises `BadRequest` for a malformed assignment and `UnknownName` for a setting that does not exist.
    """
    for assignment in assignments:
        path, equals, text = assignment.partition("=")
        if not equals or not path:
            raise BadRequest(f"a setting is given as NAME=VALUE, got {assignment!r}")
        try:
            value = json.loads(text)
        except json.JSONDecodeError:
            value = text
        settings = _replace(settings, path.split("."), value)
    return settings


def _replace(settings: Any, path: list[str], value: Any) -> Any:
    known = [field.name for field in dataclasses.fields(settings)]
    if path[0] not in known:
        raise UnknownName(nearest(path[0], known, "setting"))
    old = getattr(settings, path[0])
    if len(path) > 1:
        if not dataclasses.is_dataclass(old):
            raise BadRequest(f"setting {path[0]!r} has no parts, so {'.'.join(path)!r} is unknown")
        value = _replace(old, path[1:], value)
    elif isinstance(old, float) and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    elif isinstance(old, tuple) and isinstance(value, list):
        value = _tuple(value)
    elif type(old) is not type(value):
        raise BadRequest(f"setting {path[0]!r} is a {type(old).__name__}, got {value!r}")
    return dataclasses.replace(settings, **{path[0]: value})


def _tuple(value: Any) -> Any:
    """JSON has lists only: tuples at any depth."""
    return tuple(map(_tuple, value)) if isinstance(value, list | tuple) else value


def from_json(default: Any, values: Mapping[str, Any]) -> Any:
    """The dataclass like `default` that `dataclasses.asdict` turned into `values`."""
    made = {}
    for field in dataclasses.fields(default):
        old = getattr(default, field.name)
        value = values.get(field.name, old)
        if dataclasses.is_dataclass(old) and field.name in values:
            value = from_json(old, value)
        elif isinstance(old, tuple):
            value = _tuple(value)
        made[field.name] = value
    return type(default)(**made)
