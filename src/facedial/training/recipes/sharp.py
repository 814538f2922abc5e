"""The sharp renderer of a bundle's codes: the faithful one, taught by discriminators what photos are."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from facedial import scores as measures
from facedial.editor import Editor
from facedial.errors import BadBundle, BadRequest, BadRun
from facedial.runtime.bundle import Bundle
from facedial.training import export, losses, tensors
from facedial.training.batches import Crops, grid, pictures
from facedial.training.models import perceptual, sharp, small_picture
from facedial.training.models.unet import SIDE
from facedial.training.recipe import Context, Pace, Recipe, Terms, from_json
from facedial.training.recipes import autoencoder

LINEAR, POOL, BEGUN = "linear.safetensors", "drawn.safetensors", "begun.safetensors"
MEASURED = 256  # photos by which the size of features is measured
Features = Callable[[Tensor], list[Tensor]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Weights of the renderer's terms: squared error, distance of features, discriminators.

    `features`, `features_file`: the frozen network (vgg16, vgg19, squeezenet), which then must not
    measure the result. `warm`: steps at first in which the discriminators learn alone. `code_noise`
    is added to codes in training (1 = one s.d.). `judged` validation pictures are scored.
    `drawn`: share of what the discriminators are shown beside photos that is drawn of new codes, so
    that new faces are sharp too; `pool`: how many of those the bundle's flow makes, in `steps` steps.
    Nothing of it where the bundle has no flow. `begun`: share, in the weights that are exported, of
    those a sharp renderer went on from: each alone scribbles or weaves somewhere else, their mean
    hardly anywhere (after Wortsman 2022, arXiv 2203.05482).
    """

    squared: float = 20.0
    likeness: float = 0.05
    deceived: float = 0.02
    features: str = perceptual.SQUEEZENET
    features_file: str = ""
    warm: int = 200
    code_noise: float = 0.01
    judged: int = 256
    drawn: float = 0.5
    pool: int = 1024
    steps: int = 10
    begun: float = 0.5
    pace: Pace = field(
        default_factory=lambda: Pace(
            batch=16,
            rate=2e-4,
            betas=(0.5, 0.99),
            memory=1000,
            factors=(("discriminators.", 2.0),),
        )
    )

    def __post_init__(self) -> None:
        if min(self.squared, self.likeness, self.deceived) < 0:
            raise BadRequest("weights of terms must be 0 or more")
        if not 0 <= self.begun < 1:
            raise BadRequest(f"begun, a share, must lie in 0..1, below 1; got {self.begun:g}")
        if not 0 <= self.drawn < 1 or self.pool < 1:
            raise BadRequest(
                "the share drawn of new codes must lie in 0..1, below 1, of a pool of 1 or more"
            )


class Game(nn.Module):
    """A renderer and its discriminators: both losses of one batch, whose gradients do not meet."""

    def __init__(self, renderer: sharp.Sharp, discriminators: sharp.Discriminators) -> None:
        super().__init__()
        self.renderer = renderer
        self.discriminators = discriminators

    def forward(
        self,
        base: Tensor,
        noise: Tensor,
        real: Tensor,
        features: Features,
        plain: Tensor | None = None,
    ) -> dict[str, Tensor]:
        """Base pictures, noise [N, 12, 32, 32] and photos [N, 3, 128, 128] -> terms, each a scalar.

        `plain` [M, 3, 128, 128]: the first M pictures are of new codes, and stand beside no photo; this
        is how the faithful renderer draws them, and what the sharp one must keep to in the large.
        """
        new = 0 if plain is None else len(plain)
        drawn = self.renderer(base, noise)
        with torch.no_grad():
            real_maps = features(real)
        maps = features(drawn)
        told = self.discriminators(real, real_maps)
        not_told = self.discriminators(drawn.detach(), [one.detach() for one in maps])
        with sharp.held(self.discriminators):
            deceived = self.discriminators(drawn, maps)
        # Backgrounds of new faces are no photos' backgrounds, whatever the renderer does; judged for
        # that it scribbles on them. So new faces are judged by their texture alone.
        not_told, deceived = (sharp.coarse_from(one, new) for one in (not_told, deceived))
        likeness = [
            losses.squared(one[new:].float(), other[new:].float()) / scale.square()
            for one, other, scale in zip(maps, real_maps, self.discriminators.scales, strict=True)
        ]
        kept = drawn.new_zeros(())
        if plain is not None and new:
            kept = losses.squared(F.avg_pool2d(drawn[:new], 2), F.avg_pool2d(plain, 2))
        return {
            "squared": losses.squared(drawn[new:], real[new:]),
            "kept": kept,
            "likeness": torch.stack(likeness).mean(),
            "deceived": sharp.deceived(deceived),
            "judged": sharp.judged(told, not_told),
        }


class Task:
    """Both players at once, on codes of training people and their mirrors."""

    def __init__(
        self,
        settings: Settings,
        context: Context,
        faithful: autoencoder.Autoencoder,
        space: str,
    ) -> None:
        self.settings = settings
        self.pace = settings.pace
        self.device = context.device
        self.faithful = faithful
        self.crops = Crops(context.stores, ["train"])
        self.codes = autoencoder.encoded(context, self.crops, faithful, space, "train")
        self.pool = _pool(context, settings, space)
        path = Path(settings.features_file) if settings.features_file else None
        self.features = perceptual.features(settings.features, path).to(context.device)
        judges = Crops(context.stores, ["val"])
        self.judged = pictures(judges.read(judges.spread(settings.judged)), context.device)
        self.judged_base = torch.cat(
            [faithful.linear.base(faithful.encode(part)) for part in torch.split(self.judged, 64)]
        )
        photos = pictures(self.crops.read(self.crops.spread(MEASURED)), context.device)
        with torch.no_grad():
            maps = self.features(photos)
        scales = [float(one.float().square().mean().sqrt()) for one in maps]
        renderer = sharp.Sharp(faithful.drawing)
        renderer.take(faithful.renderer)
        counts = [one.shape[1] for one in maps]
        self.network = Game(renderer, sharp.Discriminators(counts, scales)).to(context.device)

    def loss(self, network: nn.Module, batch: int, seed: int, step: int = 0) -> Terms:
        """The renderer's terms and the discriminators' one; only errors and theirs while they warm up."""
        s = self.settings
        chosen = self.crops.draw(batch, seed)
        generator = torch.Generator().manual_seed(seed)
        real = pictures(self.crops.read(chosen), self.device)
        codes = self.codes[torch.from_numpy(chosen)].float()
        codes = codes + s.code_noise * torch.randn(codes.shape, generator=generator)
        new = int(s.drawn * batch) if len(self.pool) else 0
        if new:
            some = torch.randint(len(self.pool), (new,), generator=generator)
            codes[:new] = self.pool[some].float()
        noise = torch.randn(batch, sharp.EVERY, SIDE, SIDE, generator=generator).to(self.device)
        with torch.no_grad():
            base = self.faithful.linear.base(codes.to(self.device))
        # A mirrored code draws the mirrored base picture, but for what the basis cannot mirror.
        real[::2], base[::2] = real[::2].flip(3), base[::2].flip(3)
        with torch.no_grad():
            plain = self.faithful.renderer(base[:new]) if new else None
        raw = network(base, noise, real, self.features, plain)
        warm = step >= s.warm
        weights = {
            "squared": s.squared,
            "kept": s.squared,
            "likeness": s.likeness if warm else 0.0,
            "deceived": s.deceived if warm else 0.0,
        }
        return Terms(raw, weights)

    @torch.no_grad()
    def scores(self, network: nn.Module) -> dict[str, float]:
        """`merit`: PSNR (mean of dB) and 8 dB for full sharpness; both alone, sharpness over photos'.

        8: the faithful renderer, which begins, must not be the best of all.
        """
        assert isinstance(network, Game)
        drawn = torch.cat([network.renderer(part) for part in torch.split(self.judged_base, 64)])
        error = (drawn.clamp(0, 1) - self.judged).square().mean((1, 2, 3))
        psnr = float((-10 * torch.log10(error)).mean())
        real, own = (measures.sharpness(_bytes(one)).mean() for one in (self.judged, drawn))
        ratio = float(own / real)
        return {"merit": psnr + 8 * min(1.0, ratio), "psnr": psnr, "sharpness": ratio}

    @torch.no_grad()
    def sheet(self, network: nn.Module) -> NDArray[np.uint8]:
        """Ten validation people: crop, faithful drawing, sharp drawing."""
        assert isinstance(network, Game)
        step = max(1, len(self.judged) // 10)
        shown, base = self.judged[::step][:10], self.judged_base[::step][:10]
        return grid([shown, self.faithful.renderer(base), network.renderer(base)])


def _pool(context: Context, settings: Settings, space: str) -> Tensor:
    """Codes float16 [N, D] of new faces, made once and kept in the run; none without a flow."""
    path = context.run / POOL
    with Editor.open(context.init) as editor:
        if not settings.drawn or not editor.bundle.has_flow:
            return torch.zeros(0, 0)
        if path.exists():
            kept, about = tensors.load(path)
            if about["space"] != space:
                raise BadRun(
                    f"{path} holds codes of {about['space']}, this run needs {space}; remove it"
                )
            return kept["codes"]
        prior = editor.prior("learned", steps=settings.steps, tries=1)
        drawn = editor.generate(settings.pool, seed=context.seed, prior=prior)
    codes = torch.from_numpy(np.stack([code.values for code in drawn])).half()
    tensors.save(path, {"codes": codes}, {"space": space})
    return codes


def _bytes(drawn: Tensor) -> NDArray[np.uint8]:
    whole = (drawn.clamp(0, 1) * 255).round().byte().permute(0, 2, 3, 1)
    return np.ascontiguousarray(whole.cpu().numpy())


def start(context: Context, settings: Settings) -> Task:
    """From the faithful renderer of a bundle (the packaged one unless named), or its sharp one."""
    with Bundle.open(context.init) as bundle:
        folder, facts = bundle.path, bundle.facts
    try:
        given = facts["parts"]["autoencoder"]["settings"]
    except KeyError as error:
        raise BadBundle(f"{folder} holds no autoencoder whose codes could be drawn") from error
    faithful = autoencoder.Autoencoder(from_json(autoencoder.Settings(), given))
    space = export.take_weights(faithful, folder, "autoencoder")
    faithful = faithful.to(context.device).eval().requires_grad_(False)
    task = Task(settings, context, faithful, space)
    if context.init is not None and "sharp" in facts["parts"]:
        named = nn.ModuleDict({"renderer": task.network.renderer})
        export.take_weights(named, folder, "sharp", new=[f"renderer.{name}" for name in sharp.NEW])
        # A run that goes on may find its own earlier export in the bundle: that is no beginning.
        if not (context.run / "last.safetensors").exists():
            tensors.save(context.run / BEGUN, task.network.renderer.state_dict(), {"space": space})
    kept = {**faithful.linear.state_dict()}
    drawing = {"drawing": given["drawing"], "dimensions": given["dimensions"]}
    tensors.save(context.run / LINEAR, kept, {"space": space, **drawing})
    return task


class _Draw(nn.Module):
    def __init__(self, linear: small_picture.LinearMap, renderer: sharp.Sharp) -> None:
        super().__init__()
        self.linear = linear
        self.renderer = renderer

    def forward(self, codes: Tensor) -> Tensor:
        picture: Tensor = self.renderer(self.linear.base(codes))
        return picture.permute(0, 2, 3, 1) * 255


def finish(run: Path, settings: Settings, out: Path) -> dict[str, Any]:
    """Write `sharp.onnx` and its golden numbers into the bundle `out`, whose codes it draws.

    Raises `BadRun` when `out` holds an autoencoder of another space.
    """
    kept, about = tensors.load(run / LINEAR)
    export.check_space(run, out, about["space"], "learnt to draw", "train it again")
    config = from_json(autoencoder.Settings().drawing, about["drawing"])
    renderer = sharp.Sharp(config)
    state, facts = tensors.load(run / "best.safetensors")
    prefix = "renderer."
    drawing = {k[len(prefix) :]: value for k, value in state.items() if k.startswith(prefix)}
    if (run / BEGUN).exists():
        first, _ = tensors.load(run / BEGUN)
        # They were measured on what the run became, and that is not quite what ships.
        facts = {"scores_before_mean" if k == "scores" else k: v for k, v in facts.items()}
        drawing = {k: torch.lerp(value, first[k], settings.begun) for k, value in drawing.items()}
    renderer.load_state_dict(drawing)
    linear = small_picture.LinearMap(int(about["dimensions"]))
    linear.load_state_dict(kept)
    rounded = export.round_network(renderer, {}, settings.pace.bits)
    axes = {f"renderer.{name}": form for name, form in rounded.items()}
    basis = "linear.basis"
    generator = torch.Generator().manual_seed(0)
    codes = torch.randn(2, int(about["dimensions"]), generator=generator).half().float()
    names = (["codes"], ["pixels"])
    module = _Draw(linear, renderer)
    export.write_one(module, (codes,), names, out / "sharp.onnx", {**axes, basis: 1}, [basis])
    return {**facts, "of": about["space"]}


RECIPE = Recipe(
    summary="the sharp renderer of a bundle's codes: a discriminator on frozen features",
    settings=Settings(),
    start=start,
    export=finish,
)
