"""Fixtures of this room: a small store of drawn faces with attribute labels."""

import csv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from facedial.codes.attributes import NAMES
from facedial.data.prepare import prepare
from facedial.data.sources import open_source
from facedial.editor import Editor

SPLITS = ("train", "val", "test", "test")
COUNT = 16


@pytest.fixture(scope="session")
def labelled_store(editor: Editor, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sixteen faces of the packaged model, four people in training; labels are 0 or 1, made up."""
    folder = tmp_path_factory.mktemp("crops")
    codes = editor.generate(COUNT, seed=0, prior="gaussian")
    labels = np.random.default_rng(0).integers(0, 2, (COUNT, len(NAMES)))
    with (folder / "labels.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["file", "person", "split", *NAMES])
        for i, picture in enumerate(editor.decode(codes)):
            Image.fromarray(picture).save(folder / f"{i:02d}.png")
            table.writerow([f"{i:02d}.png", f"person-{i}", SPLITS[i % len(SPLITS)], *labels[i]])
    out = tmp_path_factory.mktemp("stores") / "drawn"
    source = open_source([folder], labels=folder / "labels.csv", ready=True)
    prepare(source, out, processes=1)
    return out
