"""Pictures whose samples sRGB bytes cannot hold: a wide gamut, 16 bits, greys, inks."""

import io
import struct
import zlib

import numpy as np
from PIL import Image, ImageCms

from .smooth_photos import encoded, png

RNG = np.random.default_rng(0)
SIZE = (40, 32)  # width, height
NOISE = RNG.integers(0, 256, (SIZE[1], SIZE[0], 4)).astype(np.uint8)
DEEP_NOISE = RNG.integers(0, 65536, (SIZE[1], SIZE[0], 4)).astype(np.uint16)
PNG_COLOUR = {1: 0, 2: 4, 3: 2, 4: 6}


def curved_profile(gamma: float = 1.8, space: bytes = b"RGB ") -> bytes:
    """sRGB's primaries (or greys) with another gamma, by replacing the curves of Pillow's profile."""
    data = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    for i in range(struct.unpack(">I", data[128:132])[0]):
        row = 132 + 12 * i
        tag, start, _ = struct.unpack(">4sII", data[row : row + 12])
        if tag in (b"rTRC", b"gTRC", b"bTRC"):
            data[start : start + 16] = b"para" + struct.pack(">IHHi", 0, 0, 0, round(gamma * 65536))
        if tag == b"desc":
            end = start + struct.unpack(">I", data[row + 8 : row + 12])[0]
            data[start:end] = bytes(data[start:end]).replace(b"s\0R\0G\0B", b"W\0i\0d\0e")
        if space == b"GRAY" and tag == b"rTRC":
            data[row : row + 4] = b"kTRC"
    data[16:20] = space
    return bytes(data)


def wide_primaries_profile() -> bytes:
    """A gamut wider than sRGB's: red and green that are more saturated."""
    data = bytearray(curved_profile(2.2))
    wider = {b"rXYZ": (0.61, 0.31, 0.02), b"gXYZ": (0.2, 0.63, 0.07), b"bXYZ": (0.15, 0.06, 0.735)}
    for i in range(struct.unpack(">I", data[128:132])[0]):
        tag, start, _ = struct.unpack(">4sII", data[132 + 12 * i : 144 + 12 * i])
        if tag in wider:
            numbers = [round(value * 65536) for value in wider[tag]]
            data[start + 8 : start + 20] = struct.pack(">3i", *numbers)
    return bytes(data)


def deep_png(samples: np.ndarray, profile: bytes | None = None) -> bytes:
    """A PNG of uint16 [H, W, C], its rows without a filter."""
    height, width, channels = samples.shape
    rows = b"".join(b"\0" + row.tobytes() for row in samples.astype(">u2"))
    data = png(width, height, bits=16, colour=PNG_COLOUR[channels], body=zlib.compress(rows))
    if profile is None:
        return data
    body = b"wide\0\0" + zlib.compress(profile)
    crc = struct.pack(">I", zlib.crc32(b"iCCP" + body))
    chunk = struct.pack(">I", len(body)) + b"iCCP" + body + crc
    return data[:33] + chunk + data[33:]


def deep_tiff(samples: np.ndarray, **options: object) -> bytes:
    """A TIFF of uint16 [H, W, C], by a library of its own."""
    import tifffile

    channels = samples.shape[2]
    stream = io.BytesIO()
    kind = "separated" if options.pop("inks", False) else "rgb" if channels >= 3 else "minisblack"
    extra = {"extrasamples": ["unassalpha"]} if channels == 4 and kind == "rgb" else {}
    values = samples[..., 0] if channels == 1 else samples
    tifffile.imwrite(stream, values, photometric=kind, **extra, **options)
    return stream.getvalue()


def bytes_of(image: Image.Image, kind: str, profile: bytes | None = None) -> bytes:
    options = {} if profile is None else {"icc_profile": profile}
    if kind == "JPEG":
        options |= {"quality": 100, "subsampling": 0}
    if kind == "WEBP":
        options |= {"lossless": True}
    return encoded(image, kind, **options)
