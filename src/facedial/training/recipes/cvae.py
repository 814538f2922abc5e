"""Our conditional VAE: calibrated error, attributes in every block, edits scored by a classifier."""

from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from facedial.codes.attributes import NAMES
from facedial.errors import BadRequest
from facedial.priors.conditional import UNKNOWN
from facedial.training import losses, networks, precision
from facedial.training.batches import pictures
from facedial.training.models import cvae, latents, perceptual
from facedial.training.recipe import OptimConfig, Recipe, RunContext, Terms
from facedial.training.tasks import attribute_scores
from facedial.training.tasks import conditional as shared

FLIPPED = ("Smiling", "Eyeglasses", "Male", "Blond_Hair", "Young", "Bangs")
EDITED = 128  # validation people whose attributes are edited to score edits
FITTED_TO = 12288  # people, for what is fitted in closed form


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Weights of the terms, each relative to half the log of the mean squared error.

    `kl`: of the divergence in nats (1: the evidence lower bound). `target`, `preserve`: of the
    classification loss of edited faces, in attributes that are edited and in all others (equal weights
    keep the decoder from adding a rare attribute to everyone). The classifier is that of the bundle
    `teacher`, best one trained adversarially; the packaged one unless named. `perceptual`: of the
    distance of `features` (vgg16, vgg19, squeezenet or none; weights from `features_file`). Fractions:
    `unknown_fraction` of attributes are set to unknown; `edited_fraction` of faces are edited;
    `predicted_fraction` of photos have the packaged classifier's predictions in place of labels;
    `perceptual_fraction` are compared by features, which is slow. `slope_fraction`, `temperature`,
    `emphasis`: see `tasks.conditional.Use`; targets lie up to `emphasis` times as far from the mean as
    labels do. `val_images` validation pictures are scored.
    """

    model: cvae.Config = field(default_factory=cvae.Config)
    optim: OptimConfig = field(
        default_factory=lambda: OptimConfig(batch=16, lr=2e-3, ema_steps=600, clip=1.0)
    )
    kl: float = 1.0
    target: float = 0.7
    preserve: float = 0.7
    perceptual: float = 0.2
    teacher: str = ""
    features: str = "none"
    features_file: str = ""
    unknown_fraction: float = 0.1
    predicted_fraction: float = 0.5
    edited_fraction: float = 0.75
    perceptual_fraction: float = 0.2
    slope_fraction: float = 0.0
    temperature: float = 0.7
    emphasis: float = 1.5
    val_images: int = 512

    def __post_init__(self) -> None:
        for name in ("unknown", "predicted", "edited", "perceptual"):
            fraction = getattr(self, f"{name}_fraction")
            if not 0 <= fraction <= 1:
                raise BadRequest(f"{name}_fraction must lie in 0..1, got {fraction}")
        if self.emphasis < 1:
            raise BadRequest(f"emphasis must be 1 or more, got {self.emphasis}")


class Task:
    """Reconstruction, divergence, and faces edited to other attributes, scored by a classifier."""

    def __init__(self, settings: Settings, context: RunContext) -> None:
        self.settings = settings
        self.optim = settings.optim
        self.device = context.device
        self.side = settings.model.side
        network, shape = build(settings)
        self.people = shared.People.of(context, "train", self.side, NAMES)
        val = shared.People.of(context, "val", self.side, NAMES)
        self.val = shared.Validation(val, settings.val_images, shape.latent, context.device)
        assert isinstance(network, cvae.Cvae)
        if not (context.run / "last.safetensors").exists():
            _fit(network, self.people)
        self.network = network.to(context.device)
        self.mean = self.people.features.mean(0)
        scored = partial(attribute_scores.AttributeScores, mean=self.mean, device=context.device)
        self.scored = scored()
        self.teacher = scored(path=settings.teacher) if settings.teacher else self.scored
        self.halves = precision.uses_bfloat16(context.device)
        self.features = None
        if settings.features != "none":
            path = Path(settings.features_file) if settings.features_file else None
            self.features = perceptual.features(settings.features, path).to(context.device)

    def loss(self, network: nn.Module, batch: int, seed: int, step: int = 0) -> Terms:
        """All terms per number of the picture, so that none depends on its size."""
        s, rng = self.settings, np.random.default_rng(seed)
        chosen = self.people.crops.draw(batch, seed)
        real = pictures(self.people.crops.read(chosen), self.device)
        real[::2] = real[::2].flip(3)
        labels = torch.from_numpy(self.people.features[chosen]).to(self.device)
        own = self._own(real, labels, rng)
        count = max(1, int(s.edited_fraction * batch))
        target, edited = attribute_scores.targets(labels[:count].cpu().numpy(), rng)
        scale = torch.from_numpy(rng.uniform(1, s.emphasis, (count, 1)).astype(np.float32))
        mean = torch.from_numpy(self.mean)
        given = torch.where(edited, mean + scale * (target - mean), target).to(self.device)
        target, edited = target.to(self.device), edited.to(self.device)
        noise = torch.from_numpy(rng.standard_normal((batch, s.model.latent), np.float32))
        plain = self.network
        assert isinstance(plain, cvae.Cvae)
        packed = plain.pack(real)
        codes = plain.linear.encode(real, own)
        again, changed, log_variance = network(codes, own, given, noise.to(self.device))
        numbers = real[0].numel()
        raw = {
            "nll": losses.calibrated(again, packed) / numbers,
            "kl": losses.normal_divergence(codes, log_variance).sum(1).mean() / numbers,
        }
        logits = self.teacher.disturbed(plain.unpack(changed), rng)
        raw["target"] = attribute_scores.loss(logits, target, edited)
        raw["preserve"] = attribute_scores.loss(logits, target, ~edited)
        if self.features is not None:
            some = slice(0, max(1, int(s.perceptual_fraction * batch)))
            drawn = plain.unpack(again[some])
            with torch.autocast(self.device.type, torch.bfloat16, enabled=self.halves):
                raw["perceptual"] = perceptual.distance(self.features, drawn, real[some])
        names = ("kl", "target", "preserve", "perceptual")
        return Terms(raw, {name: getattr(s, name) for name in names})

    @torch.no_grad()
    def _own(self, real: Tensor, labels: Tensor, rng: np.random.Generator) -> Tensor:
        """The encoder's attributes: labels, or predictions, as it will get when used."""
        predicted = torch.from_numpy(rng.random(len(labels)) < self.settings.predicted_fraction)
        found = torch.sigmoid(self.scored.as_trained(real))
        own = torch.where(predicted[:, None].to(self.device), found, labels)
        unknown = torch.from_numpy(rng.random(labels.shape) < self.settings.unknown_fraction)
        return torch.where(unknown.to(self.device), torch.full_like(own, UNKNOWN), own)

    def scores(self, network: nn.Module) -> dict[str, float]:
        """`Validation.scores`, and `edit_success`: share of edited attributes that the classifier finds.

        `score`, by which the best is kept, is the PSNR plus 1 dB for each tenth of edit success.
        """
        assert isinstance(network, cvae.Cvae)
        scores = self.val.scores(network)
        success = self._edit_success(network)
        return {"score": scores["psnr"] + 10 * success, **scores, "edit_success": success}

    @torch.no_grad()
    def _edit_success(self, network: cvae.Cvae) -> float:
        """Of validation people with one of `FLIPPED` inverted, with the emphasis of new faces.

        By the packaged classifier, which is not the teacher unless none was named, corrected to a prior
        of one half.
        """
        mean, right = torch.from_numpy(self.mean).to(self.device), []
        some, features = self.val.pictures[:EDITED], self.val.features[:EDITED]
        codes, _ = network.posterior(some, features)
        for name in FLIPPED:
            k = NAMES.index(name)
            target = (features[:, k] <= UNKNOWN).float()
            edited = features.clone()
            edited[:, k] = mean[k] + self.settings.emphasis * (target - mean[k])
            for block in torch.split(torch.arange(len(some)), 64):
                drawn = network.draw(codes[block], edited[block]).clamp(0, 1)
                found = self.scored.balanced(drawn)[:, k] > 0
                right.append((found == (target[block] > UNKNOWN)).float())
        return float(torch.cat(right).mean())

    def sheet(self, network: nn.Module) -> NDArray[np.uint8]:
        """See `Validation.sheet`; `FLIPPED` are the rows."""
        assert isinstance(network, cvae.Cvae)
        return self.val.sheet(network, FLIPPED)


@torch.no_grad()
def _fit(network: cvae.Cvae, people: shared.People) -> None:
    """Fit the linear part to people, evenly spaced, and their mirror images; then scales of planes."""
    chosen = people.crops.evenly(FITTED_TO)
    features = torch.from_numpy(people.features[chosen])
    flat: list[list[Tensor]] = [[], []]
    for block in np.array_split(chosen, max(1, len(chosen) // 256)):
        whole = pictures(people.crops.read(block), torch.device("cpu"))
        flat[0].append(latents.ycc420(whole))
        flat[1].append(latents.ycc420(whole.flip(3)))
    network.linear.fit(torch.cat([*flat[0], *flat[1]]), torch.cat([features, features]))
    some = np.linspace(0, len(chosen) - 1, min(1024, len(chosen))).astype(int)
    whole = pictures(people.crops.read(chosen[some]), torch.device("cpu"))
    code = network.linear.encode(whole, features[some])
    base = network.pack(network.linear.base(code, features[some]))
    rest = network.pack(whole) - base
    network.plane_mean.copy_(base.mean((0, 2, 3))[:, None, None])
    network.plane_deviation.copy_(base.std((0, 2, 3))[:, None, None].clamp_min(0.02))
    network.rest_deviation.copy_(rest.std((0, 2, 3))[:, None, None])


def build(settings: Settings) -> tuple[nn.Module, shared.Shape]:
    """A new network and its shape."""
    return cvae.Cvae(settings.model), shared.Shape(settings.model.latent, settings.model.side)


def start(context: RunContext, settings: Settings) -> Task:
    """A new network, or that of a bundle."""
    task = Task(settings, context)
    if context.init is not None:
        networks.load_part(task.network, context.init, "autoencoder", new=["log_variance"])
    return task


def after(context: RunContext, task: Task) -> None:
    """Encode people with the best network."""
    shared.keep_codes(context, task.settings, task.people, build)


def finish(run: Path, settings: Settings, out: Path) -> dict[str, Any]:
    """Write the bundle; the prior of new faces is fitted to codes, given the attributes."""
    storage = shared.Storage({"linear.basis": 1}, ("linear.basis", "linear.slope"))
    use = shared.Use(
        slope_fraction=settings.slope_fraction,
        temperature=settings.temperature,
        emphasis=settings.emphasis,
    )
    return shared.finish(run, settings, out, build, use, storage)


RECIPE = Recipe(
    summary="conditional VAE, ours: faces generated and edited by forty attributes",
    settings=Settings(),
    start=start,
    export=finish,
    after=after,
)
