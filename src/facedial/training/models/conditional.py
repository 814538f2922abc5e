"""The second source's conditional VAE, layer by layer: 128 numbers and 32 attributes, six halvings."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from facedial.codes.attributes import NAMES

DROPPED = (
    "5_o_Clock_Shadow", "Arched_Eyebrows", "Blurry", "Bushy_Eyebrows", "Chubby", "Goatee",
    "Heavy_Makeup", "Sideburns",
)  # fmt: skip
FEATURES = tuple(name for name in NAMES if name not in DROPPED)
SLOPE = 0.01  # of the leaky ReLUs
SQUEEZE = 16
HALVINGS = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """Numbers in a code besides the features; pixels along the side, a multiple of 64.

    `feature_scale`: by which the decoder multiplies features, 0..1; 1 in the source.
    """

    latent: int = 128
    side: int = 128
    feature_scale: float = 1.0

    def __post_init__(self) -> None:
        if self.side < 64 or self.side % 64:
            raise ValueError(f"side must be a multiple of 64, got {self.side}")


class Down(nn.Module):
    """Residual block that halves: conv(k4 s2) BN act, conv(3) BN, plus conv(k4 s2) BN, act."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            *_conv(inputs, outputs), nn.Conv2d(outputs, outputs, 3, padding=1),
            nn.BatchNorm2d(outputs),
        )  # fmt: skip
        self.skip = nn.Sequential(
            nn.Conv2d(inputs, outputs, 4, stride=2, padding=1), nn.BatchNorm2d(outputs)
        )
        self.act = nn.LeakyReLU(SLOPE)

    def forward(self, x: Tensor) -> Tensor:
        """[N, inputs, H, W] -> [N, outputs, H/2, W/2]."""
        y: Tensor = self.act(self.body(x) + self.skip(x))
        return y


class Up(nn.Module):
    """The same, transposed: it doubles; then squeeze-and-excitation (Hu 2018), r = 16."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            *_transposed(inputs, outputs), nn.ConvTranspose2d(outputs, outputs, 3, padding=1),
            nn.BatchNorm2d(outputs),
        )  # fmt: skip
        self.skip = nn.Sequential(
            nn.ConvTranspose2d(inputs, outputs, 4, stride=2, padding=1), nn.BatchNorm2d(outputs)
        )
        self.act = nn.LeakyReLU(SLOPE)
        self.excite = nn.Sequential(
            nn.Linear(outputs, outputs // SQUEEZE), nn.ReLU(),
            nn.Linear(outputs // SQUEEZE, outputs), nn.Sigmoid(),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        """[N, inputs, H, W] -> [N, outputs, 2 H, 2 W]."""
        y: Tensor = self.act(self.body(x) + self.skip(x))
        scaled: Tensor = y * self.excite(y.mean((2, 3)))[:, :, None, None]
        return scaled


class Conditional(nn.Module):
    """Pictures RGB [N, 3, S, S] in 0..1 and features [N, 32] in 0..1, both ways by way of [N, 128]."""

    attributes = FEATURES

    def __init__(self, config: Config) -> None:
        super().__init__()
        small = config.side // 2**HALVINGS
        flat, k = 512 * small * small, len(FEATURES)
        self.shape = (512, small, small)
        self.feature_scale = config.feature_scale
        self.encoder = nn.Sequential(
            *_conv(3, 64), Down(64, 64), *_conv(64, 128), Down(128, 128), *_conv(128, 256),
            *_conv(256, 512), nn.Flatten(),
        )  # fmt: skip
        self.joined = nn.Sequential(nn.Linear(flat + k, 1024), nn.LeakyReLU(SLOPE))
        self.mean = nn.Linear(1024, config.latent)
        self.log_variance = nn.Linear(1024, config.latent)
        self.enter = nn.Sequential(
            nn.Linear(config.latent + k, 1024), nn.LeakyReLU(SLOPE), nn.Linear(1024, flat),
            nn.LeakyReLU(SLOPE),
        )  # fmt: skip
        self.decoder = nn.Sequential(
            Up(512, 256), Up(256, 128), *_transposed(128, 64), *_transposed(64, 64),
            *_transposed(64, 32), nn.ConvTranspose2d(32, 3, 4, stride=2, padding=1),
        )  # fmt: skip

    def posterior(self, pictures: Tensor, features: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log-variance [N, 128] of the code of each picture, given its own features."""
        joined = self.joined(torch.cat([self.encoder(pictures), features], 1))
        return self.mean(joined).float(), self.log_variance(joined).float()

    def logits(self, latent: Tensor, features: Tensor) -> Tensor:
        """Codes [N, 128] and features [N, 32] -> pictures [N, 3, S, S] before the sigmoid."""
        given = torch.cat([latent, self.feature_scale * features], 1)
        start = self.enter(given).reshape(-1, *self.shape)
        logits: Tensor = self.decoder(start)
        return logits.float()

    def draw(self, latent: Tensor, features: Tensor) -> Tensor:
        """The pictures, 0..1."""
        return torch.sigmoid(self.logits(latent, features))

    def forward(
        self, pictures: Tensor, features: Tensor, noise: Tensor, others: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Logits of the reconstruction from mean + sd * `noise`, then mean and log-variance.

        `others` [N, 32]: features of N more faces, whose logits follow. The codes of the first half are
        the pictures', those of the second are `noise` itself.
        """
        mean, log_variance = self.posterior(pictures, features)
        latent = mean + (0.5 * log_variance).exp() * noise
        if others is not None:
            half = len(others) // 2
            # No gradient reaches the encoder from what a face with other features looks like.
            latent = torch.cat([latent, latent[:half].detach(), noise[half:]])
            features = torch.cat([features, others])
        return self.logits(latent, features), mean, log_variance


def _conv(inputs: int, outputs: int) -> list[nn.Module]:
    convolution = nn.Conv2d(inputs, outputs, 4, stride=2, padding=1)
    return [convolution, nn.BatchNorm2d(outputs), nn.LeakyReLU(SLOPE)]


def _transposed(inputs: int, outputs: int) -> list[nn.Module]:
    convolution = nn.ConvTranspose2d(inputs, outputs, 4, stride=2, padding=1)
    return [convolution, nn.BatchNorm2d(outputs), nn.LeakyReLU(SLOPE)]
