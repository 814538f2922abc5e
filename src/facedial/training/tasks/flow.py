"""Training of a conditional flow on the codes of a bundle: its settings, task and graph."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from facedial.codes.attributes import NAMES
from facedial.flow.guidance import cfg
from facedial.flow.sampler import GUIDANCE, STEPS
from facedial.flow.solver import integrate
from facedial.runtime.bundle import Bundle
from facedial.training import coded, export, losses, networks, tensors
from facedial.training.batches import Crops, grid
from facedial.training.models import flow, latents
from facedial.training.models.autoencoder import Autoencoder
from facedial.training.recipe import OptimConfig, RunContext

# Present in at least one picture in eight: without oversampling too rare to be learnt as a condition.
RARE = ("Bald", "Eyeglasses", "Mustache", "Gray_Hair")
RARE_EVERY = 8
FEWEST = 8
LATENTS = "planes.safetensors"  # in a run: the map from codes to latents
OPTIM = OptimConfig(batch=64, lr=3e-3, ema_steps=1000, optimizer="muon", bits=5, qat_from=0.7)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Fractions of pictures without any condition and with all attributes; how sheets are sampled.

    The rest have a random subset of their attributes, so that any may be left unknown. `guidance`,
    `steps`: of classifier-free guidance and of the solver, for sheets. `val_images` validation codes
    are scored.
    """

    model: flow.Config = field(default_factory=lambda: flow.Config(width=96))
    optim: OptimConfig = OPTIM
    unconditional_fraction: float = 0.15
    full_fraction: float = 0.45
    val_images: int = 512
    guidance: float = GUIDANCE
    steps: int = STEPS


class Task:
    """Squared error of the velocity on straight paths, at logit-normal times (Esser 2024)."""

    def __init__(
        self,
        settings: Settings,
        context: RunContext,
        decoder: Autoencoder,
        codes: dict[str, Tensor],
    ) -> None:
        self.network = flow.Flow(settings.model, len(NAMES)).to(context.device)
        self.optim = settings.optim
        self.settings = settings
        self.device = context.device
        self.decoder = decoder.to(context.device).eval().requires_grad_(False)
        self.latents = latents.Latents(self.decoder.linear).to(context.device)
        self.codes = codes["train"]
        self.labels = conditions(Crops(context.stores, ["train"]))
        self.latents.fit(self.codes[:: max(1, len(self.codes) // 4096)].float().to(context.device))
        self.rare = rare_rows(self.labels)
        chosen = Crops(context.stores, ["val"]).evenly(settings.val_images)
        self.val = codes["val"][chosen].float().to(context.device)
        self.val_labels = torch.from_numpy(conditions(Crops(context.stores, ["val"]))[chosen])

    def draw(self, batch: int, rng: np.random.Generator) -> tuple[NDArray[np.int64], Tensor]:
        """Addresses and conditions of a batch.

        A picture that is oversampled for a rare attribute has this attribute in its condition;
        otherwise the attribute would become too frequent among faces generated without it in the
        condition.
        """
        chosen = rng.integers(0, len(self.codes), batch)
        given = rng.random((batch, len(NAMES))) < rng.random((batch, 1))
        kind = rng.random(batch)
        given[kind < self.settings.unconditional_fraction] = False
        given[kind >= 1 - self.settings.full_fraction] = True
        for number, (name, rows) in enumerate(self.rare):
            # Fixed places of the batch, so that each attribute has its share in every batch.
            places = np.arange(number, batch, RARE_EVERY)
            chosen[places] = rng.choice(rows, len(places))
            given[places, NAMES.index(name)] = True
        return chosen, torch.from_numpy(np.where(given, self.labels[chosen], 0).astype(np.float32))

    def loss(self, network: nn.Module, batch: int, seed: int, step: int = 0) -> Tensor:
        """Mean squared error of the velocity of latents."""
        rng = np.random.default_rng(seed)
        chosen, condition = self.draw(batch, rng)
        face = self.latents.encode(self.codes[chosen].float().to(self.device))
        mirrored = torch.from_numpy(rng.random(batch) < 0.5).to(self.device)
        face = torch.where(mirrored[:, None, None, None], latents.mirror(face), face)
        generator = torch.Generator().manual_seed(seed)
        noise = torch.randn(face.shape, generator=generator).to(self.device)
        time = torch.sigmoid(torch.randn(batch, generator=generator)).to(self.device)
        return losses.squared(
            network(_between(noise, face, time), time, condition.to(self.device)), face - noise
        )

    @torch.no_grad()
    def scores(self, network: nn.Module) -> dict[str, float]:
        """`explained`: explained variance of the velocity on validation people, at fixed times."""
        generator = torch.Generator().manual_seed(0)
        error, total = 0.0, 0.0
        for part, labels in zip(
            torch.split(self.val, 64), torch.split(self.val_labels, 64), strict=True
        ):
            face = self.latents.encode(part)
            noise = torch.randn(face.shape, generator=generator).to(self.device)
            time = torch.sigmoid(torch.randn(len(face), generator=generator)).to(self.device)
            found = network(_between(noise, face, time), time, labels.to(self.device))
            error += float((found - (face - noise)).square().sum())
            total += float((face - noise).square().sum())
        return {
            "explained": 1 - error / total,
            "loss": error / len(self.val) / latents.NUMBERS,
        }

    @torch.no_grad()
    def sheet(self, network: nn.Module) -> NDArray[np.uint8]:
        """Forty faces from fixed noise: two rows unconditional, two of validation people's attributes."""
        generator = torch.Generator().manual_seed(0)
        noise = torch.randn(40, latents.CHANNELS, latents.SIDE, latents.SIDE, generator=generator)
        condition = torch.zeros(40, len(NAMES))
        condition[20:] = self.val_labels[torch.linspace(0, len(self.val) - 1, 20).long()]
        drawn = self.sample(network, noise, condition)
        pictures = self.decoder.decode(self.latents(drawn)).cpu()
        return grid(list(torch.split(pictures, 10)))

    def sample(self, network: nn.Module, noise: Tensor, condition: Tensor) -> Tensor:
        """Latents [N, 6, 32, 32] from noise given attributes [N, 40], by the solver of `generate`."""

        def velocity(*given: NDArray[np.float32]) -> NDArray[np.float32]:
            found: Tensor = network(*(torch.from_numpy(v).to(self.device) for v in given))
            return found.cpu().numpy()

        attributes = condition.numpy()
        drawn = integrate(
            cfg(velocity, self.settings.guidance, np.zeros_like(attributes)),
            noise.numpy(),
            attributes,
            times=(0.0, 1.0),
            steps=self.settings.steps,
        )
        return torch.from_numpy(drawn).to(self.device)


def _between(noise: Tensor, face: Tensor, time: Tensor) -> Tensor:
    return noise + time[:, None, None, None] * (face - noise)


def rare_rows(labels: NDArray[np.float32]) -> list[tuple[str, NDArray[np.int64]]]:
    """Rare attributes and the addresses of people who have them; those of fewer people are left out."""
    found = [(name, np.flatnonzero(labels[:, NAMES.index(name)] > 0)) for name in RARE]
    return [(name, rows) for name, rows in found if len(rows) >= FEWEST]


def conditions(crops: Crops) -> NDArray[np.float32]:
    """Attributes of all crops [N, 40] in -1..1; 0 where unknown."""
    labels = crops.gather("attributes")
    return np.where(np.isnan(labels), 0, 2 * labels - 1).astype(np.float32)


def start(context: RunContext, settings: Settings) -> Task:
    """The task with new weights; how its codes become latents is kept in the run."""
    with Bundle.open(context.init) as bundle:
        network, space = networks.autoencoder_of(bundle)
    codes = {
        split: coded.cached(context, Crops(context.stores, [split]), network, space, split)
        for split in ("val", "train")
    }
    task = Task(settings, context, network, codes)
    tensors.save(context.run / LATENTS, task.latents.state_dict(), {"space": space})
    return task


def write_flow(network: flow.Flow, bits: int, path: Path) -> dict[str, NDArray[Any]]:
    """Write a flow's graph with weights of `bits` per number; returns golden numbers."""
    generator = torch.Generator().manual_seed(0)
    shape = (2, latents.CHANNELS, latents.SIDE, latents.SIDE)
    noise = torch.randn(*shape, generator=generator).half().float()
    attributes = torch.zeros(2, len(NAMES))
    attributes[1] = 1
    given = (noise, torch.tensor([0.25, 0.75]), attributes)
    axes = export.quantize(network, {}, bits)
    # The names of inputs are part of the bundle's format.
    return export.write(network, given, (["planes", "time", "wanted"], ["velocity"]), path, axes)
