"""What can be made in a photo instead of drawn: how a module of it says so to `render`."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from facedial.arrays import Floats
from facedial.changes import Change
from facedial.compose.blend import Part
from facedial.faces.photo import Box, Photo
from facedial.model import Model
from facedial.portrait import Portrait

# A rectangle of the photo, and where it may change: 0..1 [h, w].
Touched: TypeAlias = tuple[Box, Floats]


def _as_it_is(model: Model, portrait: Portrait, change: Change) -> Change:
    return change


@dataclass(frozen=True, slots=True)
class InPhoto:
    """One kind of what is made in a photo.

    `asked`: whether a change has some of it; only then the others are called. `made`: a part of a photo,
    the portrait's own or one changed since, with it, and where it lies; None where nothing changes.
    `region`: where that is, by the portrait's own photo. `possible`: the change as the photo allows it:
    what it does not show is drawn.
    """

    asked: Callable[[Change], bool]
    made: Callable[[Model, Portrait, Change, Photo], Part | None]
    region: Callable[[Model, Portrait, Change], Touched | None]
    possible: Callable[[Model, Portrait, Change], Change] = _as_it_is


def everywhere(photo: Photo, mask: Floats | None) -> Touched | None:
    """A mask of a whole photo [H, W] as what a kind touches."""
    return None if mask is None else ((0, 0, *photo.size), mask)


def largest(mask: Floats, touched: Touched | None) -> None:
    """Raise a mask of a photo [H, W] to what is touched."""
    if touched is not None:
        (x0, y0, x1, y1), inside = touched
        mask[y0:y1, x0:x1] = np.maximum(mask[y0:y1, x0:x1], inside)
