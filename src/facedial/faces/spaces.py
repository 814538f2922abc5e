"""Colour spaces of photos: samples of a file to sRGB bytes, and changed sRGB bytes back into samples."""

import io
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageCms

from facedial.arrays import LUMA
from facedial.faces.geometry import UInt8

log = logging.getLogger(__name__)

Samples: TypeAlias = npt.NDArray[np.uint8] | npt.NDArray[np.uint16]
Convert: TypeAlias = Callable[[UInt8], UInt8]

MODES = {1: "L", 3: "RGB", 4: "CMYK"}  # by channels
PROFILE_SPACES = {1: "GRAY", 3: "RGB", 4: "CMYK"}
STRIP_PIXELS = 1 << 20  # converted at a time, so that a large photo needs no copy of itself
WIDE = 257  # from a byte to 16 bits
# Levels of an edit at which nothing remains of what a photo's sample has beyond its sRGB value.
REPLACED = 64.0
INKS = 4  # channels
INK_ERROR = 8  # levels


@dataclass(frozen=True, slots=True, eq=False)
class Space:
    """How samples of `channels` channels (1 grey, 3 RGB, 4 CMYK) are seen in sRGB.

    `to_srgb`: uint8 [H, W, C] -> uint8 [H, W, 3]; `from_srgb` the way back. `profile`: the ICC profile
    that both apply (relative colorimetric, black point compensation); None for sRGB itself, its greys,
    and inks without a profile.
    """

    channels: int
    profile: bytes | None
    to_srgb: Convert
    from_srgb: Convert

    @staticmethod
    def of(channels: int, profile: bytes | None = None) -> "Space":
        """The space of samples; without `profile` where that is sRGB's, damaged or does not fit."""
        by_profile = None if not profile else _by_profile(channels, profile)
        if by_profile is not None:
            return by_profile
        plain: dict[int, tuple[Convert, Convert]] = {
            1: (_grey_to_srgb, _srgb_to_grey),
            3: (_same, _same),
            4: (_inks_to_srgb, _srgb_to_inks),
        }
        return Space(channels, None, *plain[channels])

    @property
    def is_srgb(self) -> bool:
        """Whether samples are sRGB values already."""
        return self.profile is None and self.channels == 3

    def shown(self, samples: Samples) -> UInt8:
        """Samples [H, W, C] in sRGB: uint8 [H, W, 3]; bytes of sRGB themselves where they are that."""
        if samples.dtype == np.uint8 and self.is_srgb:
            return samples.astype(np.uint8, copy=False)
        height, width = samples.shape[:2]
        pixels = np.empty((height, width, 3), np.uint8)
        for rows in strips(height, width):
            pixels[rows] = self.to_srgb(narrowed(samples[rows]))
        return pixels

    def carried(self, samples: Samples, before: UInt8, after: UInt8) -> Samples:
        """Samples [N, C] whose sRGB values change from `before` to `after`, both uint8 [N, 3].

        What a sample has beyond `before` (a colour outside sRGB, finer steps, its share of black ink) is
        added to `after`; the more is changed, the less of it. Inks keep theirs only where they then look
        as they should.
        """
        scale = WIDE if samples.dtype == np.uint16 else 1
        target, source = (
            self.from_srgb(one[None])[0].astype(np.float32) for one in (after, before)
        )
        beyond = samples - scale * source
        if self.channels != INKS:
            apart = np.abs(after.astype(np.float32) - before).max(1, keepdims=True)
            beyond *= np.clip(1 - apart / REPLACED, 0, 1)
        limit = scale * 255
        made: Samples = np.rint(np.clip(scale * target + beyond, 0, limit)).astype(samples.dtype)
        if self.channels == INKS:
            seen = self.to_srgb(narrowed(made)[None])[0].astype(np.float32)
            wrong = np.abs(seen - after).max(1) > INK_ERROR
            made[wrong] = scale * target[wrong].astype(samples.dtype)
        return made


def strips(height: int, width: int) -> list[slice]:
    """Slices of rows, of about `STRIP_PIXELS` each."""
    rows = max(1, STRIP_PIXELS // max(1, width))
    return [slice(top, min(top + rows, height)) for top in range(0, height, rows)]


def narrowed(samples: Samples) -> UInt8:
    """Samples of 16 bits as the nearest bytes; bytes as they are."""
    if samples.dtype == np.uint8:
        return samples.astype(np.uint8, copy=False)
    return ((samples.astype(np.uint32) + WIDE // 2) // WIDE).astype(np.uint8)


def picture(samples: UInt8) -> Image.Image:
    """Bytes [H, W, C] as Pillow takes them."""
    channels = samples.shape[2]
    if channels == 1:
        return Image.fromarray(np.ascontiguousarray(samples[..., 0]))
    image = Image.fromarray(np.ascontiguousarray(samples))
    if channels == 4:  # else taken for RGBA
        return Image.frombytes("CMYK", image.size, samples.tobytes())
    return image


def _by_profile(channels: int, profile: bytes) -> Space | None:
    """None for a profile that is sRGB's own, damaged, of another kind, or leads one way only."""
    mode = MODES[channels]
    try:
        own = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        fits = own.profile.xcolor_space.strip() == PROFILE_SPACES[channels]
        if not fits or (channels == 3 and _is_srgb(own)):
            return None
        srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
        to_srgb = _transform(own, srgb, mode, "RGB")
        from_srgb = _transform(srgb, own, "RGB", mode)
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError) as error:
        log.warning("colour profile ignored: %s", error)
        return None
    return Space(channels, profile, to_srgb, from_srgb)


def _transform(
    source: ImageCms.ImageCmsProfile, target: ImageCms.ImageCmsProfile, first: str, second: str
) -> Convert:
    transform = ImageCms.buildTransform(
        source,
        target,
        first,
        second,
        renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
        flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
    )

    def convert(samples: UInt8) -> UInt8:
        found = np.asarray(transform.apply(picture(samples)))
        return found.reshape(*samples.shape[:2], -1)

    return convert


def _is_srgb(profile: ImageCms.ImageCmsProfile) -> bool:
    """Whether the profile is sRGB, so that a conversion would only add rounding errors."""
    description = profile.profile.profile_description
    return description is not None and "srgb" in description.lower()


def _same(samples: UInt8) -> UInt8:
    return samples


def _grey_to_srgb(samples: UInt8) -> UInt8:
    return np.repeat(samples, 3, axis=2)


def _srgb_to_grey(pixels: UInt8) -> UInt8:
    return np.asarray(np.rint(pixels @ LUMA)[..., None], np.uint8)


def _inks_to_srgb(samples: UInt8) -> UInt8:
    return np.asarray(picture(samples).convert("RGB"))


def _srgb_to_inks(pixels: UInt8) -> UInt8:
    """Inks without a profile, with all the black that the colour allows; `_inks_to_srgb` goes back."""
    light = pixels.max(2, keepdims=True).astype(np.float32)
    inks = 255 - 255 * (pixels / np.maximum(light, 1))
    return np.asarray(np.rint(np.concatenate([inks, 255 - light], 2)), np.uint8)
