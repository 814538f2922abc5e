"""A store opens whole or says what is wrong, and reads the same in every process."""

import json
import multiprocessing
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest

from facedial.data.prepare import prepare
from facedial.data.sources import open_source
from facedial.data.store import Store
from facedial.errors import BadRequest, BadStore


@pytest.fixture(scope="module")
def made(lfw: Path, lfw_labels: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("store") / "made"
    prepare(open_source([lfw], labels=lfw_labels), out, size=16, processes=1)
    return out


def summary(store: Store) -> list[object]:
    return [
        store.pixels.sum(axis=(1, 2, 3), dtype=np.int64).tolist(),
        store.file,
        store.person.tolist(),
        store.split.tolist(),
        store.landmarks.tolist(),
        store.where("train").tolist(),
    ]


def test_readers_in_two_processes_agree(made: Path) -> None:
    store = Store.open(made)
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.apply(summary, (store,)) == summary(store)
        pool.close()
        pool.join()


def test_a_store_pickles_as_its_path(made: Path) -> None:
    store = Store.open(made)
    assert len(pickle.dumps(store)) < 500
    assert summary(pickle.loads(pickle.dumps(store))) == summary(store)  # noqa: S301


def test_pixels_are_mapped_and_cannot_be_changed(made: Path) -> None:
    store = Store.open(made)
    assert isinstance(store.pixels, np.memmap)
    assert store.pixels.shape == (len(store), 16, 16, 3)
    with pytest.raises(ValueError, match="read-only"):
        store.pixels[0] = 0


def test_a_split_is_one_of_three(made: Path) -> None:
    with pytest.raises(BadRequest, match="no split named 'dev'; there are train, val, test"):
        Store.open(made).where("dev")


def damage(path: Path, what: str) -> None:
    facts = json.loads((path / "store.json").read_text())
    if what == "missing":
        shutil.rmtree(path)
    elif what == "unfinished":
        (path / "store.json").unlink()
    elif what == "json":
        (path / "store.json").write_text("{")
    elif what == "format":
        (path / "store.json").write_text(json.dumps({**facts, "format": 7}))
    elif what == "facts":
        (path / "store.json").write_text('{"format": 1}')
    elif what == "count":
        (path / "store.json").write_text(json.dumps({**facts, "count": facts["count"] + 1}))
    elif what == "pixels":
        (path / "pixels.u8").write_bytes((path / "pixels.u8").read_bytes()[:-1])
    elif what == "no pixels":
        (path / "pixels.u8").unlink()
    elif what == "index":
        (path / "index.parquet").write_bytes(b"PAR1")


@pytest.mark.parametrize(
    ("what", "text"),
    [
        ("missing", "there is no store .*; `facedial prepare` makes one"),
        ("unfinished", "is not a store .*, or its preparing did not finish"),
        ("json", "store.json is damaged; prepare the store again"),
        ("facts", "store.json is damaged; prepare the store again"),
        ("format", "has format 7, this version reads 1"),
        ("count", "pixels.u8 has 9216 bytes, not 9984"),
        ("pixels", "pixels.u8 has 9215 bytes, not 9216"),
        ("no pixels", "lacks pixels.u8"),
        ("index", "the store's index is damaged"),
    ],
)
def test_a_damaged_store_says_what_is_wrong(
    made: Path, tmp_path: Path, what: str, text: str
) -> None:
    path = tmp_path / "store"
    shutil.copytree(made, path)
    damage(path, what)
    with pytest.raises(BadStore, match=text):
        Store.open(path)
