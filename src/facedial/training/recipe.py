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
BITS = 6  # of a number in a large weight: no figure of a bundle tells them from a byte
OPTIMISERS: Mapping[str, Callable[..., torch.optim.Optimizer]] = {
    "adam": torch.optim.Adam,
    "muon": Muon,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How a task is trained: batch size per device, peak rate, EMA memory in steps (1: no average).

    `schedule`: `cosine` (warmed up, down to a fiftieth), `constant`, or `plateau`, which multiplies the
    rate by `factor` when the first score has not risen for more than `patience` looks. `look_every`:
    steps between looks at the scores, beside those at every checkpoint (0: none). `clip`: largest norm of
    the whole gradient (0: any). `factors`: beginning of parameters' names -> factor of their rate.
    `optimiser`: adam, or muon (`training.muon`), whose steps are as large. `bits` of a number in a
    bundle's large weights: 5, 6 or 8; from the share `rounded_from` of the budget on the network is
    trained to bear them (1: it is not).
    """

    batch: int = 16
    rate: float = 1e-3
    betas: tuple[float, float] = (0.9, 0.99)
    memory: int = 400
    schedule: str = "cosine"
    factor: float = 0.1
    patience: int = 10
    look_every: int = 0
    clip: float = 0.0
    factors: tuple[tuple[str, float], ...] = ()
    optimiser: str = "adam"
    bits: int = BITS
    rounded_from: float = 1.0

    def __post_init__(self) -> None:
        if self.optimiser not in OPTIMISERS:
            raise BadRequest(
                f"pace.optimiser must be {' or '.join(OPTIMISERS)}, got {self.optimiser!r}"
            )
        if self.batch < 1:
            raise BadRequest(f"pace.batch must be at least 1, got {self.batch}")
        if self.memory < 1:
            raise BadRequest(f"pace.memory must be at least 1, got {self.memory}")
        if self.schedule not in SCHEDULES:
            raise BadRequest(
                f"pace.schedule must be one of {', '.join(SCHEDULES)}, got {self.schedule!r}"
            )
        if self.bits not in (5, 6, 8):
            raise BadRequest(f"pace.bits must be 5, 6 or 8, got {self.bits}")
        if not 0 <= self.rounded_from <= 1:
            raise BadRequest(f"pace.rounded_from must lie in 0..1, got {self.rounded_from:g}")
        if not 0 < self.rate < 1:
            raise BadRequest(f"pace.rate must lie in (0, 1), got {self.rate}")


@dataclass(frozen=True, slots=True)
class Terms:
    """A loss of several terms, so that each is logged as it is and as it counts.

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

    def noted(self) -> dict[str, dict[str, float]]:
        """Both as plain numbers."""
        return {
            "terms": {name: float(value.detach()) for name, value in self.raw.items()},
            "weighted": {name: float(value.detach()) for name, value in self.weighted.items()},
        }


class Task(Protocol):
    """What the loop trains: a network, its loss on a step's batch, its score, its sheet."""

    @property
    def network(self) -> nn.Module:
        """What is trained."""

    @property
    def pace(self) -> Pace:
        """How."""

    def loss(self, network: nn.Module, batch: int, seed: int, step: int = 0) -> Tensor | Terms:
        """Scalar loss, or its terms, of `batch` pictures drawn by `seed` alone: a resumed step repeats.

        `step`: steps done before, for what changes in the course of a training.
        """

    def scores(self, network: nn.Module) -> dict[str, float]:
        """Figures on validation people; the first is the one to raise."""

    def sheet(self, network: nn.Module) -> NDArray[np.uint8]:
        """Picture [H, W, 3] that shows what the network does now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What a recipe starts from: stores, the run's folder, device, and a bundle to go on from.

    `teacher`: ONNX file of a network that teaches, for the recipes that have one.
    """

    stores: Sequence[Store]
    run: Path
    device: torch.device
    init: Path | None = None
    teacher: Path | None = None
    seed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """A part of a recipe of several: a recipe of its own, its share of the minutes, its settings.

    `{run}` in a setting is the folder of the whole run. `name`: its folder there, the recipe's name
    unless given. `alone`: it goes into a bundle of its own there, for later stages to learn from, and
    not into the run's.
    """

    recipe: str
    share: float
    assignments: tuple[str, ...] = ()
    name: str = ""
    alone: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How a model is trained and what it adds to a bundle.

    `settings` is a frozen dataclass with the defaults; `start` makes the task, fitting what is fitted
    in closed form into the run's folder; `after` does, into the same folder, what must wait for the
    training's end, and nothing if it was done; `export` writes the run's part of a bundle and returns
    the facts for `bundle.json`. `trained` is False for what is fitted in closed form, without a budget.
    `stages`, of settings: trained one after another instead, each going on from the bundle so far.
    """

    summary: str
    settings: Any
    start: Callable[[Context, Any], Task | None]
    export: Callable[[Path, Any, Path], dict[str, Any]]
    after: Callable[[Context, Any], None] | None = None
    trained: bool = True
    stages: Callable[[Any], tuple[Stage, ...]] | None = None


def with_settings(settings: Any, assignments: Sequence[str]) -> Any:
    """`settings` with `path=value` replaced; values are read as JSON, paths may be dotted.

    Raises `BadRequest` for a malformed assignment and `UnknownName` for a setting that is not there.
    """
    for assignment in assignments:
        path, equals, text = assignment.partition("=")
        if not equals or not path:
            raise BadRequest(f"--set wants NAME=VALUE, got {assignment!r}")
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
    """JSON knows lists only: tuples at any depth."""
    return tuple(map(_tuple, value)) if isinstance(value, list | tuple) else value


def from_json(default: Any, values: Mapping[str, Any]) -> Any:
    """The dataclass like `default` that `dataclasses.asdict` turned into `values`."""
    made = {}
    for field in dataclasses.fields(default):
        old = getattr(default, field.name)
        value = values.get(field.name, old)
        if dataclasses.is_dataclass(old):
            value = from_json(old, value)
        elif isinstance(old, tuple):
            value = _tuple(value)
        made[field.name] = value
    return type(default)(**made)
