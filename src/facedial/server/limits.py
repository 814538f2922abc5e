"""What one server accepts and keeps at most."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Sizes in bytes and pixels, times in seconds.

    `body_bytes`, `upload_s`: size of a request's body, and time for it to arrive. `photo_pixels`,
    `faces`: of one photo. `open_photos`, `open_pixels`: of all photos kept open together; the least
    recently used is closed first, and any is closed `ttl_s` after its last use. `directions`: learned
    directions kept. `max_workers`: jobs computed at once; `max_queued`: jobs that may wait, beyond which
    the answer is 503. `frames`: of one morph.
    """

    body_bytes: int = 30_000_000
    upload_s: float = 30.0
    photo_pixels: float = 50e6
    faces: int = 16
    open_photos: int = 64
    open_pixels: float = 300e6
    directions: int = 256
    ttl_s: float = 1800.0
    max_workers: int = 2
    max_queued: int = 32
    frames: int = 128
