"""The attribute reader: 40 attributes from the small picture, at 32x32 and below."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from facedial.training.models import small_picture
from facedial.training.models.landmarks import Block

MIDDLE, COARSE = 3, 6  # layers of the body after which maps are 16x16 and 8x8


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """Channels at 32x32, 16x16, 8x8 and 4x4; share of features dropped before the last layer."""

    widths: tuple[int, int, int, int] = (32, 72, 128, 208)
    dropped: float = 0.3


class Reader(nn.Module):
    """RGB crop [N, 3, 128, 128] in 0..1 -> logits [N, 40]. Sees only what a code can hold."""

    def __init__(self, config: Config, outputs: int = 40) -> None:
        super().__init__()
        a, b, c, d = config.widths
        self.body = nn.Sequential(
            _step(6, a, 1), Block(a), _step(a, b, 2), Block(b), _step(b, c, 2), Block(c), Block(c),
            _step(c, d, 2), Block(d),
        )  # fmt: skip
        self.position = nn.Parameter(torch.zeros(1, a, 32, 32))
        self.dropped = config.dropped
        self.leave = nn.Linear(2 * d, outputs)

    def forward(self, pictures: Tensor) -> Tensor:
        """Logits of the attributes."""
        return self.of_small(small_picture.shrink(pictures))

    def of_small(self, flat: Tensor) -> Tensor:
        """The same from weighted small pictures [N, 6144]."""
        features = self._through(flat)[0]
        logits: Tensor = self.leave(F.dropout(features, self.dropped, self.training))
        return logits

    def features(self, pictures: Tensor) -> Tensor:
        """What the logits are linear in, [N, 2 C]: means of the last channels, then their maxima."""
        return self.seen(pictures)[0]

    def seen(self, pictures: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Those features, and maps [N, B, 16, 16] and [N, C, 8, 8] on the way to them."""
        return self._through(small_picture.shrink(pictures))

    def _through(self, flat: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        luma = F.pixel_unshuffle(flat[:, :4096].reshape(-1, 1, 64, 64), 2)
        planes = torch.cat([luma - 0.5, flat[:, 4096:].reshape(-1, 2, 32, 32) * 2], 1) * 3
        x = self.body[0](planes) + self.position
        maps = [x]
        for layer in list(self.body)[1:]:
            x = layer(x)
            maps.append(x)
        pooled = torch.cat([x.mean((2, 3)), x.amax((2, 3))], 1)
        return pooled, maps[MIDDLE], maps[COARSE]


def _step(inputs: int, outputs: int, stride: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(),
    )
