"""The training loop: any task, resumable, within a budget of minutes or steps, with curves and sheets.

A run is a folder: `run.json` (recipe, settings, data), `log.jsonl` (one line per log step),
`last.safetensors` (network, moving average of its weights, optimiser: enough to resume),
`best.safetensors` (the moving average with the best score on validation people), `curves.png`,
`sheet.png`. Every batch is drawn by (seed, step) alone, so a run that was stopped and resumed sees the
batches it would have seen.
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
from torch import nn

from facedial import files
from facedial.errors import BadRun
from facedial.training import checkpoints, curves, export, packing, tensors
from facedial.training.checkpoints import BEST, LAST, Training
from facedial.training.lr_schedule import LRSchedule
from facedial.training.recipe import OPTIMIZERS, OptimConfig, Task, Terms
from facedial.training.throughput import Throughput, peak

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """When a run ends (whichever is set, counted over all its resumes) and how often it saves."""

    minutes: float | None = None
    steps: int | None = None
    save_every_s: float = 180
    log_every: int = 50

    def __post_init__(self) -> None:
        if (self.minutes is None) == (self.steps is None):
            raise BadRun("a training needs a budget of either minutes or steps")

    def progress(self, step: int, elapsed_s: float) -> float:
        """Fraction of the budget that is used, 0..1 and above."""
        if self.steps is not None:
            return step / max(self.steps, 1)
        return elapsed_s / max((self.minutes or 0) * 60, 1e-9)


def train(
    task: Task,
    run: Path,
    budget: Budget,
    fabric: Fabric,
    *,
    seed: int = 0,
    precision: str = "32-true",
) -> None:
    """Train `task` in the folder `run` until the budget is used up; resumes a run that was stopped.

    `precision`: what `fabric` was set up with; the log compares throughput with this precision's peak.
    """
    # Residual blocks initialised at zero make denormal numbers, which are very slow. The switch is
    # global to the process, so it is put back for the caller.
    torch.set_flush_denormal(fabric.device.type == "cpu")
    try:
        throughput = Throughput(peak(fabric.device, precision) * fabric.world_size)
        _train(task, run, budget, fabric, seed, throughput)
    finally:
        torch.set_flush_denormal(False)


def _train(
    task: Task, run: Path, budget: Budget, fabric: Fabric, seed: int, throughput: Throughput
) -> None:
    optim = task.optim
    network = task.network
    optimizer = OPTIMIZERS[optim.optimizer](
        _parameter_groups(network, optim), lr=optim.lr, betas=optim.betas
    )
    average = copy.deepcopy(network).requires_grad_(False).eval()
    step, elapsed, schedule = 0, 0.0, LRSchedule(optim)
    if (run / LAST).exists():
        training = Training(network, average, optimizer, schedule)
        step, elapsed = checkpoints.restore(run / LAST, training)
        log.info("resumed at step %d after %.1f minutes", step, elapsed / 60)
    average.to(fabric.device)
    if fabric.device.type in ("cpu", "cuda"):
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    wrapped, optimizer = fabric.setup(network, optimizer)
    start = time.monotonic() - elapsed
    saved = time.monotonic()
    mean_loss, since, since_step, steps_per_s = math.nan, time.monotonic(), step, math.nan
    while budget.progress(step, elapsed) < 1:
        lr = optim.lr * schedule.factor(step, budget.progress(step, elapsed))
        for group in optimizer.param_groups:
            group["lr"] = lr * group["factor"]
        # A seed for each step and device: a resumed step repeats, and devices draw different batches.
        draw = (seed * 1_000_003 + step) * fabric.world_size + fabric.global_rank
        optimizer.zero_grad(set_to_none=True)
        quantized = budget.progress(step, elapsed) >= optim.qat_from
        counting = nullcontext() if throughput.step_operations else throughput.counting()
        with counting, _quantized(network, optim.bits) if quantized else nullcontext():
            found = task.loss(wrapped, optim.batch, draw, step)
            loss = found.total if isinstance(found, Terms) else found
            fabric.backward(loss)
        if optim.clip:
            fabric.clip_gradients(wrapped, optimizer, max_norm=optim.clip)
        optimizer.step()
        step += 1
        # The first steps count less than they would: the average forgets the random start sooner.
        _update_ema(average, network, min(1 - 1 / optim.ema_steps, step / (step + 10)))
        value = float(loss.detach())
        if not math.isfinite(value):
            raise BadRun(
                f"the loss is {value} at step {step}; start a new run with a lower optim.lr"
            )
        mean_loss = value if math.isnan(mean_loss) else 0.98 * mean_loss + 0.02 * value
        now = time.monotonic()
        elapsed, late = now - start, now - saved > budget.save_every_s
        if fabric.world_size > 1:  # clocks differ, and all processes must decide alike
            elapsed, late = fabric.broadcast((elapsed, late))
        if step % budget.log_every == 0 and fabric.is_global_zero:
            steps_per_s = (step - since_step) * fabric.world_size / max(now - since, 1e-9)
            since, since_step = now, step
            _log_line(
                run,
                step=step,
                seconds=elapsed,
                loss=mean_loss,
                last_loss=value,
                lr=lr,
                images_per_s=steps_per_s * optim.batch,
                **throughput.facts(steps_per_s),
                **(found.as_floats() if isinstance(found, Terms) else {}),
            )
        ended = budget.progress(step, elapsed) >= 1
        due = optim.eval_every > 0 and step % optim.eval_every == 0
        if ended or due or late:
            if fabric.is_global_zero:
                log.info("%s", throughput.summary(steps_per_s, optim.batch))
                training = Training(network, average, optimizer, schedule)
                _evaluate_and_save(task, run, training, step, elapsed)
            schedule = fabric.broadcast(schedule)
            saved = time.monotonic()
            start = saved - elapsed  # evaluation is not training time
            since, since_step = saved, step


@contextmanager
def _quantized(network: nn.Module, bits: int) -> Iterator[None]:
    """The network with large weights as a bundle keeps them, while a loss and its gradient are computed.

    The step is then made from the exact weights (straight-through estimator: Bengio 2013, arXiv
    1308.3432).
    """
    large = [weight for weight in network.parameters() if bits < 8 and export.packable(weight)]
    exact = [weight.detach().clone() for weight in large]
    with torch.no_grad():
        for weight in large:
            weight.copy_(packing.quantized(weight, bits))
    try:
        yield
    finally:
        with torch.no_grad():
            for weight, before in zip(large, exact, strict=True):
                weight.copy_(before)


def _parameter_groups(network: nn.Module, optim: OptimConfig) -> list[dict[str, Any]]:
    """The optimiser's parameter groups: one for each of the configured factors, the rest first."""
    groups: list[dict[str, Any]] = [
        {"params": [], "factor": factor} for factor in (1.0, *(f for _, f in optim.lr_factors))
    ]
    for name, parameter in network.named_parameters():
        if parameter.requires_grad:
            starts = [name.startswith(prefix) for prefix, _ in optim.lr_factors]
            groups[starts.index(True) + 1 if any(starts) else 0]["params"].append(parameter)
    return [group for group in groups if group["params"]]


@torch.no_grad()
def _update_ema(average: nn.Module, network: nn.Module, decay: float) -> None:
    """Exponential moving average of weights and of floating-point buffers (running statistics)."""
    for mine, theirs in zip(average.parameters(), network.parameters(), strict=True):
        mine.lerp_(theirs, 1 - decay)
    for own, other in zip(average.buffers(), network.buffers(), strict=True):
        if own.dtype.is_floating_point:
            own.lerp_(other, 1 - decay)
        else:
            own.copy_(other)


def _evaluate_and_save(
    task: Task, run: Path, training: Training, step: int, elapsed_s: float
) -> None:
    """Score the moving average, keep it if it is the best so far, and write a checkpoint and pictures."""
    average = training.average
    scores = task.scores(average)
    _log_line(run, step=step, seconds=elapsed_s, scores=scores)
    shown = ", ".join(f"{name} {value:.3f}" for name, value in scores.items())
    log.info("%.1f min, step %d: %s", elapsed_s / 60, step, shown)
    facts = {"step": step, "seconds": elapsed_s, "scores": scores}
    if training.schedule.evaluated(next(iter(scores.values()))):
        tensors.save(run / BEST, average.state_dict(), facts)
    checkpoints.save(run / LAST, training, facts)
    picture = Image.fromarray(task.sheet(average))
    with files.atomic_write(run / "sheet.png") as temporary:
        picture.save(temporary)
    curves.draw(run)


def _log_line(run: Path, **values: object) -> None:
    with (run / "log.jsonl").open("a") as file:
        file.write(json.dumps(values) + "\n")
