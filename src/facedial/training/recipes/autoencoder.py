"""The faithful autoencoder: PCA of the small picture both ways, and a renderer trained on top.

What PCA can do is fitted in closed form; only what it cannot do is learnt: a code decoded by the
linear map gives the base picture, and the renderer draws the missing residual over it.
"""

import logging
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from facedial.codes.attributes import NAMES
from facedial.codes.directions import fit_directions
from facedial.codes.prior import GaussianPrior
from facedial.training import export, losses, tensors
from facedial.training.batches import Crops, grid, pictures
from facedial.training.models import renderer, small_picture
from facedial.training.recipe import Context, Pace, Recipe

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Numbers in a code, sizes of the renderer, noise on codes (1 = one s.d.), pictures that judge."""

    dimensions: int = 1024
    drawing: renderer.Config = field(default_factory=renderer.Config)
    pace: Pace = field(default_factory=lambda: Pace(batch=16, rate=1.2e-3))
    code_noise: float = 0.01
    judged: int = 256


class Autoencoder(nn.Module):
    """Linear map and renderer. Only the renderer is trained."""

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self.linear = small_picture.LinearMap(settings.dimensions)
        self.renderer = renderer.Renderer(settings.drawing)

    def decode(self, codes: Tensor) -> Tensor:
        """Code [N, D] -> RGB [N, 3, 128, 128], about 0..1."""
        picture: Tensor = self.renderer(self.linear.base(codes))
        return picture

    def forward(self, pixels: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """RGB in 0..1 -> residual planes predicted and wanted, [N, 48, 32, 32] in units of RGB.

        Planes are an orthonormal change of coordinates: their squared error is the picture's.
        """
        with torch.no_grad():
            base = self.linear.base(self.linear.encode(pixels) + noise)
            packed = self.renderer.pack(base)
            wanted = self.renderer.pack(pixels) - packed
        return self.renderer.residual(packed).float() * self.renderer.residual_deviation, wanted


class Task:
    """Mean squared error of the reconstruction, over crops and their mirrors."""

    def __init__(self, network: Autoencoder, settings: Settings, context: Context) -> None:
        self.network = network
        self.pace = settings.pace
        self.settings = settings
        self.device = context.device
        self.crops = Crops(context.stores, ["train"])
        judges = Crops(context.stores, ["val"])
        self.judged = pictures(judges.read(judges.spread(settings.judged)), context.device)

    def loss(self, network: nn.Module, batch: int, seed: int) -> Tensor:
        """Mean squared error times 100 (so that Adam's epsilon does not matter)."""
        chosen = self.crops.draw(batch, seed)
        pixels = pictures(self.crops.read(chosen), self.device)
        pixels[::2] = pixels[::2].flip(3)
        generator = torch.Generator().manual_seed(seed)
        noise = torch.randn(batch, self.settings.dimensions, generator=generator)
        output, wanted = network(pixels, self.settings.code_noise * noise.to(self.device))
        return 100 * losses.squared(output, wanted)

    @torch.no_grad()
    def scores(self, network: nn.Module) -> dict[str, float]:
        """`psnr` (mean of dB) on validation people, and its gain over the base picture."""
        assert isinstance(network, Autoencoder)
        psnr: list[Tensor] = []
        base: list[Tensor] = []
        for part in torch.split(self.judged, 64):
            codes = network.linear.encode(part)
            flat = network.linear.base(codes)
            for values, drawn in ((psnr, network.renderer(flat)), (base, flat)):
                error = (drawn.clamp(0, 1) - part).square().mean((1, 2, 3))
                values.append(-10 * torch.log10(error))
        mean = float(torch.cat(psnr).mean())
        return {"psnr": mean, "gain": mean - float(torch.cat(base).mean())}

    @torch.no_grad()
    def sheet(self, network: nn.Module) -> NDArray[np.uint8]:
        """Ten validation people: crop, base picture, reconstruction."""
        assert isinstance(network, Autoencoder)
        shown = self.judged[:: max(1, len(self.judged) // 10)][:10]
        codes = network.linear.encode(shown)
        return grid([shown, network.linear.base(codes), network.decode(codes)])


def start(context: Context, settings: Settings) -> Task:
    """The task; linear map, directions and prior are fitted once, or taken from a bundle."""
    network = Autoencoder(settings)
    fitted = context.run / "linear.safetensors"
    if context.init is not None and not fitted.exists():
        space = export.take_weights(network, context.init, "autoencoder")
        tensors.save(fitted, network.state_dict(), {"space": space})
    if fitted.exists():
        network.load_state_dict(tensors.load(fitted)[0])
    network = network.to(context.device)
    task = Task(network, settings, context)
    if not fitted.exists():
        _fit_linear(network, task)
        space = export.space_of(network.linear.basis)
        tensors.save(fitted, network.state_dict(), {"space": space})
    if not (context.run / "prior.npz").exists():
        _fit_codes(network, task, context.run, tensors.load(fitted)[1]["space"])
    return task


@torch.no_grad()
def _fit_linear(network: Autoencoder, task: Task) -> None:
    moments = small_picture.Moments(task.device)
    for block in task.crops.blocks():
        moments.add(pictures(task.crops.read(block), task.device))
    linear = network.linear
    for buffer, value in zip(
        (linear.mean, linear.basis, linear.deviation),
        moments.solve(task.settings.dimensions),
        strict=True,
    ):
        buffer.copy_(value)
    sample = pictures(task.crops.read(task.crops.spread(2048)), task.device)
    base = network.renderer.pack(linear.base(linear.encode(sample)))
    residual = network.renderer.pack(sample) - base
    network.renderer.plane_mean.copy_(base.mean((0, 2, 3))[:, None, None])
    network.renderer.plane_deviation.copy_(base.std((0, 2, 3))[:, None, None].clamp_min(0.02))
    network.renderer.residual_deviation.copy_(residual.std((0, 2, 3))[:, None, None])


@torch.no_grad()
def _fit_codes(network: Autoencoder, task: Task, run: Path, space: str) -> None:
    """Directions and the first prior from the codes of labelled training people."""
    labels = task.crops.gather("attributes")
    codes = np.concatenate(
        [
            network.linear.encode(pictures(task.crops.read(block), task.device)).cpu().numpy()
            for block in task.crops.blocks()
        ]
    )
    with np.errstate(invalid="ignore"):
        both = np.any(labels > 0.5, axis=0) & np.any(labels <= 0.5, axis=0)
    names = [name for name, usable in zip(NAMES, list(both), strict=True) if usable]
    if not names:
        log.warning(
            "no labels with people on both sides, so no directions and no prior were fitted"
        )
        return
    labels = labels[:, both]
    known = ~np.isnan(labels).all(1)
    fit_directions(codes[known], labels[known], names, space=space).save(run / "directions.npz")
    GaussianPrior.fit(codes[known], labels[known], names, space=space).save(run / "prior.npz")


class _Encode(nn.Module):
    def __init__(self, network: Autoencoder) -> None:
        super().__init__()
        self.linear = network.linear

    def forward(self, pixels: Tensor) -> Tensor:
        return self.linear.encode(pixels.permute(0, 3, 1, 2).float() / 255)


class _Decode(nn.Module):
    def __init__(self, network: Autoencoder) -> None:
        super().__init__()
        self.linear = network.linear
        self.renderer = network.renderer

    def forward(self, codes: Tensor) -> Tensor:
        picture: Tensor = self.renderer(self.linear.base(codes))
        return picture.permute(0, 2, 3, 1) * 255


def finish(run: Path, settings: Settings, out: Path) -> dict[str, Any]:
    """Write the graphs, directions and prior of a run into the bundle folder `out`."""
    network = Autoencoder(settings)
    state, facts = tensors.load(run / "best.safetensors")
    network.load_state_dict(state)
    # One scale for each component: their columns are what the basis is made of.
    axes = export.round_network(network, {"linear.basis": 1})
    export.write_pair(
        _Encode(network), _Decode(network), axes, "linear.basis", (settings.dimensions, 128), out
    )
    for name in ("directions.npz", "prior.npz"):
        if (run / name).exists():
            shutil.copyfile(run / name, out / name)
    space = tensors.load(run / "linear.safetensors")[1]["space"]
    return {"space": space, "dimensions": settings.dimensions, "side": 128, **facts}


RECIPE = Recipe(
    summary="PCA of the small picture and a faithful renderer (squared error)",
    settings=Settings(),
    start=start,
    export=finish,
)
