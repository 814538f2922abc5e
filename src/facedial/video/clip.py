"""Video files: frames out of one, edited frames into another, with the sound as it was (PyAV)."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from facedial.arrays import Bytes
from facedial.errors import BadClip, BadRequest
from facedial.faces.mark import VOCABULARY, found
from facedial.files import atomic_write
from facedial.video import WRITABLE

# H.264: losses of a second encoding that are hardly seen, at several times the speed of an edit.
CODEC, OPTIONS = "libx264", {"crf": "17", "preset": "fast"}
MAX_PIXELS = 4096 * 4096  # of a frame
RIGHT_ANGLE = 90


@dataclass(frozen=True, slots=True)
class Clip:
    """A video file: `size` of its frames as they are shown, (width, height), and frames a second.

    `base`: seconds of the unit of its frames' times.
    `count`: of its frames, as the file says or by its duration; 0 where neither is known.
    `has_sound`: whether there is a track of sound.
    """

    path: Path
    size: tuple[int, int]
    rate: Fraction
    base: Fraction
    count: int
    has_sound: bool


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """A frame: pixels uint8 [H, W, 3], upright, and its time in the units of the file."""

    pixels: Bytes
    pts: int


def open_clip(path: Path) -> Clip:
    """What a file holds; raises `BadClip`, `BadRequest` without the extra."""
    with _opened(path) as container:
        stream = container.streams.video[0]
        first = next(container.decode(stream), None)
        if first is None:
            raise BadClip(f"{path} has no frames; give another file")
        width, height = first.width, first.height
        if width * height > MAX_PIXELS:
            raise BadClip(
                f"the frames of {path} have {width}x{height} pixels, and at most {MAX_PIXELS} are "
                "edited; make them smaller first"
            )
        if first.rotation % (2 * RIGHT_ANGLE):
            width, height = height, width
        rate = stream.average_rate or stream.guessed_rate or Fraction(25)
        seconds = stream.duration * stream.time_base if stream.duration else None
        count = stream.frames or (round(seconds * rate) if seconds else 0)
        return Clip(
            path,
            (width, height),
            Fraction(rate),
            stream.time_base,
            count,
            bool(container.streams.audio),
        )


def mark_of(path: Path) -> str | None:
    """The mark that `writing` left in a file's comment (`faces.mark`); None without one."""
    with _opened(path) as container:
        return found(container.metadata.get("comment"))


def frames(clip: Clip) -> Iterator[Frame]:
    """The frames of a clip in order; raises `BadClip` where they cannot be decoded."""
    with _opened(clip.path) as container:
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        last = None
        for frame in container.decode(stream):
            pixels = frame.to_ndarray(format="rgb24")
            turns = round(frame.rotation / RIGHT_ANGLE) % 4
            pixels = np.ascontiguousarray(np.rot90(pixels, turns)) if turns else pixels
            if pixels.shape[1::-1] != clip.size:
                raise BadClip(
                    f"the frames of {clip.path} change their size; give one of a single size"
                )
            # A frame without a time of its own follows the one before.
            step = max(1, round(1 / (clip.rate * stream.time_base)))
            pts = frame.pts if frame.pts is not None else (0 if last is None else last + step)
            if last is not None and pts <= last:
                continue
            last = pts
            yield Frame(pixels, pts)


class Writer:
    """Takes edited frames of a clip, and the clip's sound up to each."""

    def __init__(self, source: Any, target: Any, clip: Clip, mark: str | None) -> None:
        picture = source.streams.video[0]
        self._target = target
        self._video = target.add_stream(CODEC, rate=clip.rate, options=dict(OPTIONS))
        context, own = self._video.codec_context, picture.codec_context
        context.width, context.height = clip.size
        # Two colour planes of half the size need even sides.
        context.pix_fmt = "yuv444p" if any(side % 2 for side in clip.size) else "yuv420p"
        self._base = context.time_base = picture.time_base
        for name in ("color_range", "colorspace", "color_primaries", "color_trc"):
            setattr(context, name, getattr(own, name))
        if own.sample_aspect_ratio:
            turned = tuple(clip.size) != (own.width, own.height)
            ratio = own.sample_aspect_ratio
            context.sample_aspect_ratio = 1 / ratio if turned else ratio
        target.metadata.update(source.metadata)
        if mark is not None:
            said = [source.metadata.get("comment"), f"DigitalSourceType {VOCABULARY}{mark}"]
            target.metadata["comment"] = "; ".join(part for part in said if part)
        self._sound = None
        self._packets: Iterator[Any] = iter(())
        if source.streams.audio:
            track = source.streams.audio[0]
            try:
                self._sound = target.add_stream_from_template(track)
            except ValueError as error:
                raise BadClip(
                    f"the sound of {clip.path} ({track.codec_context.name}) does not fit into such a "
                    "file; write a .mkv"
                ) from error
            self._packets = (p for p in source.demux(track) if p.dts is not None)
        self._waiting: Any = None

    def write(self, frame: Frame) -> None:
        """Encode one frame, after the sound before it."""
        import av

        picture = av.VideoFrame.from_ndarray(frame.pixels, format="rgb24")
        picture.pts, picture.time_base = frame.pts, self._base
        self._copy_sound(frame.pts * self._base)
        self._target.mux(self._video.encode(picture))

    def finish(self) -> None:
        """Write what is left."""
        self._target.mux(self._video.encode())
        self._copy_sound(None)

    def _copy_sound(self, until: Fraction | None) -> None:
        """Copy the sound's packets up to a time in seconds; all that are left where None."""
        while True:
            packet = self._waiting or next(self._packets, None)
            self._waiting = packet
            if packet is None or (until is not None and packet.dts * packet.time_base > until):
                return
            self._waiting = None
            packet.stream = self._sound
            self._target.mux(packet)


@contextmanager
def writing(
    clip: Clip, path: Path, *, mark: str | None, overwrite: bool = False
) -> Iterator[Writer]:
    """A writer of a file like `clip`, which is complete or not there at all (`files.atomic_write`).

    `mark`: a term of IPTC's digital source types, written as the file's comment. Raises `BadRequest`
    for another ending and an output that exists, `BadClip` where the sound does not fit into it.
    """
    import av

    if path.suffix.lower() not in WRITABLE:
        raise BadRequest(f"cannot write {path}: use one of {' '.join(WRITABLE)}")
    options = {} if path.suffix.lower() == ".mkv" else {"movflags": "faststart"}
    with (
        atomic_write(path, overwrite=overwrite) as temporary,
        _opened(clip.path) as source,
    ):
        try:
            with av.open(str(temporary), "w", options=options) as target:
                writer = Writer(source, target, clip, mark)
                yield writer
                writer.finish()
        except av.error.FFmpegError as error:
            raise BadClip(f"cannot write {path}: {_reason(error)}") from error


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """A container with a video track, for reading; ffmpeg's errors are reported as the file's."""
    try:
        import av
    except ImportError as error:
        raise BadRequest(
            "video clips need one more package; install it with: pip install 'facedial[video]'"
        ) from error
    try:
        with av.open(str(path)) as container:
            if not container.streams.video:
                raise BadClip(f"{path} has no video track; give a video clip")
            yield container
    except (av.error.FFmpegError, OSError) as error:
        raise BadClip(f"cannot read {path}: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)
