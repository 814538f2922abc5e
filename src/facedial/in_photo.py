"""What can be made in a photo instead of drawn: how a module of it says so to `render`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeAlias, TypeVar

import numpy as np

from facedial.arrays import Floats
from facedial.changes import Change
from facedial.compose.blend import Part
from facedial.compose.masks import box_mean
from facedial.faces.photo import Box, Photo
from facedial.model import Model
from facedial.portrait import Portrait

AROUND, FAINT = 3, 0.02  # photo pixels around a mask, and their share
T = TypeVar("T")  # what a change says of one kind
# A rectangle of the photo, and where it may change: 0..1 [h, w].
Touched: TypeAlias = tuple[Box, Floats]


def as_it_is(model: Model, portrait: Portrait, change: Change) -> Change:
    """A change that every photo allows."""
    return change


@dataclass(frozen=True, slots=True, kw_only=True)
class InPhoto(Generic[T]):
    """One kind of what is made in a photo.

    `of`: what a change says of it; None where it has none, and then the others are not called.
    `made`: a part of a photo, the portrait's own or one changed since, with it, and where it lies; None
    where nothing changes. `region`: where it may change the photo. `possible`: the change as the
    photo allows it: what it does not show is drawn.
    """

    of: Callable[[Change], T | None]
    made: Callable[[Model, Portrait, T, Photo], Part | None]
    region: Callable[[Model, Portrait, T], Touched | None]
    possible: Callable[[Model, Portrait, Change], Change] = as_it_is


def widened(mask: Floats) -> Floats:
    """A mask [h, w] and, faintly, some pixels around it.

    For what is read again from a photo that other kinds have changed, and may lie a little elsewhere.
    """
    return np.asarray(np.maximum(mask, FAINT * (box_mean(mask, AROUND) > 0)), np.float32)


def some(shares: Mapping[str, float]) -> Mapping[str, float] | None:
    """Shares of attributes; None where all are 0."""
    return shares if any(shares.values()) else None


def everywhere(photo: Photo, mask: Floats | None) -> Touched | None:
    """A mask of a whole photo [H, W] as what a kind touches."""
    return None if mask is None else ((0, 0, *photo.size), mask)


def include(mask: Floats, touched: Touched | None) -> None:
    """Raise a mask of a photo [H, W] to what is touched."""
    if touched is not None:
        (x0, y0, x1, y1), inside = touched
        mask[y0:y1, x0:x1] = np.maximum(mask[y0:y1, x0:x1], inside)
