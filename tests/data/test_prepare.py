"""Laws of preparing: what is written is read; stopping, packing and processes change no byte."""

import errno
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Generator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from facedial.data import prepare as preparing
from facedial.data.crops import CropMaker
from facedial.data.pool import Chunk, CropFacts, CropWriter, write_all
from facedial.data.prepare import Report, prepare
from facedial.data.sources import open_source
from facedial.data.store import Store
from facedial.errors import BadRequest, FacedialError, UnknownName
from facedial.faces.face import Face
from facedial.faces.geometry import apply
from facedial.faces.photo import Photo

from .made_pictures import encoded, lfw_files, picture, points_of

SIZE = 32


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preparing, "CHUNK", 3)


def make(lfw: Path, labels: Path | None, out: Path, **options: object) -> Report:
    source = open_source([lfw], labels=labels)
    return prepare(source, out, size=SIZE, **{"processes": 1, **options})  # type: ignore[arg-type]


def contents(store: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(store.iterdir())}


@pytest.fixture(scope="module")
def reference(lfw: Path, lfw_labels: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("stores") / "reference"
    make(lfw, lfw_labels, out)
    return out


def test_a_store_holds_what_the_source_said(reference: Path) -> None:
    store = Store.open(reference)
    files = lfw_files()
    assert store.file == sorted(files)
    assert store.person.tolist() == [name.split("/")[0] for name in store.file]
    assert (store.kind, store.frame, store.size, len(store)) == ("lfw", "head", SIZE, len(files))
    seeds = np.array([files[name] for name in store.file])
    smiling, male = store.attributes[:, 31], store.attributes[:, 20]
    np.testing.assert_allclose(smiling, seeds / 20, atol=1e-7)
    assert np.isnan(male).all()
    assert store.extra["mood"].tolist() == [f"m{seed}" for seed in seeds]
    assert sorted(path.name for path in reference.iterdir()) == [
        "index.parquet",
        "pixels.u8",
        "store.json",
    ]


def test_landmarks_lead_back_to_the_photo(reference: Path) -> None:
    store = Store.open(reference)
    for row, name in enumerate(store.file):
        there = apply(store.to_photo[row], store.landmarks[row])
        np.testing.assert_allclose(there, points_of(lfw_files()[name]), atol=1e-4)
        assert store.photo_size[row].tolist() == [50, 50]
        assert store.known(row).mean() == pytest.approx(store.inside[row], abs=1e-6)


def test_nobody_is_in_two_splits(reference: Path) -> None:
    store = Store.open(reference)
    assert sum(len(store.where(split)) for split in ("train", "val", "test")) == len(store)
    for person in set(store.person.tolist()):
        assert len(set(store.split[store.person == person].tolist())) == 1


def test_a_complete_store_is_left_alone(lfw: Path, lfw_labels: Path, reference: Path) -> None:
    before = [(path.stat().st_mtime_ns, path.name) for path in sorted(reference.iterdir())]
    report = make(lfw, lfw_labels, reference)
    assert report.already
    assert report.count == len(lfw_files())
    assert before == [(p.stat().st_mtime_ns, p.name) for p in sorted(reference.iterdir())]


@pytest.mark.parametrize("chunks", [1, 2, 3])
def test_stopped_and_gone_on_with_gives_the_same_bytes(
    lfw: Path, lfw_labels: Path, reference: Path, tmp_path: Path, chunks: int
) -> None:
    def stop(done: int, total: int) -> None:
        if done >= 3 * chunks:
            raise KeyboardInterrupt

    out = tmp_path / "store"
    with pytest.raises(KeyboardInterrupt):
        make(lfw, lfw_labels, out, progress=stop)
    assert not out.exists()
    with (tmp_path / "store.partial" / "journal.jsonl").open("a") as journal:
        journal.write('[{"row": 11, "landm')  # killed while writing a line
    seen: list[int] = []
    report = make(lfw, lfw_labels, out, progress=lambda done, total: seen.append(done))
    assert report.resumed == 3 * chunks
    assert seen == list(range(3 * chunks + 3, 13, 3))
    assert contents(out) == contents(reference)
    assert not (tmp_path / "store.partial").exists()


@pytest.mark.parametrize("step", ["_pack", "write_columns", "rename"])
def test_stopped_while_finishing(
    lfw: Path,
    lfw_labels: Path,
    reference: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    step: str,
) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        if step == "rename":
            patch.setattr(Path, "rename", stop)
        else:
            patch.setattr(preparing._PartialStore if step == "_pack" else preparing, step, stop)
        with pytest.raises(KeyboardInterrupt):
            make(lfw, lfw_labels, tmp_path / "store")
    report = make(lfw, lfw_labels, tmp_path / "store")
    assert report.resumed == 12
    assert contents(tmp_path / "store") == contents(reference)


KILLED = """
import os, signal, sys
from facedial.data import prepare as preparing
from facedial.data.sources import open_source
def kill(done, total):
    if done >= 5:
        os.kill(os.getpid(), signal.SIGKILL)
if __name__ == "__main__":
    preparing.CHUNK = 2
    source = open_source([sys.argv[1]], labels=sys.argv[2])
    preparing.prepare(source, sys.argv[3], size=32, processes=2, progress=kill)
"""


def test_killed_with_its_workers_at_work(
    lfw: Path, lfw_labels: Path, reference: Path, tmp_path: Path
) -> None:
    script = tmp_path / "killed.py"
    script.write_text(KILLED)
    out = tmp_path / "store"
    words = [sys.executable, str(script), str(lfw), str(lfw_labels), str(out)]
    # The workers hold the pipe of stdout too: this returns only once all of them have ended.
    ended = subprocess.run(words, check=False, timeout=60, stdout=subprocess.PIPE)  # noqa: S603
    assert ended.returncode == -signal.SIGKILL
    report = make(lfw, lfw_labels, out, processes=2)
    assert report.resumed >= 5
    assert contents(out) == contents(reference)


def with_bad_files(lfw: Path, root: Path) -> Path:
    shutil.copytree(lfw, root)
    (root / "Dee" / "Dee_0002.png").write_bytes(b"not a picture")
    whole = (root / "Dee" / "Dee_0003.png").read_bytes()
    (root / "Dee" / "Dee_0003.png").write_bytes(whole[: len(whole) // 2])
    (root / "Bo_Li" / "Bo_Li_0001.png").write_bytes(b"")
    return root


def test_bad_files_are_listed_and_the_rest_is_packed(
    lfw: Path, lfw_labels: Path, reference: Path, tmp_path: Path
) -> None:
    bad = with_bad_files(lfw, tmp_path / "lfw")
    report = make(bad, lfw_labels, tmp_path / "store")
    store, whole = Store.open(tmp_path / "store"), Store.open(reference)
    names = ["Bo_Li/Bo_Li_0001.png", "Dee/Dee_0002.png", "Dee/Dee_0003.png"]
    assert [file for file, _ in report.skipped] == names
    assert all(why and file not in why for file, why in report.skipped)
    assert store.skipped == report.skipped
    assert store.file == [name for name in whole.file if name not in names]
    rows = [whole.file.index(name) for name in store.file]
    np.testing.assert_array_equal(store.pixels, whole.pixels[rows])
    np.testing.assert_array_equal(store.landmarks, whole.landmarks[rows])
    again = make(bad, lfw_labels, tmp_path / "store")
    assert again.already
    assert again.skipped == report.skipped


def test_nothing_usable_is_an_error_and_leaves_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    (folder / "a.jpg").write_bytes(b"no")
    (folder / "b.jpg").write_bytes(b"no")
    with pytest.raises(FacedialError, match=r"none of 2 pictures could be used; a\.jpg: "):
        prepare(open_source([folder]), tmp_path / "store", frame="squash128", processes=1)
    assert list(tmp_path.iterdir()) == [folder]


def test_an_output_that_is_something_else_is_refused(
    lfw: Path, lfw_labels: Path, reference: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("mine")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "note.txt").write_text("mine")
    for name in ("file", "folder"):
        with pytest.raises(BadRequest, match="exists and is not a store"):
            make(lfw, lfw_labels, tmp_path / name)
    with pytest.raises(BadRequest, match="store of another source or made with other options"):
        make(lfw, lfw_labels, reference, frame="squash128")
    assert (tmp_path / "folder" / "note.txt").read_text() == "mine"
    (tmp_path / "empty").mkdir()
    assert make(lfw, lfw_labels, tmp_path / "empty").count == 12


def test_what_another_run_left_is_not_gone_on_with(
    lfw: Path, lfw_labels: Path, tmp_path: Path
) -> None:
    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make(lfw, lfw_labels, tmp_path / "store", progress=stop)
    with pytest.raises(BadRequest, match=r"store\.partial is left from preparing another"):
        make(lfw, lfw_labels, tmp_path / "store", frame="center150")


def test_a_changed_picture_is_another_source(lfw: Path, lfw_labels: Path, tmp_path: Path) -> None:
    root = tmp_path / "lfw"
    shutil.copytree(lfw, root)
    make(root, lfw_labels, tmp_path / "store")
    (root / "Dee" / "Dee_0001.png").write_bytes(encoded(picture(99)))
    with pytest.raises(BadRequest, match="another source"):
        make(root, lfw_labels, tmp_path / "store")


@pytest.mark.parametrize(
    ("options", "kind", "text"),
    [
        ({"frame": "haed"}, UnknownName, "no frame named 'haed'; did you mean head"),
        ({"size": 8}, BadRequest, "size must lie in 16..1024"),
        ({"processes": 0}, BadRequest, "at least one process"),
    ],
)
def test_wrong_options(
    lfw: Path, tmp_path: Path, options: dict[str, object], kind: type[Exception], text: str
) -> None:
    with pytest.raises(kind, match=text):
        prepare(open_source([lfw]), tmp_path / "store", **options)  # type: ignore[arg-type]


def test_a_full_disk_is_told_beforehand(
    lfw: Path, lfw_labels: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=0))
    with pytest.raises(FacedialError, match="only 0 MB are free"):
        make(lfw, lfw_labels, tmp_path / "store")
    assert not list(tmp_path.iterdir())


def test_a_disk_that_fills_up_keeps_what_is_done(
    lfw: Path,
    lfw_labels: Path,
    reference: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    write, left = CropWriter.write, [2]

    def fills_up(writer: CropWriter, chunk: Chunk) -> list[CropFacts]:
        left[0] -= 1
        if left[0] < 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(writer, chunk)

    with monkeypatch.context() as patch:
        patch.setattr(CropWriter, "write", fills_up)
        with pytest.raises(FacedialError, match="No space left on device; the same command goes"):
            make(lfw, lfw_labels, tmp_path / "store")
    assert make(lfw, lfw_labels, tmp_path / "store").resumed == 6
    assert contents(tmp_path / "store") == contents(reference)


def face_at(x: float, y: float, scale: float) -> Face:
    points = (points_of(0) - 24.5) * scale + (x, y)
    return Face(
        box=np.array([x, y, x, y]) + np.array([-8, -8, 8, 8]) * scale, landmarks=points, score=1.0
    )


def two_faces(photo: Photo) -> list[Face]:
    """The larger in the corner, the smaller in the middle."""
    return [face_at(10, 12, 1.2), face_at(26, 25, 0.9)]


def no_face(photo: Photo) -> list[Face]:
    return []


def test_of_several_faces_lfw_means_the_central_one(lfw: Path, tmp_path: Path) -> None:
    make(lfw, None, tmp_path / "store", locate=two_faces, processes=2)
    store = Store.open(tmp_path / "store")
    there = apply(store.to_photo[0], store.landmarks[0])
    np.testing.assert_allclose(there, face_at(26, 25, 0.9).landmarks, atol=1e-4)


def test_of_several_faces_a_folder_means_the_largest(lfw: Path, tmp_path: Path) -> None:
    source = open_source([lfw], kind="folder")
    prepare(source, tmp_path / "store", size=SIZE, processes=1, locate=two_faces)
    store = Store.open(tmp_path / "store")
    there = apply(store.to_photo[0], store.landmarks[0])
    np.testing.assert_allclose(there, face_at(10, 12, 1.2).landmarks, atol=1e-4)


@pytest.mark.parametrize(
    ("locate", "why"), [(None, "no face detector was given"), (no_face, "no face")]
)
def test_without_a_face_there_is_no_head(
    lfw: Path, tmp_path: Path, locate: object, why: str
) -> None:
    with pytest.raises(FacedialError, match=why):
        make(lfw, None, tmp_path / "store", locate=locate)


def waits(photo: Photo) -> list[Face]:
    time.sleep(0.2)
    return [face_at(26, 25, 0.9)]


def test_an_interruption_stops_the_workers_after_the_picture_they_are_at(
    lfw: Path, tmp_path: Path
) -> None:
    """The second chunk would take 40 s."""
    items = list(open_source([lfw]).items())
    pixels = tmp_path / "all.u8"
    pixels.write_bytes(bytes(200 * SIZE * SIZE * 3))
    chunks = [Chunk(((0, items[0]),)), Chunk(tuple((row, items[1]) for row in range(200)))]
    writing = write_all(chunks, CropWriter(CropMaker("head", SIZE, waits), pixels), 2)
    assert isinstance(writing, Generator)
    assert [facts["row"] for facts in next(writing)] == [0]
    start = time.monotonic()
    writing.close()
    assert time.monotonic() - start < 20
    assert not multiprocessing.active_children()


def test_an_error_in_a_worker_is_raised_here_and_leaves_no_process(
    lfw: Path, lfw_labels: Path, tmp_path: Path
) -> None:
    source = open_source([lfw], labels=lfw_labels)
    items = list(source.items())
    writer = CropWriter(CropMaker("head", SIZE), tmp_path / "missing" / "all.u8")
    chunks = [Chunk(((row, item),)) for row, item in enumerate(items)]
    with pytest.raises(FileNotFoundError):
        list(write_all(chunks, writer, 2))
    assert not multiprocessing.active_children()


def test_chunks_are_submitted_as_they_are_needed(
    lfw: Path, lfw_labels: Path, tmp_path: Path
) -> None:
    """At most one chunk more than there are processes is held, however many there are."""
    items = list(open_source([lfw], labels=lfw_labels).items())
    pixels = tmp_path / "all.u8"
    pixels.write_bytes(bytes(len(items) * SIZE * SIZE * 3))
    taken: list[int] = []

    class Chunks(Sequence[Chunk]):
        def __len__(self) -> int:
            return len(items)

        def __getitem__(self, row: Any) -> Any:
            if row >= len(items):
                raise IndexError(row)
            taken.append(row)
            return Chunk(((row, items[row]),))

    done = 0
    for facts in write_all(Chunks(), CropWriter(CropMaker("head", SIZE), pixels), 2):
        done += len(facts)
        assert len(taken) <= done + 3
    assert sorted(taken) == list(range(len(items))) and done == len(items)


def dies(photo: Photo) -> list[Face]:
    os.kill(os.getpid(), signal.SIGKILL)
    return []


def test_a_worker_that_dies_is_told(lfw: Path, tmp_path: Path) -> None:
    with pytest.raises(FacedialError, match="a worker process died"):
        make(lfw, None, tmp_path / "store", locate=dies, processes=2)


def test_ready_crops_are_written_as_they_are(tmp_path: Path) -> None:
    folder = tmp_path / "crops"
    folder.mkdir()
    pictures = [picture(seed, 24, 24) for seed in range(4)]
    for seed, pixels in enumerate(pictures):
        (folder / f"{seed}.png").write_bytes(encoded(pixels))
    (folder / "wide.png").write_bytes(encoded(picture(9, 30, 24)))
    report = prepare(open_source([folder], ready=True), tmp_path / "store", size=24, processes=1)
    store = Store.open(tmp_path / "store")
    np.testing.assert_array_equal(store.pixels, np.stack(pictures))
    assert report.skipped == (("wide.png", "is 30x24; a ready crop is square"),)
    assert np.isnan(store.landmarks).all()
    assert store.person.tolist() == store.file
    assert store.known(0).all()
