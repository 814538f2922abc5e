"""Files of clips: frames and their times, sound as it was, nothing half-written."""

from pathlib import Path

import numpy as np
import pytest

from facedial.arrays import Bytes
from facedial.errors import BadClip, BadRequest
from facedial.faces.mark import EDITED
from facedial.video import clip as files
from moving_faces import RATE, SIZE, moving, packets, write


def test_a_copy_has_the_frames_their_times_and_the_sound_bit_by_bit(
    clip: Path, tmp_path: Path
) -> None:
    import av

    found = files.open_clip(clip)
    assert (found.size, found.rate, found.count, found.has_sound) == (SIZE, RATE, 4, True)
    target = tmp_path / "copy.mp4"
    with files.writing(found, target, mark=EDITED) as writer:
        for frame in files.frames(found):
            writer.write(frame)
    before, after = (list(files.frames(files.open_clip(one))) for one in (clip, target))
    assert [float(one.pts * found.base) for one in before] == [
        float(one.pts * files.open_clip(target).base) for one in after
    ]
    apart = [
        np.abs(a.pixels.astype(int) - b.pixels).mean() for a, b in zip(before, after, strict=True)
    ]
    assert max(apart) < 3
    assert packets(clip) == packets(target) and len(packets(clip)) > 2
    with av.open(str(target)) as container:
        assert EDITED in container.metadata["comment"]
    assert [one.name for one in tmp_path.iterdir()] == ["copy.mp4"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_what_is_interrupted_leaves_nothing(
    clip: Path, tmp_path: Path, error: type[BaseException]
) -> None:
    found = files.open_clip(clip)
    target = tmp_path / "copy.mp4"
    target.write_bytes(b"before")
    with pytest.raises(error), files.writing(found, target, mark=None, overwrite=True) as writer:
        writer.write(next(iter(files.frames(found))))
        raise error
    assert [one.name for one in tmp_path.iterdir()] == ["copy.mp4"]
    assert target.read_bytes() == b"before"


def test_odd_sides_and_clips_without_sound_are_written(tmp_path: Path, heads: Bytes) -> None:
    frames = [np.ascontiguousarray(one[:100, :101]) for one in moving(heads[0], 2)]
    import av

    path = tmp_path / "odd.mkv"
    with av.open(str(path), "w") as made:
        stream = made.add_stream("libx264", rate=RATE)
        stream.width, stream.height, stream.pix_fmt = 101, 100, "yuv444p"
        for frame in frames:
            made.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        made.mux(stream.encode())
    found = files.open_clip(path)
    assert (found.size, found.has_sound) == ((101, 100), False)
    with files.writing(found, tmp_path / "copy.mp4", mark=None) as writer:
        for one in files.frames(found):
            writer.write(one)
    assert files.open_clip(tmp_path / "copy.mp4").size == (101, 100)


def test_a_clip_that_was_filmed_upright_is_shown_upright(tmp_path: Path, heads: Bytes) -> None:
    import av

    source, turned = write(tmp_path / "wide.mp4", moving(heads[0], 2), sound=False), None
    turned = tmp_path / "turned.mp4"
    data = bytearray(source.read_bytes())
    # The matrix of the track's header (ISO 14496-12, 8.3.2): a quarter turn, as telephones write it.
    at = data.index(b"tkhd") + 4 + 40
    matrix = np.array([0, 1 << 16, 0, -(1 << 16), 0, 0, SIZE[1] << 16, 0, 1 << 30], ">i4")
    data[at : at + 36] = matrix.tobytes()
    turned.write_bytes(bytes(data))
    with av.open(str(turned)) as container:
        assert next(container.decode(video=0)).rotation in (90, -90)
    found = files.open_clip(turned)
    assert found.size == SIZE[::-1]
    lying = next(iter(files.frames(files.open_clip(source)))).pixels.astype(int)
    upright = next(iter(files.frames(found))).pixels
    assert np.abs(np.rot90(lying, -1) - upright).mean() < 1


def test_what_is_no_clip_is_said_in_a_sentence(tmp_path: Path, clip: Path) -> None:
    for name, data in (("text.mp4", b"no clip"), ("cut.mp4", clip.read_bytes()[:500])):
        path = tmp_path / name
        path.write_bytes(data)
        with pytest.raises(BadClip, match=f"cannot read .*{name}: "):
            files.open_clip(path)
    with pytest.raises(BadClip, match=r"cannot read .*none\.mp4: No such file"):
        files.open_clip(tmp_path / "none.mp4")
    found = files.open_clip(clip)
    for name in ("out.webm", "out.gif"):
        with (
            pytest.raises(BadRequest, match="use one of"),
            files.writing(found, tmp_path / name, mark=None),
        ):
            pass
