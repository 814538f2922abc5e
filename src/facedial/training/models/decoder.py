"""The decoder: from the base picture of a code (its PCA reconstruction) to a 128-px picture.

A small U-Net predicts the residual to the base picture in 48 Haar planes of 32x32 (two levels of RGB, an
orthonormal change of coordinates), so all convolutions run at 32x32 and below. Its last layer is
zero-initialised: it starts as PCA.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from facedial.training.models.unet import Config, UNet
from facedial.training.precision import exact

PLANES = 48

__all__ = ["PLANES", "Config", "Decoder", "haar_kernel"]


def haar_kernel() -> Tensor:
    """float32 [48, 3, 4, 4]: two Haar levels of RGB as one orthonormal 4x4 convolution of stride 4."""
    pair = torch.tensor([[1.0, 1.0], [1.0, -1.0]]) / 2**0.5
    # Two levels of the Haar transform in full decomposition: outer pair first, then inner.
    axis = torch.einsum("ai,bj->abij", pair, pair).reshape(4, 4)
    block = torch.einsum("ai,bj->abij", axis, axis).reshape(16, 4, 4)
    kernel = torch.zeros(16, 3, 3, 4, 4)
    for channel in range(3):
        kernel[:, channel, channel] = block
    return kernel.reshape(PLANES, 3, 4, 4)


class Decoder(UNet):
    """Base picture [N, 3, 128, 128] -> picture of the same shape, both about 0..1."""

    kernel: Tensor
    plane_mean: Tensor
    plane_deviation: Tensor
    residual_deviation: Tensor

    def __init__(self, config: Config) -> None:
        super().__init__(PLANES, PLANES, config)
        self.register_buffer("kernel", haar_kernel(), persistent=False)
        self.register_buffer("plane_mean", torch.zeros(PLANES, 1, 1))
        self.register_buffer("plane_deviation", torch.ones(PLANES, 1, 1))
        self.register_buffer("residual_deviation", torch.ones(PLANES, 1, 1))

    def pack(self, pictures: Tensor) -> Tensor:
        """[N, 3, 128, 128] -> Haar planes [N, 48, 32, 32]; orthonormal."""
        with exact(pictures):
            return F.conv2d(pictures, self.kernel, stride=4)

    def unpack(self, planes: Tensor) -> Tensor:
        """Inverse of `pack`."""
        with exact(planes):
            return F.conv_transpose2d(planes, self.kernel, stride=4)

    def standardized(self, packed: Tensor) -> Tensor:
        """Planes of a base picture, each with zero mean and unit deviation over training people."""
        return (packed - self.plane_mean) / self.plane_deviation

    def residual(self, packed: Tensor) -> Tensor:
        """Planes of the base picture -> planes of the predicted residual, in units of RGB."""
        return self.through(self.standardized(packed)) * self.residual_deviation

    def forward(self, base: Tensor) -> Tensor:
        """Base picture -> picture."""
        return base + self.unpack(self.residual(self.pack(base)))
