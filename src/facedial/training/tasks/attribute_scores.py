"""Whether a drawn face has the attributes that were asked for, by a classifier, differentiably."""

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from facedial.codes.attributes import NAMES
from facedial.priors.conditional import UNKNOWN
from facedial.runtime.bundle import Bundle
from facedial.training import losses, networks, precision

HAIR = ("Bald", "Black_Hair", "Blond_Hair", "Brown_Hair", "Gray_Hair")


class AttributeScores:
    """Logits of the classifier of a bundle, frozen, on drawn faces; the packaged one unless named.

    `names`: the attributes that are scored; `mean` float [K]: their share of photos. Targets are
    balanced, so that logits are corrected for how rare attributes are in photos.
    """

    def __init__(
        self,
        mean: NDArray[np.float32],
        device: torch.device,
        names: Sequence[str] = NAMES,
        path: str | None = None,
    ) -> None:
        with Bundle.open(path) as bundle:
            self._network = networks.classifier_of(bundle).to(device)
        self._device = device
        self._columns = torch.tensor([NAMES.index(name) for name in names], device=device)
        self._prior = torch.logit(torch.from_numpy(mean).clamp(0.005, 0.995)).to(device)
        self._halves = precision.uses_bfloat16(device)

    def as_trained(self, pictures: Tensor) -> Tensor:
        """RGB [N, 3, S, S] in 0..1 -> logits float32 [N, K], with the prior of photos."""
        with torch.autocast(self._device.type, torch.bfloat16, enabled=self._halves):
            logits: Tensor = self._network(enlarged(pictures))
        return logits.float()[:, self._columns]

    def balanced(self, pictures: Tensor) -> Tensor:
        """The same, with a prior of one half for every attribute."""
        return self.as_trained(pictures) - self._prior

    def disturbed(self, pictures: Tensor, rng: np.random.Generator) -> Tensor:
        """`balanced` of pictures shifted, dimmed and given noise, against adversarial pixels."""
        x, y = rng.integers(-3, 4, 2)
        moved = torch.roll(enlarged(pictures), (int(y), int(x)), (2, 3))
        gain = torch.from_numpy(rng.uniform(0.9, 1.1, (len(moved), 1, 1, 1)).astype(np.float32))
        noise = torch.from_numpy(rng.standard_normal(moved.shape, np.float32)) * 0.02
        return self.balanced(moved * gain.to(moved) + noise.to(moved))


def loss(logits: Tensor, target: Tensor, where: Tensor) -> Tensor:
    """Cross-entropy in nats of targets [N, K] `where` bool [N, K] says so and they are known."""
    nothing = torch.full_like(target, torch.nan)
    return losses.masked_binary(logits, torch.where(where & (target != UNKNOWN), target, nothing))


def targets(
    labels: NDArray[np.float32], rng: np.random.Generator, names: Sequence[str] = NAMES
) -> tuple[Tensor, Tensor]:
    """Target attributes [N, K] for people with `labels`, and bool [N, K] where they are edited.

    One to three attributes are inverted, each with equal probability, however rare it is. Trained on
    other people's whole lists alone, a decoder learns to change correlated attributes together and none
    alone. A hair colour that is added removes the others.
    """
    hair = [k for k, name in enumerate(names) if name in HAIR]
    own = np.where(labels == UNKNOWN, UNKNOWN, labels > UNKNOWN).astype(np.float32)
    target = own.copy()
    for row, one in enumerate(target):
        for k in rng.choice(labels.shape[1], rng.integers(1, 4), replace=False):
            one[k] = float(labels[row, k] <= UNKNOWN)
            if k in hair and one[k] == 1:
                one[[other for other in hair if other != k]] = 0
    return torch.from_numpy(target), torch.from_numpy(target != own)


def enlarged(whole: Tensor) -> Tensor:
    """RGB [N, 3, S, S] at the classifier's 128 px; it downsamples by means."""
    return (
        F.interpolate(whole, size=(128, 128), mode="nearest") if whole.shape[-1] != 128 else whole
    )
