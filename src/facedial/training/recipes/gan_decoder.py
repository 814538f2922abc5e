"""The GAN decoder of a bundle's codes: the `mse` decoder, fine-tuned with discriminators."""

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from facedial import scores as measures
from facedial.editor import Editor
from facedial.errors import BadRequest, BadRun
from facedial.runtime.bundle import Bundle
from facedial.training import coded, export, legacy, networks, tensors
from facedial.training.batches import Crops, grid, pictures
from facedial.training.models import decoder, gan_decoder, latents, perceptual
from facedial.training.models.autoencoder import Autoencoder, Decode
from facedial.training.models.discriminators import Discriminators
from facedial.training.models.perceptual import SQUEEZENET
from facedial.training.models.unet import SIDE
from facedial.training.recipe import OptimConfig, Recipe, RunContext, Terms, from_json

LINEAR, GENERATED, INITIAL = "linear.safetensors", "drawn.safetensors", "begun.safetensors"
PREFIX = "renderer."  # of the decoder's weights in a run and in the graph
MEASURED = 256  # photos by which the scales of feature maps are measured
SHARPNESS_DB = 8.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Weights of the decoder's terms: `mse`, `perceptual` distance, `g_loss`.

    `features`, `features_file`: the frozen network (vgg16, vgg19, squeezenet) of discriminators and
    perceptual distance, which then must not measure the result. `warmup_steps`: at first, in which only
    the discriminators and the squared error are trained. `code_noise` is added to codes in training (1
    = one s.d.). `val_images` validation pictures are scored. `generated_fraction` of a batch are
    generated codes, so that new faces are sharp too, out of `generated` codes, which the bundle's flow
    draws in `flow_steps` steps; none where it has no flow. `init_weight`: the exported weights are
    their mean with those of the GAN decoder that the run started from, if it did, with this weight:
    artefacts of single runs cancel (Wortsman 2022, arXiv 2203.05482).
    """

    mse: float = 20.0
    perceptual: float = 0.05
    g_loss: float = 0.02
    features: str = SQUEEZENET
    features_file: str = ""
    warmup_steps: int = 200
    code_noise: float = 0.01
    val_images: int = 256
    generated_fraction: float = 0.5
    generated: int = 1024
    flow_steps: int = 10
    init_weight: float = 0.5
    optim: OptimConfig = field(
        default_factory=lambda: OptimConfig(
            batch=16,
            lr=2e-4,
            betas=(0.5, 0.99),
            ema_steps=1000,
            lr_factors=(("discriminators.", 2.0),),
        )
    )

    def __post_init__(self) -> None:
        if min(self.mse, self.perceptual, self.g_loss) < 0:
            raise BadRequest("weights of terms must be 0 or more")
        if not 0 <= self.init_weight < 1:
            raise BadRequest(f"init_weight must lie in 0..1, below 1, got {self.init_weight:g}")
        if not 0 <= self.generated_fraction < 1 or self.generated < 1:
            raise BadRequest(
                "generated_fraction must lie in 0..1, below 1, and generated must be 1 or more"
            )


class Task:
    """Decoder and discriminators at once, on codes of training people and their mirror images."""

    def __init__(
        self, settings: Settings, context: RunContext, autoencoder: Autoencoder, space: str
    ) -> None:
        self.settings = settings
        self.optim = settings.optim
        self.device = context.device
        self.autoencoder = autoencoder
        self.crops = Crops(context.stores, ["train"])
        self.codes = coded.cached(context, self.crops, autoencoder, space, "train")
        self.generated = _generated(context, settings, space)
        path = Path(settings.features_file) if settings.features_file else None
        self.features = perceptual.features(settings.features, path).to(context.device)
        val = Crops(context.stores, ["val"])
        self.val = pictures(val.read(val.evenly(settings.val_images)), context.device)
        parts = torch.split(self.val, 64)
        self.val_base = torch.cat([autoencoder.linear.base(autoencoder.encode(p)) for p in parts])
        photos = pictures(self.crops.read(self.crops.evenly(MEASURED)), context.device)
        with torch.no_grad():
            maps = self.features(photos)
        scales = [float(one.float().square().mean().sqrt()) for one in maps]
        generator = gan_decoder.GanDecoder(autoencoder.config.decoder)
        generator.init_from(autoencoder.renderer)
        counts = [one.shape[1] for one in maps]
        discriminators = Discriminators(counts, scales)
        self.network = gan_decoder.GanTraining(generator, discriminators).to(context.device)

    def loss(self, network: nn.Module, batch: int, seed: int, step: int = 0) -> Terms:
        """The decoder's terms and `d_loss`; adversarial and perceptual terms count after the warm-up."""
        s = self.settings
        chosen = self.crops.draw(batch, seed)
        generator = torch.Generator().manual_seed(seed)
        real = pictures(self.crops.read(chosen), self.device)
        codes = self.codes[torch.from_numpy(chosen)].float()
        codes = codes + s.code_noise * torch.randn(codes.shape, generator=generator)
        new = int(s.generated_fraction * batch) if len(self.generated) else 0
        if new:
            some = torch.randint(len(self.generated), (new,), generator=generator)
            codes[:new] = self.generated[some].float()
        shape = (batch, gan_decoder.ALL_NOISE, SIDE, SIDE)
        noise = torch.randn(*shape, generator=generator).to(self.device)
        with torch.no_grad():
            base = self.autoencoder.linear.base(codes.to(self.device))
        # The base picture is mirrored in place of the code: the basis is almost symmetric.
        real[::2], base[::2] = real[::2].flip(3), base[::2].flip(3)
        with torch.no_grad():
            generated = self.autoencoder.renderer(base[:new]) if new else None
        raw = network(base, noise, real, self.features, generated)
        on = step >= s.warmup_steps
        weights = {
            "mse": s.mse,
            "generated_mse": s.mse,
            "perceptual": s.perceptual if on else 0.0,
            "g_loss": s.g_loss if on else 0.0,
        }
        return Terms(raw, weights)

    @torch.no_grad()
    def scores(self, network: nn.Module) -> dict[str, float]:
        """`psnr` (mean of dB), `sharpness` over that of photos, and `score`: PSNR plus 8 dB x sharpness.

        Sharpness counts up to 1. With fewer dB the `mse` decoder, from which it starts, would score best.
        """
        assert isinstance(network, gan_decoder.GanTraining)
        drawn = torch.cat([network.renderer(part) for part in torch.split(self.val_base, 64)])
        error = (drawn.clamp(0, 1) - self.val).square().mean((1, 2, 3))
        psnr = float((-10 * torch.log10(error)).mean())
        real, own = (measures.sharpness(_bytes(one)).mean() for one in (self.val, drawn))
        ratio = float(own / real)
        score = psnr + SHARPNESS_DB * min(1.0, ratio)
        return {"score": score, "psnr": psnr, "sharpness": ratio}

    @torch.no_grad()
    def sheet(self, network: nn.Module) -> NDArray[np.uint8]:
        """Ten validation people: crop, `mse` decoder, GAN decoder."""
        assert isinstance(network, gan_decoder.GanTraining)
        step = max(1, len(self.val) // 10)
        shown, base = self.val[::step][:10], self.val_base[::step][:10]
        return grid([shown, self.autoencoder.renderer(base), network.renderer(base)])


def _generated(context: RunContext, settings: Settings, space: str) -> Tensor:
    """Codes float16 [N, D] of new faces, drawn once and kept in the run; none without a flow."""
    path = context.run / GENERATED
    with Editor.open(context.init) as editor:
        if not settings.generated_fraction or not editor.model.has_flow:
            return torch.zeros(0, 0)
        if path.exists():
            kept, about = tensors.load(path)
            if about["space"] != space:
                raise BadRun(
                    f"{path} holds codes of {about['space']}, this run needs {space}; remove it"
                )
            return kept["codes"]
        prior = editor.prior("learned", steps=settings.flow_steps, max_attempts=1)
        drawn = editor.generate(settings.generated, seed=context.seed, prior=prior)
    codes = torch.from_numpy(np.stack([code.values for code in drawn])).half()
    tensors.save(path, {"codes": codes}, {"space": space})
    return codes


def _bytes(drawn: Tensor) -> NDArray[np.uint8]:
    whole = (drawn.clamp(0, 1) * 255).round().byte().permute(0, 2, 3, 1)
    return np.ascontiguousarray(whole.cpu().numpy())


def start(context: RunContext, settings: Settings) -> Task:
    """From the `mse` decoder of a bundle (the packaged one unless named), or its GAN decoder."""
    with Bundle.open(context.init) as bundle:
        folder, parts = bundle.path, bundle.facts["parts"]
        autoencoder, space = networks.autoencoder_of(bundle)
    autoencoder = autoencoder.to(context.device).eval().requires_grad_(False)
    task = Task(settings, context, autoencoder, space)
    if context.init is not None and "sharp" in parts:
        generator = task.network.renderer
        networks.load_part(generator, folder, "sharp", new=gan_decoder.NEW, prefix=PREFIX)
        # A run that is resumed may find its own earlier export in the bundle: it did not start from that.
        if not (context.run / "last.safetensors").exists():
            tensors.save(context.run / INITIAL, generator.state_dict(), {"space": space})
    config = autoencoder.config
    sizes = {"decoder": dataclasses.asdict(config.decoder), "dimensions": config.dimensions}
    linear = {**autoencoder.linear.state_dict()}
    tensors.save(context.run / LINEAR, linear, {"space": space, **sizes})
    return task


def finish(run: Path, settings: Settings, out: Path) -> dict[str, Any]:
    """Write `sharp.onnx` and its golden numbers into the bundle `out`, whose codes it decodes.

    Raises `BadRun` when `out` holds an autoencoder of another space.
    """
    kept, about = tensors.load(run / LINEAR)
    export.check_space(run, out, about["space"], "learnt to decode", "train it again")
    sizes = legacy.settings("autoencoder", about)
    generator = gan_decoder.GanDecoder(from_json(decoder.Config(), sizes["decoder"]))
    facts = networks.load_best(generator, run, PREFIX)
    if (run / INITIAL).exists():
        first, _ = tensors.load(run / INITIAL)
        # They were measured on the best weights of the run, not on the mean that is exported.
        facts = {"scores_before_mean" if k == "scores" else k: v for k, v in facts.items()}
        best = generator.state_dict()
        generator.load_state_dict(
            {k: torch.lerp(value, first[k], settings.init_weight) for k, value in best.items()}
        )
    linear = latents.LinearMap(int(sizes["dimensions"]))
    linear.load_state_dict(kept)
    quantized = export.quantize(generator, {}, settings.optim.bits)
    axes = {f"{PREFIX}{name}": form for name, form in quantized.items()}
    basis = "linear.basis"
    codes = torch.randn(2, int(sizes["dimensions"]), generator=torch.Generator().manual_seed(0))
    names = (["codes"], ["pixels"])
    module = Decode(linear, generator)
    given = (codes.half().float(),)
    export.write_one(module, given, names, out / "sharp.onnx", {**axes, basis: 1}, [basis])
    return {**facts, "of": about["space"]}


RECIPE = Recipe(
    summary="the GAN decoder of a bundle's codes: discriminators on frozen features",
    settings=Settings(),
    start=start,
    export=finish,
    part="sharp",
)
