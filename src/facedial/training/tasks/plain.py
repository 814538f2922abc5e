"""How the first source's autoencoders are trained: one reconstruction loss, Adam, plateaus."""

import dataclasses
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from facedial.errors import BadRun
from facedial.priors.uniform import RAW
from facedial.training import coded, export, losses, networks, tensors
from facedial.training.batches import Crops, grid, pictures
from facedial.training.models.plain import Config, Decode, Encode, Plain
from facedial.training.recipe import OptimConfig, Recipe, RunContext

WHITENING = "whitening.safetensors"
MOST = 16384  # people to whose codes whitening, directions and prior are fitted


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """`width` scales channels; `faithful` freezes batch norms after the first epoch, as the source did.

    (It calls `eval()` to validate and never `train()` again.) `optim` is the source's. `val_images`
    validation pictures are scored.
    """

    optim: OptimConfig
    width: float = 1.0
    side: int = 128
    dimensions: int = 1024
    faithful: bool = False
    val_images: int = 512

    def config(self, kind: str) -> Config:
        """The network's."""
        return Config(kind=kind, dimensions=self.dimensions, side=self.side, width=self.width)


class Task:
    """Mean squared error, or binary cross-entropy, of the reconstruction; no augmentation."""

    def __init__(self, settings: Settings, kind: str, context: RunContext) -> None:
        self.kind = kind
        self.network = Plain(settings.config(kind)).to(context.device)
        self.device = context.device
        self.settings = settings
        self.crops = Crops(context.stores, ["train"], settings.side)
        self.frame = self.crops.frame
        self.epoch = max(1, len(self.crops) // settings.optim.batch)
        self.optim = dataclasses.replace(settings.optim, eval_every=self.epoch)
        val = Crops(context.stores, ["val"], settings.side)
        self.val = pictures(val.read(val.evenly(settings.val_images)), context.device)

    def loss(self, network: nn.Module, batch: int, seed: int, step: int = 0) -> Tensor:
        """Mean over everything."""
        network.train(not (self.settings.faithful and step >= self.epoch))
        target = pictures(self.crops.read(self.crops.draw(batch, seed)), self.device)
        if self.kind == "mse":
            return losses.squared(network(target), target)
        return losses.binary(network(target, True), target) / target.numel()

    @torch.no_grad()
    def scores(self, network: nn.Module) -> dict[str, float]:
        """`minus_loss`, the negated validation loss, by which the best is kept, and PSNR (mean of dB)."""
        total, psnr = 0.0, []
        for part in torch.split(self.val, 64):
            output = network(part, self.kind == "bce")
            if self.kind == "mse":
                total += float((output - part).square().sum())
            else:
                total += float(losses.binary(output, part))
                output = torch.sigmoid(output)
            error = (output.clamp(0, 1) - part).square().mean((1, 2, 3))
            psnr.append(-10 * torch.log10(error))
        return {
            "minus_loss": -total / self.val.numel(),
            "psnr": float(torch.cat(psnr).mean()),
        }

    @torch.no_grad()
    def sheet(self, network: nn.Module) -> NDArray[np.uint8]:
        """Ten validation people, their reconstructions, and ten codes drawn uniformly from 0..1."""
        assert isinstance(network, Plain)
        shown = self.val[:: max(1, len(self.val) // 10)][:10]
        generator = torch.Generator().manual_seed(0)
        codes = torch.rand(len(shown), self.settings.dimensions, generator=generator)
        drawn = network.decode(codes.to(self.device))
        return grid([shown, network.decode(network.encode(shown)), drawn])


def _best(run: Path, config: Config) -> tuple[Plain, str, dict[str, Any]]:
    """The run's best network in evaluation mode, its code space, and the facts beside it."""
    network = Plain(config)
    facts = networks.load_best(network, run)
    state = network.state_dict()
    names = sorted(name for name in state if name.startswith("encoder."))
    flat = torch.cat([state[name].float().flatten() for name in names])
    return network, export.space_of(torch.empty(0, config.dimensions), flat), facts


def recipe(kind: str, summary: str, optim: OptimConfig) -> Recipe:
    """The recipe of one of the two."""

    def start(context: RunContext, settings: Settings) -> Task:
        """A new network, or that of a bundle."""
        task = Task(settings, kind, context)
        if context.init is not None:
            networks.load_part(task.network, context.init, "autoencoder")
        return task

    def after(context: RunContext, task: Task) -> None:
        """Whiten the best network's codes, and fit directions and a prior to them."""
        network, space, _ = _best(context.run, task.settings.config(kind))
        path = context.run / WHITENING
        if path.exists() and tensors.load(path)[1]["space"] == space:
            return
        chosen = task.crops.evenly(MOST)
        task.crops.rows = task.crops.rows[chosen]
        raw = coded.encoded(task.crops, network.to(context.device).encode, context.device)
        white = coded.Whitening.fit(raw)
        codes = (raw - white.mean) @ white.whiten
        coded.fit(codes, task.crops.gather("attributes"), space, context.run)
        facts = {"space": space, "frame": task.frame}
        kept = {"mean": white.mean, "forth": white.whiten, "back": white.unwhiten}
        tensors.save(path, kept, facts)

    def finish(run: Path, settings: Settings, out: Path) -> dict[str, Any]:
        """Write the graphs, directions, prior and the map from raw codes into the bundle `out`."""
        network, space, facts = _best(run, settings.config(kind))
        kept, about = tensors.load(run / WHITENING) if (run / WHITENING).exists() else ({}, {})
        if about.get("space") != space:
            raise BadRun(
                f"{run} was stopped before its codes were whitened; train it again with the budget it "
                "has had, to finish it as it is, or with a larger one"
            )
        axes = export.quantize(network, {}, settings.optim.bits)
        size = (settings.dimensions, settings.side)
        modules = (
            Encode(network, kept["mean"], kept["forth"]),
            Decode(network, kept["mean"], kept["back"]),
        )
        export.write_pair(*modules, axes, [], size, out)
        for name in coded.FITTED:
            if (run / name).exists():
                shutil.copyfile(run / name, out / name)
        with (out / RAW).open("wb") as file:
            np.savez_compressed(file, mean=kept["mean"].numpy(), forth=kept["forth"].numpy())
        size_facts = {"dimensions": settings.dimensions, "side": settings.side}
        return {"space": space, "frame": about["frame"], **size_facts, **facts}

    return Recipe(
        summary=summary,
        settings=Settings(optim=optim),
        start=start,
        export=finish,
        after=after,
    )


def source_optim(lr: float, factor: float, patience: int) -> OptimConfig:
    """Adam and a plateau, batches of 32, no average of weights: as the source trains."""
    return OptimConfig(
        batch=32,
        lr=lr,
        betas=(0.9, 0.999),
        ema_steps=1,
        schedule="plateau",
        factor=factor,
        patience=patience,
    )
