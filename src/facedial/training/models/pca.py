"""PCA of whole crops as graphs: the baseline."""

import torch
from torch import Tensor, nn

from facedial.codes.pca import Pca


class Map(nn.Module):
    """The map of both graphs, so that a bundle stores its bytes once."""

    mean: Tensor
    basis: Tensor
    deviation: Tensor

    def __init__(self, pca: Pca) -> None:
        super().__init__()
        self.side = pca.side
        self.register_buffer("mean", torch.from_numpy(pca.mean))
        self.register_buffer("basis", torch.from_numpy(pca.basis))
        self.register_buffer("deviation", torch.from_numpy(pca.deviation))


class Encode(nn.Module):
    """Bytes [N, S, S, 3] -> codes [N, D]."""

    def __init__(self, linear: Map) -> None:
        super().__init__()
        self.linear = linear

    def forward(self, pixels: Tensor) -> Tensor:
        """Codes."""
        flat = pixels.reshape(pixels.shape[0], -1).float() / 255 - self.linear.mean
        codes: Tensor = flat @ self.linear.basis / self.linear.deviation
        return codes


class Decode(nn.Module):
    """Codes [N, D] -> pictures [N, S, S, 3], 0..255."""

    def __init__(self, linear: Map) -> None:
        super().__init__()
        self.linear = linear

    def forward(self, codes: Tensor) -> Tensor:
        """Pictures."""
        side = self.linear.side
        flat = (self.linear.basis @ (codes * self.linear.deviation).T).T + self.linear.mean
        return (flat * 255).reshape(-1, side, side, 3)
