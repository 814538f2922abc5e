"""A folder of one-megapixel photos: photos a second of several worker processes over one, and memory.

`python benchmarks/batch.py [-n 24] [--rounds 3] [--workers 2] [-o FILE.json]` edits a folder by one
process and by workers in turn, one thread each, and compares the rates between the first results and the
last, so that what starting costs is left out; it is printed beside. Other work on the machine disturbs
this more than anything: the seconds computed for a photo, which should be the same, are printed to tell.
`--memory 300` edits the same photos until so many are done and prints the process's memory on the way.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from skimage import data

SIDE = 1000
GRAIN = 4.0  # levels of noise, so that no two photos are one
STEPS = 10  # of the memory's curve
FLAT = """
import sys
from pathlib import Path
from facedial.cli.batch import Tally
from facedial.cli.edits import Work
from facedial.cli.workers import results
from facedial.editing.request import Edit
from facedial.editor import Editor
from facedial.editing.table import BEST, FULL
folder, out, count, steps = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
photos = sorted(folder.iterdir())
tasks = [(photos[i % len(photos)], out / photos[i % len(photos)].name) for i in range(count)]
with Editor.open(threads=1) as editor:
    work = Work(editor, (Edit({"Smiling": 1}),), BEST, FULL, False, False, overwrite=True, quiet=True)
    for number, _ in enumerate(results(Tally(as_lines=True), work, tasks), 1):
        if number % max(1, count // steps) == 0:
            lines = open("/proc/self/status").read().splitlines()
            kb = next(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))
            print(number, kb / 1e3, flush=True)
"""


@dataclass(frozen=True, slots=True)
class Run:
    """One run: photos a second after the first results, seconds to those, seconds computed a photo."""

    workers: int
    rate: float
    start_s: float
    cpu_s: float


def photos(folder: Path, count: int, side: int = SIDE) -> None:
    """The same public-domain portrait with other grain in each."""
    whole = Image.fromarray(data.astronaut())  # type: ignore[no-untyped-call]
    pixels = np.asarray(whole.resize((side, side), Image.Resampling.BICUBIC), np.float32)
    rng = np.random.default_rng(0)
    for number in range(count):
        noisy = np.clip(pixels + rng.normal(0, GRAIN, pixels.shape), 0, 255).astype(np.uint8)
        Image.fromarray(noisy).save(folder / f"{number:04}.jpg", quality=92)


def run(folder: Path, out: Path, workers: int, count: int) -> Run:
    """Edit the folder, and time the results as they come."""
    words = ["edit", str(folder), "--set", "Smiling=1", "-o", f"{out}{os.sep}", "--overwrite"]
    words += ["--json-lines", "--workers", str(workers), "--threads", "1"]
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    begun = time.perf_counter()
    with subprocess.Popen(
        [sys.executable, "-m", "facedial", *words], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        times = [time.perf_counter() - begun for _ in process.stdout]
    assert len(times) == count and process.returncode == 0
    now = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = now.ru_utime + now.ru_stime - used.ru_utime - used.ru_stime
    first = 2 * workers  # photos in whose time the networks are opened
    rate = (count - first) / (times[-1] - times[first - 1])
    return Run(workers, rate, times[0], cpu / count)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-n", type=int, default=24)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--memory", type=int, default=0, metavar="N")
    parser.add_argument("-o", type=Path)
    asked = parser.parse_args()
    runs: list[Run] = []
    with tempfile.TemporaryDirectory() as name:
        folder, out = Path(name) / "in", Path(name) / "out"
        folder.mkdir()
        out.mkdir()
        photos(folder, asked.n)
        if asked.memory:
            words = [str(folder), str(out), str(asked.memory), str(STEPS)]
            subprocess.run([sys.executable, "-c", FLAT, *words], check=True)
            return
        print(f"load of the machine before: {os.getloadavg()[0]:.1f}")
        print(f"{'workers':>7} {'photos/s':>9} {'first after s':>14} {'computed s/photo':>17}")
        for _ in range(asked.rounds):
            for workers in (1, asked.workers):
                one = run(folder, out, workers, asked.n)
                runs.append(one)
                print(
                    f"{workers:7} {one.rate:9.2f} {one.start_s:14.1f} {one.cpu_s:17.2f}", flush=True
                )
    ratios = [many.rate / one.rate for one, many in zip(runs[::2], runs[1::2], strict=True)]
    print(f"photos a second over one process: {statistics.median(ratios):.2f} (median of {ratios})")
    if asked.o is not None:
        asked.o.write_text(json.dumps([asdict(one) for one in runs], indent=1))


if __name__ == "__main__":
    main()
