"""The detail network: draws what a picture enlarged from 128 to 256 pixels lacks, inside a region.

A U-Net of pre-activation residual blocks that starts at a quarter of the resolution by pixel unshuffle
and ends by pixel shuffle (Shi et al. 2016). Its input shows the photo outside the region, from which
skin, hair and grain can be continued. The photo's own crop as a reference is not an input: in training
the photo is the target, so a reference that shows the region gives the answer away, and one without the
region holds nothing that the composite does not.
"""

from dataclasses import dataclass
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from facedial.training import losses
from facedial.training.models.discriminators import (
    Discriminators,
    Features,
    d_loss,
    feature_distance,
    frozen,
    g_loss,
)
from facedial.training.models.unet import Block, Levels
from facedial.training.precision import exact

SIDE = 256
FACTOR = 4
NOISE = 8  # planes, at a quarter of the side
# In use the residual's high frequencies are amplified: the absolute error makes training draw too little
# of them.
SHARPENING = 1.3
# Cameras and JPEG keep colour at half the resolution; finer colour tells a drawing from a photo.
LUMA = (0.299, 0.587, 0.114)
COARSE = 8  # pixels along the side of the squares whose means an edit keeps
RESIDUAL_SCALE = 0.3  # of the last layer's output: residuals are small beside 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Config(Levels):
    """Sizes of the network (`Levels`)."""

    levels: tuple[tuple[int, int, int], ...] = ((64, 1, 2), (96, 2, 2), (128, 3, 0))


class DetailNetwork(nn.Module):
    """Composites, regions and noise -> pictures; the identity at initialisation.

    Composites [N, 3, S, S] in 0..1, regions [N, 1, S, S] in 0..1, noise [N, 8, S/4, S/4].
    """

    def __init__(self, config: Config) -> None:
        super().__init__()
        widths = [width for width, _, _ in config.levels]
        self.enter = nn.Conv2d(4 * FACTOR**2 + NOISE, widths[0], 3, padding=1)
        self.down = nn.ModuleList()
        for level, (width, count, _) in enumerate(config.levels):
            shrink = [nn.Conv2d(widths[level - 1], width, 2, stride=2)] if level else []
            self.down.append(nn.Sequential(*shrink, *(Block(width, width) for _ in range(count))))
        self.across = nn.ModuleList(nn.Conv2d(below, above, 1) for above, below in pairwise(widths))
        self.up = nn.ModuleList(
            nn.Sequential(*(Block(width, width) for _ in range(count)))
            for width, _, count in config.levels[:-1]
        )
        self.leave = nn.Conv2d(widths[0], 3 * FACTOR**2, 3, padding=1)
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.leave.bias)  # type: ignore[arg-type]

    def forward(self, composites: Tensor, regions: Tensor, noise: Tensor) -> Tensor:
        """Pictures [N, 3, S, S], about 0..1; where a region is 0, exactly the composite's pixels."""
        return composites + regions * self.residual(composites, regions, noise)

    def restored(self, composites: Tensor, regions: Tensor, noise: Tensor) -> Tensor:
        """As `forward`, as in use: with the residual `finished`."""
        return composites + regions * finished(self.residual(composites, regions, noise))

    def residual(self, composites: Tensor, regions: Tensor, noise: Tensor) -> Tensor:
        """What is added inside the region, [N, 3, S, S] in float32."""
        with exact(composites):
            seen = F.pixel_unshuffle(torch.cat([2 * composites - 1, regions], 1), FACTOR)
        x = self.enter(torch.cat([seen, noise.to(seen)], 1))
        kept = []
        for part in self.down:
            x = part(x)
            kept.append(x)
        for level in reversed(range(len(self.up))):
            deep = F.interpolate(self.across[level](x), scale_factor=2.0, mode="nearest")
            x = self.up[level](deep + kept[level])
        return F.pixel_shuffle(self.leave(F.silu(x)).float(), FACTOR) * RESIDUAL_SCALE


def finished(residual: Tensor) -> Tensor:
    """A residual [N, 3, S, S] as in use: luma sharpened, colour smoothed.

    Luma has `SHARPENING` times what its 3x3 binomial mean lacks of it; what differs from luma is its 5x5
    binomial mean.
    """
    luma = torch.einsum("nchw,c->nhw", residual, residual.new_tensor(LUMA))[:, None]
    colour = _blurred(_blurred(residual - luma))
    return luma + (SHARPENING - 1) * (luma - _blurred(luma)) + colour


def _blurred(planes: Tensor) -> Tensor:
    """The 3x3 binomial mean of every plane [N, C, S, S]."""
    one = torch.tensor([0.25, 0.5, 0.25])
    count = planes.shape[1]
    kernel = torch.outer(one, one).expand(count, 1, 3, 3).to(planes)
    return F.conv2d(F.pad(planes, (1, 1, 1, 1), mode="replicate"), kernel, groups=count)


class Restore(nn.Module):
    """What is exported: composites uint8 [N, S, S, 3], regions [N, S, S], noise [N, 8, S/4, S/4].

    Returns pixels float32 [N, S, S, 3] in 0..255.
    """

    def __init__(self, network: DetailNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, composites: Tensor, regions: Tensor, noise: Tensor) -> Tensor:
        """Pixels; those outside the region are the composite's whole numbers."""
        pixels = composites.permute(0, 3, 1, 2).float()
        inside = regions[:, None]
        residual = finished(self.network.residual(pixels / 255, inside, noise))
        drawn = pixels + 255 * inside * residual
        return drawn.clamp(0, 255).permute(0, 2, 3, 1)


class DetailTraining(nn.Module):
    """The network and its discriminators: both losses of one batch, with separate gradients."""

    def __init__(self, detail: DetailNetwork, discriminators: Discriminators) -> None:
        super().__init__()
        self.detail = detail
        self.discriminators = discriminators

    def forward(
        self,
        composites: Tensor,
        regions: Tensor,
        noise: Tensor,
        photos: Tensor,
        features: Features,
        edits: tuple[Tensor, Tensor, Tensor] | None = None,
    ) -> dict[str, Tensor]:
        """Inputs of the network and photos [N, 3, S, S] -> terms, each a scalar.

        `edits`: composites, regions and noise [M, ...] of edits. There is no photo to restore, so they
        are judged by the discriminators alone, drawn as in use, and `kept` is the change of their
        coarse picture.
        """
        restored = self.detail(composites, regions, noise)
        drawn, kept = restored, restored.new_zeros(())
        if edits is not None:
            edited = self.detail.restored(*edits)
            coarse = (F.avg_pool2d(one, COARSE) for one in (edited, edits[0]))
            drawn, kept = torch.cat([restored, edited]), losses.absolute(*coarse)
        with torch.no_grad():
            real_maps = features(photos)
        maps = features(drawn)
        real_logits = self.discriminators(photos, real_maps)
        drawn_logits = self.discriminators(drawn.detach(), [one.detach() for one in maps])
        with frozen(self.discriminators):
            logits = self.discriminators(drawn, maps)
        paired = [one[: len(photos)] for one in maps]
        return {
            "absolute": losses.absolute(restored, photos),
            "perceptual": feature_distance(paired, real_maps, self.discriminators.scales),
            "kept": kept,
            "g_loss": g_loss(logits),
            "d_loss": d_loss(real_logits, drawn_logits),
        }
