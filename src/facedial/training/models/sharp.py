"""The sharp renderer, and the discriminators that teach it what photos look like.

The renderer is the faithful one with noise planes beside its base picture: where squared error wants the
mean of all pictures a code may have come from, it may draw one of them. The discriminators judge
features of a frozen network through random projections, at several depths (Sauer 2021), and the picture's
fine texture as it is.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from facedial.training.models.renderer import PLANES, Config, Renderer
from facedial.training.models.unet import SIDE, UNet
from facedial.training.precision import exact

NOISE = 4  # planes
PROJECTED = 64  # channels of features that a discriminator sees
TEXTURE_GAIN = 6.0  # brings what a blur leaves to the size of features


class Sharp(Renderer):
    """Base picture [N, 3, 128, 128] and noise [N, 4, 32, 32] -> picture. `noise`: every face's in use."""

    noise: Tensor

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.enter = nn.Conv2d(PLANES + NOISE, config.width, 3, padding=1)
        generator = torch.Generator().manual_seed(0)
        self.register_buffer("noise", torch.randn(1, NOISE, SIDE, SIDE, generator=generator))

    def take(self, faithful: UNet) -> None:
        """The weights of a faithful renderer of the same sizes; noise says nothing at first."""
        state = faithful.state_dict()
        wide = torch.zeros_like(self.enter.weight)
        wide[:, :PLANES] = state["enter.weight"]
        missing, unexpected = self.load_state_dict({**state, "enter.weight": wide}, strict=False)
        assert set(missing) <= {"noise"} and not unexpected

    def residual(self, packed: Tensor, noise: Tensor | None = None) -> Tensor:
        """As the faithful one's; the fixed noise where none is given."""
        given = self.noise.expand(len(packed), -1, -1, -1) if noise is None else noise
        planes = torch.cat([self.white(packed), given.to(packed)], 1)
        return self.through(planes) * self.residual_deviation

    def forward(self, base: Tensor, noise: Tensor | None = None) -> Tensor:
        """Base picture -> picture."""
        return base + self.unpack(self.residual(self.pack(base), noise))


class Discriminators(nn.Module):
    """Pictures and their feature maps -> logits of being photos: a map for each depth, one for texture.

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
        """Pictures [N, 3, 128, 128] in 0..1 and their maps -> logits, each [N, 1, H, W]."""
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
    """All pictures' logits of what is fine, the shallowest map and the texture; else from `first` on."""
    return [logits[0], *(one[first:] for one in logits[1:-1]), logits[-1]]


def judged(real: list[Tensor], drawn: list[Tensor]) -> Tensor:
    """The discriminators' hinge loss, mean over maps and depths (Lim 2017, Miyato 2018)."""
    parts = [
        F.relu(1 - a.float()).mean() + F.relu(1 + b.float()).mean()
        for a, b in zip(real, drawn, strict=True)
    ]
    return torch.stack(parts).mean()


def deceived(drawn: list[Tensor]) -> Tensor:
    """The renderer's: minus the logits, mean over maps and depths."""
    return -torch.stack([one.float().mean() for one in drawn]).mean()
