"""The matte: person and background of a head crop, learnt from what colours say of many."""

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
from facedial.runtime.bundle import Bundle
from facedial.training import export, losses, tensors
from facedial.training.batches import Crops, grid, pictures
from facedial.training.mattes import matte
from facedial.training.models.matte import Config, Matte
from facedial.training.recipe import Context, Pace, Recipe

log = logging.getLogger(__name__)
TAUGHT = "mattes.safetensors"
AT_ONCE = 128
ACROSS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How many crops' mattes are made to learn from, and of how many validation people to judge by.

    `light`: how far brightness and colours are changed before a crop is learnt from, in shares.
    """

    model: Config = field(default_factory=lambda: Config(width=24, down=1, below=4, up=2))
    pace: Pace = field(default_factory=lambda: Pace(batch=64, rate=2e-3, memory=300))
    taught: int = 6000
    judged: int = 400
    light: float = 0.15

    def __post_init__(self) -> None:
        if min(self.taught, self.judged) < 1:
            raise BadRequest("taught and judged must be at least 1")


class Task:
    """Binary cross-entropy against mattes that `training.mattes` made."""

    def __init__(self, settings: Settings, context: Context) -> None:
        self.network = Matte(settings.model).to(context.device)
        self.pace = settings.pace
        self.settings = settings
        self.device = context.device
        known = _mattes(context, settings)
        self.crops, self.mattes = known["train"]
        self.judges, self.judged = known["val"]

    def loss(self, network: nn.Module, batch: int, seed: int, step: int = 0) -> Tensor:
        """Nats a place."""
        rng = np.random.default_rng(seed)
        chosen = rng.integers(0, len(self.crops), batch)
        seen = pictures(self.crops[chosen], self.device)
        told = self.mattes[chosen].to(self.device).float() / 255
        seen[::2], told[::2] = seen[::2].flip(3), told[::2].flip(2)
        gain = 1 + self.settings.light * rng.uniform(-1, 1, (batch, 3, 1, 1))
        lift = self.settings.light * rng.uniform(-0.5, 0.5, (batch, 1, 1, 1))
        seen = seen * torch.from_numpy(gain).to(seen) + torch.from_numpy(lift).to(seen)
        found = network(seen.clamp(0, 1)).float()
        return losses.binary(found, told) / told.numel()

    @torch.no_grad()
    def scores(self, network: nn.Module) -> dict[str, float]:
        """`agreed`: share of places that validation people's own colours tell as the network does."""
        found = self._found(network)
        told = self.judged.float() / 255
        return {
            "agreed": float(((found > 0.5) == (told > 0.5)).float().mean()),
            "apart": float((found - told).abs().mean()),
        }

    def _found(self, network: nn.Module) -> Tensor:
        """Mattes [N, 64, 64] of those who judge."""
        network.eval()
        parts = [
            network(pictures(self.judges[i : i + AT_ONCE], self.device)).float().sigmoid().cpu()
            for i in range(0, len(self.judges), AT_ONCE)
        ]
        return torch.cat(parts)

    @torch.no_grad()
    def sheet(self, network: nn.Module) -> NDArray[np.uint8]:
        """Validation people before green, as their colours say and, below, as the network does."""
        found = self._found(network)
        rows = []
        chosen = np.linspace(0, len(self.judges) - 1, 4 * ACROSS).astype(int)
        for part in np.split(chosen, 4):
            seen = pictures(self.judges[part], torch.device("cpu"))
            for mattes in (self.judged[part].float() / 255, found[part]):
                rows.append(_before_green(seen, mattes))
        return grid(rows)


def _before_green(seen: Tensor, mattes: Tensor) -> Tensor:
    """Pictures [N, 3, S, S] with what is not person green."""
    person = F.interpolate(mattes[:, None], seen.shape[2:], mode="bilinear")
    return seen * person + torch.tensor([0.0, 1.0, 0.0]).view(3, 1, 1) * (1 - person)


def _mattes(context: Context, settings: Settings) -> dict[str, tuple[NDArray[np.uint8], Tensor]]:
    """Split -> crops and their mattes uint8 [N, 64, 64]; made once a run."""
    path = context.run / TAUGHT
    known, _ = tensors.load(path) if path.exists() else ({}, {})
    found = {}
    for split, count in (("train", settings.taught), ("val", settings.judged)):
        crops = Crops(context.stores, [split])
        if crops.frame != "head":
            raise BadStore(f"mattes are of crops on the frame head, found {crops.frame}")
        chosen = crops.read(crops.spread(count))
        if split not in known:
            log.info("mattes of %d crops", len(chosen))
            before = _before(_known(context), chosen)
            made = [matte(crop, one) for crop, one in zip(chosen, before, strict=True)]
            known[split] = torch.from_numpy(np.rint(255 * np.stack(made)).astype(np.uint8))
        found[split] = (chosen, known[split])
    tensors.save(path, known, {})
    return found


def _known(context: Context) -> Path | None:
    """The bundle to go on from, where it has a matte."""
    if context.init is None:
        return None
    with Bundle.open(context.init) as bundle:
        return bundle.path if "matte" in bundle.facts["parts"] else None


def _before(known: Path | None, crops: NDArray[np.uint8]) -> Sequence[NDArray[np.float32] | None]:
    """What a bundle's network thinks of crops; nothing where there is none."""
    if known is None:
        return [None] * len(crops)
    with Bundle.open(known) as bundle:
        return list(bundle.person(crops))


def start(context: Context, settings: Settings) -> Task:
    """A fresh network, or that of a bundle, which then has a say in what colours tell."""
    task = Task(settings, context)
    known = _known(context)
    if known is not None:
        export.take_weights(task.network, known, "matte")
    return task


class _Person(nn.Module):
    def __init__(self, network: Matte) -> None:
        super().__init__()
        self.network = network

    def forward(self, pixels: Tensor) -> Tensor:
        return torch.sigmoid(self.network(pixels.permute(0, 3, 1, 2).float() / 255))


def finish(run: Path, settings: Settings, out: Path) -> dict[str, Any]:
    """Write `matte.onnx` and its golden numbers into the bundle folder `out`."""
    network = Matte(settings.model).eval()
    state, facts = tensors.load(run / "best.safetensors")
    network.load_state_dict(state)
    axes = export.round_network(network, {}, settings.pace.bits)
    generator = torch.Generator().manual_seed(0)
    pixels = export.picture_like(generator, 128)
    names = (["pixels"], ["person"])
    export.write_one(_Person(network), (pixels,), names, out / "matte.onnx", axes)
    return facts


RECIPE = Recipe(
    summary="what of a head crop is person and what background",
    settings=Settings(),
    start=start,
    export=finish,
)
