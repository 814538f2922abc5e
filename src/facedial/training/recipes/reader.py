"""The attribute reader: 40 probabilities from a crop, trained on labelled people, calibrated."""

import json
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from facedial.codes.attributes import NAMES
from facedial.errors import BadRequest, BadStore
from facedial.scores import auc, calibration_error
from facedial.training import export, loop, losses, tensors
from facedial.training.batches import Crops, grid, labelled, pictures
from facedial.training.models import reader
from facedial.training.recipe import Context, Pace, Recipe

AT_ONCE = 256
# Crops and labels of those learnt from, and of those who judge.
Group = tuple[Crops, NDArray[np.float32]]
People = tuple[Group, Group]


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Augmentation: shift in crop pixels, log scale, degrees; pictures that judge.

    `attack`: how far, in root sum of squares of a crop's numbers (0..1), a picture is moved against the
    reader before it is learnt from; 0 for not at all. A reader that withstands it has gradients that look
    like what they mean, so it can teach a generator (Santurkar 2019); it reads a little worse.
    """

    model: reader.Config = field(default_factory=reader.Config)
    pace: Pace = field(default_factory=lambda: Pace(batch=64, rate=2e-3))
    shift: float = 4.0
    log_scale: float = 0.06
    turn: float = 5.0
    light: float = 0.15
    attack: float = 0.0
    judged: int = 2048

    def __post_init__(self) -> None:
        if self.attack < 0:
            raise BadRequest(f"attack must be 0 or more, got {self.attack}")


class Task:
    """Binary cross-entropy over the attributes whose labels are known."""

    def __init__(self, settings: Settings, context: Context, people: People) -> None:
        self.network = reader.Reader(settings.model, len(NAMES)).to(context.device)
        self.pace = settings.pace
        self.settings = settings
        self.device = context.device
        self.run = context.run
        self.halves = loop.fastest_precision(context.device) == "bf16-mixed"
        self.crops, self.labels = people[0]
        judges, labels = people[1]
        # Machine-made labels are soft; only labels given by people may judge.
        by_hand = np.flatnonzero((np.isnan(labels) | (labels == 0) | (labels == 1)).all(1))
        if len(by_hand) == 0:
            raise BadStore(
                "the stores hold no validation people whose attributes are plainly 0 or 1; "
                "prepare them with --labels given by people"
            )
        chosen = by_hand[np.linspace(0, len(by_hand) - 1, settings.judged).astype(int)]
        self.judged = judges.read(chosen)
        self.judged_labels = labels[chosen]

    def loss(self, network: nn.Module, batch: int, seed: int, step: int = 0) -> Tensor:
        """Nats above the labels' own entropy, mean over known labels."""
        chosen = self.crops.draw(batch, seed)
        whole = pictures(self.crops.read(chosen), self.device)
        whole[::2] = whole[::2].flip(3)
        generator = torch.Generator().manual_seed(seed)
        whole = self._disturb(whole, generator)
        labels = torch.from_numpy(self.labels[chosen]).to(self.device)
        if self.settings.attack:
            whole = self._attacked(whole, labels)
        return losses.masked_binary(network(whole).float(), labels)

    def _attacked(self, whole: Tensor, labels: Tensor) -> Tensor:
        """Pictures moved by `attack` to where the loss rises fastest (Goodfellow 2015, in L2)."""
        self.network.eval()
        moved = whole.clone().requires_grad_()
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.halves):
            logits = self.network(moved)
        # Not `autograd.grad`: it fails once an export in the same process has made torch log everything.
        torch.autograd.backward(losses.masked_binary(logits.float(), labels), inputs=[moved])
        self.network.train()
        slope = moved.grad
        assert slope is not None
        length = slope.square().sum((1, 2, 3), keepdim=True).sqrt().clamp_min(1e-12)
        return (whole + self.settings.attack * slope / length).clamp(0, 1)

    def _disturb(self, whole: Tensor, generator: torch.Generator) -> Tensor:
        """Small similarities, light and contrast."""
        n, s = len(whole), self.settings

        def uniform(*shape: int) -> Tensor:
            return (torch.rand(*shape, generator=generator) * 2 - 1).to(whole)

        turn, scale = uniform(n) * s.turn * math.pi / 180, torch.exp(uniform(n) * s.log_scale)
        cosine, sine = torch.cos(turn) * scale, torch.sin(turn) * scale
        shift = uniform(n, 2, 1) * s.shift * 2 / whole.shape[-1]
        linear = torch.stack([cosine, -sine, sine, cosine], 1).view(n, 2, 2)
        grids = F.affine_grid(torch.cat([linear, shift], 2), list(whole.shape), align_corners=False)
        moved = F.grid_sample(whole, grids, padding_mode="border", align_corners=False)
        gain = 1 + uniform(n, 1, 1, 1) * s.light + uniform(n, 3, 1, 1) * s.light / 3
        return (moved * gain + uniform(n, 1, 1, 1) * s.light / 2).clamp(0, 1)

    @torch.no_grad()
    def scores(self, network: nn.Module) -> dict[str, float]:
        """Mean AUC and accuracy on validation people; each AUC goes into `reader.json`."""
        network.eval()
        logits = torch.cat(
            [
                network(pictures(self.judged[i : i + AT_ONCE], self.device)).cpu()
                for i in range(0, len(self.judged), AT_ONCE)
            ]
        )
        values, labels = logits.numpy(), self.judged_labels
        aucs, right, temperatures, errors, even = {}, [], {}, {}, {}
        for k, name in enumerate(NAMES):
            known = ~np.isnan(labels[:, k])
            truth = labels[known, k] > 0.5
            if truth.all() or not truth.any():
                continue
            aucs[name] = float(auc(values[known, k], truth))
            right.append(float(((values[known, k] > 0) == truth).mean()))
            temperatures[name] = _temperature(values[known, k], truth)
            read = 1 / (1 + np.exp(-values[known, k] / temperatures[name]))
            errors[name] = float(calibration_error(read, truth))
            even[name] = _even(values[known, k], truth)
        facts = {
            "auc": aucs,
            "temperature": temperatures,
            "calibration_error": errors,
            "even_logit": even,
        }
        (self.run / "reader.json").write_text(json.dumps(facts, indent=1) + "\n")
        return {"auc": float(np.mean(list(aucs.values()))), "accuracy": float(np.mean(right))}

    def sheet(self, network: nn.Module) -> NDArray[np.uint8]:
        """Rows of validation crops: least to most Smiling, Eyeglasses, Male, Young, as read."""
        rows = []
        with torch.no_grad():
            logits = network(pictures(self.judged[:512], self.device)).cpu().numpy()
        for name in ("Smiling", "Eyeglasses", "Male", "Young"):
            order = np.argsort(logits[:, NAMES.index(name)])
            chosen = order[np.linspace(0, len(order) - 1, min(10, len(order))).astype(int)]
            rows.append(pictures(self.judged[chosen], torch.device("cpu")))
        return grid(rows)


def _temperature(logits: NDArray[np.float32], truth: NDArray[np.bool_]) -> float:
    """The temperature that minimises cross-entropy, over a fixed range (Guo 2017)."""
    candidates = np.exp(np.linspace(-1, 1, 41))
    signs = np.where(truth, 1.0, -1.0)
    costs = [np.logaddexp(0, -signs * logits / t).mean() for t in candidates]
    return float(candidates[int(np.argmin(costs))])


def _even(logits: NDArray[np.float32], truth: NDArray[np.bool_]) -> float:
    """The logit at which as large a share of those with is found as of those without."""
    steps = np.unique(logits)
    found = [float((logits[truth] > step).mean()) for step in steps]
    spared = [float((logits[~truth] <= step).mean()) for step in steps]
    return float(steps[int(np.argmin(np.abs(np.subtract(found, spared))))])


def start(context: Context, settings: Settings) -> Task:
    """A fresh network, or that of a bundle."""
    groups = [labelled(context.stores, split, "attributes") for split in ("train", "val")]
    task = Task(settings, context, (groups[0], groups[1]))
    if context.init is not None:
        export.take_weights(task.network, context.init, "reader")
    return task


class _Read(nn.Module):
    def __init__(self, network: reader.Reader, temperature: Tensor) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("temperature", temperature)

    def forward(self, pixels: Tensor) -> Tensor:
        logits = self.network(pixels.permute(0, 3, 1, 2).float() / 255)
        return torch.sigmoid(logits / self.temperature)


def finish(run: Path, settings: Settings, out: Path) -> dict[str, Any]:
    """Write `reader.onnx` and its golden numbers into the bundle folder `out`."""
    network = reader.Reader(settings.model, len(NAMES)).eval()
    state, facts = tensors.load(run / "best.safetensors")
    network.load_state_dict(state)
    axes = export.round_network(network, {}, settings.pace.bits)
    temperature, stated = calibration(run)
    generator = torch.Generator().manual_seed(0)
    pixels = export.picture_like(generator, 128)
    names = (["pixels"], ["probabilities"])
    export.write_one(_Read(network, temperature), (pixels,), names, out / "reader.onnx", axes)
    return {**facts, "attributes": stated}


def calibration(run: Path) -> tuple[Tensor, dict[str, dict[str, float | None]]]:
    """Temperatures [40] of a run, and what a bundle states of each attribute."""
    learnt = json.loads((run / "reader.json").read_text())
    temperature = torch.tensor([learnt["temperature"].get(name, 1.0) for name in NAMES])
    stated = {
        name: {key: learnt.get(key, {}).get(name) for key in ("auc", "calibration_error")}
        for name in NAMES
    }
    return temperature, stated


RECIPE = Recipe(
    summary="40 attributes of a face from its small picture, calibrated",
    settings=Settings(),
    start=start,
    export=finish,
)
