"""Any Pillow picture as RGB in sRGB, and its transparency."""

import io
import logging

import numpy as np
from PIL import Image, ImageCms

from facedial.faces.geometry import UInt8

log = logging.getLogger(__name__)

PROFILE_SPACES = {"RGB": "RGB", "GRAY": "L", "CMYK": "CMYK"}
FULL_SCALES = (1.0, 255.0, 65535.0, 4294967295.0)  # white in floats, 8, 16 and 32 bits


def to_srgb(image: Image.Image) -> tuple[Image.Image, Image.Image | None]:
    """`image`, of any mode, as mode RGB, and its transparency as mode L; None where it has none.

    An embedded ICC profile is applied (relative colorimetric); without one sRGB is assumed.
    Values of more than 8 bits are scaled by the range of their mode, or the one their maximum implies.
    Raises `ValueError` for a mode that Pillow cannot convert.
    """
    profile = image.info.get("icc_profile")
    if image.mode.startswith(("I", "F")):
        return _narrowed(image).convert("RGB"), _alpha_of_wide(image)
    if image.mode == "LAB":
        return _from_lab(image), None
    alpha = None
    if image.has_transparency_data:
        grey = image.mode in ("L", "LA", "La")
        image = (image.convert("LA") if grey else image).convert("RGBA")
        alpha = image.getchannel("A")
        image = image.getchannel("R") if grey else image.convert("RGB")
    if image.mode not in ("RGB", "L", "CMYK"):
        image = image.convert("RGB")
    if isinstance(profile, bytes) and profile:
        image = _by_profile(image, profile)
    return image.convert("RGB"), alpha


def on_white(pixels: UInt8, alpha: UInt8) -> UInt8:
    """Pixels uint8 [H, W, 3] of opacity `alpha` uint8 [H, W], laid on white."""
    white = Image.new("RGB", (pixels.shape[1], pixels.shape[0]), "white")
    return np.asarray(Image.composite(Image.fromarray(pixels), white, Image.fromarray(alpha)))


def _alpha_of_wide(image: Image.Image) -> Image.Image | None:
    """Transparency of 16-bit grey, which a PNG states as one transparent value."""
    key = image.info.get("transparency")
    if not isinstance(key, int):
        return None
    return Image.fromarray(np.where(np.asarray(image) == key, 0, 255).astype(np.uint8))


def _by_profile(image: Image.Image, profile: bytes) -> Image.Image:
    """`image` in sRGB, or unchanged where the profile is damaged or of another kind of picture."""
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        space = PROFILE_SPACES.get(source.profile.xcolor_space.strip())
        if space != image.mode or _is_srgb(source):
            return image
        converted = ImageCms.profileToProfile(
            image,
            source,
            ImageCms.createProfile("sRGB"),
            renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
            outputMode="RGB",
            flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
        )
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError) as error:
        log.warning("colour profile ignored: %s", error)
        return image
    return image if converted is None else converted


def _is_srgb(profile: ImageCms.ImageCmsProfile) -> bool:
    """Whether the profile is sRGB, so that a conversion would only add rounding errors."""
    description = profile.profile.profile_description
    return description is not None and "srgb" in description.lower()


def _from_lab(image: Image.Image) -> Image.Image:
    """CIE L*a*b* (from TIFF) as RGB, which Pillow converts only by its colour management."""
    converted = ImageCms.profileToProfile(
        image,
        ImageCms.createProfile("LAB"),
        ImageCms.createProfile("sRGB"),
        outputMode="RGB",
    )
    return image.convert("RGB") if converted is None else converted


def _narrowed(image: Image.Image) -> Image.Image:
    """16-bit, 32-bit and float greys as mode L."""
    values = np.asarray(image, np.float32)
    if image.mode.startswith("I;16"):
        full = 65535.0
    else:
        values = np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0)
        scales = FULL_SCALES if image.mode == "F" else FULL_SCALES[1:]
        largest = float(values.max(initial=0.0))
        full = next((scale for scale in scales if largest <= scale), largest)
    return Image.fromarray(np.rint(np.clip(values / full, 0.0, 1.0) * 255.0).astype(np.uint8))
