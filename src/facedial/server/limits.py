"""What one server takes on at once."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Sizes in bytes and pixels, times in seconds.

    `at_once`: pieces of work on the processor; `waiting`: requests that may wait for it, beyond which
    the answer is 503. `open_pixels`: of all photos that are kept open together; the one not used for
    longest goes first, and any goes after `idle_s`.
    """

    body_bytes: int = 30_000_000
    upload_s: float = 30.0
    pixels: float = 50e6
    open_pixels: float = 300e6
    open_photos: int = 64
    directions: int = 256
    idle_s: float = 1800.0
    faces: int = 16
    at_once: int = 2
    waiting: int = 32
    new_faces: int = 64
    frames: int = 64
    codes: int = 500
