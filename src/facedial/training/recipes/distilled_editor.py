"""The distilled editor: a bundle's flow's edit in one evaluation instead of a hundred.

With `adversarial.features_file` it is fine-tuned instead, starting from the bundle's editor:
discriminators and a classifier score its edits besides (`models.distilled_editor`).
"""

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from facedial.codes.attributes import NAMES
from facedial.editor import Editor
from facedial.errors import BadBundle, BadRequest
from facedial.flow.inversion import EDIT_STEPS
from facedial.runtime.bundle import Bundle
from facedial.training import coded, export, losses, networks, tensors
from facedial.training.batches import Crops, grid
from facedial.training.models import flow, latents
from facedial.training.models.autoencoder import Autoencoder
from facedial.training.models.classifier import Classifier
from facedial.training.models.distilled_editor import (
    AdversarialEditing,
    ConditionalDiscriminators,
    Critics,
    DistilledEditor,
    Edits,
)
from facedial.training.recipe import OptimConfig, Recipe, RunContext, Terms, from_json
from facedial.training.tasks.adversarial import AdversarialConfig, EditSampler, critics, terms
from facedial.training.tasks.pairs import PairMaker, Pairs, collected, fastest

HELD_OUT = 16  # every so many-th pair is held out for validation
LATENTS = "planes.safetensors"  # in a run: the map from codes to latents


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How many `pairs` the flow makes before the training begins, each in `flow_steps` steps.

    `identity_fraction` of a batch have their source attributes as targets, and a change of zero.
    `pairs_from`: a run whose pairs are taken instead. `adversarial`: of fine-tuning; `val_images`:
    validation people whose edits are scored then.
    """

    model: flow.Config = field(default_factory=lambda: flow.Config(width=32))
    optim: OptimConfig = field(
        default_factory=lambda: OptimConfig(batch=64, lr=1e-3, ema_steps=500, bits=5)
    )
    pairs: int = 12000
    flow_steps: int = EDIT_STEPS
    identity_fraction: float = 1 / 16
    pairs_from: str = ""
    val_images: int = 256
    adversarial: AdversarialConfig = field(default_factory=AdversarialConfig)

    def __post_init__(self) -> None:
        if self.pairs < 2 * HELD_OUT:
            raise BadRequest(f"pairs must be {2 * HELD_OUT} or more, got {self.pairs}")


class Task:
    """Distillation: squared error of the change, under the attribute's mask."""

    def __init__(
        self, settings: Settings, context: RunContext, pairs: Pairs, space: latents.Latents
    ) -> None:
        self.settings = settings
        self.optim = settings.optim
        self.device = context.device
        self.network = DistilledEditor(settings.model).to(context.device)
        self.pairs = pairs
        self.latents = space.to(context.device)
        every = torch.arange(len(pairs))
        self.val_rows = every[every % HELD_OUT == 0]
        self.train_rows = every[every % HELD_OUT != 0]

    def loss(self, network: nn.Module, batch: int, seed: int, step: int = 0) -> Tensor:
        """Mean squared error of masked changes of latents."""
        faces, conditions, changes, masks = self.batch(batch, seed)
        return losses.squared(network(faces, conditions) * masks, changes * masks)

    def batch(self, batch: int, seed: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Pairs to train on, mirrored half of the time, as `Pairs.at` has them."""
        generator = torch.Generator().manual_seed(seed)
        rows = self.train_rows[torch.randint(len(self.train_rows), (batch,), generator=generator)]
        faces, conditions, changes, masks = self.pairs.at(rows, self.device)
        same = int(self.settings.identity_fraction * batch)
        if same:
            source, _ = conditions[:same].chunk(2, 1)
            conditions[:same] = torch.cat([source, source], 1)
            changes[:same] = 0
            masks[:same] = 1
        flipped = torch.rand(batch, generator=generator) < 0.5
        flipped = flipped.to(self.device)[:, None, None, None]
        faces = torch.where(flipped, latents.mirror(faces), faces)
        changes = torch.where(flipped, latents.mirror(changes), changes)
        masks = torch.where(flipped, masks.flip(3), masks)
        return faces, conditions, changes, masks

    @torch.no_grad()
    def scores(self, network: nn.Module) -> dict[str, float]:
        """`explained`: explained share of the square of held-out pairs' masked changes."""
        error, total = 0.0, 0.0
        for rows in torch.split(self.val_rows, 64):
            faces, conditions, changes, masks = self.pairs.at(rows, self.device)
            error += float(((network(faces, conditions) - changes) * masks).square().sum())
            total += float((changes * masks).square().sum())
        return {"explained": 1 - error / max(total, 1e-9), "loss": error / len(self.val_rows)}

    @torch.no_grad()
    def sheet(self, network: nn.Module) -> NDArray[np.uint8]:
        """Ten held-out pairs as base pictures: face, the flow's edit, the editor's."""
        some = self.val_rows[:: max(1, len(self.val_rows) // 10)][:10]
        faces, conditions, changes, masks = self.pairs.at(some, self.device)
        rows = (faces, faces + changes * masks, faces + network(faces, conditions) * masks)
        return grid([self.latents.linear.base(self.latents(row)).cpu() for row in rows])


class FineTuning:
    """Adversarial fine-tuning of an editor, beside distillation.

    `own`: the bundle's own classifier, by which edits are scored; it is not the one of the loss, unless
    there is no other.
    """

    def __init__(
        self,
        distillation: Task,
        observing: tuple[Critics, ConditionalDiscriminators],
        samplers: tuple[EditSampler, EditSampler],
        own: Classifier,
    ) -> None:
        self.distillation = distillation
        self.optim, self.device = distillation.optim, distillation.device
        self.config = distillation.settings.adversarial
        self.critics, discriminators = observing
        network = AdversarialEditing(distillation.network, discriminators)
        self.network = network.to(distillation.device)
        self.sampler, val = samplers
        self.val = val.draw(distillation.settings.val_images, 0)
        own = own.to(distillation.device).eval()
        scoring = dataclasses.replace(self.critics, classifier=own)
        with torch.no_grad():
            found = torch.sigmoid(scoring.logits(self.val.faces.to(self.device)))
        self.scoring = dataclasses.replace(scoring, deviation=found.std(0).clamp_min(1e-2))

    def loss(self, network: nn.Module, batch: int, seed: int, step: int = 0) -> Terms:
        """Distillation, generator and discriminator terms."""
        unpaired = min(max(2, round(self.config.unpaired_fraction * batch)), batch - 1)
        edits = self.sampler.draw(unpaired, seed).to(self.device)
        pairs = self.distillation.batch(batch - unpaired, seed)
        return terms(self.config, network(pairs, edits, self.critics), step)

    @torch.no_grad()
    def scores(self, network: nn.Module) -> dict[str, float]:
        """`score`: `target_probability` less `collateral`; and `explained`, as of distillation.

        Target probability: mean probability of the targets in edits of validation people, by the bundle's
        own classifier. Collateral: mean change of its other probabilities, in s.d.
        """
        assert isinstance(network, AdversarialEditing)
        probability, moved = [], []
        for edits in self.val.split(64):
            now, edited = self._edited(network, edits)
            before, after = (torch.sigmoid(self.scoring.logits(one)) for one in (now.faces, edited))
            probability.append((after * (now.signs == 1) + (1 - after) * (now.signs == -1)).sum(1))
            others = now.signs == 0
            change = (after - before).abs() / self.scoring.deviation
            moved.append((change * others).sum(1) / others.sum(1).clamp_min(1))
        found, collateral = (float(torch.cat(one).mean()) for one in (probability, moved))
        return {
            "score": found - collateral,
            "target_probability": found,
            "collateral": collateral,
            "explained": self.distillation.scores(network.editor)["explained"],
        }

    @torch.no_grad()
    def sheet(self, network: nn.Module) -> NDArray[np.uint8]:
        """Forty validation people in rows of twenty, each above its edit."""
        assert isinstance(network, AdversarialEditing)
        rows = []
        for edits in self.val.split(20)[:2]:
            now, edited = self._edited(network, edits)
            rows += [self.critics.picture(one).cpu() for one in (now.faces, edited)]
        return grid(rows)

    def _edited(self, network: AdversarialEditing, edits: Edits) -> tuple[Edits, Tensor]:
        """The edits on the device, and the edited faces' latents."""
        now = edits.to(self.device)
        return now, now.faces + network.editor(now.faces, now.conditions) * now.masks


def start(context: RunContext, settings: Settings) -> Task | FineTuning:
    """A new editor, distilled from the flow of a bundle (the packaged one unless named)."""
    with Editor.open(context.init, strict=False) as editor:
        bundle = editor.model.bundle
        if not editor.model.has_flow:
            raise BadBundle(f"{bundle.path} has no flow to distil")
        autoencoder, space = networks.autoencoder_of(bundle)
        to_latents = latents.Latents(autoencoder.linear)
        networks.load_part(to_latents, bundle.path, "flow-code", prefix="planes.")
        if settings.pairs_from:
            pairs = collected(Path(settings.pairs_from), settings.pairs, space, None)
        else:
            crops = Crops(context.stores, ["train"], editor.model.side)
            teacher = networks.flow_of(bundle).to(context.device)
            velocity = fastest(teacher, context.device)
            maker = PairMaker(editor, crops, velocity, settings.flow_steps)
            pairs = collected(context.run, settings.pairs, space, maker, context.seed)
        task = Task(settings, context, pairs, to_latents)
        tensors.save(context.run / LATENTS, to_latents.state_dict(), {"space": space})
        if settings.adversarial.features_file:
            return _fine_tuning(task, context, editor, autoencoder, space)
        weak = _weak_flow(bundle, settings.model)
        if weak is not None:
            task.network.init_from(weak)
    return task


def _fine_tuning(
    task: Task, context: RunContext, editor: Editor, autoencoder: Autoencoder, space: str
) -> FineTuning:
    """The task of fine-tuning the bundle's distilled editor."""
    settings, bundle = task.settings, editor.model.bundle
    if not editor.model.has_distilled_editor:
        raise BadBundle(
            f"{bundle.path} has no distilled editor to fine-tune; train one without "
            "adversarial.features_file first"
        )
    networks.load_part(task.network.network, bundle.path, "student")
    codes = {
        split: coded.cached(context, Crops(context.stores, [split]), autoencoder, space, split)
        for split in ("train", "val")
    }
    config = settings.adversarial
    with Bundle.open(Path(config.classifier) if config.classifier else bundle.path) as other:
        classifier = networks.classifier_of(other)
    samplers = (
        EditSampler(context, "train", config.faces, editor, codes["train"], task.latents),
        EditSampler(context, "val", settings.val_images, editor, codes["val"], task.latents),
    )
    observing = critics(config, classifier, task.latents, samplers[0])
    return FineTuning(task, observing, samplers, networks.classifier_of(bundle))


def _weak_flow(bundle: Bundle, config: flow.Config) -> flow.Flow | None:
    """The bundle's weak flow, if it has one of these sizes."""
    if not bundle.has("guide"):
        return None
    theirs = from_json(flow.Config(), networks.settings_of(bundle, "guide")["model"])
    return networks.flow_of(bundle, "guide") if theirs == config else None


def finish(run: Path, settings: Settings, out: Path) -> dict[str, Any]:
    """Write `student.onnx` and its golden numbers into the bundle `out`, whose flow was distilled.

    Raises `BadRun` when `out` holds an autoencoder of another space.
    """
    network = DistilledEditor(settings.model)
    fine_tuned = bool(settings.adversarial.features_file)
    facts = networks.load_best(network, run, "editor." if fine_tuned else "")
    _, about = tensors.load(run / LATENTS)
    export.check_space(run, out, about["space"], "learnt edits of", "train it again")
    generator = torch.Generator().manual_seed(0)
    shape = (2, latents.CHANNELS, latents.SIDE, latents.SIDE)
    faces = torch.randn(*shape, generator=generator).half().float()
    conditions = torch.randn(2, 2 * len(NAMES), generator=generator).half().float()
    axes = export.quantize(network, {}, settings.optim.bits)
    # The names of inputs are part of the bundle's format.
    names = (["planes", "wishes"], ["change"])
    export.write_one(network, (faces, conditions), names, out / "student.onnx", axes)
    return {**facts, "of": about["space"]}


RECIPE = Recipe(
    summary="the distilled editor: a bundle's flow's edit in one evaluation",
    settings=Settings(),
    start=start,
    export=finish,
    part="student",
)
