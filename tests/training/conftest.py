"""A tiny store of drawn faces, made by the bundled model: nobody's photo."""

import os
from pathlib import Path

import numpy as np
import pytest

from facedial.codes.attributes import NAMES
from facedial.editor import Editor

os.environ.setdefault("OMP_NUM_THREADS", "2")
PEOPLE = 64


@pytest.fixture(scope="session")
def drawn() -> np.ndarray:
    """uint8 [64, 128, 128, 3]: faces of seeds, no one's photo."""
    with Editor.open() as editor:
        return editor.decode(editor.generate(PEOPLE, seed=3, prior="gaussian"))


@pytest.fixture(scope="session")
def store(drawn: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A prepared store of them: CSV with people, landmarks and two attributes."""
    labels = {
        "Smiling": [i % 2 for i in range(PEOPLE)],
        "Male": [i // 2 % 2 for i in range(PEOPLE)],
    }
    return prepared(drawn, labels, tmp_path_factory)


@pytest.fixture(scope="session")
def finished(store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of a tiny autoencoder on the tiny store; not to be written into."""
    from facedial.training import start

    from .tiny import order

    run = tmp_path_factory.mktemp("runs") / "tiny"
    start.run(order(store, run))
    return run


@pytest.fixture(scope="session")
def labelled_store(drawn: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same faces as three people each, so that every split has some; attributes made up."""
    rng = np.random.default_rng(0)
    labels = {name: rng.integers(0, 2, 3 * PEOPLE).tolist() for name in NAMES}
    return prepared(np.concatenate([drawn] * 3), labels, tmp_path_factory)


def prepared(
    drawn: np.ndarray, labels: dict[str, list[int]], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    from PIL import Image

    from facedial.data.prepare import prepare
    from facedial.data.sources import open_source
    from facedial.faces.crop import HEAD_TEMPLATE

    folder = tmp_path_factory.mktemp("pictures")
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
    out = tmp_path_factory.mktemp("stores") / "drawn"
    prepare(open_source([folder], labels=table, ready=True), out, processes=1)
    return out
