"""Pictures without sharp edges, as files too, and a face placed on one by hand."""

import io
import struct
import zlib

import numpy as np

from facedial.faces import HEAD_TEMPLATE, Face, Photo
from facedial.faces.geometry import apply, similarity

SMOOTH = np.stack(
    np.broadcast_arrays(
        np.linspace(20, 235, 48)[None, :], np.linspace(30, 220, 36)[:, None], np.full((36, 48), 120)
    ),
    axis=-1,
).astype(np.uint8)


def encoded(image, kind, **options):
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def png(width, height, *, bits=8, colour=0, body=b""):
    def chunk(name, data):
        crc = struct.pack(">I", zlib.crc32(name + data))
        return struct.pack(">I", len(data)) + name + data + crc

    header = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)
    parts = chunk(b"IHDR", header), chunk(b"IDAT", body), chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def smooth_photo(width=300, height=260):
    x, y = np.meshgrid(np.arange(width), np.arange(height))
    waves = [120 + 90 * np.sin(x / a) * np.cos(y / b) for a, b in ((23, 31), (29, 19), (37, 41))]
    return Photo(np.rint(np.stack(waves, axis=-1)).astype(np.uint8), "smooth")


def face_at(scale, turn, middle):
    place = similarity(scale, turn, np.array([63.5, 63.5]), np.array(middle))
    return Face(np.array([0.0, 0.0, 1.0, 1.0]), apply(place, HEAD_TEMPLATE), 1.0)
