"""The samples that a file stores, kept beside a photo's sRGB bytes where those cannot hold them."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from facedial.faces.exif import turned
from facedial.faces.geometry import UInt8
from facedial.faces.spaces import Samples, Space, strips

# Share of changed pixels, and levels between their channels, up to which a change counts as grey:
# edits of a grey photo are 4 to 13 levels at the 90th percentile, hair colours and make-up more.
GREY_SHARE, GREY_LEVELS = 90, 16


@dataclass(frozen=True, slots=True, eq=False)
class Original:
    """Upright samples, uint8 or uint16 [H, W, C], and the ICC profile that says what they mean.

    C is 1 for greys, 3 for RGB, 4 for inks (CMYK, 255 or 65535 is full ink). `profile` is None for sRGB
    and its greys, and for inks without a profile. `alpha` uint16 [H, W]: transparency that has more than
    8 bits.
    """

    samples: Samples
    profile: bytes | None = None
    alpha: npt.NDArray[np.uint16] | None = None

    @property
    def bits(self) -> int:
        """Of each sample: 8 or 16."""
        return 8 * self.samples.dtype.itemsize

    @property
    def channels(self) -> int:
        """1 for greys, 3 for RGB, 4 for inks."""
        return int(self.samples.shape[2])

    def upright(self, turn: Image.Transpose | None) -> "Original":
        """The samples with a turn made (`exif.turn_of`)."""
        alpha = None if self.alpha is None else turned(self.alpha, turn)
        samples: Any = turned(self.samples, turn)
        return Original(samples, self.profile, alpha)

    def merged(self, pixels: UInt8) -> Samples:
        """The samples, with those pixels changed whose sRGB bytes differ from `pixels` [H, W, 3].

        The others are the file's to the bit. Of a photo that nothing changed, `samples` themselves.
        """
        space = Space.of(self.channels, self.profile)
        made: Samples | None = None
        for rows in strips(*pixels.shape[:2]):
            before, after = space.shown(self.samples[rows]), pixels[rows]
            changed = (before != after).any(2)
            if not changed.any():
                continue
            made = self.samples.copy() if made is None else made
            made[rows][changed] = space.carried(
                self.samples[rows][changed], before[changed], after[changed]
            )
        return self.samples if made is None else made

    def stays_grey(self, pixels: UInt8) -> bool:
        """Whether what `pixels` [H, W, 3] change is grey, but for a drawing's noise."""
        space = Space.of(self.channels, self.profile)
        counts = np.zeros(256, np.int64)
        for rows in strips(*pixels.shape[:2]):
            before, after = space.shown(self.samples[rows]), pixels[rows]
            changed = after[(before != after).any(2)]
            if len(changed):
                apart = changed.max(1) - changed.min(1)
                counts += np.bincount(apart, minlength=256)
        total = counts.sum()
        return bool(total == 0 or counts[: GREY_LEVELS + 1].sum() >= total * GREY_SHARE / 100)
