"""How the second source's conditional VAEs are trained: `v9`, `v10`, `simple`, as coded or balanced.

As coded (`faithful`), cross-entropy is summed over a batch while the other terms are means, five to six
orders of magnitude smaller, and have no effect. Balanced, every term is a mean over pixels, or relative.
"""

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from facedial.errors import BadRequest
from facedial.training import losses, networks
from facedial.training.batches import pictures
from facedial.training.models import conditional, perceptual
from facedial.training.recipe import OptimConfig, Recipe, RunContext, Terms
from facedial.training.tasks import conditional as shared
from facedial.training.tasks.attribute_scores import AttributeScores, targets

FLIPPED = ("Smiling", "Eyeglasses", "Male", "Blond_Hair")
# Weights of balanced terms, chosen so that each adds about a third at the start of a training: squared
# error and divergence beside cross-entropy, all per pixel, and the relative perceptual distance.
BALANCED = {"bce": 1.0, "mse": 4.0, "kl": 1.0, "perceptual": 0.05}
RELATIVE = ("perceptual", "classification")
RECONSTRUCTIONS = ("mse", "bce")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The source's constants. `features`: vgg16, vgg19, squeezenet or none; `features_file`: weights.

    `rec_alpha`, `kl_beta`, `perceptual_lambda` are v10's; `reconstruction` is simple's, mse or bce.
    `faithful`: terms as the source adds them, else balanced. `classification`: weight of a term that
    the source has not, the classification loss, by the packaged classifier, of as many faces again, drawn
    with features of which some were inverted; 0: none. `feature_scale`: see `Config`. `val_images`
    validation pictures are scored.
    """

    latent: int = 128
    side: int = 128
    optim: OptimConfig = field(
        default_factory=lambda: OptimConfig(
            batch=32, lr=1e-3, betas=(0.9, 0.999), ema_steps=1, schedule="constant", clip=1.0
        )
    )
    faithful: bool = False
    features: str = "vgg16"
    features_file: str = ""
    rec_alpha: float = 0.5
    kl_beta: float = 1.0
    perceptual_lambda: float = 1.0
    reconstruction: str = "mse"
    classification: float = 0.0
    feature_scale: float = 1.0
    val_images: int = 512

    def __post_init__(self) -> None:
        if self.classification and self.faithful:
            raise BadRequest(
                "classification adds a term that the source has not: leave out --faithful"
            )
        if not 0 <= self.rec_alpha <= 1:
            raise BadRequest(f"rec_alpha must lie in 0..1, got {self.rec_alpha}")
        if self.reconstruction not in RECONSTRUCTIONS:
            raise BadRequest(
                f"reconstruction must be one of {', '.join(RECONSTRUCTIONS)}, "
                f"got {self.reconstruction!r}"
            )


class Task:
    """The source's four loss terms, without augmentation; the noise is normal."""

    def __init__(self, settings: Settings, kind: str, context: RunContext) -> None:
        self.kind = kind
        self.settings = settings
        self.device = context.device
        network, shape = build(settings)
        self.network = network.to(context.device)
        self.people = shared.People.of(context, "train", settings.side, conditional.FEATURES)
        # The source's attributes are 0 or 1.
        self.people.features = np.rint(self.people.features)
        self.epoch = max(1, len(self.people.crops) // settings.optim.batch)
        self.optim = dataclasses.replace(settings.optim, eval_every=self.epoch)
        val = shared.People.of(context, "val", settings.side, conditional.FEATURES)
        self.val = shared.Validation(val, settings.val_images, shape.latent, context.device)
        self.scored = None
        if settings.classification:
            mean = self.people.features.mean(0)
            self.scored = AttributeScores(mean, context.device, conditional.FEATURES)
        self.features = None
        if kind != "simple" and settings.features != "none":
            path = Path(settings.features_file) if settings.features_file else None
            self.features = perceptual.features(settings.features, path).to(context.device)

    def loss(self, network: nn.Module, batch: int, seed: int, step: int = 0) -> Terms:
        """Cross-entropy, squared error, divergence and perceptual distance, as `kind` adds them."""
        chosen = self.people.crops.draw(batch, seed)
        target = pictures(self.people.crops.read(chosen), self.device)
        own = torch.from_numpy(self.people.features[chosen]).to(self.device)
        generator = torch.Generator().manual_seed(seed)
        noise = torch.randn(batch, self.settings.latent, generator=generator).to(self.device)
        rng, others = np.random.default_rng(seed + 1), None
        if self.scored is not None:
            others, _ = targets(self.people.features[chosen], rng, conditional.FEATURES)
            others = others.to(self.device)
        given = (target, own, noise) if others is None else (target, own, noise, others)
        logits, mean, log_variance = network(*given)
        logits, edited = logits[:batch], logits[batch:]
        output = torch.sigmoid(logits)
        raw = {
            "bce": losses.binary(logits, target),
            "mse": (output - target).square().sum(),
            "kl": losses.normal_divergence(mean, log_variance).sum(),
        }
        if self.features is not None:
            apart = perceptual.plain_distance if self.settings.faithful else perceptual.distance
            raw["perceptual"] = apart(self.features, output, target)
        if self.scored is not None and others is not None:
            found = self.scored.disturbed(torch.sigmoid(edited), rng)
            raw["classification"] = losses.masked_binary(found, others)
        weight = losses.logistic_weight(step // self.epoch)
        return weighted(raw, self.kind, self.settings, weight, target.numel())

    def scores(self, network: nn.Module) -> dict[str, float]:
        """See `tasks.conditional.Validation.scores`."""
        assert isinstance(network, conditional.Conditional)
        return self.val.scores(network)

    def sheet(self, network: nn.Module) -> NDArray[np.uint8]:
        """See `tasks.conditional.Validation.sheet`; `FLIPPED` are the rows."""
        assert isinstance(network, conditional.Conditional)
        return self.val.sheet(network, tuple(n for n in FLIPPED if n in network.attributes))


def weighted(
    raw: dict[str, Tensor], kind: str, settings: Settings, kl_weight: float, numbers: int
) -> Terms:
    """The terms of one of the three losses. `raw`: sums over the batch, of so many `numbers`.

    v9: BCE + MSE + w KL + PL; v10: a BCE + (1 - a) MSE + w b KL + l PL; simple: one of the first two
    and w KL. Faithful, v9's MSE is the mean, v10's the sum.
    """
    s = settings
    if kind == "v9":
        weights = {"bce": 1.0, "mse": 1.0 / numbers, "kl": kl_weight, "perceptual": 1.0}
        balanced = {"bce": 1.0, "mse": 1.0, "kl": kl_weight, "perceptual": 1.0}
    elif kind == "v10":
        weights = {
            "bce": s.rec_alpha, "mse": 1 - s.rec_alpha, "kl": kl_weight * s.kl_beta,
            "perceptual": s.perceptual_lambda,
        }  # fmt: skip
        balanced = weights
    else:
        terms = (s.reconstruction, "kl", "classification")
        raw = {name: raw[name] for name in terms if name in raw}
        weights = {s.reconstruction: 1.0, "kl": kl_weight}
        balanced = weights
    if s.faithful:
        return Terms(raw, weights)
    # Sums become means over pixels; the others do not depend on the size of a picture.
    scale = {name: 1.0 if name in RELATIVE else 1.0 / numbers for name in raw}
    weights = {
        name: w * BALANCED[name] * scale[name] for name, w in balanced.items() if name in raw
    }
    return Terms(raw, weights | {"classification": s.classification})


def build(settings: Settings) -> tuple[nn.Module, shared.Shape]:
    """A new network and its shape."""
    config = conditional.Config(
        latent=settings.latent, side=settings.side, feature_scale=settings.feature_scale
    )
    return conditional.Conditional(config), shared.Shape(settings.latent, settings.side)


def recipe(kind: str, summary: str) -> Recipe:
    """The recipe of one of the three."""

    def start(context: RunContext, settings: Settings) -> Task:
        """A new network, or that of a bundle."""
        task = Task(settings, kind, context)
        if context.init is not None:
            networks.load_part(task.network, context.init, "autoencoder")
        return task

    def after(context: RunContext, task: Task) -> None:
        """Encode people with the best network."""
        shared.keep_codes(context, task.settings, task.people, build)

    def finish(run: Path, settings: Settings, out: Path) -> dict[str, Any]:
        """Write the bundle; new faces come from N(0, I), as in the source."""
        return shared.finish(run, settings, out, build, shared.Use(fitted=False))

    return Recipe(summary=summary, settings=Settings(), start=start, export=finish, after=after)
