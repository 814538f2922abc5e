"""What picture files hold besides the picture that is read: further pictures, HDR gain maps, videos."""

from collections.abc import Mapping
from typing import Any

from PIL import Image

from facedial.faces.exif import DAMAGE

XMP_TAG = 700  # of a TIFF directory
PNG_XMP = "XML:com.adobe.xmp"
# In the XMP of ISO 21496-1 and Ultra HDR files, of Google's container, and of Apple's photos.
GAIN_MAPS = (b"hdrgm:Version", b'="GainMap"', b"HDRGainMapVersion")
GAIN_MAP = "the HDR gain map of {} is left out; its picture for any screen is used"
VIDEOS = tuple(
    f"{name}{between}1".encode()
    for name in ("MotionPhoto", "MicroVideo")
    for between in ('="', "='", ">")
)


def packet_of(image: Image.Image) -> bytes:
    """The XMP packet of a picture, from wherever its format keeps it; empty where there is none."""
    in_tiff = getattr(image, "tag_v2", {}).get(XMP_TAG)
    found = image.info.get("xmp") or image.info.get(PNG_XMP) or in_tiff
    packet = found.encode() if isinstance(found, str) else found
    return packet if isinstance(packet, bytes) and packet.strip(b"\0 \t\r\n") else b""


def left_out(image: Image.Image, name: str) -> list[str]:
    """A sentence for each thing beside the main picture of a file, which Pillow has opened."""
    notes = []
    packet = packet_of(image)
    more = _pictures_in(image) - 1
    if any(mark in packet for mark in GAIN_MAPS):
        more -= 1  # it is a picture too, where the format counts it
        notes.append(GAIN_MAP.format(name))
    if any(mark in packet for mark in VIDEOS):
        notes.append(f"the video of {name}, a motion photo, is left out; its still picture is used")
    if more > 0:
        notes.append(f"{name} holds {more + 1} pictures; the first is used, {more} left out")
    return notes


def left_out_of_heic(info: Mapping[str, Any], name: str) -> list[str]:
    """As `left_out`, for what `pillow_heif` tells of a HEIC file."""
    notes = []
    if any("gainmap" in kind.lower() for kind in info.get("aux", ())):
        notes.append(GAIN_MAP.format(name))
    if info.get("depth_images"):
        notes.append(f"the depth map of {name} is left out")
    if info.get("bit_depth", 8) > 8:
        notes.append(f"{name} has {info['bit_depth']} bits a channel, of which 8 are read")
    return notes


def _pictures_in(image: Image.Image) -> int:
    """How many pictures the file holds: frames of an animation, pages."""
    # What Pillow counts in a PSD are layers, which its picture shows together.
    if image.format == "PSD":
        return 1
    try:
        return int(getattr(image, "n_frames", 1))
    except DAMAGE:  # beyond the first picture, which may be sound
        return 1
