"""Discriminators of pictures on the features of a frozen network, and their hinge losses.

They see the features through random projections, at several depths (Sauer 2021), and the picture's high
frequencies directly.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from facedial.training import losses
from facedial.training.precision import exact

PROJECTED = 64  # channels of features after the random projection
TEXTURE_GAIN = 6.0  # brings high frequencies to the scale of features

Features = Callable[[Tensor], list[Tensor]]


class Discriminators(nn.Module):
    """Pictures and their feature maps -> logits of being real: a map for each depth, one for texture.

    `channels`, `scales` of the feature maps: how many, and the root mean square of each on photos.
    """

    scales: Tensor

    def __init__(self, channels: list[int], scales: list[float]) -> None:
        super().__init__()
        self.register_buffer("scales", torch.tensor(scales))
        self.projections = nn.ModuleList(
            nn.Conv2d(count, PROJECTED, 1).requires_grad_(False) for count in channels
        )
        self.heads = nn.ModuleList(_head(PROJECTED, 96, 128) for _ in channels)
        self.texture = nn.Sequential(
            spectral_norm(nn.Conv2d(3, 48, 4, stride=2, padding=1)),
            nn.LeakyReLU(0.2),
            spectral_norm(nn.Conv2d(48, 96, 4, stride=2, padding=1)),
            nn.LeakyReLU(0.2),
            spectral_norm(nn.Conv2d(96, 1, 3, padding=1)),
        )

    def forward(self, pictures: Tensor, maps: list[Tensor]) -> list[Tensor]:
        """Pictures [N, 3, S, S] in 0..1 and their maps -> logits, each [N, 1, H, W]."""
        parts = zip(self.heads, self.projections, maps, self.scales, strict=True)
        logits = [head(projection(seen / scale)) for head, projection, seen, scale in parts]
        with exact(pictures):
            fine = (pictures - F.avg_pool2d(pictures, 5, 1, 2)) * TEXTURE_GAIN
        return [*logits, self.texture(fine)]


def _head(inputs: int, first: int, second: int) -> nn.Sequential:
    return nn.Sequential(
        spectral_norm(nn.Conv2d(inputs, first, 4, stride=2, padding=1)),
        nn.LeakyReLU(0.2),
        spectral_norm(nn.Conv2d(first, second, 3, padding=1)),
        nn.LeakyReLU(0.2),
        spectral_norm(nn.Conv2d(second, 1, 3, padding=1)),
    )


def coarse_from(logits: list[Tensor], first: int) -> list[Tensor]:
    """Logits of all pictures at the shallowest depth and of texture; else of pictures from `first` on."""
    return [logits[0], *(one[first:] for one in logits[1:-1]), logits[-1]]


@contextmanager
def frozen(module: nn.Module) -> Iterator[None]:
    """The module's parameters get no gradient from what is computed meanwhile."""
    trainable = [p for p in module.parameters() if p.requires_grad]
    for parameter in trainable:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in trainable:
            parameter.requires_grad_(True)


def d_loss(real: list[Tensor], generated: list[Tensor]) -> Tensor:
    """The discriminators' hinge loss, mean over maps and depths (Lim 2017, Miyato 2018)."""
    parts = [
        F.relu(1 - a.float()).mean() + F.relu(1 + b.float()).mean()
        for a, b in zip(real, generated, strict=True)
    ]
    return torch.stack(parts).mean()


def feature_distance(maps: list[Tensor], targets: list[Tensor], scales: Tensor) -> Tensor:
    """Mean squared difference of feature maps, each over the square of its scale; mean over depths."""
    parts = [
        losses.squared(one.float(), other.float()) / scale.square()
        for one, other, scale in zip(maps, targets, scales, strict=True)
    ]
    return torch.stack(parts).mean()


def g_loss(generated: list[Tensor]) -> Tensor:
    """The generator's hinge loss: minus the logits, mean over maps and depths."""
    return -torch.stack([one.float().mean() for one in generated]).mean()
