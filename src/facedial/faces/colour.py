"""Any Pillow picture as sRGB bytes, its transparency, and the samples that those bytes cannot hold."""

from typing import NamedTuple

import numpy as np
from PIL import Image, ImageCms

from facedial.faces.deep import UInt16
from facedial.faces.geometry import UInt8
from facedial.faces.original import Original
from facedial.faces.spaces import Samples, Space, narrowed, strips

FULL_SCALES = (1.0, 255.0, 65535.0, 4294967295.0)  # white in floats, 8, 16 and 32 bits


class Pixels(NamedTuple):
    """A picture as its file has it, not turned: see `Photo` for the fields."""

    pixels: UInt8
    alpha: UInt8 | None = None
    original: Original | None = None


def pixels_of(
    image: Image.Image, *, deep: UInt16 | None = None, memory: UInt8 | None = None
) -> Pixels:
    """`image`, decoded and of any mode, in sRGB.

    `deep`: its samples uint16 [H, W, C], C = 2 grey and transparency, 3 RGB, 4 RGBA or inks, where it
    has 16 bits a channel (`faces.deep`). `memory` uint8 [H, W, 3]: what an RGB picture was decoded into.
    An embedded ICC profile is applied; without one sRGB is assumed. Greys, inks, 16 bits and the samples
    that a profile belongs to are kept as they are too. 32 bits and floats are scaled by the range that
    their maximum implies. Raises `ValueError` for a mode that Pillow cannot convert.
    """
    profile = image.info.get("icc_profile")
    profile = profile if isinstance(profile, bytes) and profile else None
    if deep is not None:
        return _of_deep(image, deep, profile)
    if image.mode.startswith("I;16"):
        values = np.asarray(image).astype(np.uint16)[..., None]
        return _seen(values, profile, _alpha_of_wide(image))
    if image.mode.startswith(("I", "F")):
        grey = _narrowed(image)
        return Pixels(np.repeat(grey[..., None], 3, axis=2), _alpha_of_wide(image))
    if image.mode == "LAB":
        return Pixels(_array(_from_lab(image)))
    if memory is not None:
        return _seen(memory, profile)
    alpha = None
    if image.has_transparency_data:
        grey_one = image.mode in ("L", "LA", "La")
        image = (image.convert("LA") if grey_one else image).convert("RGBA")
        alpha = _array(image.getchannel("A"))
        image = image.getchannel("R") if grey_one else image.convert("RGB")
    if image.mode == "1":
        image = image.convert("L")
    if image.mode not in ("RGB", "L", "CMYK"):
        image = image.convert("RGB")
    samples = _array(image)
    return _seen(samples[..., None] if samples.ndim == 2 else samples, profile, alpha)


def on_white(pixels: UInt8, alpha: UInt8) -> UInt8:
    """Pixels uint8 [H, W, 3] of opacity `alpha` uint8 [H, W], laid on white."""
    white = Image.new("RGB", (pixels.shape[1], pixels.shape[0]), "white")
    return np.asarray(Image.composite(Image.fromarray(pixels), white, Image.fromarray(alpha)))


def _of_deep(image: Image.Image, deep: UInt16, profile: bytes | None) -> Pixels:
    if deep.shape[2] in (2, 4) and image.mode != "CMYK":
        return _seen(deep[..., :-1], profile, deep_alpha=deep[..., -1])
    alpha = None
    if image.has_transparency_data:  # one colour is transparent, as the higher bytes tell
        alpha = _array(image.convert("RGBA").getchannel("A"))
    return _seen(deep, profile, alpha)


def _seen(
    samples: Samples,
    profile: bytes | None,
    alpha: UInt8 | None = None,
    deep_alpha: UInt16 | None = None,
) -> Pixels:
    """Samples [H, W, C] in sRGB, kept beside it where sRGB bytes are not the same."""
    space = Space.of(samples.shape[2], profile)
    pixels = space.shown(samples)
    if space.is_srgb and samples.dtype == np.uint8:
        return Pixels(pixels, alpha)
    if deep_alpha is not None:
        alpha = narrowed(deep_alpha)
    return Pixels(pixels, alpha, Original(samples, space.profile, deep_alpha))


def _array(image: Image.Image) -> UInt8:
    """Bytes of a picture; in strips, since Pillow copies a whole one twice."""
    bands = len(image.getbands())
    width, height = image.size
    found = np.empty((height, width, bands) if bands > 1 else (height, width), np.uint8)
    for rows in strips(height, width):
        found[rows] = np.asarray(image.crop((0, rows.start, width, rows.stop)))
    return found


def _alpha_of_wide(image: Image.Image) -> UInt8 | None:
    """Transparency of 16-bit grey, which a PNG states as one transparent value."""
    key = image.info.get("transparency")
    if not isinstance(key, int):
        return None
    return np.where(np.asarray(image) == key, 0, 255).astype(np.uint8)


def _from_lab(image: Image.Image) -> Image.Image:
    """CIE L*a*b* (from TIFF) as RGB, which Pillow converts only by its colour management."""
    converted = ImageCms.profileToProfile(
        image,
        ImageCms.createProfile("LAB"),
        ImageCms.createProfile("sRGB"),
        outputMode="RGB",
    )
    return image.convert("RGB") if converted is None else converted


def _narrowed(image: Image.Image) -> UInt8:
    """32-bit and float greys as bytes [H, W]."""
    values = np.nan_to_num(np.asarray(image, np.float32), nan=0.0, posinf=0.0, neginf=0.0)
    scales = FULL_SCALES if image.mode == "F" else FULL_SCALES[1:]
    largest = float(values.max(initial=0.0))
    full = next((scale for scale in scales if largest <= scale), largest)
    return np.asarray(np.rint(np.clip(values / full, 0.0, 1.0) * 255.0), np.uint8)
