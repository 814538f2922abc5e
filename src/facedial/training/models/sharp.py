"""The sharp renderer, and the discriminators that teach it what photos look like.

The renderer is the faithful one with noise planes beside its base picture: where squared error wants the
mean of all pictures a code may have come from, it may draw one of them. The discriminators judge
features of a frozen network through random projections, at several depths (Sauer 2021), and the picture's
fine texture as it is.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from facedial.training.models.renderer import PLANES, Config, Renderer
from facedial.training.models.unet import SIDE, UNet
from facedial.training.precision import exact

NOISE = 4  # planes of noise that the U-Net sees
FINE = 2  # planes of noise at twice the size, for the last touch
TOUCHED = 32  # channels of the last touch
TOUCH = 0.1  # what its numbers are worth: it draws what is fine, and that is small
PROJECTED = 64  # channels of features that a discriminator sees
EVERY = NOISE + 4 * FINE  # planes of 32x32 that hold all noise of a picture
NEW = ("noise", "fine", "touch.")  # what the faithful renderer has not
TEXTURE_GAIN = 6.0  # brings what a blur leaves to the size of features


class Touch(nn.Module):
    """The last touch: what is added to a picture, worked out at half its size; zero at first.

    The U-Net draws in blocks of 4x4 pixels, each on its own, and their edges show as dashes on skin and
    as a weave in hair. Here what lies across those edges is seen.
    """

    def __init__(self) -> None:
        super().__init__()
        self.enter = nn.Conv2d(12 + FINE, TOUCHED, 3, padding=1)
        self.between = nn.Conv2d(TOUCHED, TOUCHED, 3, padding=1)
        self.leave = nn.Conv2d(TOUCHED, 12, 3, padding=1)
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.leave.bias)  # type: ignore[arg-type]

    def forward(self, picture: Tensor, noise: Tensor) -> Tensor:
        """[N, 3, 128, 128] about 0..1 and noise [N, 2, 64, 64] -> [N, 3, 128, 128]."""
        with exact(picture):
            cells = F.pixel_unshuffle(picture - 0.5, 2) * 4
        x = F.silu(self.enter(torch.cat([cells, noise.to(cells)], 1)))
        x = self.leave(F.silu(self.between(x)))
        return F.pixel_shuffle(x.float(), 2) * TOUCH


class Sharp(Renderer):
    """Base picture [N, 3, 128, 128] and noise [N, 12, 32, 32] -> picture.

    The first four planes of the noise are the U-Net's, the rest the last touch's, four to a plane of
    64x64. `noise`, `fine`: every face's in use.
    """

    noise: Tensor
    fine: Tensor

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.enter = nn.Conv2d(PLANES + NOISE, config.width, 3, padding=1)
        self.touch = Touch()
        generator = torch.Generator().manual_seed(0)
        for name, planes in (("noise", NOISE), ("fine", 4 * FINE)):
            fixed = torch.randn(1, planes, SIDE, SIDE, generator=generator)
            self.register_buffer(name, fixed)

    def take(self, faithful: UNet) -> None:
        """The weights of a faithful renderer of the same sizes; noise says nothing at first."""
        state = faithful.state_dict()
        wide = torch.zeros_like(self.enter.weight)
        wide[:, :PLANES] = state["enter.weight"]
        missing, unexpected = self.load_state_dict({**state, "enter.weight": wide}, strict=False)
        assert all(name.startswith(NEW) for name in missing) and not unexpected

    def forward(self, base: Tensor, noise: Tensor | None = None) -> Tensor:
        """Base picture -> picture; with the fixed noise where none is given."""
        fixed = torch.cat([self.noise, self.fine], 1).expand(len(base), -1, -1, -1)
        given = fixed if noise is None else noise
        packed = self.pack(base)
        planes = torch.cat([self.white(packed), given[:, :NOISE].to(packed)], 1)
        drawn = base + self.unpack(self.through(planes) * self.residual_deviation)
        picture: Tensor = drawn + self.touch(drawn, F.pixel_shuffle(given[:, NOISE:], 2))
        return picture


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


@contextmanager
def held(module: nn.Module) -> Iterator[None]:
    """What is computed meanwhile gives the module's parameters no gradient."""
    learning = [p for p in module.parameters() if p.requires_grad]
    for parameter in learning:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in learning:
            parameter.requires_grad_(True)


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
