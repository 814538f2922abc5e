"""Costs of use: seconds of verbs, milliseconds of calls, megabytes of weights."""

import dataclasses
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from facedial.cache import Cache
from facedial.editing.request import Edit
from facedial.editing.table import FAST
from facedial.editor import Editor
from facedial.errors import BadStore
from facedial.evaluate._context import EvaluationContext
from facedial.evaluate._rows import Goal, Row
from facedial.faces import sheet
from facedial.faces.photo import Photo
from facedial.runtime.bundle import Bundle, installed

SIDE = 1000
# A shift: a target that the face has already reached would change, and cost, nothing.
EDIT = Edit(shifts={"Smiling": 1.0})
CALL = [sys.executable, "-m", "facedial"]
# All packaged bundles together; the one place that states the limit.
MAX_PACKAGED_MB = 40

GOALS = (
    Goal("weights_mb", must=MAX_PACKAGED_MB, lower=True, data="all bundles"),
    Goal("import_s", must=0.3, aim=0.1, lower=True),
    Goal("help_s", must=0.3, aim=0.1, lower=True),
    Goal("edit_cold_s", must=2, aim=0.8, lower=True),
    Goal("edit_warm_ms", must=250, aim=80, lower=True),
    Goal("first_render_ms", must=60, aim=25, lower=True),
    Goal("gan_decode_ms", must=40, aim=15, lower=True),
    Goal("generate_100_s", must=30, aim=5, lower=True),
)


def measure(context: EvaluationContext) -> Iterator[Row]:
    """Median seconds of five processes, median milliseconds of twenty calls; sizes in MB.

    Processes find compiled modules, as those of an installed package do, whatever the environment says.
    `render_ms`: one slider step. `first_render_ms`: the first step with an empty cache, by the
    distilled editor if there is one. `decode_ms`: MSE decoder; `gan_decode_ms`: GAN decoder. These
    four on one thread.
    """
    face = _face(context)
    bundle = context.editor.model.bundle
    yield Row("weights_mb", "facedial", "bundle", bundle.megabytes(), "MB", 1)
    yield Row("weights_mb", "facedial", "all bundles", packaged_mb(), "MB", len(installed()))
    crop = sheet.resized(face, (SIDE // 2, SIDE // 2))
    photo = Photo(np.pad(crop, ((SIDE // 4,) * 2,) * 2 + ((0, 0),), "edge"), "bench", None)
    with tempfile.TemporaryDirectory() as folder, _bytecode() as variables:
        yield _seconds("import_s", [sys.executable, "-c", "import facedial"], variables)
        yield _seconds("help_s", [*CALL, "--help"], variables)
        source, result = Path(folder) / "in.jpg", Path(folder) / "out.jpg"
        photo.save(source)
        arguments = ["edit", str(source), "--add", "Smiling=1", "-o", str(result), "--overwrite"]
        model = ["--model", str(bundle.path)]
        yield _seconds("edit_cold_s", [*CALL, *arguments, *model], variables)
        yield _milliseconds("edit_warm_ms", lambda: _edit(context.editor, source, result))
    portrait = context.editor.read(photo)[0]
    with Editor.open(bundle.path, threads=1) as single:
        yield _milliseconds("render_ms", lambda: single.render(portrait, EDIT))
        yield _milliseconds(
            "first_render_ms",
            lambda: single.render(dataclasses.replace(portrait, cache=Cache()), EDIT, quality=FAST),
        )
        codes = portrait.code.values[None]
        yield _milliseconds("decode_ms", lambda: single.model.decode_mse(codes))
        yield _milliseconds("gan_decode_ms", lambda: single.model.decode(codes))
    pixels = np.repeat(portrait.crop.pixels[None], 32, 0)
    batch = _milliseconds("encode_per_s", lambda: context.editor.model.encode(pixels))
    yield Row("encode_per_s", "facedial", "head crops", 32_000 / batch.value, "crops/s", 20)
    start = time.perf_counter()
    context.editor.decode(context.editor.generate(100, seed=0))
    yield Row("generate_100_s", "facedial", "", time.perf_counter() - start, "s", 1)


def packaged_mb() -> float:
    """Size of all packaged bundles, MB."""
    sizes = []
    for name in installed():
        with Bundle.open(name) as bundle:
            sizes.append(bundle.megabytes())
    return sum(sizes)


def _face(context: EvaluationContext) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """A crop of the first store's unseen people, in which the detector finds a face."""
    if not context.head:
        raise BadStore(
            "costs are measured on a face of a store of the frame head at the model's size; give one: "
            f"--data STORE, prepared with --size {context.editor.model.side}"
        )
    store = context.head[0]
    return np.asarray(store.pixels[context.rows(store, "unseen")[0]])


def _edit(editor: Editor, source: Path, result: Path) -> None:
    """`facedial edit` without opening the model: load, detect, encode, render, save."""
    photo = Photo.open(source)
    editor.render(editor.read(photo)[0], EDIT).save(result, overwrite=True)


@contextmanager
def _bytecode() -> Iterator[dict[str, str]]:
    """Environment of processes that keep compiled modules in a folder of their own."""
    with tempfile.TemporaryDirectory() as folder:
        own = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
        yield own | {"PYTHONPYCACHEPREFIX": folder}


def _seconds(metric: str, arguments: list[str], variables: dict[str, str]) -> Row:
    times = []
    for _ in range(6):
        start = time.perf_counter()
        subprocess.run(arguments, check=True, capture_output=True, env=variables)  # noqa: S603
        times.append(time.perf_counter() - start)
    # The first process fills the caches, of the disk and of compiled modules, so it is left out.
    return Row(metric, "facedial", "process", statistics.median(times[1:]), "s", 5)


def _milliseconds(metric: str, call: Callable[[], object]) -> Row:
    call()
    times = []
    for _ in range(20):
        start = time.perf_counter()
        call()
        times.append((time.perf_counter() - start) * 1000)
    return Row(metric, "facedial", "1 megapixel", statistics.median(times), "ms", 20)
