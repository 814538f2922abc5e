"""What `facedial edit` holds at its peak for a large photo, beyond the decoded photo.

`python benchmarks/memory.py [--megapixels 100] [-o FILE.json]`: a public-domain portrait is enlarged,
written in several kinds of files and edited, each in a process of its own, on Linux. "beyond" is the peak
less the decoded photo (three bytes a pixel, six of 16 bits) and less the peak of the same edit of one
megapixel, which is mostly the networks'.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image, ImageCms
from skimage import data

RUN = """
import sys
from facedial.cli.entry import main
try:
    main(sys.argv[1:])
except SystemExit as done:
    if done.code:
        raise
lines = open("/proc/self/status").read().splitlines()
print(next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) * 1024)
"""


@dataclass(frozen=True, slots=True)
class Row:
    """One edit: sizes in millions of bytes."""

    photo: str
    megapixels: float
    edit: str
    peak: float
    decoded: float
    beyond: float
    seconds: float


def portrait(megapixels: float) -> Image.Image:
    """The astronaut, square."""
    side = round((megapixels * 1e6) ** 0.5)
    whole = Image.fromarray(data.astronaut())  # type: ignore[no-untyped-call]
    return whole.resize((side, side), Image.Resampling.BICUBIC)


def turned(image: Image.Image, path: Path) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    image.transpose(Image.Transpose.ROTATE_90).save(path, quality=92, exif=exif)


def wide(image: Image.Image, path: Path) -> None:
    """With a profile that is not sRGB's, so that two versions of the photo are held."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    profile = profile.replace(b"s\0R\0G\0B", b"o\0t\0h\0e")
    image.save(path, quality=92, icc_profile=bytes(profile))


def deep(image: Image.Image, path: Path) -> None:
    from facedial.faces.original import Original
    from facedial.faces.photo import Photo

    pixels = np.asarray(image)
    Photo(pixels, original=Original(pixels.astype(np.uint16) * 257)).save(path)


KINDS: dict[str, tuple[str, float, Callable[[Image.Image, Path], None]]] = {
    "JPEG": (".jpg", 1, lambda image, path: image.save(path, quality=92)),
    "JPEG, turned": (".jpg", 1, turned),
    "JPEG, wide gamut": (".jpg", 1, wide),
    "WebP": (".webp", 1, lambda image, path: image.save(path, quality=80, method=0)),
    "PNG": (".png", 1, lambda image, path: image.save(path, compress_level=1)),
    "PNG, 16 bits": (".png", 2, deep),
}
EDITS = {"Smiling=1": "a mouth", "Blond_Hair=1": "hair", "Eyeglasses=1": "glasses"}


def measured(path: Path, edit: str, folder: Path) -> tuple[float, float]:
    """Peak in millions of bytes, and seconds."""
    out = folder / f"edited{path.suffix}"
    words = ["edit", str(path), "--set", edit, "-o", str(out), "--overwrite", "--threads", "1"]
    begun = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", RUN, *words], check=True, capture_output=True, text=True
    )
    return int(done.stdout.split()[-1]) / 1e6, time.perf_counter() - begun


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megapixels", type=float, default=100.0)
    parser.add_argument("--kind", action="append", choices=list(KINDS))
    parser.add_argument("--edit", action="append", choices=list(EDITS))
    parser.add_argument("-o", type=Path)
    asked = parser.parse_args()
    rows = []
    header = f"{'photo':18} {'edit':13} {'peak MB':>8} {'decoded':>8} {'beyond':>8} {'s':>6}"
    print(header, flush=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        small, large = portrait(1.0), portrait(asked.megapixels)
        small.save(folder / "small.jpg", quality=92)
        for edit in asked.edit or ["Smiling=1"]:
            base, _ = measured(folder / "small.jpg", edit, folder)
            print(f"{'JPEG, 1 megapixel':18} {edit:13} {base:8.0f}", flush=True)
            for kind in asked.kind or list(KINDS):
                ending, size, write = KINDS[kind]
                path = folder / f"large{ending}"
                write(large, path)
                peak, seconds = measured(path, edit, folder)
                decoded = 3 * size * large.width * large.height / 1e6
                row = Row(
                    kind, asked.megapixels, edit, peak, decoded, peak - base - decoded, seconds
                )
                rows.append(row)
                numbers = f"{peak:8.0f} {decoded:8.0f} {row.beyond:8.0f} {seconds:6.1f}"
                print(f"{kind:18} {edit:13} {numbers}", flush=True)
    if asked.o is not None:
        asked.o.write_text(json.dumps([asdict(row) for row in rows], indent=1))


if __name__ == "__main__":
    main()
