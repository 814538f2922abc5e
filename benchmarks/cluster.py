"""Runs on a cluster: photos a second of two local workers over one process, and what kills cost.

`python benchmarks/cluster.py [-n 200] [--workers 2] [--side 512] [-o FILE.json]` encodes photos by one
process and by Ray, one thread each, and compares the rates between the first results and the last, so
that what starting costs is left out; it is printed beside. Then the stages of one photo, and crops alone,
in seconds of one core (CPU time, the least of many calls: other work on the machine disturbs both).
`--kill` encodes the photos once more, kills a worker after a quarter and the command after a half, runs
it again, and counts photos that are lost or there twice; `-n 5000 --kill --only kill` is that alone.
"""

import argparse
import json
import os
import platform
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from batch import photos
from pyarrow import parquet

FIRST = 4  # photos of one process in whose time the networks are opened
ALONE = """
import sys, time
from pathlib import Path
from facedial.cli.batch import Tally
from facedial.cli.verbs.encode import Work
from facedial.cli.workers import results
from facedial.editor import Editor
tasks = [(path, None) for path in sorted(Path(sys.argv[1]).iterdir())]
with Editor.open(threads=1) as editor:
    for _ in results(Tally(), Work(editor, 1), tasks):
        print(time.time(), flush=True)
"""


def alone(folder: Path) -> tuple[float, float]:
    """Photos a second of one process after the first ones, and seconds to those."""
    begun = time.time()
    words = [sys.executable, "-c", ALONE, str(folder)]
    done = subprocess.run(words, stdout=subprocess.PIPE, text=True, check=True)
    times = [float(line) for line in done.stdout.split()]
    return (len(times) - FIRST) / (times[-1] - times[FIRST - 1]), times[FIRST - 1] - begun


def command(folder: Path, out: Path, workers: int) -> list[str]:
    """Of a run on this machine's cores."""
    words = ["encode", str(folder), "-o", str(out), "--cluster", "--workers", str(workers)]
    return [sys.executable, "-m", "facedial", *words]


def entries(out: Path) -> list[tuple[float, dict[str, Any]]]:
    """When parts were done, and what of them, in that order."""
    found = [(p.stat().st_mtime, json.loads(p.read_text())) for p in done_files(out)]
    return sorted(found, key=lambda one: one[0])


def done_files(out: Path) -> list[Path]:
    return sorted(out.glob("_facedial/done/*.json"))


def clustered(folder: Path, out: Path, workers: int) -> tuple[float, float]:
    """As `alone`, of Ray with some workers."""
    begun = time.time()
    subprocess.run(command(folder, out, workers), check=True, stdout=subprocess.DEVNULL)
    found = entries(out)
    start, rest = found[workers - 1][0], found[workers:]
    return sum(one["photos"] for _, one in rest) / (found[-1][0] - start), start - begun


def killed(folder: Path, out: Path, workers: int, count: int) -> dict[str, int]:
    """What a killed worker and a killed command cost; prints a log of it."""
    begun = time.monotonic()

    def log(text: str) -> None:
        print(f"{time.monotonic() - begun:7.1f} s  {text}", flush=True)

    def until(share: float) -> None:
        while sum(one["photos"] for _, one in entries(out)) < share * count:
            time.sleep(0.2)

    words = command(folder, out, workers)
    log(" ".join(["facedial", *words[3:]]))
    with subprocess.Popen(words, stdout=subprocess.DEVNULL) as driver:
        until(1 / 4)
        while not (trials := sorted(out.glob("_facedial/begun/*.json"))):
            time.sleep(0.01)
        pid = json.loads(trials[0].read_text())["pid"]
        os.kill(pid, signal.SIGKILL)
        log(f"{len(done_files(out))} parts done; worker {pid} killed in part {trials[0].stem}")
        until(1 / 2)
        driver.kill()
        log(f"{len(done_files(out))} parts done; the command (process {driver.pid}) killed")
    time.sleep(5)  # its workers end with it
    after = {path: path.stat().st_mtime_ns for path in done_files(out)}
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL)
    again = sum(path.stat().st_mtime_ns != when for path, when in after.items())
    found = entries(out)
    processes = len({one["pid"] for _, one in found})
    log(f"the same command again: {len(found)} parts done, by {processes} processes in all")
    tables = [parquet.read_table(path, columns=["input"]) for path in sorted(out.glob("*.parquet"))]
    times = Counter(name for table in tables for name in table["input"].to_pylist())
    lost = sum(str(path) not in times for path in folder.iterdir())
    twice = sum(number - 1 for number in times.values())
    log(f"of {count} photos {lost} lost, {twice} there twice")
    log(f"of {len(after)} parts that were done {again} done again")
    return {"photos": count, "lost": lost, "twice": twice, "parts_done_again": again}


def cpu_s(call: Callable[[int], object], times: int) -> float:
    """Seconds of a core for one call: the least of many, since other work on the machine only adds."""
    call(0)
    took = []
    for number in range(times):
        begun = time.process_time()
        call(number)
        took.append(time.process_time() - begun)
    return min(took)


def stages(folder: Path, times: int) -> dict[str, float]:
    """Seconds of one core for each stage of a photo, and for crops in batches."""
    from facedial.editor import Editor
    from facedial.faces.photo import Photo

    files = [path.read_bytes() for path in sorted(folder.iterdir())[:times]]
    with Editor.open(threads=1) as editor:
        read = [Photo.from_bytes(one, "photo") for one in files]
        faces = [editor.faces(one)[:1] for one in read]
        crops = np.stack([one.crop.pixels for one in editor.read(read[0], faces[0])] * 32)
        n = len(files)
        return {
            "decoding": cpu_s(lambda i: Photo.from_bytes(files[i], "photo"), n),
            "detection": cpu_s(lambda i: editor.faces(read[i]), n),
            "encoding": cpu_s(lambda i: editor.read(read[i], faces[i]), n),
            "one crop": cpu_s(lambda _: editor.encode(crops[:1]), n),
            "a crop of 32": cpu_s(lambda _: editor.encode(crops), max(4, n // 4)) / 32,
        }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-n", type=int, default=200)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--side", type=int, default=512)
    parser.add_argument("--kill", action="store_true")
    parser.add_argument("--only", choices=["speed", "stages", "kill"])
    parser.add_argument("-o", type=Path)
    asked = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    found: dict[str, Any] = {
        "machine": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
    }
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "in"
        folder.mkdir()
        photos(folder, asked.n, asked.side)
        print(f"load of the machine before: {os.getloadavg()[0]:.1f}")
        if asked.only in (None, "stages"):
            found["stages"] = stages(folder, min(asked.n, 32))
            for stage, seconds in found["stages"].items():
                print(
                    f"{stage:14} {1e3 * seconds:8.1f} ms of one core, {1 / seconds:8.1f} a second"
                )
        if asked.only in (None, "speed"):
            rate, start = alone(folder)
            print(
                f"one process    {rate:6.2f} photos a second, the first {FIRST} after {start:.1f} s"
            )
            many, begun = clustered(folder, Path(name) / "out", asked.workers)
            print(f"Ray, {asked.workers} workers {many:6.2f} photos a second, after {begun:.1f} s")
            print(f"ratio {many / rate:.2f}")
            found["speed"] = {"one": rate, "ray": many, "ratio": many / rate, "start_s": begun}
        if asked.kill:
            found["kill"] = killed(folder, Path(name) / "killed", asked.workers, asked.n)
    if asked.o is not None:
        asked.o.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
