"""Adversarial fine-tuning of a distilled editor: its settings, its batches, its scores.

The losses are in `models.distilled_editor`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from facedial.changes import flow_edit
from facedial.codes.attributes import NAMES
from facedial.editing.implied import implied_by
from facedial.editing.table import EditMethod
from facedial.editor import Editor
from facedial.errors import BadRequest
from facedial.training import tensors
from facedial.training.batches import Crops
from facedial.training.models import perceptual
from facedial.training.models.classifier import Classifier
from facedial.training.models.distilled_editor import ConditionalDiscriminators, Critics, Edits
from facedial.training.models.latents import Latents, mirror
from facedial.training.recipe import RunContext, Terms
from facedial.training.tasks.pairs import attribute_mask, opposite

PREDICTED = "read"  # beginning of the names of files that keep the editor's predictions
FEATURE_PHOTOS = 256  # by which the scales of feature maps are measured
CLASSIFIER_PHOTOS = 6000  # by which the classifier's logits are measured
FEWEST = 8  # people, for a mean
IMPLIED_WEIGHT = 0.3  # of an implied attribute, beside the target's 1
POSITIVE_EVERY = 4  # one in so many faces has the attribute to be changed, however rare it is
MATCHING_FRACTION = 0.5  # of photos, those that have the target attribute of the face beside them


@dataclass(frozen=True, slots=True, kw_only=True)
class AdversarialConfig:
    """Weights of the terms of adversarial fine-tuning; off without a `features_file`.

    `distillation`: of the squared error of the flow's changes, over their square. `g_loss`,
    `g_loss_conditional`: of the generator's losses against the discriminators of pictures, and of
    pictures given attributes. `target`: of the difference, in s.d., between the classifier's logits of
    the target attributes and their mean over people who have them; nothing beyond that mean, where skin
    is painted white and mouths burst. `preserve`: of the change, in s.d., of the other attributes'
    probabilities. `unpaired_fraction` of a batch are edits without a flow's example, of `faces`
    training people. `classifier`: bundle of the classifier, the bundle's own where none is named;
    gradients of one trained adversarially are more useful. `features`, `features_file`: as for the
    recipe `gan-decoder`. `warmup_steps`: at first, in which only the discriminators and the
    distillation are trained.
    """

    features: str = perceptual.SQUEEZENET
    features_file: str = ""
    classifier: str = ""
    distillation: float = 8.0
    g_loss: float = 2.0
    g_loss_conditional: float = 1.0
    target: float = 12.0
    preserve: float = 6.0
    unpaired_fraction: float = 0.7
    faces: int = 30000
    warmup_steps: int = 100

    def __post_init__(self) -> None:
        weights = (self.distillation, self.g_loss, self.g_loss_conditional, self.target)
        if min(*weights, self.preserve) < 0:
            raise BadRequest("weights of terms must be 0 or more")
        if not 0 < self.unpaired_fraction < 1:
            raise BadRequest(
                f"unpaired_fraction must lie between 0 and 1, got {self.unpaired_fraction:g}"
            )


class EditSampler:
    """Draws edits: people with the attributes that the editor predicts, and a target attribute.

    Targets are the attributes that the bundle's edit table gives to the flow.
    """

    def __init__(
        self,
        context: RunContext,
        split: str,
        count: int,
        editor: Editor,
        codes: Tensor,
        latents: Latents,
    ) -> None:
        """Of at most `count` people of a split, whose codes are given; keeps predictions in the run."""
        self.latents = latents
        crops = Crops(context.stores, [split], editor.model.side)
        labels = 2 * crops.gather("attributes") - 1
        known = np.flatnonzero(~np.isnan(labels).any(1))
        if not len(known):
            raise BadRequest("adversarial fine-tuning needs people whose attributes are all known")
        some = known[np.linspace(0, len(known) - 1, min(count, len(known))).astype(int)]
        self.codes = codes[torch.from_numpy(some)]
        self.labels = labels[some].astype(np.float32)
        self.predicted = _predicted(
            context.run / f"{PREDICTED}-{split}.safetensors", editor, crops, some
        )
        self.names = [name for name in NAMES if editor.model.edit_table.uses_flow(name)]
        if not self.names:
            raise BadRequest(
                f"the edit table of {editor.model.path} gives no attribute to the flow; train edit-table"
            )
        self.flow = flow_edit(editor.model, EditMethod())
        self.masks = {
            name: torch.from_numpy(attribute_mask(editor, name))
            * editor.model.edit_table.of_attribute(name).gain
            for name in self.names
        }
        self.having = {
            (name, has): np.flatnonzero((self.labels[:, NAMES.index(name)] > 0) == has)
            for name in self.names
            for has in (False, True)
        }

    def draw(self, count: int, seed: int) -> Edits:
        """`count` edits, half of them mirrored, by `seed` alone."""
        rng = np.random.default_rng(seed)
        names = [self.names[i] for i in rng.integers(0, len(self.names), count)]
        rows = rng.integers(0, len(self.codes), count)
        photos = rng.integers(0, len(self.codes), count)
        conditions, signs = [], np.zeros((count, len(NAMES)), np.float32)
        for i, name in enumerate(names):
            if i % POSITIVE_EVERY == 0:
                rows[i] = self._one(name, True, rng, rows[i])
            predicted = self.predicted[rows[i]]
            target, has = opposite(self.flow, name, predicted)
            conditions.append(np.concatenate([2 * predicted - 1, target]))
            for other, value in implied_by({name: float(has)}, NAMES).items():
                signs[i, NAMES.index(other)] = IMPLIED_WEIGHT if value > 0.5 else -IMPLIED_WEIGHT
            signs[i, NAMES.index(name)] = 1 if has else -1
            if rng.random() < MATCHING_FRACTION:
                photos[i] = self._one(name, has, rng, photos[i])
        faces, shown = (self._encode(some) for some in (rows, photos))
        masks = torch.stack([self.masks[name] for name in names])[:, None]
        flipped = torch.from_numpy(rng.random(count) < 0.5)[:, None, None, None]
        return Edits(
            faces=torch.where(flipped, mirror(faces), faces),
            conditions=torch.from_numpy(np.stack(conditions).astype(np.float32)),
            masks=torch.where(flipped, masks.flip(3), masks),
            signs=torch.from_numpy(signs),
            photos=torch.where(flipped, mirror(shown), shown),
            labels=torch.from_numpy(self.labels[photos]),
        )

    def _encode(self, rows: NDArray[np.int64]) -> Tensor:
        codes = self.codes[torch.from_numpy(rows)].float().to(self.latents.mean.device)
        return self.latents.encode(codes).cpu()

    def _one(self, name: str, has: bool, rng: np.random.Generator, row: int) -> int:
        some = self.having[name, has]
        return int(rng.choice(some)) if len(some) else row


def _predicted(
    path: Path, editor: Editor, crops: Crops, rows: NDArray[np.int64]
) -> NDArray[np.float32]:
    """The bundle's predictions of attributes for those crops [N, 40]; kept in a file."""
    if path.exists():
        kept, about = tensors.load(path)
        if about.get("space") == editor.model.space and len(kept["read"]) == len(rows):
            return np.asarray(kept["read"].numpy())
    parts = np.split(rows, range(64, len(rows), 64))
    read = np.concatenate([editor.model.predict_attributes(crops.read(part)) for part in parts])
    tensors.save(path, {"read": torch.from_numpy(read)}, {"space": editor.model.space})
    return np.asarray(read)


def critics(
    config: AdversarialConfig, classifier: Classifier, latents: Latents, sampler: EditSampler
) -> tuple[Critics, ConditionalDiscriminators]:
    """The critics, with statistics over the sampler's people, and untrained discriminators."""
    device = latents.mean.device
    network = perceptual.features(config.features, Path(config.features_file)).to(device)
    classifier = classifier.to(device).eval().requires_grad_(False)
    ones = torch.ones(len(NAMES), device=device)
    plain = Critics(latents, network, classifier, torch.stack([ones, ones]), ones, ones)
    step = max(1, len(sampler.codes) // CLASSIFIER_PHOTOS)
    has = torch.from_numpy(sampler.labels[::step]) > 0
    with torch.no_grad():
        parts = torch.split(sampler.codes[::step].float().to(device), 64)
        photos = [latents.encode(part) for part in parts]
        maps = network(torch.cat([plain.picture(part) for part in photos[: FEATURE_PHOTOS // 64]]))
        logits = torch.cat([plain.logits(part) for part in photos])
    counts = [(~has).sum(0), has.sum(0)]
    # Where hardly anybody has (or lacks) an attribute there is no mean to speak of: a probability of
    # one half.
    class_logits = [
        (logits * side.to(device)).sum(0)
        / count.clamp_min(1).to(device)
        * (count >= FEWEST).to(device)
        for side, count in zip((~has, has), counts, strict=True)
    ]
    logit_deviation = logits.std(0).clamp_min(0.1)
    deviation = torch.sigmoid(logits).std(0).clamp_min(1e-2)
    scales = [float(one.float().square().mean().sqrt()) for one in maps]
    discriminators = ConditionalDiscriminators([one.shape[1] for one in maps], scales)
    measured = (torch.stack(class_logits), logit_deviation, deviation)
    return Critics(latents, network, classifier, *measured), discriminators


def terms(config: AdversarialConfig, raw: Mapping[str, Tensor], step: int) -> Terms:
    """The terms with their weights; during warm-up only distillation and discriminators count."""
    on = step >= config.warmup_steps
    names = ("g_loss", "g_loss_conditional", "target", "preserve")
    weights = {name: getattr(config, name) if on else 0.0 for name in names}
    return Terms(raw, {"distillation": config.distillation, **weights})
