"""The loop: any task, resumable, within a budget of minutes or steps, with curves and sheets.

A run is a folder: `run.json` (recipe, settings, data), `log.jsonl` (one line per log step),
`last.safetensors` (network, EMA, optimiser: enough to go on), `best.safetensors` (EMA with the best
score on validation people), `curves.png`, `sheet.png`. Every batch is drawn by (seed, step) alone,
so a run that was stopped and resumed sees what it would have seen.
"""

import copy
import json
import logging
import math
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F

from facedial import files
from facedial.errors import BadRun
from facedial.training import curves, export, packing, tensors
from facedial.training.recipe import OPTIMISERS, Pace, Task, Terms
from facedial.training.throughput import Throughput, limit

log = logging.getLogger(__name__)

WARM_STEPS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """When a run ends (whichever is set, counted over all its resumes) and how often it saves."""

    minutes: float | None = None
    steps: int | None = None
    save_every_s: float = 180
    log_every: int = 50

    def __post_init__(self) -> None:
        if (self.minutes is None) == (self.steps is None):
            raise BadRun("a training needs either minutes or steps to know its end")

    def progress(self, step: int, elapsed_s: float) -> float:
        """Share of the budget that is used, 0..1 and above."""
        if self.steps is not None:
            return step / max(self.steps, 1)
        return elapsed_s / max((self.minutes or 0) * 60, 1e-9)


def fastest_precision(device: torch.device) -> str:
    """`bf16-mixed` where this machine's bfloat16 convolutions are clearly faster, else `32-true`.

    Processors without such instructions emulate them twenty times slower, so it is measured.
    """
    if device.type != "cpu":
        return "bf16-mixed" if torch.cuda.is_bf16_supported() else "32-true"
    seconds = {}
    for dtype in (torch.float32, torch.bfloat16):
        x, w = torch.randn(4, 64, 32, 32, dtype=dtype), torch.randn(64, 64, 3, 3, dtype=dtype)
        F.conv2d(x, w, padding=1)
        start = time.perf_counter()
        for _ in range(3):
            F.conv2d(x, w, padding=1)
        seconds[dtype] = time.perf_counter() - start
    return "bf16-mixed" if seconds[torch.bfloat16] < 0.8 * seconds[torch.float32] else "32-true"


def train(
    task: Task,
    run: Path,
    budget: Budget,
    fabric: Fabric,
    *,
    seed: int = 0,
    precision: str = "32-true",
) -> None:
    """Train `task` into the folder `run` until the budget ends; goes on where the run stopped.

    `precision`: what `fabric` was set up with; only what the machine reaches at most depends on it.
    """
    # Residual blocks that start at zero make denormal numbers, which are very slow. The switch is the
    # whole process's, so it is put back for whoever called.
    torch.set_flush_denormal(fabric.device.type == "cpu")
    try:
        reached = Throughput(limit(fabric.device, precision) * fabric.world_size)
        _train(task, run, budget, fabric, seed, reached)
    finally:
        torch.set_flush_denormal(False)


def _train(
    task: Task, run: Path, budget: Budget, fabric: Fabric, seed: int, reached: Throughput
) -> None:
    pace = task.pace
    network = task.network
    optimiser = OPTIMISERS[pace.optimiser](_groups(network, pace), lr=pace.rate, betas=pace.betas)
    average = _copy(network)
    step, elapsed, course = 0, 0.0, Course(pace)
    last = run / "last.safetensors"
    if last.exists():
        step, elapsed = _restore(last, network, average, optimiser, course)
        log.info("resumed at step %d after %.1f minutes", step, elapsed / 60)
    average.to(fabric.device)
    if fabric.device.type in ("cpu", "cuda"):
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    wrapped, optimiser = fabric.setup(network, optimiser)
    start = time.monotonic() - elapsed
    saved = time.monotonic()
    mean_loss, since, since_step, steps_per_s = math.nan, time.monotonic(), step, math.nan
    while budget.progress(step, elapsed) < 1:
        rate = pace.rate * course.factor(step, budget.progress(step, elapsed))
        for group in optimiser.param_groups:
            group["lr"] = rate * group["factor"]
        # One seed a step and device, so that a resumed step and a second device draw as they should.
        draw = (seed * 1_000_003 + step) * fabric.world_size + fabric.global_rank
        optimiser.zero_grad(set_to_none=True)
        coarse = budget.progress(step, elapsed) >= pace.rounded_from
        counting = nullcontext() if reached.step_operations else reached.counting()
        with counting, _rounded(network, pace.bits) if coarse else nullcontext():
            found = task.loss(wrapped, pace.batch, draw, step)
            loss = found.total if isinstance(found, Terms) else found
            fabric.backward(loss)
        if pace.clip:
            fabric.clip_gradients(wrapped, optimiser, max_norm=pace.clip)
        optimiser.step()
        step += 1
        _follow(average, network, min(1 - 1 / pace.memory, step / (step + 10)))
        value = float(loss.detach())
        if not math.isfinite(value):
            raise BadRun(f"the loss is {value} at step {step}; lower --set pace.rate and resume")
        mean_loss = value if math.isnan(mean_loss) else 0.98 * mean_loss + 0.02 * value
        now = time.monotonic()
        elapsed, late = now - start, now - saved > budget.save_every_s
        if fabric.world_size > 1:  # clocks differ; what they decide must not
            elapsed, late = fabric.broadcast((elapsed, late))
        if step % budget.log_every == 0 and fabric.is_global_zero:
            steps_per_s = (step - since_step) * fabric.world_size / max(now - since, 1e-9)
            since, since_step = now, step
            _append(
                run,
                step=step,
                seconds=elapsed,
                loss=mean_loss,
                last_loss=value,
                rate=rate,
                per_s=steps_per_s * pace.batch,
                **reached.facts(steps_per_s),
                **(found.noted() if isinstance(found, Terms) else {}),
            )
        ended = budget.progress(step, elapsed) >= 1
        due = pace.look_every > 0 and step % pace.look_every == 0
        if ended or due or late:
            if fabric.is_global_zero:
                log.info("%s", reached.told(steps_per_s, pace.batch))
                _save(task, run, network, average, optimiser, Progress(step, elapsed, course))
            course = fabric.broadcast(course)
            saved = time.monotonic()
            start = saved - elapsed  # looking at the scores is not training time
            since, since_step = saved, step


@contextmanager
def _rounded(network: nn.Module, bits: int) -> Iterator[None]:
    """The network with large weights as a bundle keeps them, while a loss and its gradient are found.

    The step is then made from the exact ones (straight through: Bengio 2013, arXiv 1308.3432).
    """
    large = [weight for weight in network.parameters() if bits < 8 and export.packable(weight)]
    exact = [weight.detach().clone() for weight in large]
    with torch.no_grad():
        for weight in large:
            weight.copy_(packing.rounded(weight, bits))
    try:
        yield
    finally:
        with torch.no_grad():
            for weight, was in zip(large, exact, strict=True):
                weight.copy_(was)


def _groups(network: nn.Module, pace: Pace) -> list[dict[str, Any]]:
    """What the optimiser trains: a group for each of the pace's factors, the rest first."""
    groups: list[dict[str, Any]] = [
        {"params": [], "factor": factor} for factor in (1.0, *(f for _, f in pace.factors))
    ]
    for name, parameter in network.named_parameters():
        if parameter.requires_grad:
            starts = [name.startswith(beginning) for beginning, _ in pace.factors]
            groups[starts.index(True) + 1 if any(starts) else 0]["params"].append(parameter)
    return [group for group in groups if group["params"]]


@dataclass(slots=True)
class Course:
    """How the rate goes, and the best score so far; kept in the run, so that a resumed run agrees."""

    pace: Pace
    best: float = -math.inf
    stale: int = 0
    lowered: float = 1.0

    def factor(self, step: int, progress: float) -> float:
        """Of the peak rate: `cosine` warms up, then goes down to one fiftieth in half a cosine."""
        if self.pace.schedule != "cosine":
            return self.lowered
        cosine = 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))
        return min(1.0, (step + 1) / WARM_STEPS) * (0.02 + 0.98 * cosine)

    def look(self, score: float) -> bool:
        """Take a look's score in; whether it is the best so far."""
        if score > self.best:
            self.best, self.stale = score, 0
            return True
        self.stale += 1
        if self.pace.schedule == "plateau" and self.stale > self.pace.patience:
            self.lowered, self.stale = self.lowered * self.pace.factor, 0
        return False


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is: steps, seconds of training, and the course of its rate."""

    step: int
    elapsed: float
    course: Course


def _copy(network: nn.Module) -> nn.Module:
    average = copy.deepcopy(network)
    return average.requires_grad_(False).eval()


@torch.no_grad()
def _follow(average: nn.Module, network: nn.Module, keep: float) -> None:
    """Exponential moving average of the weights; buffers (running statistics) are averaged too."""
    for mine, theirs in zip(average.parameters(), network.parameters(), strict=True):
        mine.lerp_(theirs, 1 - keep)
    for own, other in zip(average.buffers(), network.buffers(), strict=True):
        if own.dtype.is_floating_point:
            own.lerp_(other, 1 - keep)
        else:
            own.copy_(other)


def _save(
    task: Task,
    run: Path,
    network: nn.Module,
    average: nn.Module,
    optimiser: torch.optim.Optimizer,
    progress: Progress,
) -> None:
    scores = task.scores(average)
    score = next(iter(scores.values()))
    step, elapsed, course = progress.step, progress.elapsed, progress.course
    _append(run, step=step, seconds=elapsed, scores=scores)
    shown = ", ".join(f"{name} {value:.3f}" for name, value in scores.items())
    log.info("%.1f min, step %d: %s", elapsed / 60, step, shown)
    facts = {"step": step, "seconds": elapsed, "scores": scores}
    if course.look(score):
        tensors.save(run / "best.safetensors", average.state_dict(), facts)
    state: dict[str, Tensor] = {}
    state |= {f"network.{k}": v for k, v in network.state_dict().items()}
    state |= {f"average.{k}": v for k, v in average.state_dict().items()}
    for number, values in optimiser.state_dict()["state"].items():
        state |= {f"optimiser.{number}.{k}": torch.as_tensor(v) for k, v in values.items()}
    gone = {"best": course.best, "stale": course.stale, "lowered": course.lowered}
    tensors.save(run / "last.safetensors", state, {**facts, **gone})
    picture = Image.fromarray(task.sheet(average))
    with files.atomic_write(run / "sheet.png") as temporary:
        picture.save(temporary)
    curves.draw(run)


def _restore(
    path: Path,
    network: nn.Module,
    average: nn.Module,
    optimiser: torch.optim.Optimizer,
    course: Course,
) -> tuple[int, float]:
    state, facts = tensors.load(path)

    def part(name: str) -> dict[str, Tensor]:
        return {k[len(name) + 1 :]: v for k, v in state.items() if k.startswith(name + ".")}

    try:
        network.load_state_dict(part("network"))
        average.load_state_dict(part("average"))
    except RuntimeError as error:
        found = str(error).splitlines()[-1].strip()
        raise BadRun(f"{path} belongs to a network of other sizes ({found})") from error
    inner: dict[int, dict[str, Tensor]] = {}
    for name, value in part("optimiser").items():
        number, _, key = name.partition(".")
        inner.setdefault(int(number), {})[key] = value
    whole = optimiser.state_dict()
    whole["state"] = inner
    optimiser.load_state_dict(whole)
    course.best = float(facts["best"])
    # Runs of before 0.2 had no plateaus to keep.
    course.stale, course.lowered = int(facts.get("stale", 0)), float(facts.get("lowered", 1))
    return int(facts["step"]), float(facts["seconds"])


def _append(run: Path, **values: object) -> None:
    with (run / "log.jsonl").open("a") as file:
        file.write(json.dumps(values) + "\n")
