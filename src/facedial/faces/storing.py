"""Which samples of a photo a format can hold: its own colour space and depth, or sRGB bytes, and why."""

from dataclasses import dataclass

import numpy as np
from PIL import Image

from facedial.faces import memory, spaces
from facedial.faces.colour import on_white
from facedial.faces.content import Content
from facedial.faces.deep import UInt16
from facedial.faces.geometry import UInt8
from facedial.faces.original import Original
from facedial.faces.spaces import Samples, narrowed

WITHOUT_ALPHA = ("JPEG", "BMP")
WITH_PROFILE = ("JPEG", "PNG", "TIFF", "WEBP", "AVIF")
WITH_16_BITS = ("PNG", "TIFF")
WITH_INKS = ("JPEG", "TIFF")
WITH_GREY = ("JPEG", "PNG", "TIFF", "BMP")
GREY, INKS = 1, 4  # channels


@dataclass(frozen=True, slots=True, eq=False)
class Stored:
    """What a file is to hold: samples [H, W, C] without transparency, and the profile they belong to.

    `alpha`: of the samples' depth. `is_srgb`: whether EXIF and XMP have to say so, since the photo's own
    colour space was left.
    """

    samples: Samples
    alpha: Samples | None
    profile: bytes | None = None
    is_srgb: bool = False

    @property
    def deep(self) -> UInt16 | None:
        """Samples and transparency of 16 bits, uint16 [H, W, C]; None where they have 8."""
        if self.samples.dtype != np.uint16:
            return None
        if self.alpha is None:
            return self.samples.astype(np.uint16, copy=False)
        return np.asarray(np.concatenate([self.samples, self.alpha[..., None]], 2), np.uint16)

    def picture(self, kind: str) -> Image.Image:
        """Bytes as Pillow's writer of `kind` takes them."""
        samples = narrowed(self.samples)
        if samples.shape[2] == 3:
            image = memory.picture(samples, kind if self.alpha is None else "")
        else:
            image = spaces.picture(samples)
        if self.alpha is not None:
            image.putalpha(Image.fromarray(narrowed(self.alpha)))
        return image


def stored(content: Content, kind: str, name: str, notes: list[str]) -> Stored:
    """What a file of format `kind` holds of the photo; appends to `notes` what it cannot hold."""
    alpha = _alpha(content, kind, name, notes)
    own = content.original
    if own is None or not _fits(own, content.pixels, kind, name, notes):
        return _flat(Stored(content.pixels, alpha, is_srgb=own is not None), content, kind)
    samples, deep_alpha = own.merged(content.pixels), own.alpha
    if own.bits == 16:
        if kind in WITH_16_BITS:
            if alpha is not None:
                whole = (
                    deep_alpha if deep_alpha is not None else alpha.astype(np.uint16) * spaces.WIDE
                )
                return Stored(samples, whole, own.profile)
            return Stored(samples, None, own.profile)
        notes.append(f"{name} has 8 of the photo's 16 bits: {kind} holds no more, PNG and TIFF do")
        samples = narrowed(samples)
    return _flat(Stored(samples, alpha, own.profile), content, kind)


def _flat(found: Stored, content: Content, kind: str) -> Stored:
    """Laid on white where `kind` has no transparency."""
    if content.alpha is None or kind not in WITHOUT_ALPHA:
        return found
    samples = narrowed(found.samples)
    pixels = on_white(np.broadcast_to(samples, (*samples.shape[:2], 3)), content.alpha)
    return Stored(pixels[..., : samples.shape[2]], None, found.profile, found.is_srgb)


def _alpha(content: Content, kind: str, name: str, notes: list[str]) -> UInt8 | None:
    if content.alpha is None or kind not in WITHOUT_ALPHA:
        return content.alpha
    if content.alpha.min() < 255:
        notes.append(f"{name} is laid on white: {kind} has no transparency, PNG and WebP have")
    return None


def _fits(own: Original, pixels: UInt8, kind: str, name: str, notes: list[str]) -> bool:
    """Whether `kind` can hold the photo's own samples; a sentence where that is a loss."""
    if own.channels == INKS and kind not in WITH_INKS:
        notes.append(f"{name} is in sRGB: {kind} holds no CMYK, TIFF and JPEG do")
        return False
    if own.channels == GREY:
        if not own.stays_grey(pixels):
            notes.append(f"{name} is in colour: the photo was grey, and the edit is not")
            return False
        return kind in WITH_GREY and (own.profile is None or kind in WITH_PROFILE)
    if own.profile is not None and kind not in WITH_PROFILE:
        notes.append(f"{name} is in sRGB: {kind} has no place for the photo's colour profile")
        return False
    return True
