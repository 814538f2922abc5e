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
from dataclasses import dataclass
from pathlib import Path

import torch
from lightning_fabric import Fabric
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F

from facedial.errors import BadRun
from facedial.training import curves, tensors
from facedial.training.recipe import Task

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


def train(task: Task, run: Path, budget: Budget, fabric: Fabric, *, seed: int = 0) -> None:
    """Train `task` into the folder `run` until the budget ends; goes on where the run stopped."""
    # Residual blocks that start at zero make denormal numbers, which are very slow. The switch is the
    # whole process's, so it is put back for whoever called.
    torch.set_flush_denormal(fabric.device.type == "cpu")
    try:
        _train(task, run, budget, fabric, seed)
    finally:
        torch.set_flush_denormal(False)


def _train(task: Task, run: Path, budget: Budget, fabric: Fabric, seed: int) -> None:
    pace = task.pace
    network = task.network
    optimiser = torch.optim.Adam(
        [p for p in network.parameters() if p.requires_grad], lr=pace.rate, betas=pace.betas
    )
    average = _copy(network)
    step, elapsed, best = 0, 0.0, -math.inf
    last = run / "last.safetensors"
    if last.exists():
        step, elapsed, best = _restore(last, network, average, optimiser)
        log.info("resumed at step %d after %.1f minutes", step, elapsed / 60)
    average.to(fabric.device)
    if fabric.device.type in ("cpu", "cuda"):
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    wrapped, optimiser = fabric.setup(network, optimiser)
    start = time.monotonic() - elapsed
    saved = time.monotonic()
    mean_loss, since, since_step = math.nan, time.monotonic(), step
    while budget.progress(step, elapsed) < 1:
        rate = pace.rate * _schedule(step, budget.progress(step, elapsed))
        for group in optimiser.param_groups:
            group["lr"] = rate
        # One seed a step and device, so that a resumed step and a second device draw as they should.
        draw = (seed * 1_000_003 + step) * fabric.world_size + fabric.global_rank
        loss = task.loss(wrapped, pace.batch, draw)
        optimiser.zero_grad(set_to_none=True)
        fabric.backward(loss)
        optimiser.step()
        step += 1
        _follow(average, network, min(1 - 1 / pace.memory, step / (step + 10)))
        value = float(loss.detach())
        if not math.isfinite(value):
            raise BadRun(f"the loss is {value} at step {step}; lower --set pace.rate and resume")
        mean_loss = value if math.isnan(mean_loss) else 0.98 * mean_loss + 0.02 * value
        elapsed = time.monotonic() - start
        if step % budget.log_every == 0 and fabric.is_global_zero:
            now = time.monotonic()
            speed = (step - since_step) * pace.batch * fabric.world_size / max(now - since, 1e-9)
            since, since_step = now, step
            _append(
                run,
                step=step,
                seconds=elapsed,
                loss=mean_loss,
                last_loss=value,
                rate=rate,
                per_s=speed,
            )
        ended = budget.progress(step, elapsed) >= 1
        if ended or time.monotonic() - saved > budget.save_every_s:
            if fabric.is_global_zero:
                best = _save(task, run, network, average, optimiser, step, elapsed, best)
            fabric.barrier()
            saved = time.monotonic()
            start = saved - elapsed  # looking at the scores is not training time
            since, since_step = saved, step


def _schedule(step: int, progress: float) -> float:
    """Linear warm-up, then half a cosine down to one fiftieth."""
    cosine = 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))
    return min(1.0, (step + 1) / WARM_STEPS) * (0.02 + 0.98 * cosine)


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


def _save(  # noqa: PLR0913 - a run's whole state
    task: Task,
    run: Path,
    network: nn.Module,
    average: nn.Module,
    optimiser: torch.optim.Optimizer,
    step: int,
    elapsed: float,
    best: float,
) -> float:
    scores = task.scores(average)
    score = next(iter(scores.values()))
    _append(run, step=step, seconds=elapsed, scores=scores)
    shown = ", ".join(f"{name} {value:.3f}" for name, value in scores.items())
    log.info("%.1f min, step %d: %s", elapsed / 60, step, shown)
    facts = {"step": step, "seconds": elapsed, "scores": scores}
    if score > best:
        best = score
        tensors.save(run / "best.safetensors", average.state_dict(), facts)
    state: dict[str, Tensor] = {}
    state |= {f"network.{k}": v for k, v in network.state_dict().items()}
    state |= {f"average.{k}": v for k, v in average.state_dict().items()}
    for number, values in optimiser.state_dict()["state"].items():
        state |= {f"optimiser.{number}.{k}": torch.as_tensor(v) for k, v in values.items()}
    tensors.save(run / "last.safetensors", state, {**facts, "best": best})
    picture = Image.fromarray(task.sheet(average))
    temporary = run / "sheet.part.png"
    picture.save(temporary)
    temporary.replace(run / "sheet.png")
    curves.draw(run)
    return best


def _restore(
    path: Path, network: nn.Module, average: nn.Module, optimiser: torch.optim.Optimizer
) -> tuple[int, float, float]:
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
    return int(facts["step"]), float(facts["seconds"]), float(facts["best"])


def _append(run: Path, **values: object) -> None:
    with (run / "log.jsonl").open("a") as file:
        file.write(json.dumps(values) + "\n")
