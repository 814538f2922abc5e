"""What facedial costs, each figure beside the cost of a plain baseline in the same run.

`python benchmarks/run.py [-o FILE.json]` takes less than a minute on two cores. Milliseconds differ
from machine to machine; the ratio to the baseline much less, so compare ratios between machines and
milliseconds only on one. A ratio below one is shown like any other: nothing is left out.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from facedial import Editor, Photo

FORMAT = 1
WARM_UP = 2
ROUNDS, PROCESSES = 30, 7  # at most so many calls, and so many processes
LEAST, PATIENCE_S = 5, 1.2  # after so many rounds a figure ends when it has taken so long
SIDE = 1000  # one megapixel
MANY = 32
BYTES_PER_UNIT = 1e6

# What a process that edits one photo holds at its peak, in bytes; on Linux the mark of this very
# program, since `ru_maxrss` also remembers the process that started it.
PEAK = """
import sys
def peak():
    try:
        lines = open("/proc/self/status").read().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))
    except OSError:
        import resource
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return most if sys.platform == "darwin" else most * 1024
"""
EDITING = """
import facedial
with facedial.Editor.open(sys.argv[2] or None, threads=int(sys.argv[3])) as editor:
    portrait = editor.read(facedial.Photo.open(sys.argv[1]))[0]
    editor.render(portrait, {"Smiling": 1})
print(peak())
"""
IMPORTING = """
import numpy, onnxruntime
from PIL import Image
Image.open(sys.argv[1]).load()
print(peak())
"""


@dataclass(frozen=True, slots=True)
class Times:
    """Of n rounds after warm-up: the median, and what a tenth of them lies below and above."""

    median: float
    p10: float
    p90: float
    n: int

    @staticmethod
    def of(values: Sequence[float]) -> "Times":
        """The times of `values`."""
        import numpy as np

        low, middle, high = (float(np.percentile(values, share)) for share in (10, 50, 90))
        return Times(median=middle, p10=low, p90=high, n=len(values))


@dataclass(frozen=True, slots=True)
class Row:
    """A figure, what it is compared with, and how many times as much it is."""

    name: str
    unit: str
    times: Times
    baseline: str
    baseline_times: Times

    @property
    def ratio(self) -> float:
        """Median over the baseline's median."""
        return self.times.median / self.baseline_times.median

    def facts(self) -> dict[str, Any]:
        """The row for JSON."""
        return {**asdict(self), "ratio": self.ratio}

    def line(self) -> str:
        """The row for people."""
        ours, theirs = self.times, self.baseline_times
        spread = f"({ours.p10:.4g} to {ours.p90:.4g})"
        return (
            f"{self.name:16} {ours.median:9.4g} {self.unit:3} {spread:22} "
            f"{self.ratio:8.3g} x {theirs.median:9.4g} {self.unit:3} {self.baseline}"
        )


def timed(
    name: str,
    call: Callable[[], object],
    baseline: str,
    plain: Callable[[], object],
    *,
    rounds: int = ROUNDS,
) -> Row:
    """Milliseconds of `call` and of `plain`, taken in turn so that a busy moment meets both."""
    for _ in range(WARM_UP):
        call()
        plain()
    ours: list[float] = []
    theirs: list[float] = []
    start = time.perf_counter()
    while len(ours) < rounds:
        ours.append(_milliseconds(call))
        theirs.append(_milliseconds(plain))
        if len(ours) >= LEAST and time.perf_counter() - start > PATIENCE_S:
            break
    return Row(name, "ms", Times.of(ours), baseline, Times.of(theirs))


def processes(name: str, arguments: Sequence[str]) -> Row:
    """Milliseconds of a Python process with `arguments`, against one that does nothing."""
    return timed(
        name,
        lambda: python(arguments),
        "python -c pass",
        lambda: python(["-c", "pass"]),
        rounds=PROCESSES,
    )


def memory(photo: Path, model: str, threads: int) -> Row:
    """Megabytes that a process holds at its peak when it edits `photo`."""

    def peaks(program: str) -> Times:
        told = [python(["-c", PEAK + program, str(photo), model, str(threads)]) for _ in range(3)]
        return Times.of([int(text) / BYTES_PER_UNIT for text in told])

    compared = "numpy, Pillow, onnxruntime and the photo in memory"
    return Row("peak memory", "MB", peaks(EDITING), compared, peaks(IMPORTING))


def python(arguments: Sequence[str]) -> str:
    """What this Python prints when it is called with `arguments`."""
    done = subprocess.run(
        [sys.executable, *arguments], check=True, stdout=subprocess.PIPE, text=True
    )
    return done.stdout


def subject(editor: "Editor") -> tuple["Photo", str]:
    """A photo of one megapixel with a face, and where it comes from.

    The astronaut of scikit-image (public domain) where that is installed, else a face that the
    model draws, on the first seed at which the detector agrees that it is one.
    """
    import numpy as np

    from facedial import Photo
    from facedial.errors import NoFaceFound
    from facedial.faces import sheet

    try:
        from skimage import data

        return Photo(sheet.resized(data.astronaut(), (SIDE, SIDE)), "astronaut"), "astronaut"
    except ImportError:
        pass
    for seed in range(40):
        drawn = editor.decode(editor.generate(1, seed=seed, temperature=0.4))[0]
        large = sheet.resized(drawn, (SIDE // 2, SIDE // 2))
        around = ((SIDE // 4,) * 2, (SIDE // 4,) * 2, (0, 0))
        photo = Photo(np.pad(large, around, "edge"), f"seed {seed}")
        try:
            editor.faces(photo)
        except NoFaceFound:
            continue
        return photo, f"drawn by the model, seed {seed}, temperature 0.4"
    raise SystemExit("the model draws no face that is found; install scikit-image")


def of_calls(editor: "Editor", photo: "Photo", model: str | None, threads: int) -> list[Row]:
    """Opening, reading, rendering, encoding, decoding and drawing with an editor at hand."""
    import hashlib

    import numpy as np
    from PIL import Image

    from facedial import Edit
    from facedial import Editor as Opened
    from facedial.faces import NetworkDetector
    from facedial.faces.detector import shrunk

    rng = np.random.default_rng(0)
    used = editor.model
    detector = NetworkDetector(used.detect)
    size = used.dimensions
    portrait = editor.read(photo)[0]
    crop, side = Image.fromarray(portrait.crop.pixels), used.side
    crops = np.repeat(portrait.crop.pixels[None], MANY, 0)
    codes = used.encode(crops)
    edit = Edit(targets={"Smiling": 0.0, "Blond_Hair": 1.0})
    # The cheapest linear code of the same size: small pictures of 6,144 numbers times a matrix.
    small = rng.standard_normal((MANY, side * side * 3 // 8), np.float32)
    matrix = rng.standard_normal((small.shape[1], size), np.float32)
    back = np.ascontiguousarray(matrix.T)
    to_photo = portrait.crop.to_photo
    wide = round(float(np.hypot(to_photo[0, 0], to_photo[1, 0])) * side)

    def opened() -> None:
        with Opened.open(model, threads=threads) as other:
            other.decode(other.encode(crops[:1]))

    def hashed() -> None:
        for path in used.path.iterdir():
            hashlib.sha256(path.read_bytes()).digest()

    def enlarged_and_pasted() -> None:
        whole = Image.fromarray(photo.pixels)
        whole.paste(crop.resize((wide, wide), Image.Resampling.BICUBIC), (0, 0))

    def halved_and_back(count: int) -> None:
        half = (side // 2, side // 2)
        for _ in range(count):
            less = crop.resize(half, Image.Resampling.LANCZOS)
            less.resize((side, side), Image.Resampling.LANCZOS)

    lanczos = "Pillow, Lanczos: the crop to half its size and back"
    return [
        timed("open", opened, "SHA-256 of the bundle's files", hashed),
        timed(
            "detect",
            lambda: detector(shrunk(photo.pixels, 640)),
            "Pillow: the photo shrunk to 640 px",
            lambda: Image.fromarray(photo.pixels).resize((640, 640), Image.Resampling.BILINEAR),
        ),
        timed(
            "read",
            lambda: editor.read(photo),
            "the detector alone",
            lambda: detector(shrunk(photo.pixels, 640)),
        ),
        timed(
            "render",
            lambda: editor.render(portrait, edit),
            "Pillow: the crop enlarged and pasted",
            enlarged_and_pasted,
            rounds=60,
        ),
        timed(
            "encode 1",
            lambda: used.encode(crops[:1]),
            "numpy: [1, 6144] @ [6144, 1024]",
            lambda: small[:1] @ matrix,
        ),
        timed(
            f"encode {MANY}",
            lambda: used.encode(crops),
            f"numpy: [{MANY}, 6144] @ [6144, 1024]",
            lambda: small @ matrix,
        ),
        timed("decode 1", lambda: used.decode_mse(codes[:1]), lanczos, lambda: halved_and_back(1)),
        timed(
            f"decode {MANY}",
            lambda: used.decode_mse(codes),
            f"{lanczos}, {MANY} times",
            lambda: halved_and_back(MANY),
        ),
        timed(
            "generate 16",
            lambda: editor.decode(editor.generate(16, seed=0)),
            "numpy: normal [16, 1024] @ [1024, 6144]",
            lambda: rng.standard_normal((16, size), np.float32) @ back,
        ),
    ]


def measured(model: str | None, threads: int) -> dict[str, Any]:
    """All rows and what they ran on."""
    from facedial import Editor
    from facedial.evaluate._machine import RanOn

    rows = [
        processes("--help", ["-m", "facedial", "--help"]),
        processes("import", ["-c", "import facedial"]),
    ]
    with Editor.open(model, threads=threads) as editor:
        photo, origin = subject(editor)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "photo.png"
            photo.save(path)
            rows.append(memory(path, model or "", threads))
        rows += of_calls(editor, photo, model, threads)
        about = {
            "name": editor.model.name,
            "space": editor.model.space,
            "mb": editor.model.bundle.megabytes(),
        }
    return {
        "format": FORMAT,
        "ran_on": asdict(RanOn.here(threads)),
        "bundle": about,
        "photo": {"origin": origin, "size": list(photo.size)},
        "warm_up": WARM_UP,
        "rows": [row.facts() for row in rows],
        "lines": [row.line() for row in rows],
    }


def _milliseconds(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return (time.perf_counter() - start) * 1000


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("-o", "--out", type=Path, help="write the figures as JSON into this file")
    parser.add_argument("--model", help="another bundle than the one in the package")
    parser.add_argument(
        "--threads", type=int, default=1, help="of facedial and of numpy (default 1)"
    )
    chosen = parser.parse_args()
    # Read by numpy's library when it is loaded, so it is set before anything imports numpy.
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = str(chosen.threads)
    start = time.perf_counter()
    facts = measured(chosen.model, chosen.threads)
    print(f"{'':16} {'median':>9}     {'(p10 to p90)':22} {'ratio':>8}   {'baseline':>9}")
    for line in facts.pop("lines"):
        print(line)
    ran = facts["ran_on"]
    print(
        f"\n{ran['cpu']}, {chosen.threads} thread(s), commit {ran['commit']}, "
        f"photo: {facts['photo']['origin']}; {time.perf_counter() - start:.0f} s"
    )
    if chosen.out is not None:
        chosen.out.parent.mkdir(parents=True, exist_ok=True)
        chosen.out.write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
        print(chosen.out)


if __name__ == "__main__":
    main()
