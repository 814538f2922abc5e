"""The refiner: corrects a code so that the decoder reconstructs the picture better.

Principal components are the best code for a linear decoder, not for this one. Instead of gradient steps
on the code of one picture, a small network predicts the correction: its input are the base picture and
the residuals of base picture and reconstruction, its output a correction of the 4:2:0 picture that the
linear map encodes. It can be applied again to what is left: iterative amortised inference (Marino 2018,
section 4).
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from facedial.training.models.decoder import PLANES
from facedial.training.models.unet import Config, UNet

__all__ = ["Config", "Refiner"]

# Corrections are of this order in units of luma; an output of order one suits ordinary learning rates.
STEP = 0.02


class Refiner(UNet):
    """Planes [N, 144, 32, 32] -> correction of the 4:2:0 picture [N, 6144]; zero at initialisation.

    The planes are those of the base picture (standardised), its residual, and the residual of the
    reconstruction (both over the residual's deviation).
    """

    def __init__(self, config: Config) -> None:
        super().__init__(3 * PLANES, 6, config)

    def forward(self, planes: Tensor) -> Tensor:
        """Four planes make the 64x64 luma, two are chroma."""
        step = self.through(planes) * STEP
        luma = F.pixel_shuffle(step[:, :4], 2).flatten(1)
        return torch.cat([luma, 2 * step[:, 4:].flatten(1)], 1)
