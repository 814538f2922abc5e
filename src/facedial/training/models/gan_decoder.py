"""The GAN decoder, and the losses of its training.

The decoder is that of the autoencoder with noise planes beside its base picture: where squared error is
minimised by the mean of all pictures that a code may stand for, it may draw a sample.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from facedial.training import losses
from facedial.training.models.decoder import PLANES, Config, Decoder
from facedial.training.models.discriminators import (
    Discriminators,
    Features,
    coarse_from,
    d_loss,
    feature_distance,
    frozen,
    g_loss,
)
from facedial.training.models.unet import SIDE, UNet
from facedial.training.precision import exact

NOISE = 4  # noise planes of the U-Net
FINE = 2  # noise planes of the refinement head, at twice the size
HEAD_CHANNELS = 32
HEAD_SCALE = 0.1  # of the refinement head's output: what it adds is fine and small
ALL_NOISE = NOISE + 4 * FINE  # planes of 32x32 that hold all noise of a picture
NEW = ("noise", "fine", "touch.")  # weights that the autoencoder's decoder does not have


class RefinementHead(nn.Module):
    """A residual on the picture, computed at half its size; zero at initialisation.

    The U-Net's output are blocks of 4x4 pixels, computed independently, whose edges show as dashes on
    skin and as a weave in hair. The head's convolutions reach across those edges.
    """

    def __init__(self) -> None:
        super().__init__()
        self.enter = nn.Conv2d(12 + FINE, HEAD_CHANNELS, 3, padding=1)
        self.between = nn.Conv2d(HEAD_CHANNELS, HEAD_CHANNELS, 3, padding=1)
        self.leave = nn.Conv2d(HEAD_CHANNELS, 12, 3, padding=1)
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.leave.bias)  # type: ignore[arg-type]

    def forward(self, picture: Tensor, noise: Tensor) -> Tensor:
        """[N, 3, 128, 128] about 0..1 and noise [N, 2, 64, 64] -> [N, 3, 128, 128]."""
        with exact(picture):
            cells = F.pixel_unshuffle(picture - 0.5, 2) * 4
        x = F.silu(self.enter(torch.cat([cells, noise.to(cells)], 1)))
        x = self.leave(F.silu(self.between(x)))
        return F.pixel_shuffle(x.float(), 2) * HEAD_SCALE


class GanDecoder(Decoder):
    """Base picture [N, 3, 128, 128] and noise [N, 12, 32, 32] -> picture.

    The first four planes of the noise are the U-Net's, the rest the refinement head's (`touch`), four
    to a plane of 64x64. Buffers `noise`, `fine`: the fixed noise of inference.
    """

    noise: Tensor
    fine: Tensor

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.enter = nn.Conv2d(PLANES + NOISE, config.width, 3, padding=1)
        self.touch = RefinementHead()
        generator = torch.Generator().manual_seed(0)
        for name, planes in (("noise", NOISE), ("fine", 4 * FINE)):
            fixed = torch.randn(1, planes, SIDE, SIDE, generator=generator)
            self.register_buffer(name, fixed)

    def init_from(self, decoder: UNet) -> None:
        """Take the weights of an autoencoder's decoder of the same sizes; those of noise are zero."""
        state = decoder.state_dict()
        wide = torch.zeros_like(self.enter.weight)
        wide[:, :PLANES] = state["enter.weight"]
        missing, unexpected = self.load_state_dict({**state, "enter.weight": wide}, strict=False)
        assert all(name.startswith(NEW) for name in missing) and not unexpected

    def forward(self, base: Tensor, noise: Tensor | None = None) -> Tensor:
        """Base picture -> picture; with the fixed noise unless noise is given."""
        fixed = torch.cat([self.noise, self.fine], 1).expand(base.shape[0], -1, -1, -1)
        given = fixed if noise is None else noise
        packed = self.pack(base)
        planes = torch.cat([self.standardized(packed), given[:, :NOISE].to(packed)], 1)
        drawn = base + self.unpack(self.through(planes) * self.residual_deviation)
        picture: Tensor = drawn + self.touch(drawn, F.pixel_shuffle(given[:, NOISE:], 2))
        return picture


class GanTraining(nn.Module):
    """A decoder and its discriminators: both losses of one batch, with separate gradients.

    The decoder is called `renderer`, as in bundles and checkpoints.
    """

    def __init__(self, renderer: GanDecoder, discriminators: Discriminators) -> None:
        super().__init__()
        self.renderer = renderer
        self.discriminators = discriminators

    def forward(
        self,
        base: Tensor,
        noise: Tensor,
        real: Tensor,
        features: Features,
        generated: Tensor | None = None,
    ) -> dict[str, Tensor]:
        """Base pictures, noise [N, 12, 32, 32] and photos [N, 3, 128, 128] -> terms, each a scalar.

        `generated` [M, 3, 128, 128]: the first M base pictures are of generated codes, which have no
        photo to be compared with; these are the `mse` decoder's pictures, whose low frequencies they
        keep.
        """
        new = 0 if generated is None else len(generated)
        drawn = self.renderer(base, noise)
        with torch.no_grad():
            real_maps = features(real)
        maps = features(drawn)
        real_logits = self.discriminators(real, real_maps)
        drawn_logits = self.discriminators(drawn.detach(), [one.detach() for one in maps])
        with frozen(self.discriminators):
            logits = self.discriminators(drawn, maps)
        # Backgrounds of generated faces differ from those of photos in any case, and a decoder scored
        # by them scribbles on them. So generated faces are scored by their texture alone.
        drawn_logits, logits = (coarse_from(one, new) for one in (drawn_logits, logits))
        paired, targets = ([one[new:] for one in found] for found in (maps, real_maps))
        kept = drawn.new_zeros(())
        if generated is not None and new:
            kept = losses.squared(F.avg_pool2d(drawn[:new], 2), F.avg_pool2d(generated, 2))
        return {
            "mse": losses.squared(drawn[new:], real[new:]),
            "generated_mse": kept,
            "perceptual": feature_distance(paired, targets, self.discriminators.scales),
            "g_loss": g_loss(logits),
            "d_loss": d_loss(real_logits, drawn_logits),
        }
