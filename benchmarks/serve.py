"""Load test of the server: throughput, latency, memory, and a slider's latency in a real browser.

`python benchmarks/serve.py [--clients 32] [--seconds 60] [-o FILE.json] [--picture FILE]` starts
`facedial serve` on this machine, requests close-ups as a slider does, and compares renders per
second with the same calls of the Python API in a loop, in the same run. With playwright and
chromium it also measures, in the browser, the time from a slider step to the painted preview, on a
photo of two megapixels.
"""

import argparse
import io
import json
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

SIDE = (1632, 1224)  # two megapixels
WARM_UP_S = 5.0
STEPS = 120
EDIT = "Blond_Hair"
SLIDER = "Smiling"
BIN = 4  # ms of a bar
MUST = 50  # ms, at the 95th percentile


def photo() -> bytes:
    """The public-domain portrait, enlarged to two megapixels."""
    from PIL import Image
    from skimage import data

    with io.BytesIO() as stream:
        enlarged = Image.fromarray(data.astronaut()).resize((1224, 1224))
        whole = Image.new("RGB", SIDE, "grey")
        whole.paste(enlarged, (204, 0))
        whole.save(stream, "JPEG", quality=92)
        return stream.getvalue()


def resident_mb(pid: int) -> float:
    """Resident memory of a process in megabytes (Linux)."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS"))


def library_per_s(data: bytes, seconds: float) -> float:
    """Close-ups per second by the Python API in a loop: the baseline."""
    from facedial import Edit, Editor, Photo
    from facedial.closeup import CloseUp

    with Editor.open() as editor:
        portrait = editor.read(Photo.from_bytes(data, "photo"))[0]
        near = CloseUp.of(editor.model, portrait)
        done, start = 0, time.perf_counter()
        while time.perf_counter() - start < seconds:
            amount = done % 100 / 100
            change = editor.change(near.portrait, Edit({EDIT: amount}))
            near.render(editor.model, change).encoded(".jpg", quality=85)
            done += 1
        return done / (time.perf_counter() - start)


def load(address: str, data: bytes, pid: int, clients: int, seconds: float) -> dict[str, Any]:
    """`clients` threads, each with its own photo open, requesting one close-up after another."""
    import httpx

    statuses: Counter[int] = Counter()
    times: list[float] = []
    lock = threading.Lock()
    end = [0.0]

    def one() -> None:
        with httpx.Client(base_url=f"{address}api/", timeout=60) as client:
            while (opened := client.post("portraits", content=data)).status_code == 503:
                time.sleep(1)
            where = f"portraits/{opened.json()['id']}/render"
            number = 0
            while time.perf_counter() < end[0]:
                number += 1
                start = time.perf_counter()
                body = {"edits": [{"set": {EDIT: number % 100 / 100}}]}
                answer = client.post(where, json=body)
                with lock:
                    statuses[answer.status_code] += 1
                    if answer.status_code == 200:
                        times.append(time.perf_counter() - start)
                if answer.status_code == 503:
                    time.sleep(float(answer.headers["retry-after"]))

    end[0] = time.perf_counter() + WARM_UP_S + seconds
    threads = [threading.Thread(target=one) for _ in range(clients)]
    for thread in threads:
        thread.start()
    time.sleep(WARM_UP_S + seconds * 0.2)  # every photo is open by now
    warm, counted, began = resident_mb(pid), statuses[200], time.perf_counter()
    time.sleep(max(0.0, end[0] - 0.5 - time.perf_counter()))
    per_s = (statuses[200] - counted) / (time.perf_counter() - began)
    last = resident_mb(pid)
    for thread in threads:
        thread.join()
    times.sort()
    return {
        "clients": clients,
        "seconds": seconds,
        "statuses": {str(code): count for code, count in sorted(statuses.items())},
        "renders_per_s": per_s,
        "p50_ms": 1000 * times[len(times) // 2],
        "p95_ms": 1000 * times[int(len(times) * 0.95)],
        "memory_mb": last,
        "memory_growth": last / warm - 1,
    }


def in_browser(address: str, data: bytes) -> dict[str, Any] | None:
    """Percentiles in ms from a slider step to the painted preview, as the page measures them."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        return None
    from playwright.sync_api import sync_playwright

    with tempfile.NamedTemporaryFile(suffix=".jpg") as file, sync_playwright() as playwright:
        file.write(data)
        file.flush()
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 850})
        page.goto(address)
        page.wait_for_selector("html[data-ready]")
        page.set_input_files("#file", file.name)
        page.wait_for_selector("#panel:not([hidden])")
        page.wait_for_selector("#looks button")  # above the sliders
        slider = page.locator(f"#slider-{SLIDER}")
        slider.scroll_into_view_if_needed()
        box = slider.bounding_box()
        assert box is not None
        middle = box["y"] + box["height"] / 2
        page.mouse.move(box["x"] + box["width"] * 0.4, middle)
        page.mouse.down()
        for number in range(STEPS):
            share = 0.5 + 0.45 * abs((number % 40) / 20 - 1) - 0.2
            page.mouse.move(box["x"] + box["width"] * share, middle)
            page.wait_for_timeout(16)  # as often as a screen is drawn
        page.mouse.up()
        page.wait_for_timeout(500)
        times = page.evaluate(
            "performance.getEntriesByName('facedial:input-to-paint').map(e => e.duration)"
        )
        browser.close()
    times = sorted(times[3:])
    return {
        "photo_megapixels": SIDE[0] * SIDE[1] / 1e6,
        "n": len(times),
        "p50_ms": times[len(times) // 2],
        "p95_ms": times[int(len(times) * 0.95)],
        "p99_ms": times[int(len(times) * 0.99)],
        "histogram_ms": dict(sorted(Counter(int(v // BIN) * BIN for v in times).items())),
    }


def histogram(found: dict[str, Any], path: Path) -> None:
    """Histogram of those times as a picture."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    counts = {int(start): count for start, count in found["histogram_ms"].items()}
    figure = Figure(figsize=(6, 2.6), layout="constrained")
    FigureCanvasAgg(figure)
    axis = figure.subplots()
    axis.bar(list(counts), list(counts.values()), width=BIN * 0.9, align="edge", color="#1f6156")
    for key in ("p50_ms", "p95_ms"):
        axis.axvline(found[key], color="black", linewidth=1, linestyle=":")
        axis.annotate(f" {key[1:3]} %", (found[key], 0.92), xycoords=("data", "axes fraction"))
    axis.axvline(MUST, color="firebrick", linewidth=1)
    axis.set_xlim(0, max(MUST * 1.2, max(counts) + BIN))
    axis.set_xlabel("ms from a slider step to the painted preview")
    axis.set_ylabel("slider steps")
    figure.savefig(path, dpi=100)


def main() -> None:
    """Run everything and print it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("-o", type=Path)
    parser.add_argument("--picture", type=Path, help="histogram of the slider, .png or .webp")
    given = parser.parse_args()
    data = photo()
    report: dict[str, Any] = {"library_renders_per_s": library_per_s(data, 10)}
    start = time.perf_counter()
    command = [sys.executable, "-m", "facedial", "serve", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        address = server.stdout.readline().strip()
        import httpx

        while httpx.get(f"{address}api/health").status_code != 200:
            time.sleep(0.01)
        report["usable_after_s"] = time.perf_counter() - start
        # The model's sessions open meanwhile.
        httpx.post(f"{address}api/generate", json={"count": 1}, timeout=60).raise_for_status()
        report["first_face_after_s"] = time.perf_counter() - start
        try:
            report["browser"] = in_browser(address, data)
            report["load"] = load(address, data, server.pid, given.clients, given.seconds)
        finally:
            server.terminate()
    report["server_over_library"] = (
        report["load"]["renders_per_s"] / report["library_renders_per_s"]
    )
    text = json.dumps(report, indent=1)
    print(text)
    if given.o:
        given.o.write_text(text + "\n")
    if given.picture and report["browser"]:
        histogram(report["browser"], given.picture)


if __name__ == "__main__":
    main()
