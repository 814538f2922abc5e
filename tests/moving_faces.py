"""Clips of a generated face that moves over grey, with a tone."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from facedial.arrays import Bytes
from facedial.editor import Editor

SIZE = (288, 272)  # width, height
RATE = 10


@pytest.fixture(scope="session")
def heads(editor: Editor) -> Bytes:
    """Two generated faces, 256x256."""
    return editor.decode(editor.generate(2, seed=3, prior="gaussian"), size=256)


def moving(head: Bytes, count: int, start: int = 0) -> list[Bytes]:
    """Frames with a head that goes two pixels to the right in each."""
    frames = []
    for i in range(start, start + count):
        frame = np.full((SIZE[1], SIZE[0], 3), 120, np.uint8)
        frame[8:264, 2 * i : 2 * i + 256] = head
        frames.append(frame)
    return frames


def write(path: Path, frames: Sequence[Bytes], *, sound: bool = True) -> Path:
    """A clip of frames, with a tone of its length."""
    import av

    with av.open(str(path), "w") as clip:
        video = clip.add_stream("libx264", rate=RATE, options={"crf": "10"})
        video.width, video.height, video.pix_fmt = frames[0].shape[1], frames[0].shape[0], "yuv420p"
        tone = clip.add_stream("aac", rate=8000, layout="mono") if sound else None
        for frame in frames:
            clip.mux(video.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        clip.mux(video.encode())
        if tone is not None:
            time = np.arange(8000 * len(frames) // RATE) / 8000
            wave = np.sin(2 * np.pi * 440 * time).astype(np.float32)[None]
            audio = av.AudioFrame.from_ndarray(wave, format="fltp", layout="mono")
            audio.sample_rate = 8000
            clip.mux(tone.encode(audio))
            clip.mux(tone.encode())
    return path


@pytest.fixture(scope="session")
def clip(heads: Bytes, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four frames of one face."""
    return write(tmp_path_factory.mktemp("clips") / "walk.mp4", moving(heads[0], 4))


def packets(path: Path) -> list[bytes]:
    """The packets of a clip's sound."""
    import av

    with av.open(str(path)) as found:
        return [bytes(packet) for packet in found.demux(audio=0) if packet.dts is not None]
