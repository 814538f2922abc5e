"""The distilled editor: a flow's edit in one evaluation of a network, and its adversarial fine-tuning.

An editor that imitates a flow's edits inherits their errors, and their mean. In fine-tuning its edits are
also scored: by discriminators, one of which is conditioned on the attributes (Miyato 2018b), against
photos of people who have them; and by an attribute classifier, which must find the target attributes
changed and all others unchanged (He 2019, Liu 2019).
"""

from collections.abc import Callable
from dataclasses import dataclass, fields

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from facedial.codes.attributes import NAMES
from facedial.training import losses
from facedial.training.models import discriminators, flow
from facedial.training.models.classifier import Classifier
from facedial.training.models.latents import Latents

JOINT = 96  # numbers in which features and attributes are compared


class DistilledEditor(nn.Module):
    """Latents [N, 6, 32, 32] and source and target attributes [N, 2 K] -> the change of the latents."""

    def __init__(self, config: flow.Config) -> None:
        super().__init__()
        self.network = flow.Flow(config, 2 * len(NAMES))

    def forward(self, latents: Tensor, conditions: Tensor) -> Tensor:
        """Change [N, 6, 32, 32]."""
        source, target = conditions.chunk(2, 1)
        condition = torch.cat([source, target - source], 1)
        # The time at which a flow's input is the face itself, whose weights this may start from.
        change: Tensor = self.network(latents, latents[:, 0, 0, 0] * 0 + 1, condition)
        return change

    def init_from(self, network: flow.Flow) -> None:
        """Start from the weights of a flow of the same sizes, with an output of zero."""
        state = network.state_dict()
        wide = self.network.state_dict()["wish.0.weight"].clone()
        wide[:, : len(NAMES)] = state["wish.0.weight"]
        zeros = {name: torch.zeros_like(state[name]) for name in ("leave.weight", "leave.bias")}
        self.network.load_state_dict({**state, **zeros, "wish.0.weight": wide})


class ConditionalDiscriminators(nn.Module):
    """Discriminators of pictures, and one of pictures together with attributes.

    `channels`, `scales` as for `discriminators.Discriminators`.
    """

    def __init__(self, channels: list[int], scales: list[float]) -> None:
        super().__init__()
        self.pictures = discriminators.Discriminators(channels, scales)
        self.scale = scales[-1]
        self.features = spectral_norm(nn.Linear(2 * channels[-1], JOINT))
        self.attributes = spectral_norm(nn.Linear(len(NAMES), JOINT))

    def forward(self, pictures: Tensor, maps: list[Tensor]) -> list[Tensor]:
        """Pictures [N, 3, 64, 64] in 0..1 and their feature maps -> logits of being real."""
        logits: list[Tensor] = self.pictures(pictures, maps)
        return logits

    def conditional(self, maps: list[Tensor], attributes: Tensor) -> Tensor:
        """Logits [N] of the picture being real, given the attributes [N, 40] in -1..1 (projection)."""
        last = maps[-1].float() / self.scale
        pooled = torch.cat([last.mean((2, 3)), last.amax((2, 3))], 1)
        joint = self.features(pooled).float() * self.attributes(attributes).float()
        logits: Tensor = joint.sum(1)
        return logits


@dataclass(frozen=True, slots=True, eq=False)
class Edits:
    """Faces to be edited without a flow's example, and photos for the discriminators.

    `faces`, `photos`: latents [N, 6, 32, 32]; `conditions` [N, 80]: source and target attributes in
    -1..1; `masks` [N, 1, 32, 32] by which a change is multiplied; `signs` [N, 40]: how the classifier's
    logits are to change, 1 or -1 for the target attribute, less for those it implies, 0 for all others;
    `labels` [N, 40] of the photos in -1..1.
    """

    faces: Tensor
    conditions: Tensor
    masks: Tensor
    signs: Tensor
    photos: Tensor
    labels: Tensor

    def to(self, device: torch.device) -> "Edits":
        """The same on a device."""
        return Edits(*(getattr(self, one.name).to(device) for one in fields(self)))

    def split(self, size: int) -> list["Edits"]:
        """The same in parts of `size` and a rest."""
        columns = (torch.split(getattr(self, one.name), size) for one in fields(self))
        return [Edits(*part) for part in zip(*columns, strict=True)]


@dataclass(frozen=True, slots=True, eq=False)
class Critics:
    """Frozen networks that score latents: features of their picture, and an attribute classifier.

    `class_logits` [2, 40]: the classifier's mean logits of people without each attribute, and with it.
    `logit_deviation`, `deviation` [40]: s.d. over photos of the logits, and of the probabilities.
    """

    latents: Latents
    features: Callable[[Tensor], list[Tensor]]
    classifier: Classifier
    class_logits: Tensor
    logit_deviation: Tensor
    deviation: Tensor

    def picture(self, latents: Tensor) -> Tensor:
        """Latents -> RGB [N, 3, 64, 64], about 0..1, of the code that they encode to."""
        return F.avg_pool2d(self.latents.linear.base(self.latents(latents)), 2)

    def logits(self, latents: Tensor) -> Tensor:
        """Latents -> the classifier's logits [N, 40] of the code that they encode to."""
        return self.classifier.of_ycc420(self.latents.linear.flat(self.latents(latents))).float()


class AdversarialEditing(nn.Module):
    """An editor and its discriminators: both losses of one batch, with separate gradients."""

    def __init__(self, editor: nn.Module, discriminators: ConditionalDiscriminators) -> None:
        super().__init__()
        self.editor = editor
        self.discriminators = discriminators

    def forward(
        self, pairs: tuple[Tensor, Tensor, Tensor, Tensor], edits: Edits, critics: Critics
    ) -> dict[str, Tensor]:
        """A flow's pairs (`Pairs.at`) and edits without examples -> terms, each a scalar."""
        faces, conditions, changes, masks = pairs
        count = len(edits.faces)
        change = self.editor(
            torch.cat([edits.faces, faces]), torch.cat([edits.conditions, conditions])
        ).float()
        error = losses.squared(change[count:] * masks, changes * masks)
        edited = edits.faces + change[:count] * edits.masks
        picture = critics.picture(edited)
        maps = critics.features(picture)
        with torch.no_grad():
            photo = critics.picture(edits.photos)
            photo_maps = critics.features(photo)
            before = critics.logits(edits.faces)
        # Labels of photos are plainly -1 or 1; soft targets would tell edits from photos by themselves.
        target = torch.where(edits.conditions[:, len(NAMES) :] > 0, 1.0, -1.0)
        detached = [one.detach() for one in maps]
        real_logits = self.discriminators(photo, photo_maps)
        edited_logits = self.discriminators(picture.detach(), detached)
        mismatched = edits.labels.roll(1, 0)
        conditional = [
            F.relu(1 - self.discriminators.conditional(photo_maps, edits.labels)).mean(),
            F.relu(1 + self.discriminators.conditional(detached, target)).mean(),
            F.relu(1 + self.discriminators.conditional(photo_maps, mismatched)).mean() / 2,
        ]
        with discriminators.frozen(self.discriminators):
            g_loss = discriminators.g_loss(self.discriminators(picture, maps))
            g_loss_conditional = -self.discriminators.conditional(maps, target).mean()
        after = critics.logits(edited)
        sign = torch.sign(edits.signs)
        goal = torch.where(sign > 0, critics.class_logits[1], critics.class_logits[0])
        missing = F.relu(sign * (goal - after)) / critics.logit_deviation
        moved = (torch.sigmoid(after) - torch.sigmoid(before)).abs() / critics.deviation
        others = edits.signs == 0
        d_loss = discriminators.d_loss(real_logits, edited_logits)
        return {
            "distillation": error / losses.squared(changes * masks, 0 * changes).clamp_min(1e-6),
            "g_loss": g_loss,
            "g_loss_conditional": g_loss_conditional,
            "target": (edits.signs.abs() * missing).sum(1).mean(),
            "preserve": ((moved * others).sum(1) / others.sum(1).clamp_min(1)).mean(),
            "d_loss": d_loss + torch.stack(conditional).sum() / 2,
        }
