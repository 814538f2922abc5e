"""Each kind of source: what it recognises, and what of a picture it knows."""

import tarfile
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from facedial import folder
from facedial.data import sources
from facedial.data.labels import NAMES
from facedial.data.prepare import prepare
from facedial.data.sources import open_source
from facedial.data.store import Store
from facedial.errors import BadRequest, UnknownName

from .made_pictures import celeba_files, encoded, lfw_files, picture

LFW = {name: encoded(picture(seed)) for name, seed in lfw_files().items()}


def as_folder(files: Mapping[str, bytes], root: Path) -> list[Path]:
    for name, data in files.items():
        (root / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        (root / "in" / name).write_bytes(data)
    return [root / "in"]


def as_zips(files: Mapping[str, bytes], root: Path) -> list[Path]:
    paths = [root / "in-0.zip", root / "in-1.zip"]
    for part, path in enumerate(paths):
        with zipfile.ZipFile(path, "w") as archive:
            for name in list(files)[part::2]:
                archive.writestr(name, files[name])
    return paths


def as_tar(files: Mapping[str, bytes], root: Path, kind: str = "tar") -> list[Path]:
    path = root / f"in.{kind}"
    with tarfile.open(path, "w:gz" if kind == "tgz" else "w") as archive:
        for name in sorted(files, reverse=True):
            inside = root / "one"
            inside.write_bytes(files[name])
            archive.add(inside, f"wrapped/{name}")
    return [path]


def as_tgz(files: Mapping[str, bytes], root: Path) -> list[Path]:
    return as_tar(files, root, "tgz")


Pack = Callable[[Mapping[str, bytes], Path], list[Path]]
PACKS = pytest.mark.parametrize("pack", [as_folder, as_zips, as_tar, as_tgz])


def prepared(paths: list[Path], out: Path, **options: object) -> Store:
    source = open_source(paths, labels=options.pop("labels", None))  # type: ignore[arg-type]
    prepare(source, out, **{"processes": 1, "size": 32, **options})  # type: ignore[arg-type]
    return Store.open(out)


def test_every_kind_has_its_place_in_the_order() -> None:
    assert sorted(sources.ORDER) == folder.names("facedial.data.sources")


@PACKS
def test_lfw_is_the_same_however_it_is_packed(
    pack: Pack, lfw: Path, lfw_labels: Path, tmp_path: Path
) -> None:
    prepared([lfw], tmp_path / "plain", labels=lfw_labels)
    store = prepared(pack(LFW, tmp_path), tmp_path / "store", labels=lfw_labels)
    assert store.kind == "lfw"
    for name in ("pixels.u8", "index.parquet"):
        assert (tmp_path / "plain" / name).read_bytes() == (tmp_path / "store" / name).read_bytes()


def test_a_picture_that_comes_twice_counts_once(
    lfw: Path, lfw_labels: Path, tmp_path: Path
) -> None:
    both = [lfw, *as_tar({"Dee/Dee_0001.png": encoded(picture(77))}, tmp_path)]
    store = prepared(both, tmp_path / "store", labels=lfw_labels)
    assert len(store) == len(LFW)
    assert store.skipped == (("Dee/Dee_0001.png", "another picture of the same name came before"),)


@PACKS
def test_celeba_says_who_where_and_what(pack: Pack, tmp_path: Path) -> None:
    files = celeba_files()
    store = prepared(pack(files, tmp_path), tmp_path / "store", size=128)
    assert store.kind == "celeba"
    assert store.file == ["000007.jpg", "000040.jpg", "000123.jpg", "202599.jpg"]
    assert store.person.tolist() == ["11", "11", "12", "12"]
    assert store.split.tolist() == ["train", "train", "test", "test"]
    assert store.extra["number"].tolist() == ["7", "40", "123", "202599"]
    marks = np.array([[(i + k) % 3 > 0 for k in range(40)] for i in range(4)])
    np.testing.assert_array_equal(store.attributes, marks)
    # rows 20..198 of the 178x218 picture: the left eye of all, by hand
    scale = 128 / 178
    np.testing.assert_allclose(
        store.landmarks[:, 0], [[69.5 * scale - 0.5, 91.5 * scale - 0.5]] * 4, atol=1e-5
    )
    square = Image.fromarray(picture(92, 178, 218)[20:198])
    wanted = np.asarray(square.resize((128, 128), Image.Resampling.LANCZOS))
    np.testing.assert_array_equal(store.pixels[2], wanted)
    assert store.known(0).all()
    assert store.photo_size.tolist() == [[178, 218]] * 4


def test_celeba_in_another_frame_is_a_photo(tmp_path: Path) -> None:
    paths = as_folder(celeba_files(), tmp_path)
    store = prepared(paths, tmp_path / "store", frame="squash128", size=32)
    assert store.frame == "squash128"
    left_eye = ((69 + 0.5) * 32 / 178 - 0.5, (111 + 0.5) * 32 / 218 - 0.5)
    np.testing.assert_allclose(store.landmarks[0, 0], left_eye, atol=1e-5)


def test_celeba_as_tables_with_commas_and_an_inner_zip(tmp_path: Path) -> None:
    files = celeba_files()
    pictures = {name: data for name, data in files.items() if name.endswith(".jpg")}
    lists = {
        name.replace(".txt", ".csv"): b"image_id,x\n" + data.replace(b" ", b",")
        for name, data in files.items()
        if name.startswith(("identity", "list_eval"))
    }
    header = "image_id," + ",".join(NAMES)
    rows = [f"{name.rsplit('/')[-1]}," + ",".join(["1", "-1"] * 20) for name in pictures]
    lists["list_attr_celeba.csv"] = "\n".join([header, *rows]).encode()
    root = as_folder(lists, tmp_path)
    zipped = as_zips(pictures, tmp_path)
    with zipfile.ZipFile(root[0] / "img_align_celeba.zip", "w") as archive:
        for path in zipped:
            with zipfile.ZipFile(path) as part:
                for name in part.namelist():
                    archive.writestr(name, part.read(name))
    store = prepared(root, tmp_path / "store")
    assert store.person.tolist() == ["11", "11", "12", "12"]
    np.testing.assert_array_equal(store.attributes, [[1, 0] * 20] * 4)
    assert np.isnan(store.landmarks).all()


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"identity_CelebA.txt": None, "list_eval_partition.txt": None}, "several splits"),
        ({"list_eval_partition.txt": b"000007.jpg 5\n"}, "has a part '5'"),
        ({"list_attr_celeba.txt": b"1\nSmiling\n000007.jpg 1 1\n"}, "2 values for 000007.jpg"),
        ({"list_attr_celeba.txt": b"1\nSmilin\n000007.jpg 1\n"}, "did you mean Smiling"),
        ({"identity_CelebA.txt": "000007.jpg é\n".encode()}, "identity_CelebA is no plain text"),
    ],
)
def test_celeba_with_wrong_lists(
    change: dict[str, bytes | None], text: str, tmp_path: Path
) -> None:
    files = {**celeba_files(), **change}
    paths = as_folder({k: v for k, v in files.items() if v is not None}, tmp_path)
    with pytest.raises(BadRequest, match=text):
        list(open_source(paths, kind="celeba").items())


def shard(path: Path, rows: int, side: int, **columns: object) -> Path:
    pixels = [encoded(picture(row, side, side), "WEBP") for row in range(rows)]
    pq.write_table(pa.table({"webp": pixels, **columns}), path, row_group_size=2)
    return path


def test_celeba_shards_are_kept_as_they_are(tmp_path: Path) -> None:
    points = pa.array([[float(k) for k in range(10)]] * 4 + [None], pa.list_(pa.float32(), 10))
    path = shard(
        tmp_path / "a.parquet",
        5,
        32,
        number=[5, 6, 7, 8, 9],
        person=[1, 1, 2, 2, 2],
        split=["train", "train", "val", "val", "val"],
        landmarks=points,
        Smiling=[0, 1, 1, 0, None],
    )
    store = prepared([path], tmp_path / "store")
    assert store.kind == "shards"
    np.testing.assert_array_equal(store.pixels, [picture(row, 32, 32) for row in range(5)])
    assert store.file[0] == "000005.jpg"
    assert store.person.tolist() == ["1", "1", "2", "2", "2"]
    assert store.split.tolist() == ["train"] * 2 + ["val"] * 3
    np.testing.assert_array_equal(store.landmarks[0], np.arange(10).reshape(5, 2))
    assert np.isnan(store.landmarks[4]).all()
    np.testing.assert_array_equal(store.attributes[:, 31], [0, 1, 1, 0, np.nan])


def test_larger_shards_are_scaled_with_all_that_lies_in_them(tmp_path: Path) -> None:
    # photo pixel = crop pixel + (10, -8) in a 100x100 photo: the crop's first 8 rows lie above it
    path = shard(
        tmp_path / "b.parquet",
        2,
        64,
        name=["x.jpg", "x.jpg"],
        group=["asian", "black"],
        landmarks=pa.array([[20.0, 30.0] * 5] * 2, pa.list_(pa.float32(), 10)),
        to_crop=pa.array([[1.0, 0, -10, 0, 1, 8]] * 2, pa.list_(pa.float64(), 6)),
        width=[100, 100],
        height=[100, 100],
        inside=[0.875, 0.875],
    )
    store = prepared([path], tmp_path / "store")
    assert store.file == ["x.jpg", "x.jpg#2"]
    assert store.person.tolist() == ["x.jpg", "x.jpg"]
    assert len(set(store.split.tolist())) == 1
    assert store.extra["group"].tolist() == ["asian", "black"]
    np.testing.assert_allclose(store.landmarks[0], [[9.75, 14.75]] * 5)
    np.testing.assert_array_equal(store.known(0), np.arange(32)[:, None].repeat(32, 1) >= 4)
    assert store.inside.tolist() == [0.875, 0.875]
    wanted = Image.fromarray(picture(0, 64, 64)).resize((32, 32), Image.Resampling.LANCZOS)
    np.testing.assert_array_equal(store.pixels[0], np.asarray(wanted))


def test_shards_cannot_be_made_into_another_frame(tmp_path: Path) -> None:
    path = shard(tmp_path / "a.parquet", 1, 32, number=[1])
    with pytest.raises(BadRequest, match=r"a\.parquet holds ready head crops; squash128 crops can"):
        prepare(open_source([tmp_path]), tmp_path / "store", frame="squash128")
    with pytest.raises(BadRequest, match="shards have their own labels"):
        open_source([path], labels=tmp_path / "a.parquet")


def test_any_folder_with_a_table(tmp_path: Path) -> None:
    files = {f"{part}/{n}.png": encoded(picture(n, 40, 60)) for n, part in enumerate("aabbb")}
    files["a/notes.txt"] = files[".hidden/._x.png"] = b"no picture"
    paths = as_folder(files, tmp_path)
    table = tmp_path / "labels.csv"
    table.write_text(
        "File,Person,Gray Hair,split,source\na/0.png,Ann,1,val,web\n1.jpg,Ann,0,val,\nb/2,Bob,,,x\n"
    )
    store = prepared(paths, tmp_path / "store", frame="squash128", labels=table)
    assert store.kind == "folder"
    assert store.file == ["a/0.png", "a/1.png", "b/2.png", "b/3.png", "b/4.png"]
    assert store.person.tolist() == ["Ann", "Ann", "Bob", "b/3.png", "b/4.png"]
    assert store.split.tolist()[:2] == ["val", "val"]
    assert store.extra["source"].tolist() == ["web", "", "x", "", ""]
    np.testing.assert_array_equal(store.attributes[:, 17], [1, 0, np.nan, np.nan, np.nan])


def test_several_folders_and_a_single_picture(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "x.png").write_bytes(encoded(picture(1)))
    (tmp_path / "y.png").write_bytes(encoded(picture(2)))
    paths = [tmp_path / name for name in ("two", "one", "y.png")]
    store = prepared(paths, tmp_path / "store", frame="center150")
    assert store.file == ["one/x.png", "two/x.png", "y.png"]


@pytest.mark.parametrize(
    ("make", "options", "text"),
    [
        (lambda root: root / "missing", {}, "there is no .*missing"),
        (lambda root: root, {}, "no pictures in"),
        (lambda root: root, {"kind": "lfw"}, "is named like LFW's"),
        (lambda root: root, {"kind": "lfv"}, "no kind of source named 'lfv'; did you mean lfw"),
        (lambda root: root, {"kind": "shards"}, "no Parquet shards in"),
        (lambda root: root, {"labels": "nowhere.csv"}, "there is no table nowhere.csv"),
        (lambda root: root / "bad.zip", {}, "bad.zip cannot be read as an archive"),
        (lambda root: root / "bad.tgz", {}, "bad.tgz cannot be read as an archive"),
        (lambda root: root / "bad.parquet", {}, "bad.parquet cannot be read as a Parquet file"),
        (lambda root: root / "words.txt", {}, "neither a folder, an archive, nor Parquet"),
    ],
)
def test_sources_that_cannot_be_used(
    make: Callable[[Path], Path], options: dict[str, str], text: str, tmp_path: Path
) -> None:
    for name in ("bad.zip", "bad.tgz", "words.txt"):
        (tmp_path / name).write_bytes(b"nothing of the kind")
    path = make(tmp_path)
    if path.suffix == ".parquet":
        path.write_bytes(b"nothing of the kind")
    with pytest.raises(BadRequest, match=text):
        open_source([path], **options)  # type: ignore[arg-type]


def test_no_source_and_wrong_kind_name() -> None:
    with pytest.raises(BadRequest, match="no source was named"):
        open_source([])
    with pytest.raises(UnknownName):
        open_source(["."], kind="celebs")
