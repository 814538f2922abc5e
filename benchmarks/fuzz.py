"""Damaged picture files, read and written again under limits: crashes, tracebacks and hangs are counted.

`python benchmarks/fuzz.py [-n 10000] [--seed 0] [--workers 1] [-o TABLE.json]` prints a table by format
and kind of damage; `--only I` runs file I alone, and `--save FOLDER` keeps those that failed. A file is a
function of the seed and its number. Each is read, edited, written in its own format (or PNG) and read
again, in a process with 10 s and 2 GB, replaced when it dies. Right is a photo or one sentence.
"""

import argparse
import io
import json
import os
import resource
import select
import struct
import subprocess
import sys
import threading
import time
import traceback
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import ExifTags, Image, ImageCms

FORMATS = {
    "JPEG": ".jpg",
    "PNG": ".png",
    "WEBP": ".webp",
    "AVIF": ".avif",
    "TIFF": ".tif",
    "GIF": ".png",
    "BMP": ".bmp",
    "JPEG2000": ".png",
    "TGA": ".png",
    "PPM": ".png",
    "ICO": ".png",
    "QOI": ".png",
}
HEIC = "HEIF"  # besides, where the extra is installed
LIMIT_S, LIMIT_BYTES = 10.0, 2 << 30
WRITTEN = (
    4e6  # pixels up to which it is written again; encoders of sound large pictures take their time
)
SIDES = (96, 64)  # width and height of the sound pictures
EXTREMES = (0, 1, 2, 0x7F, 0xFF, 0x100, 0x3FFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF, 0xFFFFFFFE)
PNG_START = b"\x89PNG\r\n\x1a\n"
RIGHT = ("read", "refused")
XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    b'<rdf:Description rdf:about="" xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="6"/>'
    b"</rdf:RDF></x:xmpmeta>"
)


@dataclass(frozen=True, slots=True)
class Case:
    """One damaged file."""

    number: int
    kind: str
    damage: str
    data: bytes


def sound_files() -> dict[str, list[bytes]]:
    """Sound pictures of each format: several modes, with and without metadata, animated."""
    rng = np.random.default_rng(0)
    width, height = SIDES
    smooth = np.linspace(0, 255, width * height * 4).reshape(height, width, 4)
    noisy = np.clip(smooth + rng.normal(0, 20, smooth.shape), 0, 255).astype(np.uint8)
    rgba = Image.fromarray(noisy)
    rgb, grey = rgba.convert("RGB"), rgba.convert("L")
    deep = Image.fromarray(noisy[..., 0].astype(np.uint16) * 257)
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    told = {"exif": _exif(), "icc_profile": profile}
    moving = {"save_all": True, "append_images": [rgb.rotate(90), rgb.rotate(180)]}
    inks = rgb.convert("CMYK")
    kinds: dict[str, list[tuple[Image.Image, dict[str, Any]]]] = {
        "JPEG": [
            (rgb, {}),
            (rgb, {"progressive": True, "xmp": XMP, **told}),
            (inks, {}),
            (grey, told),
        ],
        "PNG": [
            (rgb, told),
            (rgba, {}),
            (deep, {}),
            (rgb.convert("P"), {"transparency": 3}),
            (rgb, moving),
        ],
        "WEBP": [(rgb, {"xmp": XMP, **told}), (rgba, {"lossless": True}), (rgb, moving)],
        "AVIF": [(rgb, {"speed": 10, **told}), (rgba, {"speed": 10})],
        "TIFF": [
            (rgb, {}),
            (rgb, {"compression": "tiff_lzw", "icc_profile": profile}),
            (inks, {"compression": "tiff_deflate"}),
            (deep, {}),
            (rgb, {"compression": "jpeg"}),
        ],
        "GIF": [(rgb.convert("P"), {}), (rgb, moving)],
        "BMP": [(rgb, {}), (rgb.convert("P"), {}), (grey.convert("1"), {})],
        "JPEG2000": [(rgb, {}), (grey, {"irreversible": True}), (rgba, {})],
        "TGA": [(rgb, {}), (rgba, {"compression": "tga_rle"})],
        "PPM": [(rgb, {}), (grey, {}), (grey.convert("1"), {})],
        "ICO": [(rgba.resize((64, 64)), {}), (rgb.resize((64, 64)), {"bitmap_format": "bmp"})],
        "QOI": [(rgb, {}), (rgba, {})],
    }
    try:
        import pillow_heif
    except ImportError:
        pass
    else:
        pillow_heif.register_heif_opener()
        kinds[HEIC] = [(rgb, {"xmp": XMP, **told}), (rgba, {})]
    files = {
        kind: [_encoded(one, kind, options) for one, options in rows]
        for kind, rows in kinds.items()
    }
    files["PNG"].append(_deep_colour(noisy, "png"))
    files["TIFF"].append(_deep_colour(noisy, "tif"))
    return files


def _exif() -> Image.Exif:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    exif[ExifTags.Base.Make] = "a camera"
    exif[ExifTags.IFD.Exif] = {ExifTags.Base.ExifImageWidth: 96, ExifTags.Base.ColorSpace: 1}
    exif[ExifTags.IFD.GPSInfo] = {
        ExifTags.GPS.GPSLatitudeRef: "N",
        ExifTags.GPS.GPSLatitude: (1, 2, 3),
    }
    return exif


def _encoded(image: Image.Image, kind: str, options: dict[str, Any]) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def _deep_colour(pixels: np.ndarray[Any, Any], ending: str) -> bytes:
    """RGB of 16 bits, which Pillow cannot write."""
    from facedial.faces import deep

    samples = pixels[..., :3].astype(np.uint16) * 257
    if ending == "png":
        return deep.png(samples, _encoded(Image.new("RGB", (1, 1)), "PNG", {}))
    from facedial.faces.original import Original
    from facedial.faces.photo import Photo

    photo = Photo(
        pixels[..., :3].copy(), original=Original(samples), exif=_exif().tobytes(), xmp=XMP
    )
    return photo.encoded(".tif")


Rng = np.random.Generator
Damage = Callable[[bytearray, Rng, bytes], bytearray]


def _flip(data: bytearray, rng: Rng, _: bytes) -> bytearray:
    for at in rng.integers(0, len(data), rng.integers(1, 40)):
        data[at] = rng.integers(0, 256)
    return data


def _flip_early(data: bytearray, rng: Rng, _: bytes) -> bytearray:
    """Most formats keep what matters in their first bytes."""
    for at in rng.integers(0, min(len(data), 400), rng.integers(1, 12)):
        data[at] ^= 1 << rng.integers(0, 8)
    return data


def _cut(data: bytearray, rng: Rng, _: bytes) -> bytearray:
    return data[: rng.integers(0, len(data))]


def _exchange(data: bytearray, rng: Rng, other: bytes) -> bytearray:
    """The beginning of another file, of any format."""
    length = int(rng.choice([4, 8, 12, 26, 64, 200]))
    return bytearray(other[:length]) + data[length:]


def _lie(data: bytearray, rng: Rng, _: bytes) -> bytearray:
    """Numbers that state sizes: the sides wherever they stand, or any place, take another value."""
    places = [(at, size, order) for at, size, order in _sides(data) if at < 4000]
    for _i in range(rng.integers(1, 4)):
        if places and rng.random() < 0.7:
            at, size, order = places[rng.integers(len(places))]
        else:
            size, order = int(rng.choice([2, 4])), str(rng.choice(["<", ">"]))
            at = int(rng.integers(0, max(1, min(len(data) - size, 600))))
        value = int(rng.choice(EXTREMES)) if rng.random() < 0.6 else int(rng.integers(0, 40_000))
        form = order + ("H" if size == 2 else "I")
        data[at : at + size] = struct.pack(form, value & (0xFFFF if size == 2 else 0xFFFFFFFF))
    return data


def _sides(data: bytearray) -> Iterator[tuple[int, int, str]]:
    """Where the picture's width or height stand: offset, bytes, byte order."""
    for side in (*SIDES, SIDES[0] - 1, SIDES[1] - 1, 3 * SIDES[0]):
        for form, size in (("H", 2), ("I", 4)):
            for order in "<>":
                at = data.find(struct.pack(order + form, side))
                if at >= 0:
                    yield at, size, order


def _move(data: bytearray, rng: Rng, _: bytes) -> bytearray:
    """A part is repeated, left out or zero."""
    first, last = sorted(int(at) for at in rng.integers(0, len(data), 2))
    how = rng.integers(3)
    part = data[first:last]
    inserted = part * 2 if how == 0 else bytearray() if how == 1 else bytearray(len(part))
    return data[:first] + inserted + data[last:]


def _mix(data: bytearray, rng: Rng, other: bytes) -> bytearray:
    for damage in (_lie, _flip_early, _cut):
        data = damage(data, rng, other) if rng.random() < 0.6 and len(data) > 8 else data
    return data


DAMAGES: dict[str, Damage] = {
    "bytes": _flip,
    "early bytes": _flip_early,
    "cut": _cut,
    "header": _exchange,
    "sizes": _lie,
    "moved": _move,
    "several": _mix,
}


def case(number: int, seed: int, files: dict[str, list[bytes]]) -> Case:
    """File `number`: formats and kinds of damage take turns."""
    rng = np.random.default_rng([seed, number])
    kinds, damages = list(files), list(DAMAGES)
    kind = kinds[number % len(kinds)]
    damage = damages[number // len(kinds) % len(damages)]
    own = files[kind]
    other = files[kinds[rng.integers(len(kinds))]][0]
    data = DAMAGES[damage](bytearray(own[rng.integers(len(own))]), rng, other)
    if data[:8] == PNG_START and rng.random() < 0.6:
        data = _checked(data)
    return Case(number, kind, damage, bytes(data))


def _checked(data: bytearray) -> bytearray:
    """A damaged PNG whose checksums are right, so that readers go on to what is wrong."""
    at = len(PNG_START)
    while at + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, at)
        end = at + 8 + length
        if end + 4 > len(data):
            break
        struct.pack_into(">I", data, end, zlib.crc32(data[at + 4 : end]))
        at = end + 4
    return data


class Worker:
    """A process that reads one file after another; started anew when it died."""

    def __init__(self, command: Sequence[str] = (sys.executable, __file__, "--worker")) -> None:
        self._command = command
        self._process: subprocess.Popen[bytes] | None = None

    def outcome(self, one: Case) -> tuple[str, str]:
        """`read`, `refused`, `traceback`, `crash` or `hang`, and what it said."""
        process = self._process = self._process or self._started()
        assert process.stdin is not None and process.stdout is not None
        try:
            process.stdin.write(
                struct.pack("<II", FORMATS_BY_NAME[one.kind], len(one.data)) + one.data
            )
            process.stdin.flush()
            begun = _cpu_s(process.pid)
            while not select.select([process.stdout], [], [], LIMIT_S)[0]:
                # On a machine that has other work, too, only its own time counts.
                if _cpu_s(process.pid) - begun > LIMIT_S:
                    return self._ended("hang", f"more than {LIMIT_S:.0f} s")
            line = process.stdout.readline()
        except BrokenPipeError:
            line = b""
        if not line:
            return self._ended("crash", "")
        outcome, said = json.loads(line)
        return outcome, said

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            self._ended("", "")

    def _started(self) -> "subprocess.Popen[bytes]":
        return subprocess.Popen(
            self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )

    def _ended(self, outcome: str, said: str) -> tuple[str, str]:
        assert self._process is not None
        self._process.kill()
        with self._process as process:
            code = process.wait()
        self._process = None
        return outcome, said or f"exit code {code}"


def _cpu_s(process: int) -> float:
    """Seconds that a process has computed; those on the clock where the system does not say."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return time.monotonic()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


FORMATS_BY_NAME = {kind: number for number, kind in enumerate([*FORMATS, HEIC])}


def work() -> None:
    """Read files from stdin, one after another, and say on stdout what came of each."""
    resource.setrlimit(resource.RLIMIT_AS, (LIMIT_BYTES, LIMIT_BYTES))
    endings = [*FORMATS.values(), ".png"]
    answers, sys.stdout = sys.stdout, sys.stderr
    while header := sys.stdin.buffer.read(8):
        number, length = struct.unpack("<II", header)
        answers.write(json.dumps(_tried(sys.stdin.buffer.read(length), endings[number])) + "\n")
        answers.flush()


def _tried(data: bytes, ending: str) -> tuple[str, str]:
    from facedial.errors import FacedialError
    from facedial.faces.photo import Photo

    try:
        photo = Photo.from_bytes(data, "damaged")
        if photo.size[0] * photo.size[1] > WRITTEN:
            return "read", ""
        edited = photo.pixels.copy()
        edited[:8, :8] = 255 - edited[:8, :8]
        Photo.from_bytes(photo.with_pixels(edited).encoded(ending), "again")
    except FacedialError as error:
        return "refused", str(error)
    except BaseException:
        return "traceback", traceback.format_exc()
    return "read", ""


def run(cases: Iterator[Case], workers: int, save: Path | None) -> dict[str, Any]:
    """Outcomes by format and damage, and what failed."""
    table: dict[str, Counter[str]] = {}
    failed: list[dict[str, Any]] = []
    lock = threading.Lock()

    def one_by_one() -> None:
        worker = Worker()
        while True:
            with lock:
                one = next(cases, None)
            if one is None:
                break
            outcome, said = worker.outcome(one)
            with lock:
                for row in (one.kind, f"damage: {one.damage}", "all"):
                    table.setdefault(row, Counter())[outcome] += 1
                if outcome not in RIGHT:
                    failed.append({"number": one.number, "format": one.kind, "damage": one.damage})
                    failed[-1] |= {"outcome": outcome, "said": said}
                    if save is not None:
                        save.mkdir(parents=True, exist_ok=True)
                        (save / f"{one.number}.{one.kind.lower()}").write_bytes(one.data)
        worker.close()

    with ThreadPoolExecutor(workers) as pool:
        for done in [pool.submit(one_by_one) for _ in range(workers)]:
            done.result()
    return {"table": table, "failed": failed}


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-n", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--only", type=int)
    parser.add_argument("--save", type=Path)
    parser.add_argument("-o", type=Path)
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.worker:
        work()
        return
    files = sound_files()
    numbers = range(asked.n) if asked.only is None else [asked.only]
    found = run((case(i, asked.seed, files) for i in numbers), asked.workers, asked.save)
    columns = ("read", "refused", "traceback", "crash", "hang")
    print(f"{'':22}" + "".join(f"{name:>11}" for name in columns))
    for row, counts in sorted(found["table"].items(), key=lambda item: (item[0] == "all", item[0])):
        print(f"{row:22}" + "".join(f"{counts[name]:11}" for name in columns))
    for row in found["failed"]:
        print(
            f"\n{row['number']} {row['format']}, {row['damage']}: {row['outcome']}\n{row['said']}"
        )
    if asked.o is not None:
        asked.o.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
