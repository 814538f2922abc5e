"""A tiny store of drawn faces, made by the bundled model: nobody's photo."""

import json
import os
import shutil
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest

from facedial.codes.attributes import NAMES
from facedial.editor import Editor

from .older_exporter import older_exporter

os.environ.setdefault("OMP_NUM_THREADS", "2")
PEOPLE = 64

BuildOnce = Callable[[str, Callable[[Path], object]], Path]  # `build_once` of all tests


@pytest.fixture(scope="session", autouse=True)
def _no_measuring() -> Iterator[None]:
    """How fast this machine is at best, which only the log states, is not measured in every training."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("facedial.training.loop.peak", lambda _device, _precision: 1e11)
        yield


@pytest.fixture(scope="session", autouse=True)
def curves_drawn() -> Iterator[Callable[[Path], None]]:
    """`curves.draw`, which no training calls but the one of `finished`: half a second each time."""
    from facedial.training import curves

    todays = curves.draw
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(curves, "draw", lambda _run: None)
        yield todays


@pytest.fixture(scope="session", autouse=True)
def _operators_known() -> Iterator[None]:
    """The exporter collects its operators once, not for every graph: a quarter of a small one's time.

    Nothing but a translation table of the caller's, which is given nowhere, would change the collection.
    """
    from torch.onnx._internal.exporter import _registration

    known = lru_cache(_registration.ONNXRegistry.from_torchlib)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(_registration.ONNXRegistry, "from_torchlib", staticmethod(known))
        yield


@pytest.fixture
def quick_export() -> Iterator[None]:
    """Exports in this test, not in what is built for all, are those of `older_exporter`."""
    with older_exporter():
        yield


@pytest.fixture(scope="session")
def drawn(build_once: BuildOnce) -> np.ndarray:
    """uint8 [64, 128, 128, 3]: faces of seeds, no one's photo."""

    def build(folder: Path) -> None:
        with Editor.open() as editor:
            faces = editor.decode(editor.generate(PEOPLE, seed=3, prior="gaussian"))
        np.save(folder / "faces.npy", faces)

    return np.load(build_once("drawn", build) / "faces.npy")


@pytest.fixture(scope="session")
def store(drawn: np.ndarray, build_once: BuildOnce) -> Path:
    """A prepared store of them: CSV with people, landmarks and three attributes."""
    labels = {
        "Smiling": [i % 2 for i in range(PEOPLE)],
        "Male": [i // 2 % 2 for i in range(PEOPLE)],
        "Bangs": [i // 4 % 2 for i in range(PEOPLE)],
    }
    return build_once("store", lambda folder: prepared(drawn, labels, folder)) / "drawn"


@pytest.fixture(scope="session")
def finished(store: Path, build_once: BuildOnce, curves_drawn: Callable[[Path], None]) -> Path:
    """A run of a tiny autoencoder on the tiny store, with curves; not to be written into."""
    from facedial.training import start

    from .tiny import order

    def build(folder: Path) -> None:
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr("facedial.training.curves.draw", curves_drawn)
            start.run(order(store, folder / "tiny"))

    return build_once("finished", build) / "tiny"


@pytest.fixture(scope="session")
def published(finished: Path, build_once: BuildOnce) -> Path:
    """Its `bundle`, and in `differences.json` what publishing it returned."""
    from facedial.training import publish

    def build(folder: Path) -> None:
        differences = publish.publish([finished], folder / "bundle")
        (folder / "differences.json").write_text(json.dumps(differences))

    return build_once("published", build)


@pytest.fixture(scope="session")
def with_flow(store: Path, published: Path, build_once: BuildOnce) -> Path:
    """A run `flow` of a tiny flow of that model's codes, and a `bundle` of both."""
    from facedial.training import publish, start

    from .tiny import FLOW_STEPS, order

    def build(folder: Path) -> None:
        bundle = shutil.copytree(published / "bundle", folder / "bundle")
        run = folder / "flow"
        start.run(order(store, run, recipe="flow", assignments=FLOW_STEPS, init=bundle))
        publish.publish([run], bundle)

    return build_once("with-flow", build)


@pytest.fixture(scope="session")
def with_student(labelled_store: Path, with_flow: Path, build_once: BuildOnce) -> Path:
    """A run `student` that learnt of that flow what people look like, and a `bundle` of all."""
    from facedial.training import publish, start

    from .tiny import STUDENT_STEPS, order

    def build(folder: Path) -> None:
        bundle = shutil.copytree(with_flow / "bundle", folder / "bundle")
        given = {
            "recipe": "distilled-editor",
            "assignments": STUDENT_STEPS,
            "steps": 4,
            "init": bundle,
        }
        start.run(order(labelled_store, folder / "student", **given))
        publish.publish([folder / "student"], bundle)

    return build_once("with-student", build)


@pytest.fixture(scope="session")
def labelled_store(drawn: np.ndarray, build_once: BuildOnce) -> Path:
    """The same faces as three people each, so that every split has some; attributes made up."""
    rng = np.random.default_rng(0)
    labels = {name: rng.integers(0, 2, 3 * PEOPLE).tolist() for name in NAMES}

    def build(folder: Path) -> None:
        prepared(np.concatenate([drawn] * 3), labels, folder)

    return build_once("labelled-store", build) / "drawn"


def prepared(drawn: np.ndarray, labels: dict[str, list[int]], home: Path) -> None:
    """Write the pictures into `home`, and a store `drawn` of them."""
    from PIL import Image

    from facedial.data.prepare import prepare
    from facedial.data.sources import open_source
    from facedial.faces.crop import HEAD_TEMPLATE

    folder = home / "pictures"
    folder.mkdir()
    points = ",".join(f"{value:.2f}" for value in np.asarray(HEAD_TEMPLATE).ravel())
    names = ["eye_imgleft", "eye_imgright", "nose", "mouth_imgleft", "mouth_imgright"]
    columns = ",".join(f"lm_{name}_{axis}" for name in names for axis in "xy")
    lines = [f"file,person,{','.join(labels)},{columns}"]
    for i, picture in enumerate(drawn):
        Image.fromarray(picture).save(folder / f"{i:03d}.png")
        own = ",".join(str(values[i]) for values in labels.values())
        lines.append(f"{i:03d}.png,person-{i},{own},{points}")
    table = folder / "labels.csv"
    table.write_text("\n".join(lines) + "\n")
    prepare(open_source([folder], labels=table, ready=True), home / "drawn", processes=1)
