"""The first source's two autoencoders, layer by layer: `mse` with ReLU codes, `bce` with sigmoid codes.

Convolutions are 3x3; the picture shrinks to an eighth of its side and grows back. `width` scales every
channel count but the picture's three.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

KINDS = ("mse", "bce")


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """`kind`: which of the two; numbers in a code; pixels along the side; factor on channels."""

    kind: str = "mse"
    dimensions: int = 1024
    side: int = 128
    width: float = 1.0

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"kind must be one of {', '.join(KINDS)}, got {self.kind!r}")
        if self.side < 8 or self.side % 8:
            raise ValueError(f"side must be a multiple of 8, got {self.side}")
        if not 0 < self.width <= 4:
            raise ValueError(f"width must lie in (0, 4], got {self.width}")


class Plain(nn.Module):
    """RGB [N, 3, S, S] in 0..1 -> code [N, D] -> RGB of the same shape.

    Codes are non-negative (`mse`: ReLU) or lie in 0..1 (`bce`: sigmoid). Pictures of `mse` end in ReLU
    too, so values above 1 are possible.
    """

    def __init__(self, config: Config) -> None:
        super().__init__()

        def c(channels: int) -> int:
            return max(1, round(channels * config.width))

        small, d = config.side // 8, config.dimensions
        if config.kind == "mse":
            self.shape = (c(128), small, small)
            flat = c(128) * small * small
            self.encoder = nn.Sequential(
                nn.Conv2d(3, c(32), 3, padding=1), *_down(c(32), c(32)),
                *_down(c(32), c(64), 2),
                nn.Conv2d(c(64), c(128), 3, padding=1), *_down(c(128), c(128)),
                *_down(c(128), c(256), 2),
                nn.Conv2d(c(256), c(512), 3, padding=1), *_down(c(512), c(512)),
                *_down(c(512), c(512), 2), *_down(c(512), c(128)),
                nn.Flatten(), nn.Linear(flat, d), nn.BatchNorm1d(d), nn.ReLU(),
            )  # fmt: skip
            self.enter = nn.Sequential(nn.Linear(d, flat), nn.BatchNorm1d(flat))
            self.decoder = nn.Sequential(
                *_up(c(128), c(512)), *_up(c(512), c(512), 2),
                nn.ConvTranspose2d(c(512), c(512), 3, padding=1), *_up(c(512), c(256)),
                *_up(c(256), c(128), 2),
                nn.ConvTranspose2d(c(128), c(128), 3, padding=1), *_up(c(128), c(64)),
                *_up(c(64), c(32), 2),
                nn.ConvTranspose2d(c(32), c(32), 3, padding=1),
                nn.ConvTranspose2d(c(32), 3, 3, padding=1), nn.ReLU(),
            )  # fmt: skip
            return
        self.shape = (c(64), small, small)
        flat = c(64) * small * small
        self.encoder = nn.Sequential(
            *_down(3, c(32)), *_down(c(32), c(64), 2), *_down(c(64), c(128)),
            *_down(c(128), c(256), 2), *_down(c(256), c(512)), *_down(c(512), c(512), 2),
            *_down(c(512), c(256)), *_down(c(256), c(128)), *_down(c(128), c(64)),
            nn.Flatten(), nn.Linear(flat, 2 * d), nn.BatchNorm1d(2 * d), nn.ReLU(),
            nn.Linear(2 * d, d), nn.BatchNorm1d(d), nn.Sigmoid(),
        )  # fmt: skip
        self.enter = nn.Sequential(
            nn.Linear(d, 2 * d), nn.BatchNorm1d(2 * d), nn.ReLU(),
            nn.Linear(2 * d, flat), nn.BatchNorm1d(flat), nn.ReLU(),
        )  # fmt: skip
        self.decoder = nn.Sequential(
            *_up(c(64), c(128)), *_up(c(128), c(256)), *_up(c(256), c(512)),
            *_up(c(512), c(512), 2), *_up(c(512), c(256)), *_up(c(256), c(128), 2),
            *_up(c(128), c(64)), *_up(c(64), c(32), 2),
            nn.ConvTranspose2d(c(32), 3, 3, padding=1), nn.Sigmoid(),
        )  # fmt: skip

    def encode(self, pictures: Tensor) -> Tensor:
        """RGB [N, 3, S, S] in 0..1 -> code [N, D]."""
        codes: Tensor = self.encoder(pictures)
        return codes.float()

    def decode(self, codes: Tensor, logits: bool = False) -> Tensor:
        """Code [N, D] -> RGB [N, 3, S, S]; `logits`: before the last layer's activation."""
        x = self.enter(codes).reshape(-1, *self.shape)
        layers = list(self.decoder)
        for layer in layers[: len(layers) - logits]:
            x = layer(x)
        return torch.as_tensor(x).float()

    def forward(self, pictures: Tensor, logits: bool = False) -> Tensor:
        """The reconstruction."""
        return self.decode(self.encode(pictures), logits)


def _down(inputs: int, outputs: int, stride: int = 1) -> list[nn.Module]:
    convolution = nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1)
    return [convolution, nn.BatchNorm2d(outputs), nn.ReLU()]


def _up(inputs: int, outputs: int, stride: int = 1) -> list[nn.Module]:
    convolution = nn.ConvTranspose2d(
        inputs, outputs, 3, stride=stride, padding=1, output_padding=stride - 1
    )
    return [convolution, nn.BatchNorm2d(outputs), nn.ReLU()]


class Encode(nn.Module):
    """The graph `autoencoder-encode`: bytes [N, S, S, 3] -> whitened codes [N, D]."""

    mean: Tensor
    forth: Tensor

    def __init__(self, network: Plain, mean: Tensor, whiten: Tensor) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("mean", mean)
        self.register_buffer("forth", whiten)

    def forward(self, pixels: Tensor) -> Tensor:
        """Codes."""
        raw = self.network.encode(pixels.permute(0, 3, 1, 2).float() / 255)
        return (raw - self.mean) @ self.forth


class Decode(nn.Module):
    """The graph `autoencoder-decode`: whitened codes [N, D] -> pictures [N, S, S, 3], 0..255."""

    mean: Tensor
    back: Tensor

    def __init__(self, network: Plain, mean: Tensor, unwhiten: Tensor) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("mean", mean)
        self.register_buffer("back", unwhiten)

    def forward(self, codes: Tensor) -> Tensor:
        """Pictures."""
        picture = self.network.decode(self.mean + codes @ self.back)
        return picture.permute(0, 2, 3, 1) * 255
