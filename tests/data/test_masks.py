"""Masks made by hand travel with their crops; faces of group photos know of one another."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from facedial.data.prepare import prepare
from facedial.data.sources import open_source
from facedial.data.store import MASKS, Store
from facedial.errors import BadRequest, BadStore
from facedial.faces.geometry import apply, invert

from .made_pictures import encoded, picture

IDS = np.random.default_rng(1).choice([0, 1, 13, 255], (40, 40)).astype(np.uint8)
BITS = np.random.default_rng(2).integers(0, 2, (40, 40)).astype(bool)
FACE = np.array([[20, 22], [34, 22], [27, 30], [21, 36], [33, 36]], float)


def shard(path: Path, masks: list[dict[str, bytes | None]]) -> Path:
    rows: dict[str, list[object]] = {
        "name": [f"{i}.png" for i in range(len(masks))],
        "webp": [encoded(picture(i, 40, 40)) for i in range(len(masks))],
    }
    for name in ("parts", "hair", "person_mask"):
        rows[name] = [own.get(name) for own in masks]
    pq.write_table(pa.table(rows), path)
    return path


def test_masks_lie_in_the_store_as_they_were(tmp_path: Path) -> None:
    masks = [{"parts": encoded(IDS)}, {}, {"hair": encoded(BITS)}]
    source = open_source([shard(tmp_path / "a.parquet", masks)])
    prepare(source, tmp_path / "store", size=40, processes=1)
    store = Store.open(tmp_path / "store")
    parts, hair = store.mask("parts", 0), store.mask("hair", 2)
    assert parts is not None and hair is not None
    np.testing.assert_array_equal(parts, IDS)
    np.testing.assert_array_equal(hair, 255 * BITS)
    assert store.mask("parts", 1) is None and store.mask("person_mask", 0) is None
    assert not store.extra, "masks are no text"
    # At another size levels stay levels.
    prepare(source, tmp_path / "small", size=20, processes=1)
    small = Store.open(tmp_path / "small").mask("parts", 0)
    assert small is not None and small.shape == (20, 20)
    assert set(np.unique(small)) <= set(np.unique(IDS))


def test_another_mask_is_another_store(tmp_path: Path) -> None:
    for name, ids in (("a", IDS), ("b", 255 - IDS)):
        (tmp_path / name).mkdir()
        shard(tmp_path / name / "s.parquet", [{"parts": encoded(ids)}])
    out = tmp_path / "store"
    prepare(open_source([tmp_path / "a"]), out, size=40, processes=1)
    assert prepare(open_source([tmp_path / "a"]), out, size=40, processes=1).already
    with pytest.raises(BadRequest, match="another source"):
        prepare(open_source([tmp_path / "b"]), out, size=40, processes=1)


def test_a_store_without_masks_has_none(tmp_path: Path) -> None:
    prepare(open_source([shard(tmp_path / "a.parquet", [{}])]), tmp_path / "s", processes=1)
    assert not (tmp_path / "s" / MASKS).exists()
    assert Store.open(tmp_path / "s").mask("parts", 0) is None


def test_damaged_masks_are_named(tmp_path: Path) -> None:
    masks = [{"parts": b"no picture"}]
    prepare(open_source([shard(tmp_path / "a.parquet", masks)]), tmp_path / "s", processes=1)
    store = Store.open(tmp_path / "s")
    with pytest.raises(BadStore, match="mask parts of 0"):
        store.mask("parts", 0)
    (tmp_path / "s" / MASKS).write_bytes(b"nothing")
    with pytest.raises(BadStore, match="masks are damaged"):
        Store.open(tmp_path / "s")


def groups(path: Path) -> Path:
    """Two photos: one of two faces and a third too small, one of nobody."""

    def found(points: np.ndarray) -> list[float]:
        return [0.9, 0, 0, 1, 1, *points.ravel().tolist()]

    faces = [FACE, FACE + np.array([40, 10]), FACE / 3]
    rows = {
        "name": ["one.jpg", "none.jpg"],
        "yunet": [[number for points in faces for number in found(points)], []],
        "webp": [encoded(picture(1, 90, 60)), encoded(picture(2, 90, 60))],
    }
    pq.write_table(pa.table(rows), path)
    return path


def test_every_face_of_a_group_is_a_crop(tmp_path: Path) -> None:
    source = open_source([groups(tmp_path / "g.parquet")])
    assert source.kind == "groups"
    prepare(source, tmp_path / "store", frame="portrait", size=32, processes=1)
    store = Store.open(tmp_path / "store")
    assert store.file == ["one.jpg#0", "one.jpg#1"] and store.frame == "portrait"
    assert set(store.person) == {"one.jpg"} and len(set(store.split)) == 1
    np.testing.assert_allclose(
        store.landmarks[0], apply(invert(store.to_photo[0]), FACE), atol=1e-3
    )
    others = json.loads(store.extra["others"][0])
    assert others[0] == [67.0, 32.0, 14.0] and len(others) == 2
    assert store.photo_size.tolist() == [[90, 60]] * 2


def test_groups_need_their_faces(tmp_path: Path) -> None:
    path = groups(tmp_path / "g.parquet")
    with pytest.raises(BadRequest, match="have their own landmarks"):
        open_source([path], kind="groups", ready=True)
    Image.fromarray(picture(1)).save(tmp_path / "a.png")
    with pytest.raises(BadRequest, match="no Parquet shard of photos"):
        open_source([shard(tmp_path / "s.parquet", [{}])], kind="groups")
