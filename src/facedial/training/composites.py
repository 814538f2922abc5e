"""Crops with a random region replaced by what 128 pixels keep of it: batches of the detail network."""

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from facedial.editing.regions import EVERYTHING, REGIONS
from facedial.errors import BadRequest
from facedial.faces.parse import CLASSES
from facedial.parsing import region_mask
from facedial.training.batches import pictures
from facedial.training.decoded_crops import DecodedCrops
from facedial.training.models.detail import FACTOR, NOISE, SIDE

Floats = NDArray[np.float32]
Bools = NDArray[np.bool_]

SOFTER = 0.4  # of a shrunk photo that stays beside its 3x3 mean where it is blurred
# Blobs: bicubic noise of so many cells along the side, above a level, with a rim of finite width.
BLOB_CELLS, BLOB_LEVEL, BLOB_SLOPE = 5, 0.2, 6.0
LEAST = 0.003  # share of a crop below which a region of a parse counts as absent
EDIT_REGIONS = tuple(one for one in dict.fromkeys(REGIONS.values()) if one != EVERYTHING)


@dataclass(frozen=True, slots=True, kw_only=True)
class Draws:
    """How often a crop is degraded in which way.

    `decoded`: share of decoded faces of the crops' codes; the others are crops shrunk to half their
    side, a share `blurred` of them blurred besides. `whole`: share of regions that are everything;
    of the others a share `parsed` are the region of an attribute in the parse, the rest blobs.
    """

    decoded: float = 0.5
    blurred: float = 0.5
    whole: float = 1 / 3
    parsed: float = 0.5

    def __post_init__(self) -> None:
        shares = (self.decoded, self.blurred, self.whole, self.parsed)
        if not 0 <= min(shares) <= max(shares) <= 1:
            raise BadRequest(f"draws are shares in 0..1, got {', '.join(map(str, shares))}")


@dataclass(frozen=True, slots=True)
class Batch:
    """Inputs of the network (`DetailNetwork`), and the photos [N, 3, S, S] in 0..1 to be restored."""

    composites: Tensor
    regions: Tensor
    noise: Tensor
    photos: Tensor


def drawn(
    draws: Draws,
    crops: DecodedCrops,
    chosen: NDArray[np.int64],
    from_code: Bools,
    rng: np.random.Generator,
    device: torch.device,
    mirrored: float = 0.5,
) -> Batch:
    """Crops with a random region replaced by what 128 px keep of it, or (`from_code` [N]) their codes."""
    count = len(chosen)
    blurred = ~from_code & (rng.random(count) < draws.blurred)
    photos = pictures(crops.pixels(chosen), device)
    faces = pictures(crops.faces(chosen), device)
    small = torch.where(_column(from_code, photos), faces, shrunk(photos, blurred))
    regions = np.stack([region(draws, crops, int(i), rng) for i in chosen])
    inside = torch.from_numpy(regions)[:, None].to(device)
    flipped = _column(rng.random(count) < mirrored, photos)
    photos, small, inside = (
        torch.where(flipped, one.flip(3), one) for one in (photos, small, inside)
    )
    given = noise(count, rng).to(device)
    return Batch(composited(photos, small, inside), inside, given, photos)


def noise(count: int, rng: np.random.Generator) -> Tensor:
    """Planes of noise for `count` pictures, as the network takes them."""
    planes = rng.standard_normal((count, NOISE, SIDE // FACTOR, SIDE // FACTOR), np.float32)
    return torch.from_numpy(planes)


def region(draws: Draws, crops: DecodedCrops, number: int, rng: np.random.Generator) -> Floats:
    """A random region of a crop, [S, S] in 0..1, 0 outside its photo."""
    whole, parsed = rng.random() < draws.whole, rng.random() < draws.parsed
    classes = crops.classes(number) if parsed and not whole else None
    own = np.ones((SIDE, SIDE), np.float32) if whole else None
    if classes is not None:
        own = parsed_region(classes, rng)
    if own is None:
        own = _blob(rng)
    # Nothing is replaced outside the photo, so nothing there has an error.
    return np.asarray(own * crops.known(number), np.float32)


def parsed_region(classes: NDArray[np.uint8], rng: np.random.Generator) -> Floats | None:
    """The region of a random attribute in a parse [D, D], enlarged to [S, S]; None where it is absent."""
    one_hot = (classes == np.arange(len(CLASSES), dtype=np.uint8)[:, None, None]).astype(np.float32)
    region = EDIT_REGIONS[int(rng.integers(len(EDIT_REGIONS)))]
    mask = region_mask(region, one_hot, one_hot)
    if mask.mean() < LEAST:
        return None
    wide = F.interpolate(torch.from_numpy(mask)[None, None], size=(SIDE, SIDE), mode="bilinear")
    return wide[0, 0].numpy()


def _blob(rng: np.random.Generator) -> Floats:
    """Smooth random blobs, [S, S] in 0..1, 0 and 1 beyond their rims."""
    cells = torch.from_numpy(rng.standard_normal((1, 1, BLOB_CELLS, BLOB_CELLS), np.float32))
    smooth = F.interpolate(cells, size=(SIDE, SIDE), mode="bicubic")[0, 0]
    return (BLOB_SLOPE * (smooth - BLOB_LEVEL) + 0.5).clamp(0, 1).numpy()


def shrunk(photos: Tensor, blurred: NDArray[np.bool_]) -> Tensor:
    """Photos [N, 3, S, S] at half their side by area, those of `blurred` [N] softened."""
    small = F.avg_pool2d(photos, 2)
    soft = F.avg_pool2d(F.pad(small, (1, 1, 1, 1), mode="reflect"), 3, 1)
    return torch.where(_column(blurred, photos), torch.lerp(soft, small, SOFTER), small)


def composited(photos: Tensor, small: Tensor, inside: Tensor) -> Tensor:
    """Photos outside the region, `small` enlarged inside it, in whole levels of 0..255, as in use."""
    # With `antialias` the kernel is Pillow's (Keys 1981, a = -0.5), whose bicubic enlargement is used.
    size = photos.shape[2:]
    enlarged = F.interpolate(small, size=size, mode="bicubic", antialias=True)
    mixed = torch.where(inside > 0, torch.lerp(photos, enlarged.clamp(0, 1), inside), photos)
    return (mixed * 255).round() / 255


def _column(chosen: NDArray[np.bool_], like: Tensor) -> Tensor:
    return torch.from_numpy(chosen).to(like.device)[:, None, None, None]
