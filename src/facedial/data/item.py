"""What a source yields: one picture to be cropped, with all that is known of it."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt

from facedial.data.places import Place

Floats = npt.NDArray[np.float64]
Box = tuple[int, int, int, int]

SPLITS = ("train", "val", "test")
SPLIT_RULE = "facedial-split-1"


@dataclass(frozen=True, slots=True, eq=False)
class Item:
    """One picture of a source.

    `file`: its name in the store; `person`: who it shows, "" when unknown (then `file` stands for
    the person); `split`: the official one, or "" for the rule.  `landmarks`: [5, 2] in pixels of
    the picture, None or NaN when unknown.  `attributes`: float32 [40] in 0..1, NaN unknown.
    `ready`: the picture is a crop already and is only resized; `inside`: share of it inside its
    photo; `to_photo`: [2, 3], its pixels to photo pixels, where known, and `photo_size` (width,
    height) of that photo.  `head_box` (x0, y0, x1, y1), half-open: the square of an aligned picture
    that is its `head` crop as it stands.
    """

    file: str
    place: Place
    person: str = ""
    split: str = ""
    landmarks: Floats | None = None
    attributes: npt.NDArray[np.float32] | None = None
    ready: bool = False
    inside: float = 1.0
    to_photo: Floats | None = None
    photo_size: tuple[int, int] = (0, 0)
    head_box: Box | None = None
    extra: Mapping[str, str] = field(default_factory=dict)


class Source(Protocol):
    """A collection of pictures: which there are, in an order that never changes."""

    @property
    def kind(self) -> str:
        """Which module of `sources` it is."""

    @property
    def names(self) -> tuple[str, ...]:
        """Base names of the files and folders it was opened from."""

    @property
    def frame(self) -> str:
        """Frame of the ready crops it holds; "" when it holds photos."""

    @property
    def pick(self) -> Literal["largest", "central"]:
        """Which face of a photo counts when several are found."""

    def items(self) -> Iterator[Item]:
        """The pictures, lazily."""

    def mark(self) -> str:
        """Text that changes when a file of the source does; no dates of this machine in it."""


def split_of(person: str) -> str:
    """Split of a person by name: 80 % train, 10 % val, 10 % test, the same for ever.

    >>> split_of("AJ_Cook"), split_of("George_W_Bush")
    ('train', 'test')
    """
    digest = hashlib.blake2b(f"{SPLIT_RULE}:{person}".encode(), digest_size=8).digest()
    share = int.from_bytes(digest, "big") / 2**64
    return "train" if share < 0.8 else "val" if share < 0.9 else "test"
