"""What edits of video clips cost, and how much they flicker.

`python benchmarks/video.py CLIP... [--set NAME=TARGET]... [--frames N] [--as-is]`. Each clip is first
brought to 640x360 (scaled to 360 rows, grey beside it), cut to N frames, and edited from file to file.

* frames a second: of the whole edit and of each stage, by the clock; and seconds of the processor for a
  frame, which other programs disturb less. `copy`: decoding and encoding alone.
* flicker: neighbouring frames are brought onto each other by the similarity transform of the face's
  smoothed landmarks (the crop of the frame `head`), and their mean absolute difference after the edit is
  divided by that before it. `changed`: where the edit changes either frame by more than 3 levels;
  `head`: in the whole crop.
"""

import argparse
import itertools
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np

from facedial.editing.request import Edit
from facedial.editor import Editor
from facedial.faces.crop import align
from facedial.faces.geometry import warp
from facedial.faces.photo import Photo
from facedial.faces.sheet import resized
from facedial.video import clip as files
from facedial.video.job import edit_clip
from facedial.video.tracks import Track, follow, smoothed

WIDTH, HEIGHT, GREY = 640, 360, 120
CHANGED_LEVELS = 3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("clips", nargs="+", type=Path)
    parser.add_argument("--set", dest="targets", action="append", metavar="NAME=TARGET")
    parser.add_argument("--frames", type=int, default=100)
    parser.add_argument("--quality", default="best")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--as-is", action="store_true", help="keep the clip's own size")
    asked = parser.parse_args()
    edits = [pair.partition("=") for pair in asked.targets or ["Smiling=1", "Blond_Hair=1"]]
    with Editor.open(threads=asked.threads) as editor, tempfile.TemporaryDirectory() as folder:
        for path in asked.clips:
            source = fitted(path, Path(folder) / f"{path.stem}.mp4", asked.frames, asked.as_is)
            begun = time.perf_counter()
            copied(source, Path(folder) / "copy.mp4")
            count = sum(1 for _ in files.frames(files.open_clip(source)))
            print(
                f"{path.name}: {count} frames, copy {count / (time.perf_counter() - begun):.0f} /s"
            )
            for name, _, amount in edits:
                edit = Edit({name: float(amount)})
                target = Path(folder) / "edited.mp4"
                report(editor, source, target, edit, asked.quality)


def report(editor: Editor, source: Path, target: Path, edit: Edit, quality: str) -> None:
    """Edit a clip, and print what it cost and how much it flickers."""
    first: dict[str, float] = {}
    last: dict[str, float] = {}
    counts: dict[str, int] = defaultdict(int)

    def told(stage: str, done: int, _total: int) -> None:
        first.setdefault(stage, time.perf_counter())
        last[stage], counts[stage] = time.perf_counter(), done

    clock, processor = time.perf_counter(), time.process_time()
    edit_clip(
        editor, source, target, [(1, edit)], method=("best", quality), overwrite=True, told=told
    )
    clock, processor = time.perf_counter() - clock, time.process_time() - processor
    frames = counts["Editing frames"]
    print(
        f"  {' '.join(edit.targets)}: {frames / clock:.2f} frames/s, {processor / frames:.3f} s of the "
        f"processor a frame"
    )
    for stage, done in counts.items():
        seconds = last[stage] - first[stage]
        print(f"    {stage}: {done} in {seconds:.1f} s")
    changed, head = flicker(editor, source, target)
    print(f"    flicker: changed {changed:.3f}, head {head:.3f}")


def flicker(editor: Editor, source: Path, target: Path) -> tuple[float, float]:
    """Differences of neighbouring aligned frames, after over before: where it is changed, and all."""
    clip = files.open_clip(source)
    tracks, times = follow(files.frames(clip), editor.reader)
    track = max(tracks, key=lambda one: len(one.points))
    smoothed(track, [float(one * clip.base) for one in times])
    sums = np.zeros(4)
    before = None
    for one, other in aligned(source, target, track):
        if before is not None:
            apart = [
                np.abs(now - then).mean(2) for now, then in zip((one, other), before, strict=True)
            ]
            seen = np.maximum(np.abs(one - other), np.abs(before[0] - before[1])).max(2)
            mask = seen > CHANGED_LEVELS
            sums += [apart[1][mask].sum(), apart[0][mask].sum(), apart[1].sum(), apart[0].sum()]
        before = one, other
    return float(sums[0] / sums[1]), float(sums[2] / sums[3])


def aligned(source: Path, target: Path, track: Track) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Head crops of a track in both clips, float32 [128, 128, 3]."""
    pairs = zip(
        files.frames(files.open_clip(source)), files.frames(files.open_clip(target)), strict=True
    )
    for number, (one, other) in enumerate(pairs):
        if track.start <= number < track.end:
            crop = align(Photo(one.pixels, "frame"), track.face(number))
            after = warp(other.pixels, crop.to_photo, crop.pixels.shape[0])
            yield crop.pixels.astype(np.float32), after.astype(np.float32)


def fitted(path: Path, target: Path, count: int, as_is: bool) -> Path:
    """The first frames of a clip at 640x360, without its sound."""
    import av

    clip = files.open_clip(path)
    width, height = clip.size if as_is else (WIDTH, HEIGHT)
    with av.open(str(target), "w") as made:
        stream = made.add_stream("libx264", rate=Fraction(clip.rate), options={"crf": "12"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for frame in itertools.islice(files.frames(clip), count):
            canvas = np.full((height, width, 3), GREY, np.uint8)
            scale = min(width / clip.size[0], height / clip.size[1])
            size = round(clip.size[0] * scale), round(clip.size[1] * scale)
            left, top = (width - size[0]) // 2, (height - size[1]) // 2
            canvas[top : top + size[1], left : left + size[0]] = resized(frame.pixels, size)
            made.mux(stream.encode(av.VideoFrame.from_ndarray(canvas, format="rgb24")))
        made.mux(stream.encode())
    return target


def copied(source: Path, target: Path) -> None:
    """Decode and encode a clip."""
    clip = files.open_clip(source)
    with files.writing(clip, target, mark=None, overwrite=True) as writer:
        for frame in files.frames(clip):
            writer.write(frame)


if __name__ == "__main__":
    main()
