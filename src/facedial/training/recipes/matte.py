"""The matte: person and background of a head crop, trained on mattes segmented by colour."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from facedial.errors import BadRequest, BadStore
from facedial.model import upsampled
from facedial.runtime.bundle import Bundle
from facedial.training import export, losses, networks, tensors
from facedial.training.batches import Crops, grid, pictures
from facedial.training.mattes import matte
from facedial.training.models.matte import Config, Matte, Person
from facedial.training.recipe import OptimConfig, Recipe, RunContext

log = logging.getLogger(__name__)
MATTES = "mattes.safetensors"
AT_ONCE = 128
COLUMNS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """`train_images`, `val_images`: crops of training and of validation people that are segmented.

    `jitter`: range of the augmentation of brightness and colours.
    """

    model: Config = field(default_factory=lambda: Config(width=24, down=1, below=4, up=2))
    optim: OptimConfig = field(
        default_factory=lambda: OptimConfig(batch=64, lr=2e-3, ema_steps=300)
    )
    train_images: int = 6000
    val_images: int = 400
    jitter: float = 0.15

    def __post_init__(self) -> None:
        if min(self.train_images, self.val_images) < 1:
            raise BadRequest("train_images and val_images must be at least 1")


class Task:
    """Binary cross-entropy against the mattes of `training.mattes`."""

    def __init__(self, settings: Settings, context: RunContext) -> None:
        self.network = Matte(settings.model).to(context.device)
        self.optim = settings.optim
        self.settings = settings
        self.device = context.device
        known = _mattes(context, settings)
        self.crops, self.mattes = known["train"]
        self.val, self.val_mattes = known["val"]

    def loss(self, network: nn.Module, batch: int, seed: int, step: int = 0) -> Tensor:
        """Nats per position."""
        rng = np.random.default_rng(seed)
        chosen = rng.integers(0, len(self.crops), batch)
        seen = pictures(self.crops[chosen], self.device)
        target = self.mattes[chosen].to(self.device).float() / 255
        seen[::2], target[::2] = seen[::2].flip(3), target[::2].flip(2)
        gain = 1 + self.settings.jitter * rng.uniform(-1, 1, (batch, 3, 1, 1))
        lift = self.settings.jitter * rng.uniform(-0.5, 0.5, (batch, 1, 1, 1))
        seen = seen * torch.from_numpy(gain).to(seen) + torch.from_numpy(lift).to(seen)
        found = network(seen.clamp(0, 1)).float()
        return losses.binary(found, target) / target.numel()

    @torch.no_grad()
    def scores(self, network: nn.Module) -> dict[str, float]:
        """`agreement`: share of positions where network and segmentation of validation people agree."""
        found = self._found(network)
        target = self.val_mattes.float() / 255
        return {
            "agreement": float(((found > 0.5) == (target > 0.5)).float().mean()),
            "mean_difference": float((found - target).abs().mean()),
        }

    def _found(self, network: nn.Module) -> Tensor:
        """Mattes [N, 64, 64] of validation people."""
        network.eval()
        parts = [
            network(pictures(self.val[i : i + AT_ONCE], self.device)).float().sigmoid().cpu()
            for i in range(0, len(self.val), AT_ONCE)
        ]
        return torch.cat(parts)

    @torch.no_grad()
    def sheet(self, network: nn.Module) -> NDArray[np.uint8]:
        """Validation people on green, by the segmentation and, below, by the network."""
        found = self._found(network)
        rows = []
        chosen = np.linspace(0, len(self.val) - 1, 4 * COLUMNS).astype(int)
        for part in np.split(chosen, 4):
            seen = pictures(self.val[part], torch.device("cpu"))
            for mattes in (self.val_mattes[part].float() / 255, found[part]):
                rows.append(_on_green(seen, mattes))
        return grid(rows)


def _on_green(seen: Tensor, mattes: Tensor) -> Tensor:
    """Pictures [N, 3, S, S] with the background green."""
    person = F.interpolate(mattes[:, None], seen.shape[2:], mode="bilinear")
    return seen * person + torch.tensor([0.0, 1.0, 0.0]).view(3, 1, 1) * (1 - person)


def _mattes(context: RunContext, settings: Settings) -> dict[str, tuple[NDArray[np.uint8], Tensor]]:
    """Split -> crops and their mattes uint8 [N, 64, 64]; made once per run."""
    path = context.run / MATTES
    known, _ = tensors.load(path) if path.exists() else ({}, {})
    found = {}
    for split, count in (("train", settings.train_images), ("val", settings.val_images)):
        crops = Crops(context.stores, [split])
        if crops.frame != "head":
            raise BadStore(f"the matte needs crops of the frame head, found {crops.frame}")
        chosen = crops.read(crops.evenly(count))
        if split not in known:
            log.info("mattes of %d crops", len(chosen))
            before = _before(_initial(context), chosen)
            made = [matte(crop, one) for crop, one in zip(chosen, before, strict=True)]
            known[split] = torch.from_numpy(np.rint(255 * np.stack(made)).astype(np.uint8))
        found[split] = (chosen, known[split])
    tensors.save(path, known, {})
    return found


def _initial(context: RunContext) -> Path | None:
    """The bundle to start from, where it has a matte."""
    if context.init is None:
        return None
    with Bundle.open(context.init) as bundle:
        return bundle.path if "matte" in bundle.facts["parts"] else None


def _before(known: Path | None, crops: NDArray[np.uint8]) -> Sequence[NDArray[np.float32] | None]:
    """A bundle's mattes of crops; None where there is no bundle."""
    if known is None:
        return [None] * len(crops)
    with Bundle.open(known) as bundle:
        return list(bundle.run("matte", upsampled(crops)))


def start(context: RunContext, settings: Settings) -> Task:
    """A new network, or that of a bundle, whose mattes then are the prior of the segmentation."""
    task = Task(settings, context)
    known = _initial(context)
    if known is not None:
        networks.load_part(task.network, known, "matte")
    return task


def finish(run: Path, settings: Settings, out: Path) -> dict[str, Any]:
    """Write `matte.onnx` and its golden numbers into the bundle folder `out`."""
    network = Matte(settings.model)
    facts = networks.load_best(network, run)
    axes = export.quantize(network, {}, settings.optim.bits)
    generator = torch.Generator().manual_seed(0)
    pixels = export.picture_like(generator, 128)
    names = (["pixels"], ["person"])
    export.write_one(Person(network), (pixels,), names, out / "matte.onnx", axes)
    return facts


RECIPE = Recipe(
    summary="person and background of a head crop, as a matte",
    settings=Settings(),
    start=start,
    export=finish,
)
