"""The graphs of conditional VAEs, whose codes end in the attributes."""

from typing import Protocol

import torch
from torch import Tensor, nn

from facedial.codes.attributes import NAMES


class Conditional(Protocol):
    """A conditional VAE; `features` are its attributes, 0..1."""

    attributes: tuple[str, ...]

    def posterior(self, pictures: Tensor, features: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log-variance [N, L] of RGB pictures [N, 3, S, S] in 0..1."""

    def draw(self, latent: Tensor, features: Tensor) -> Tensor:
        """Pictures [N, 3, S, S], about 0..1."""


class Encode(nn.Module):
    """Bytes [N, S, S, 3] and all 40 attributes in 0..1 -> code: mean, then the network's attributes."""

    columns: Tensor

    def __init__(self, network: Conditional) -> None:
        super().__init__()
        self.network = network
        columns = [NAMES.index(name) for name in network.attributes]
        self.register_buffer("columns", torch.tensor(columns), persistent=False)

    def forward(self, pixels: Tensor, attributes: Tensor) -> Tensor:
        """Codes."""
        features = attributes[:, self.columns]
        mean, _ = self.network.posterior(pixels.permute(0, 3, 1, 2).float() / 255, features)
        return torch.cat([mean, features], 1)


class Decode(nn.Module):
    """Codes, of which `latent` numbers are no attributes -> pictures [N, S, S, 3], 0..255."""

    def __init__(self, network: Conditional, latent: int) -> None:
        super().__init__()
        self.network = network
        self.latent = latent

    def forward(self, codes: Tensor) -> Tensor:
        """Pictures."""
        drawn: Tensor = self.network.draw(codes[:, : self.latent], codes[:, self.latent :])
        return drawn.permute(0, 2, 3, 1) * 255
