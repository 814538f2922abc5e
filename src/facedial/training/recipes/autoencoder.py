"""The faithful autoencoder: PCA of the small picture both ways, a renderer, and a refiner of codes.

What PCA can do is fitted in closed form; only what it cannot do is learnt: a code decoded by the
linear map gives the base picture, the renderer draws the missing residual over it, and the refiner
moves the linear code to where the drawing comes nearer to the picture.
"""

import json
import logging
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from facedial.errors import BadRequest, BadRun
from facedial.training import coded, export, losses, tensors
from facedial.training.batches import Crops, grid, pictures
from facedial.training.models import refiner, renderer, small_picture
from facedial.training.recipe import Context, Pace, Recipe

log = logging.getLogger(__name__)

FITTED = "whitening.safetensors"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Numbers in a code, sizes of renderer and refiner, how often a code is refined (0: never).

    In training one to so many times, and in `plain_share` of batches not at all: drawn and moved
    codes are not the refiner's, and should be drawn well too. `code_noise` is added to codes in
    training (1 = one s.d.); `judged` pictures judge.
    """

    dimensions: int = 1024
    drawing: renderer.Config = field(default_factory=renderer.Config)
    refining: refiner.Config = field(default_factory=lambda: refiner.Config(up=2))
    refinements: int = 2
    plain_share: float = 0.2
    pace: Pace = field(default_factory=lambda: Pace(batch=16, rate=1.2e-3))
    code_noise: float = 0.01
    judged: int = 256

    def __post_init__(self) -> None:
        if self.refinements < 0:
            raise BadRequest(f"refinements must be 0 or more, got {self.refinements}")
        if not 0 <= self.plain_share <= 1:
            raise BadRequest(f"plain_share must lie in 0..1, got {self.plain_share}")


class Autoencoder(nn.Module):
    """Linear map, renderer and refiner. The linear map is not trained."""

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self.drawing = settings.drawing
        self.linear = small_picture.LinearMap(settings.dimensions)
        self.renderer = renderer.Renderer(settings.drawing)
        self.refinements = settings.refinements
        self.refiner = refiner.Refiner(settings.refining) if settings.refinements else None

    def encode(self, pixels: Tensor, refinements: int | None = None) -> Tensor:
        """RGB [N, 3, 128, 128] in 0..1 -> code [N, D]; refined so often, as the settings say if None."""
        codes = self.linear.encode(pixels)
        packed = self.renderer.pack(pixels)
        for _ in range(self.refinements if refinements is None else refinements):
            codes = self._moved(codes, self._seen(packed, codes))
        return codes

    def decode(self, codes: Tensor) -> Tensor:
        """Code [N, D] -> RGB [N, 3, 128, 128], about 0..1."""
        picture: Tensor = self.renderer(self.linear.base(codes))
        return picture

    def _seen(self, packed: Tensor, codes: Tensor) -> Tensor:
        """What the refiner is told: base picture, what it misses, what the drawing misses."""
        base = self.renderer.pack(self.linear.base(codes))
        missed = packed - base
        undrawn = missed - self.renderer.residual(base)
        unit = self.renderer.residual_deviation
        return torch.cat([self.renderer.white(base), missed / unit, undrawn / unit], 1)

    def _moved(self, codes: Tensor, seen: Tensor) -> Tensor:
        assert self.refiner is not None
        return codes + self.linear.project(self.refiner(seen))

    def forward(self, pixels: Tensor, noise: Tensor, refinements: int) -> Tensor:
        """uint8 [N, 3, 128, 128] -> planes of the reconstruction minus the crop's, [N, 48, 32, 32].

        Planes are an orthonormal change of coordinates: their squared error is the picture's. Only the
        last refinement gets a gradient, and what it is told gets none.
        """
        with torch.no_grad():
            pixels = pixels.float() / 255
            packed = self.renderer.pack(pixels)
            codes = self.encode(pixels, max(0, refinements - 1))
            seen = self._seen(packed, codes) if refinements else None
        if seen is not None:
            codes = self._moved(codes, seen)
        base = self.renderer.pack(self.linear.base(codes + noise))
        return base + self.renderer.residual(base) - packed


class Task:
    """Mean squared error of the reconstruction, over crops and their mirrors, refined up to n times."""

    def __init__(self, network: Autoencoder, settings: Settings, context: Context) -> None:
        self.network = network
        self.pace = settings.pace
        self.settings = settings
        self.device = context.device
        self.crops = Crops(context.stores, ["train"])
        judges = Crops(context.stores, ["val"])
        self.judged = pictures(judges.read(judges.spread(settings.judged)), context.device)

    def loss(self, network: nn.Module, batch: int, seed: int, step: int = 0) -> Tensor:
        """Mean squared error times 100 (so that Adam's epsilon does not matter)."""
        chosen = self.crops.draw(batch, seed)
        pixels = torch.from_numpy(self.crops.read(chosen)).to(self.device).permute(0, 3, 1, 2)
        pixels[::2] = pixels[::2].flip(3)
        generator = torch.Generator().manual_seed(seed)
        noise = torch.randn(batch, self.settings.dimensions, generator=generator)
        most = self.settings.refinements
        refined = (
            most > 0 and float(torch.rand((), generator=generator)) >= self.settings.plain_share
        )
        refinements = 1 + seed % most if refined else 0
        error = network(pixels, self.settings.code_noise * noise.to(self.device), refinements)
        return 100 * losses.squared(error, torch.zeros_like(error))

    @torch.no_grad()
    def scores(self, network: nn.Module) -> dict[str, float]:
        """`psnr` (mean of dB) on validation people, its gain over PCA of the small picture, and how far
        codes spread (1 = as PCA's).
        """
        assert isinstance(network, Autoencoder)
        psnr: list[Tensor] = []
        base: list[Tensor] = []
        spread: list[Tensor] = []
        for part in torch.split(self.judged, 64):
            codes = network.encode(part)
            plain = network.linear.base(network.linear.encode(part))
            for values, drawn in ((psnr, network.decode(codes)), (base, plain)):
                error = (drawn.clamp(0, 1) - part).square().mean((1, 2, 3))
                values.append(-10 * torch.log10(error))
            spread.append(codes)
        mean = float(torch.cat(psnr).mean())
        gain = mean - float(torch.cat(base).mean())
        return {"psnr": mean, "gain": gain, "spread": float(torch.cat(spread).std())}

    @torch.no_grad()
    def sheet(self, network: nn.Module) -> NDArray[np.uint8]:
        """Ten validation people: crop, base picture of the code, reconstruction."""
        assert isinstance(network, Autoencoder)
        shown = self.judged[:: max(1, len(self.judged) // 10)][:10]
        codes = network.encode(shown)
        return grid([shown, network.linear.base(codes), network.decode(codes)])


def start(context: Context, settings: Settings) -> Task:
    """The task; the linear map is fitted once, or taken from a bundle with all that fits."""
    network = Autoencoder(settings)
    fitted = context.run / "linear.safetensors"
    if context.init is not None and not fitted.exists():
        space = export.take_weights(network, context.init, "autoencoder", new=["refiner."])
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
    """The run's best network, the name of its code space, and the facts beside it.

    Where codes are refined, every weight has a say in them, so the space is named after all; else the
    space is the linear map's, and stays while the renderer learns.
    """
    network = Autoencoder(settings)
    state, facts = tensors.load(run / "best.safetensors")
    network.load_state_dict(state)
    space = str(tensors.load(run / "linear.safetensors")[1]["space"])
    if settings.refinements:
        space = export.space_of(network.linear.basis, *network.parameters())
    return network, space, facts


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
def encoded(context: Context, crops: Crops, network: Autoencoder, space: str, split: str) -> Tensor:
    """Codes float16 [N, D] of all crops of a split, made once and kept in the run.

    Those of a run in the folder beside this one are taken, if they are of the same stores and codes.
    Made in the precision that is fastest here. Raises `BadRun` when those kept are of other crops or
    another space.
    """
    path = context.run / f"codes-{split}.safetensors"
    if path.exists():
        kept, facts = tensors.load(path)
        if facts["space"] != space or len(kept["codes"]) != len(crops):
            raise BadRun(
                f"{path} holds {len(kept['codes'])} codes of {facts['space']}, this run needs "
                f"{len(crops)} of {space}; remove it or choose another -o"
            )
        return kept["codes"]
    codes = _beside(context, path.name, len(crops), space)
    if codes is None:
        codes = _made(context, crops, network).half()
    tensors.save(path, {"codes": codes}, {"space": space})
    return codes


def _made(context: Context, crops: Crops, network: Autoencoder) -> Tensor:
    device = context.device
    network.to(device, memory_format=torch.channels_last).eval()  # type: ignore[call-overload]
    return coded.encoded(crops, network.encode, device)


def _beside(context: Context, name: str, count: int, space: str) -> Tensor | None:
    """Codes [count, D] that another run of the same folder kept, of the same stores and space."""
    stores = [store.path.name for store in context.stores]
    for path in sorted(context.run.parent.glob(f"*/{name}")):
        about = path.parent / "run.json"
        if not about.exists() or json.loads(about.read_text()).get("stores") != stores:
            continue
        kept, facts = tensors.load(path)
        if facts["space"] == space and len(kept["codes"]) == count:
            log.info("codes of %s", path.parent)
            return kept["codes"]
    return None


def fit_codes(context: Context, task: Task) -> None:
    """Whiten the best network's codes anew; fit directions and first prior to those of labelled people.

    Refined codes are no longer of unit variance, so deviations take up what they have; base pictures,
    and all that is drawn over them, stay what they were. Done once for each best network.
    """
    run = context.run
    network, space, _ = _best(run, task.settings)
    if (run / FITTED).exists() and tensors.load(run / FITTED)[1]["space"] == space:
        return
    codes = _made(context, task.crops, network)
    if task.settings.refinements:
        unit = codes.square().mean(0).sqrt().clamp_min(1e-6)
        codes /= unit
        network.linear.deviation *= unit.to(network.linear.deviation)
    tensors.save(run / "codes-train.safetensors", {"codes": codes.half()}, {"space": space})
    coded.fit(codes, task.crops.gather("attributes"), space, run)
    tensors.save(run / FITTED, {"deviation": network.linear.deviation}, {"space": space})


class _Encode(nn.Module):
    def __init__(self, network: Autoencoder) -> None:
        super().__init__()
        self.network = network

    def forward(self, pixels: Tensor) -> Tensor:
        return self.network.encode(pixels.permute(0, 3, 1, 2).float() / 255)


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
    network, space, facts = _best(run, settings)
    white, about = tensors.load(run / FITTED) if (run / FITTED).exists() else ({}, {})
    if about.get("space") != space:
        raise BadRun(
            f"{run} was stopped before directions and prior were fitted to its codes; "
            "call `facedial train` on it again, with the minutes it has had if they are to be all"
        )
    network.linear.deviation.copy_(white["deviation"])
    # One scale for each component: their columns are what the basis is made of. A byte a number whatever
    # the pace says: codes that people have stored must not move by more.
    axes = export.round_network(network, {"linear.basis": 1}, bits=8)
    # The encoder looks at what the renderer draws, so both graphs hold the renderer.
    both = [name for name in axes if settings.refinements or name.startswith("linear.")]
    shared = [name for name in both if not name.startswith("refiner.")]
    size = (settings.dimensions, small_picture.SIDE)
    export.write_pair(_Encode(network), _Decode(network), axes, shared, size, out)
    for name in coded.FITTED:
        if (run / name).exists():
            shutil.copyfile(run / name, out / name)
    return {"space": space, "dimensions": settings.dimensions, "side": small_picture.SIDE, **facts}


RECIPE = Recipe(
    summary="PCA of the small picture, a faithful renderer (squared error), a refiner of codes",
    settings=Settings(),
    start=start,
    after=fit_codes,
    export=finish,
)
