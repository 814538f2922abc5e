"""The identity network: a unit embedding of the inner face, learned with a margin softmax (CosFace)."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from facedial.errors import BadRequest
from facedial.training.precision import exact

CROP = 128  # pixels along the side of a head crop
# Rows and columns of the inner face in a head crop of 128 px, from the brows to the chin: hair, ears and
# background are hardly in it.
TOP, LEFT, SIDE = 43, 28, 72
HALVINGS = 4
MAP = 5  # cells along the side of the last feature maps: 72, 36, 18, 9, 5
CENTRE_STD = (
    0.5  # of the numbers of a centre at first; only its direction matters, and how fast it turns
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """`widths`: channels at 36x36, 18x18, 9x9 and 5x5; `blocks`: residual blocks there.

    `dimensions` of an embedding; `dropped`: dropout before its linear map.
    """

    widths: tuple[int, int, int, int] = (32, 64, 128, 192)
    blocks: tuple[int, int, int, int] = (0, 1, 2, 1)
    dimensions: int = 128
    dropped: float = 0.1

    def __post_init__(self) -> None:
        if len(self.widths) != HALVINGS or len(self.blocks) != HALVINGS:
            raise BadRequest(f"model.widths and model.blocks must be {HALVINGS} numbers each")
        if min(self.widths) < 1 or min(self.blocks) < 0 or self.dimensions < 2:
            raise BadRequest("model.widths must be 1 or more, model.dimensions 2 or more")
        if not 0 <= self.dropped < 1:
            raise BadRequest(f"model.dropped must lie in 0..1, below 1, got {self.dropped:g}")


class Block(nn.Module):
    """Residual block x + bn(conv(relu(bn(conv(x))))), without an activation after the sum."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.Conv2d(width, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
        )

    def forward(self, x: Tensor) -> Tensor:
        """[N, width, H, W] -> the same."""
        out: Tensor = x + self.body(x)
        return out


class Embedding(nn.Module):
    """Inner faces [N, 3, 72, 72] in 0..1 -> unit embeddings [N, D].

    The last maps are weighted cell by cell (a depthwise convolution as large as they are: Chen 2018,
    MobileFaceNets), since a mean over all cells would not know an eye from a mouth.
    """

    def __init__(self, config: Config) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        inputs = 3
        for width, count in zip(config.widths, config.blocks, strict=True):
            layers += [
                nn.Conv2d(inputs, width, 3, stride=2, padding=1, bias=False),
                nn.BatchNorm2d(width),
                nn.ReLU(),
                *(Block(width) for _ in range(count)),
            ]
            inputs = width
        self.body = nn.Sequential(*layers)
        self.cells = nn.Conv2d(inputs, inputs, MAP, groups=inputs, bias=False)
        self.cells_norm = nn.BatchNorm1d(inputs)
        self.dropped = config.dropped
        self.leave = nn.Linear(inputs, config.dimensions, bias=False)
        self.norm = nn.BatchNorm1d(config.dimensions)

    def forward(self, faces: Tensor) -> Tensor:
        """Unit embeddings float32 [N, D]."""
        x = self.cells(self.body((faces - 0.45) / 0.25)).flatten(1)
        x = F.dropout(self.cells_norm(x), self.dropped, self.training)
        values = self.norm(self.leave(x)).float()
        return F.normalize(values)


class Identity(nn.Module):
    """What is trained: the embedding, and a centre for each person of the training people."""

    def __init__(self, config: Config, people: int) -> None:
        super().__init__()
        self.embedding = Embedding(config)
        # A first axis of 1: Muon leaves the centres to Adam, since most of them have no gradient.
        self.centres = nn.Parameter(torch.randn(1, people, config.dimensions) * CENTRE_STD)

    def forward(self, faces: Tensor) -> tuple[Tensor, Tensor]:
        """Embeddings [N, D] of inner faces, and their cosines [N, P] with every person's centre."""
        found = self.embedding(faces)
        with exact(found):
            return found, F.linear(found, F.normalize(self.centres[0].float(), dim=1))


def cosface(cosines: Tensor, people: Tensor, scale: float, margin: float) -> Tensor:
    """Large margin cosine loss in nats (Wang et al. 2018, eq. 4).

    `cosines` [N, P]; `people` [N]: the right column of each row, whose cosine is lowered by `margin`
    before the softmax of `scale` times the cosines.
    """
    right = F.one_hot(people, cosines.shape[1])
    return F.cross_entropy(scale * (cosines - margin * right), people)


def contrast(found: Tensor, scale: float, margin: float) -> Tensor:
    """As `cosface`, among the people of a batch, with each other's photos in place of centres.

    `found` [2 N, D]: embeddings of N people, then of other photos of the same, in the same order (the
    loss of N pairs: Sohn 2016, in both directions).
    """
    first, second = found.chunk(2)
    with exact(found):
        cosines = first @ second.T
        people = torch.arange(len(first), device=found.device)
        both = (cosface(one, people, scale, margin) for one in (cosines, cosines.T))
        return torch.stack(list(both)).mean()


def inner_face(crops: Tensor) -> Tensor:
    """The inner faces [N, C, 72, 72] of head crops [N, C, 128, 128]."""
    return crops[..., TOP : TOP + SIDE, LEFT : LEFT + SIDE]


class Embed(nn.Module):
    """The graph `identity`: head crops uint8 [N, 128, 128, 3] -> unit embeddings [N, D].

    The normalised sum of the embeddings of a face and of its mirror image.
    """

    def __init__(self, network: Embedding) -> None:
        super().__init__()
        self.network = network

    def forward(self, pixels: Tensor) -> Tensor:
        """Unit embeddings."""
        faces = inner_face(pixels.permute(0, 3, 1, 2)).float() / 255
        return F.normalize(self.network(faces) + self.network(faces.flip(3)))
