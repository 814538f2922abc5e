"""The autoencoder: a linear map fitted in closed form, a decoder over it, and a refiner of codes."""

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from facedial.errors import BadRequest
from facedial.training.models.decoder import Config as DecoderConfig
from facedial.training.models.decoder import Decoder
from facedial.training.models.latents import LinearMap
from facedial.training.models.refiner import Config as RefinerConfig
from facedial.training.models.refiner import Refiner


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """Numbers in a code, sizes of decoder and refiner, how often codes are refined (0: never)."""

    dimensions: int = 1024
    decoder: DecoderConfig = field(default_factory=DecoderConfig)
    refiner: RefinerConfig = field(default_factory=lambda: RefinerConfig(up=2))
    refinements: int = 2

    def __post_init__(self) -> None:
        if self.refinements < 0:
            raise BadRequest(f"refinements must be 0 or more, got {self.refinements}")


class Autoencoder(nn.Module):
    """Linear map, decoder (`renderer`, as bundles name its weights) and refiner.

    The linear map is fitted and not trained.
    """

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.linear = LinearMap(config.dimensions)
        self.renderer = Decoder(config.decoder)
        self.refinements = config.refinements
        self.refiner = Refiner(config.refiner) if config.refinements else None

    def encode(self, pixels: Tensor, refinements: int | None = None) -> Tensor:
        """RGB [N, 3, 128, 128] in 0..1 -> code [N, D], refined so often; None: as configured."""
        codes = self.linear.encode(pixels)
        packed = self.renderer.pack(pixels)
        for _ in range(self.refinements if refinements is None else refinements):
            codes = self._refined(codes, self._refiner_input(packed, codes))
        return codes

    def decode(self, codes: Tensor) -> Tensor:
        """Code [N, D] -> RGB [N, 3, 128, 128], about 0..1."""
        picture: Tensor = self.renderer(self.linear.base(codes))
        return picture

    def _refiner_input(self, packed: Tensor, codes: Tensor) -> Tensor:
        """Base picture, its residual, and the reconstruction's residual, as planes."""
        base = self.renderer.pack(self.linear.base(codes))
        residual = packed - base
        remaining = residual - self.renderer.residual(base)
        unit = self.renderer.residual_deviation
        return torch.cat([self.renderer.standardized(base), residual / unit, remaining / unit], 1)

    def _refined(self, codes: Tensor, planes: Tensor) -> Tensor:
        assert self.refiner is not None
        return codes + self.linear.project(self.refiner(planes))

    def forward(self, pixels: Tensor, noise: Tensor, refinements: int) -> Tensor:
        """uint8 [N, 3, 128, 128] -> planes of the reconstruction minus the crop's, [N, 48, 32, 32].

        `noise` [N, D] is added to the codes. Planes are an orthonormal change of coordinates: their
        squared error is the picture's. Only the last refinement gets a gradient, and its input gets
        none.
        """
        with torch.no_grad():
            pixels = pixels.float() / 255
            packed = self.renderer.pack(pixels)
            codes = self.encode(pixels, max(0, refinements - 1))
            planes = self._refiner_input(packed, codes) if refinements else None
        if planes is not None:
            codes = self._refined(codes, planes)
        base = self.renderer.pack(self.linear.base(codes + noise))
        return base + self.renderer.residual(base) - packed


class Encode(nn.Module):
    """The graph `autoencoder-encode`: bytes [N, 128, 128, 3] -> codes [N, D]."""

    def __init__(self, network: Autoencoder) -> None:
        super().__init__()
        self.network = network

    def forward(self, pixels: Tensor) -> Tensor:
        """Codes."""
        return self.network.encode(pixels.permute(0, 3, 1, 2).float() / 255)


class Decode(nn.Module):
    """The graph `autoencoder-decode`, and `sharp`: codes [N, D] -> pictures [N, 128, 128, 3], 0..255."""

    def __init__(self, linear: LinearMap, renderer: nn.Module) -> None:
        super().__init__()
        self.linear = linear
        self.renderer = renderer

    def forward(self, codes: Tensor) -> Tensor:
        """Pictures."""
        picture: Tensor = self.renderer(self.linear.base(codes))
        return picture.permute(0, 2, 3, 1) * 255
