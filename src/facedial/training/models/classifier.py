"""The attribute classifier: logits of 40 attributes from the 4:2:0 picture, at 32x32 and below."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from facedial.training.models import latents
from facedial.training.models.landmarks import Block

MIDDLE, COARSE = 3, 6  # layers of the body after which maps are 16x16 and 8x8


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """`widths`: channels at 32x32, 16x16, 8x8 and 4x4; `dropped`: dropout before the last layer."""

    widths: tuple[int, int, int, int] = (32, 72, 128, 208)
    dropped: float = 0.3


class Classifier(nn.Module):
    """RGB crop [N, 3, 128, 128] in 0..1 -> logits [N, 40]. Its input is what a code can represent."""

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
        return self.of_ycc420(latents.ycc420(pictures))

    def of_ycc420(self, flat: Tensor) -> Tensor:
        """The same from weighted 4:2:0 pictures [N, 6144]."""
        features = self._through(flat)[0]
        logits: Tensor = self.leave(F.dropout(features, self.dropped, self.training))
        return logits

    def features(self, pictures: Tensor) -> Tensor:
        """The last layer's input [N, 2 C]: means of the last channels, then their maxima."""
        return self.feature_maps(pictures)[0]

    def feature_maps(self, pictures: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Those features, and the feature maps [N, B, 16, 16] and [N, C, 8, 8] before them."""
        return self._through(latents.ycc420(pictures))

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


class Predict(nn.Module):
    """The graph `reader`: bytes [N, 128, 128, 3] -> calibrated probabilities [N, 40]."""

    temperature: Tensor

    def __init__(self, network: Classifier, temperature: Tensor) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("temperature", temperature)

    def forward(self, pixels: Tensor) -> Tensor:
        """Probabilities."""
        logits = self.network(pixels.permute(0, 3, 1, 2).float() / 255)
        return torch.sigmoid(logits / self.temperature)


class Judge(nn.Module):
    """The graph `judge`: bytes [N, 128, 128, 3] -> probabilities and features [N, 40 + C], two maps.

    A probability is above 0.5 from the logit `even` on, at which sensitivity and specificity are equal:
    on generated faces the decision must not depend on how rare an attribute is in photos.
    """

    temperature: Tensor
    even: Tensor

    def __init__(self, network: Classifier, temperature: Tensor, even: Tensor) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("temperature", temperature)
        self.register_buffer("even", even)

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Probabilities and features in one array, then the maps for a perceptual distance."""
        features, middle, coarse = self.network.feature_maps(
            pixels.permute(0, 3, 1, 2).float() / 255
        )
        found = torch.sigmoid((self.network.leave(features) - self.even) / self.temperature)
        # Means alone: maxima are heavy-tailed, and a Frechet distance assumes normal features.
        judged = torch.cat([found, features[:, : features.shape[1] // 2]], 1)
        return judged, middle, coarse
