"""The autoencoder: PCA of the 4:2:0 picture both ways, a decoder over it, and a refiner of codes.

PCA is fitted in closed form; what is trained is the rest: the decoder adds the residual to the linear
map's base picture, and the refiner corrects the linear code so that the reconstruction error falls.
"""

import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from facedial.errors import BadRequest, BadRun
from facedial.training import coded, export, losses, networks, tensors
from facedial.training.batches import Crops, grid, pictures
from facedial.training.models import autoencoder, latents
from facedial.training.models.autoencoder import Autoencoder
from facedial.training.recipe import OptimConfig, Recipe, RunContext

FITTED = "whitening.safetensors"
LINEAR = "linear.safetensors"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings(autoencoder.Config):
    """The network's sizes, and how it is trained.

    In training, codes are refined once to `refinements` times, and not at all in `unrefined_fraction` of
    batches: generated and edited codes are not refined, and must be decoded well too. `code_noise` is
    added to codes in training (1 = one s.d.); `val_images` validation pictures are scored.
    """

    unrefined_fraction: float = 0.2
    optim: OptimConfig = field(default_factory=lambda: OptimConfig(batch=16, lr=1.2e-3))
    code_noise: float = 0.01
    val_images: int = 256

    def __post_init__(self) -> None:
        autoencoder.Config.__post_init__(self)
        if not 0 <= self.unrefined_fraction <= 1:
            raise BadRequest(f"unrefined_fraction must lie in 0..1, got {self.unrefined_fraction}")


class Task:
    """Mean squared error of the reconstruction, over crops and their mirror images."""

    def __init__(self, network: Autoencoder, settings: Settings, context: RunContext) -> None:
        self.network = network
        self.optim = settings.optim
        self.settings = settings
        self.device = context.device
        self.crops = Crops(context.stores, ["train"])
        val = Crops(context.stores, ["val"])
        self.val = pictures(val.read(val.evenly(settings.val_images)), context.device)

    def loss(self, network: nn.Module, batch: int, seed: int, step: int = 0) -> Tensor:
        """Mean squared error times 100 (so that Adam's epsilon does not matter)."""
        chosen = self.crops.draw(batch, seed)
        pixels = torch.from_numpy(self.crops.read(chosen)).to(self.device).permute(0, 3, 1, 2)
        pixels[::2] = pixels[::2].flip(3)
        generator = torch.Generator().manual_seed(seed)
        noise = torch.randn(batch, self.settings.dimensions, generator=generator)
        most = self.settings.refinements
        drawn = float(torch.rand((), generator=generator)) if most else 0.0
        refined = most > 0 and drawn >= self.settings.unrefined_fraction
        refinements = 1 + seed % most if refined else 0
        error = network(pixels, self.settings.code_noise * noise.to(self.device), refinements)
        return 100 * losses.squared(error, torch.zeros_like(error))

    @torch.no_grad()
    def scores(self, network: nn.Module) -> dict[str, float]:
        """`psnr` (mean of dB) on validation people, `gain` over the linear map's, `spread` of codes.

        `spread`: standard deviation of the codes (1: as PCA's).
        """
        assert isinstance(network, Autoencoder)
        psnr: list[Tensor] = []
        linear: list[Tensor] = []
        spread: list[Tensor] = []
        for part in torch.split(self.val, 64):
            codes = network.encode(part)
            base = network.linear.base(network.linear.encode(part))
            for values, drawn in ((psnr, network.decode(codes)), (linear, base)):
                error = (drawn.clamp(0, 1) - part).square().mean((1, 2, 3))
                values.append(-10 * torch.log10(error))
            spread.append(codes)
        mean = float(torch.cat(psnr).mean())
        gain = mean - float(torch.cat(linear).mean())
        return {"psnr": mean, "gain": gain, "spread": float(torch.cat(spread).std())}

    @torch.no_grad()
    def sheet(self, network: nn.Module) -> NDArray[np.uint8]:
        """Ten validation people: crop, base picture of the code, reconstruction."""
        assert isinstance(network, Autoencoder)
        shown = self.val[:: max(1, len(self.val) // 10)][:10]
        codes = network.encode(shown)
        return grid([shown, network.linear.base(codes), network.decode(codes)])


def start(context: RunContext, settings: Settings) -> Task:
    """The task; the linear map is fitted once, or taken from a bundle with all other weights that fit."""
    network = Autoencoder(settings)
    fitted = context.run / LINEAR
    if context.init is not None and not fitted.exists():
        space = networks.load_part(network, context.init, "autoencoder", new=["refiner."])
        tensors.save(fitted, network.state_dict(), {"space": space})
    if fitted.exists():
        network.load_state_dict(tensors.load(fitted)[0])
    network = network.to(context.device)
    task = Task(network, settings, context)
    if not fitted.exists():
        _fit_linear(network, task)
        space = export.space_of(network.linear.basis)
        tensors.save(fitted, network.state_dict(), {"space": space})
    return task


def _best(run: Path, settings: Settings) -> tuple[Autoencoder, str, dict[str, Any]]:
    """The run's best network, the id of its code space, and the facts beside it.

    Where codes are refined, they depend on every weight, and the id is a hash of all; else codes are the
    linear map's, and the id stays while the decoder is trained.
    """
    network = Autoencoder(settings)
    facts = networks.load_best(network, run)
    space = str(tensors.load(run / LINEAR)[1]["space"])
    if settings.refinements:
        space = export.space_of(network.linear.basis, *network.parameters())
    return network, space, facts


@torch.no_grad()
def _fit_linear(network: Autoencoder, task: Task) -> None:
    moments = latents.Moments(task.device)
    for block in task.crops.blocks():
        moments.add(pictures(task.crops.read(block), task.device))
    linear = network.linear
    for buffer, value in zip(
        (linear.mean, linear.basis, linear.deviation),
        moments.solve(task.settings.dimensions),
        strict=True,
    ):
        buffer.copy_(value)
    sample = pictures(task.crops.read(task.crops.evenly(2048)), task.device)
    base = network.renderer.pack(linear.base(linear.encode(sample)))
    residual = network.renderer.pack(sample) - base
    network.renderer.plane_mean.copy_(base.mean((0, 2, 3))[:, None, None])
    network.renderer.plane_deviation.copy_(base.std((0, 2, 3))[:, None, None].clamp_min(0.02))
    network.renderer.residual_deviation.copy_(residual.std((0, 2, 3))[:, None, None])


def fit_codes(context: RunContext, task: Task) -> None:
    """Standardise the best network's codes; fit directions and a prior to those of labelled people.

    Refined codes are no longer of unit variance, so their deviations go into the linear map's; pictures
    do not change by this. Done once for each best network.
    """
    run = context.run
    network, space, _ = _best(run, task.settings)
    if (run / FITTED).exists() and tensors.load(run / FITTED)[1]["space"] == space:
        return
    codes = coded.of_autoencoder(task.crops, network, context.device)
    if task.settings.refinements:
        unit = codes.square().mean(0).sqrt().clamp_min(1e-6)
        codes /= unit
        network.linear.deviation *= unit.to(network.linear.deviation)
    tensors.save(run / "codes-train.safetensors", {"codes": codes.half()}, {"space": space})
    coded.fit(codes, task.crops.gather("attributes"), space, run)
    tensors.save(run / FITTED, {"deviation": network.linear.deviation}, {"space": space})


def finish(run: Path, settings: Settings, out: Path) -> dict[str, Any]:
    """Write the graphs, directions and prior of a run into the bundle folder `out`."""
    network, space, facts = _best(run, settings)
    white, about = tensors.load(run / FITTED) if (run / FITTED).exists() else ({}, {})
    if about.get("space") != space:
        raise BadRun(
            f"{run} was stopped before directions and prior were fitted to its codes; train it again "
            "with the budget it has had, to finish it as it is, or with a larger one"
        )
    network.linear.deviation.copy_(white["deviation"])
    # A scale for each component: the basis has a column for each. int8 whatever the configured bits:
    # stored codes must not come to mean other pictures.
    axes = export.quantize(network, {"linear.basis": 1}, bits=8)
    # The encoder runs the decoder in refinement, so both graphs hold the decoder.
    both = [name for name in axes if settings.refinements or name.startswith("linear.")]
    shared = [name for name in both if not name.startswith("refiner.")]
    size = (settings.dimensions, latents.PICTURE_SIDE)
    encode, decode = (
        autoencoder.Encode(network),
        autoencoder.Decode(network.linear, network.renderer),
    )
    export.write_pair(encode, decode, axes, shared, size, out)
    for name in coded.FITTED:
        if (run / name).exists():
            shutil.copyfile(run / name, out / name)
    side = latents.PICTURE_SIDE
    return {"space": space, "dimensions": settings.dimensions, "side": side, **facts}


RECIPE = Recipe(
    summary="the code: PCA of the 4:2:0 picture, a decoder (mean squared error), a refiner of codes",
    settings=Settings(),
    start=start,
    after=fit_codes,
    export=finish,
)
