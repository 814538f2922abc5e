"""A tiny store of drawn faces, made by the bundled model: nobody's photo."""

import os
from pathlib import Path

import numpy as np
import pytest

from facedial.editor import Editor

os.environ.setdefault("OMP_NUM_THREADS", "2")
PEOPLE = 64


@pytest.fixture(scope="session")
def drawn() -> np.ndarray:
    """uint8 [64, 128, 128, 3]: faces of seeds, no one's photo."""
    with Editor.open() as editor:
        return editor.decode(editor.generate(PEOPLE, seed=3))


@pytest.fixture(scope="session")
def store(drawn: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A prepared store of them: CSV with people, landmarks and a few attributes."""
    from PIL import Image

    from facedial.data.prepare import prepare
    from facedial.data.sources import open_source
    from facedial.faces.crop import HEAD_TEMPLATE

    folder = tmp_path_factory.mktemp("pictures")
    points = ",".join(f"{value:.2f}" for value in np.asarray(HEAD_TEMPLATE).ravel())
    names = ["eye_imgleft", "eye_imgright", "nose", "mouth_imgleft", "mouth_imgright"]
    columns = ",".join(f"lm_{name}_{axis}" for name in names for axis in "xy")
    lines = [f"file,person,Smiling,Male,{columns}"]
    for i, picture in enumerate(drawn):
        Image.fromarray(picture).save(folder / f"{i:03d}.png")
        lines.append(f"{i:03d}.png,person-{i},{i % 2},{i // 2 % 2},{points}")
    labels = folder / "labels.csv"
    labels.write_text("\n".join(lines) + "\n")
    out = tmp_path_factory.mktemp("stores") / "drawn"
    prepare(open_source([folder], labels=labels, ready=True), out, processes=1)
    return out
