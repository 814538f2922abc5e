"""Training of an attribute classifier: its settings, augmentation, task and calibration."""

import json
import math
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from facedial.codes.attributes import NAMES
from facedial.errors import BadRequest, BadStore
from facedial.scores import auc, calibration_error
from facedial.training import losses, precision
from facedial.training.batches import Crops, grid, pictures
from facedial.training.models import classifier
from facedial.training.recipe import OptimConfig, RunContext

AT_ONCE = 256
MEASURED = "reader.json"  # in a run: what was measured of each attribute
# Crops and labels, of training people and of validation people.
Group = tuple[Crops, NDArray[np.float32]]
People = tuple[Group, Group]


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Ranges of augmentation: `shift` in pixels, `log_scale`, `rotation` in degrees, colour `jitter`.

    `adversarial_radius` of adversarial training: L2 norm, over a crop's numbers in 0..1, of the
    perturbation of each picture; 0 for none. An adversarially trained classifier has gradients that
    resemble its attributes, so it can train a generator (Santurkar 2019); its accuracy is a little
    lower. `val_images` validation pictures are scored.
    """

    model: classifier.Config = field(default_factory=classifier.Config)
    optim: OptimConfig = field(default_factory=lambda: OptimConfig(batch=64, lr=2e-3))
    shift: float = 4.0
    log_scale: float = 0.06
    rotation: float = 5.0
    jitter: float = 0.15
    adversarial_radius: float = 0.0
    val_images: int = 2048

    def __post_init__(self) -> None:
        if self.adversarial_radius < 0:
            raise BadRequest(f"adversarial_radius must be 0 or more, got {self.adversarial_radius}")


class Task:
    """Binary cross-entropy over the attributes whose labels are known."""

    def __init__(self, settings: Settings, context: RunContext, people: People) -> None:
        self.network = classifier.Classifier(settings.model, len(NAMES)).to(context.device)
        self.optim = settings.optim
        self.settings = settings
        self.device = context.device
        self.run = context.run
        self.halves = precision.uses_bfloat16(context.device)
        self.crops, self.labels = people[0]
        val, labels = people[1]
        # Labels made by a machine are soft; only labels given by people are scored against.
        by_hand = np.flatnonzero((np.isnan(labels) | (labels == 0) | (labels == 1)).all(1))
        if len(by_hand) == 0:
            raise BadStore(
                "the stores hold no validation people whose attributes are plainly 0 or 1; "
                "prepare them with labels given by people"
            )
        chosen = by_hand[np.linspace(0, len(by_hand) - 1, settings.val_images).astype(int)]
        self.val = val.read(chosen)
        self.val_labels = labels[chosen]

    def loss(self, network: nn.Module, batch: int, seed: int, step: int = 0) -> Tensor:
        """Nats above the labels' own entropy, mean over known labels."""
        chosen = self.crops.draw(batch, seed)
        whole = pictures(self.crops.read(chosen), self.device)
        whole[::2] = whole[::2].flip(3)
        generator = torch.Generator().manual_seed(seed)
        whole = self._augment(whole, generator)
        labels = torch.from_numpy(self.labels[chosen]).to(self.device)
        if self.settings.adversarial_radius:
            whole = self._perturbed(whole, labels)
        return losses.masked_binary(network(whole).float(), labels)

    def _perturbed(self, whole: Tensor, labels: Tensor) -> Tensor:
        """Pictures moved by the radius along the loss's gradient (Goodfellow 2015, in L2)."""
        self.network.eval()
        moved = whole.clone().requires_grad_()
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.halves):
            logits = self.network(moved)
        # Not `autograd.grad`: it fails once an export in the same process has made torch log everything.
        torch.autograd.backward(losses.masked_binary(logits.float(), labels), inputs=[moved])
        self.network.train()
        gradient = moved.grad
        assert gradient is not None
        length = gradient.square().sum((1, 2, 3), keepdim=True).sqrt().clamp_min(1e-12)
        return (whole + self.settings.adversarial_radius * gradient / length).clamp(0, 1)

    def _augment(self, whole: Tensor, generator: torch.Generator) -> Tensor:
        """Small similarity transforms, brightness, colour and contrast."""
        n, s = len(whole), self.settings

        def uniform(*shape: int) -> Tensor:
            return (torch.rand(*shape, generator=generator) * 2 - 1).to(whole)

        turn, scale = uniform(n) * s.rotation * math.pi / 180, torch.exp(uniform(n) * s.log_scale)
        cosine, sine = torch.cos(turn) * scale, torch.sin(turn) * scale
        shift = uniform(n, 2, 1) * s.shift * 2 / whole.shape[-1]
        linear = torch.stack([cosine, -sine, sine, cosine], 1).view(n, 2, 2)
        grids = F.affine_grid(torch.cat([linear, shift], 2), list(whole.shape), align_corners=False)
        moved = F.grid_sample(whole, grids, padding_mode="border", align_corners=False)
        gain = 1 + uniform(n, 1, 1, 1) * s.jitter + uniform(n, 3, 1, 1) * s.jitter / 3
        return (moved * gain + uniform(n, 1, 1, 1) * s.jitter / 2).clamp(0, 1)

    @torch.no_grad()
    def scores(self, network: nn.Module) -> dict[str, float]:
        """Mean AUC and accuracy on validation people; figures of each attribute go to `reader.json`."""
        network.eval()
        logits = torch.cat(
            [
                network(pictures(self.val[i : i + AT_ONCE], self.device)).cpu()
                for i in range(0, len(self.val), AT_ONCE)
            ]
        )
        values, labels = logits.numpy(), self.val_labels
        aucs, right, temperatures, errors, even = {}, [], {}, {}, {}
        for k, name in enumerate(NAMES):
            known = ~np.isnan(labels[:, k])
            truth = labels[known, k] > 0.5
            if truth.all() or not truth.any():
                continue
            aucs[name] = float(auc(values[known, k], truth))
            right.append(float(((values[known, k] > 0) == truth).mean()))
            temperatures[name] = _temperature(values[known, k], truth)
            found = 1 / (1 + np.exp(-values[known, k] / temperatures[name]))
            errors[name] = float(calibration_error(found, truth))
            even[name] = even_logit(values[known, k], truth)
        facts = {
            "auc": aucs,
            "temperature": temperatures,
            "calibration_error": errors,
            "even_logit": even,
        }
        (self.run / MEASURED).write_text(json.dumps(facts, indent=1) + "\n")
        return {"auc": float(np.mean(list(aucs.values()))), "accuracy": float(np.mean(right))}

    def sheet(self, network: nn.Module) -> NDArray[np.uint8]:
        """Rows of validation crops: least to most Smiling, Eyeglasses, Male, Young, as predicted."""
        rows = []
        with torch.no_grad():
            logits = network(pictures(self.val[:512], self.device)).cpu().numpy()
        for name in ("Smiling", "Eyeglasses", "Male", "Young"):
            order = np.argsort(logits[:, NAMES.index(name)])
            chosen = order[np.linspace(0, len(order) - 1, min(10, len(order))).astype(int)]
            rows.append(pictures(self.val[chosen], torch.device("cpu")))
        return grid(rows)


def _temperature(logits: NDArray[np.float32], truth: NDArray[np.bool_]) -> float:
    """The temperature that minimises cross-entropy, over a fixed range (Guo 2017)."""
    candidates = np.exp(np.linspace(-1, 1, 41))
    signs = np.where(truth, 1.0, -1.0)
    costs = [np.logaddexp(0, -signs * logits / t).mean() for t in candidates]
    return float(candidates[int(np.argmin(costs))])


def even_logit(logits: NDArray[np.float32], truth: NDArray[np.bool_]) -> float:
    """The threshold on logits at which sensitivity and specificity are equal."""
    steps = np.unique(logits)
    sensitivity = [float((logits[truth] > step).mean()) for step in steps]
    specificity = [float((logits[~truth] <= step).mean()) for step in steps]
    return float(steps[int(np.argmin(np.abs(np.subtract(sensitivity, specificity))))])


def calibration(run: Path) -> tuple[Tensor, dict[str, dict[str, float | None]]]:
    """Temperatures [40] of a run, and the facts of each attribute for a bundle."""
    measured = json.loads((run / MEASURED).read_text())
    temperature = torch.tensor([measured["temperature"].get(name, 1.0) for name in NAMES])
    stated = {
        name: {key: measured.get(key, {}).get(name) for key in ("auc", "calibration_error")}
        for name in NAMES
    }
    return temperature, stated
