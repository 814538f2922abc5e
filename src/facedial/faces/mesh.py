"""Pictures resampled by a displacement that varies from place to place."""

import numpy as np
from PIL import Image

from facedial.arrays import Bytes, Doubles

MARGIN = 4  # px around what is read, for the bicubic kernel


def nodes(size: tuple[int, int], step: int) -> Doubles:
    """Corners of square cells of `step` pixels that cover (width, height): [rows, columns, 2], x and y.

    In coordinates of pixel centres: the first corner is at (-0.5, -0.5).
    """
    width, height = size
    x = np.minimum(np.arange(-(-width // step) + 1) * step, width) - 0.5
    y = np.minimum(np.arange(-(-height // step) + 1) * step, height) - 0.5
    return np.stack(np.meshgrid(x.astype(np.float64), y.astype(np.float64)), 2)


def displaced(pixels: Bytes, corners: Doubles, sources: Doubles) -> Bytes:
    """A picture [h, w, 3] whose cell corners `corners` show `sources` of `pixels`, bicubic.

    `corners`: see `nodes`; `sources` of the same shape, places in `pixels` [H, W, 3] in pixel centres,
    beyond whose edge the edge is repeated. Between corners places are interpolated bilinearly.
    """
    height, width = pixels.shape[:2]
    inside = np.clip(sources, 0, np.array([width - 1, height - 1])) + 0.5
    edges = np.rint(corners + 0.5).astype(int)
    rows, columns = edges.shape[0] - 1, edges.shape[1] - 1
    quads = np.concatenate(
        [inside[:-1, :-1], inside[1:, :-1], inside[1:, 1:], inside[:-1, 1:]], 2
    ).reshape(rows * columns, 8)
    boxes = np.concatenate([edges[:-1, :-1], edges[1:, 1:]], 2).reshape(rows * columns, 4)
    mesh = list(zip(map(tuple, boxes.tolist()), map(tuple, quads.tolist()), strict=True))
    size = (int(edges[-1, -1, 0]), int(edges[-1, -1, 1]))
    whole = Image.fromarray(np.ascontiguousarray(pixels))
    return np.asarray(whole.transform(size, Image.Transform.MESH, mesh, Image.Resampling.BICUBIC))
