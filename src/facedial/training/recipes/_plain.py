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

from facedial.codes.prior import RAW
from facedial.errors import BadRun
from facedial.training import coded, export, losses, tensors
from facedial.training.batches import Crops, grid, pictures
from facedial.training.models.plain import Config, Plain
from facedial.training.recipe import Context, Pace, Recipe

WHITE = "whitening.safetensors"
MOST = 16384  # people whose codes are whitened, and to whom directions and prior are fitted


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """`width` scales channels; `faithful` freezes batch norms after the first epoch, as the source did.

    (It calls `eval()` to validate and never `train()` again.) `pace` is the source's.
    """

    pace: Pace
    width: float = 1.0
    side: int = 128
    dimensions: int = 1024
    faithful: bool = False
    judged: int = 512


class Task:
    """Mean squared error, or binary cross-entropy, of the reconstruction; no augmentation."""

    def __init__(self, settings: Settings, kind: str, context: Context) -> None:
        self.kind = kind
        self.network = _network(settings, kind).to(context.device)
        self.device = context.device
        self.settings = settings
        self.crops = Crops(context.stores, ["train"], settings.side)
        self.frame = self.crops.frame
        self.epoch = max(1, len(self.crops) // settings.pace.batch)
        self.pace = dataclasses.replace(settings.pace, look_every=self.epoch)
        judges = Crops(context.stores, ["val"], settings.side)
        self.judged = pictures(judges.read(judges.spread(settings.judged)), context.device)

    def loss(self, network: nn.Module, batch: int, seed: int, step: int = 0) -> Tensor:
        """Mean over everything."""
        network.train(not (self.settings.faithful and step >= self.epoch))
        target = pictures(self.crops.read(self.crops.draw(batch, seed)), self.device)
        if self.kind == "mse":
            return losses.squared(network(target), target)
        return losses.binary(network(target, True), target) / target.numel()

    @torch.no_grad()
    def scores(self, network: nn.Module) -> dict[str, float]:
        """Negated validation loss, by which the best is kept, and PSNR (mean of dB)."""
        total, psnr = 0.0, []
        for part in torch.split(self.judged, 64):
            output = network(part, self.kind == "bce")
            if self.kind == "mse":
                total += float((output - part).square().sum())
            else:
                total += float(losses.binary(output, part))
                output = torch.sigmoid(output)
            error = (output.clamp(0, 1) - part).square().mean((1, 2, 3))
            psnr.append(-10 * torch.log10(error))
        return {
            "minus_loss": -total / self.judged.numel(),
            "psnr": float(torch.cat(psnr).mean()),
        }

    @torch.no_grad()
    def sheet(self, network: nn.Module) -> NDArray[np.uint8]:
        """Ten validation people, their reconstructions, and ten codes drawn uniformly from 0..1."""
        assert isinstance(network, Plain)
        shown = self.judged[:: max(1, len(self.judged) // 10)][:10]
        generator = torch.Generator().manual_seed(0)
        codes = torch.rand(len(shown), self.settings.dimensions, generator=generator)
        drawn = network.decode(codes.to(self.device))
        return grid([shown, network.decode(network.encode(shown)), drawn])


def _network(settings: Settings, kind: str) -> Plain:
    return Plain(
        Config(kind=kind, dimensions=settings.dimensions, side=settings.side, width=settings.width)
    )


def _best(run: Path, settings: Settings, kind: str) -> tuple[Plain, str, dict[str, Any]]:
    """The run's best network in evaluation mode, its code space, and the facts beside it."""
    network = _network(settings, kind).eval()
    state, facts = tensors.load(run / "best.safetensors")
    network.load_state_dict(state)
    names = sorted(name for name in state if name.startswith("encoder."))
    flat = torch.cat([state[name].float().flatten() for name in names])
    return network, export.space_of(torch.empty(0, settings.dimensions), flat), facts


class _Encode(nn.Module):
    """Bytes [N, S, S, 3] -> white codes [N, D], as a bundle holds it."""

    mean: Tensor
    forth: Tensor

    def __init__(self, network: Plain, white: coded.Whitening) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("mean", white.mean)
        self.register_buffer("forth", white.forth)

    def forward(self, pixels: Tensor) -> Tensor:
        raw = self.network.encode(pixels.permute(0, 3, 1, 2).float() / 255)
        return (raw - self.mean) @ self.forth


class _Decode(nn.Module):
    """The way back, to 0..255."""

    mean: Tensor
    back: Tensor

    def __init__(self, network: Plain, white: coded.Whitening) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("mean", white.mean)
        self.register_buffer("back", white.back)

    def forward(self, codes: Tensor) -> Tensor:
        picture = self.network.decode(self.mean + codes @ self.back)
        return picture.permute(0, 2, 3, 1) * 255


def recipe(kind: str, summary: str, pace: Pace) -> Recipe:
    """The recipe of one of the two."""

    def start(context: Context, settings: Settings) -> Task:
        """A fresh network, or that of a bundle."""
        task = Task(settings, kind, context)
        if context.init is not None:
            export.take_weights(task.network, context.init, "autoencoder")
        return task

    def after(context: Context, task: Task) -> None:
        """Whiten the best network's codes, and fit directions and a prior to them."""
        network, space, _ = _best(context.run, task.settings, kind)
        path = context.run / WHITE
        if path.exists() and tensors.load(path)[1]["space"] == space:
            return
        chosen = task.crops.spread(MOST)
        task.crops.rows = task.crops.rows[chosen]
        raw = coded.encoded(task.crops, network.to(context.device).encode, context.device)
        white = coded.Whitening.fit(raw)
        codes = (raw - white.mean) @ white.forth
        coded.fit(codes, task.crops.gather("attributes"), space, context.run)
        facts = {"space": space, "frame": task.frame}
        tensors.save(path, {"mean": white.mean, "forth": white.forth, "back": white.back}, facts)

    def finish(run: Path, settings: Settings, out: Path) -> dict[str, Any]:
        """Write the graphs, directions, prior and the raw codes' place into the bundle `out`."""
        network, space, facts = _best(run, settings, kind)
        kept, about = tensors.load(run / WHITE) if (run / WHITE).exists() else ({}, {})
        if about.get("space") != space:
            raise BadRun(
                f"{run} was stopped before its codes were whitened; call `facedial train` on it "
                "again, with the minutes it has had if they are to be all"
            )
        white = coded.Whitening(kept["mean"], kept["forth"], kept["back"])
        axes = export.round_network(network, {}, settings.pace.bits)
        size = (settings.dimensions, settings.side)
        modules = (_Encode(network, white), _Decode(network, white))
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
        settings=Settings(pace=pace),
        start=start,
        export=finish,
        after=after,
    )


def source_pace(rate: float, factor: float, patience: int) -> Pace:
    """Adam and a plateau, batches of 32, no average of weights: as the source trains."""
    return Pace(
        batch=32,
        rate=rate,
        betas=(0.9, 0.999),
        memory=1,
        schedule="plateau",
        factor=factor,
        patience=patience,
    )
