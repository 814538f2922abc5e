"""Sources of pictures and their items: a picture to be cropped, with its labels."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt

from facedial.data.locations import ByteLocation

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
Box = tuple[int, int, int, int]

SPLITS = ("train", "val", "test")
SPLIT_RULE = "facedial-split-1"


@dataclass(frozen=True, slots=True, eq=False)
class Item:
    """One picture of a source.

    `file`: name in the store. `location`: where its bytes are. `person`: identity, "" if unknown
    (then `file` counts as the person). `split`: official split, "" for the rule of `split_of`.
    `landmarks`: [5, 2] in picture pixels, None or NaN if unknown. `attributes`: float32 [40] in
    0..1, NaN unknown. `ready`: the picture is a crop and is only resized; `inside`: share of that
    crop inside its photo; `to_photo`: [2, 3], crop pixel to photo pixel, None if unknown;
    `photo_size`: width and height of that photo. `head_box` (x0, y0, x1, y1), half-open: square of an
    aligned picture that is its `head` crop. `extra`: other columns of the labels, as text.
    `masks`: name -> PNG of a ready crop's class ids or binary mask.
    """

    file: str
    location: ByteLocation
    person: str = ""
    split: str = ""
    landmarks: Doubles | None = None
    attributes: Floats | None = None
    ready: bool = False
    inside: float = 1.0
    to_photo: Doubles | None = None
    photo_size: tuple[int, int] = (0, 0)
    head_box: Box | None = None
    extra: Mapping[str, str] = field(default_factory=dict)
    masks: Mapping[str, bytes] = field(default_factory=dict)


class Source(Protocol):
    """A collection of pictures in a fixed order."""

    @property
    def kind(self) -> str:
        """Name of its module in `sources`."""

    @property
    def names(self) -> tuple[str, ...]:
        """Base names of the files and folders that it was opened from."""

    @property
    def frame(self) -> str:
        """Frame of its ready crops; "" if it holds photos."""

    @property
    def pick(self) -> Literal["largest", "central"]:
        """Which face of a photo is cropped if several are found."""

    def items(self) -> Iterator[Item]:
        """Iterate over the pictures."""

    def fingerprint(self) -> str:
        """Text that changes when a file of the source does; independent of the machine."""


def split_of(person: str) -> str:
    """Split by a hash of the person's name: 80 % train, 10 % val, 10 % test.

    >>> split_of("AJ_Cook"), split_of("George_W_Bush")
    ('train', 'test')
    """
    digest = hashlib.blake2b(f"{SPLIT_RULE}:{person}".encode(), digest_size=8).digest()
    share = int.from_bytes(digest, "big") / 2**64
    return "train" if share < 0.8 else "val" if share < 0.9 else "test"
