"""The refiner: moves a code to where the renderer draws the picture better.

Principal components are the best code for a linear decoder, not for a renderer. Where gradient steps
on the code of one picture would go, a small network goes at once: it sees the picture, the base
picture, and what base and drawing miss of it, and answers with a correction of the small picture
that the linear map reads. Applied again, it corrects what is left: iterative amortised inference
(Marino 2018, section 4).
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from facedial.training.models.renderer import PLANES
from facedial.training.models.unet import Config, UNet

__all__ = ["Config", "Refiner"]

# Corrections are of this order in units of luma; an output of order one learns at an ordinary rate.
STEP = 0.02


class Refiner(UNet):
    """Planes seen [N, 144, 32, 32] -> correction of the small picture [N, 6144]; zero at first.

    Seen are the base picture (white), what it misses of the crop, and what the drawing misses (both
    in deviations of the residual).
    """

    def __init__(self, config: Config) -> None:
        super().__init__(3 * PLANES, 6, config)

    def forward(self, seen: Tensor) -> Tensor:
        """Four planes make the 64x64 luma, two are chroma."""
        planes = self.through(seen) * STEP
        luma = F.pixel_shuffle(planes[:, :4], 2).flatten(1)
        return torch.cat([luma, 2 * planes[:, 4:].flatten(1)], 1)
