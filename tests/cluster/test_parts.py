"""Laws of the list of photos, of parts and of the manifest, which need no Ray at work."""

import io
import json
import os
import tarfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow
import pytest
from pyarrow import parquet

from facedial.cli import clusters
from facedial.cli.entry import main
from facedial.cli.verbs.encode import _codes
from facedial.cluster import job, run
from facedial.cluster.inputs import Item, Kind
from facedial.cluster.job import Job, Made
from facedial.cluster.listing import ROWS_A_FILE, Listing
from facedial.cluster.manifest import Manifest
from facedial.cluster.places import Place
from facedial.cluster.reading import each
from facedial.cluster.worker import Worker
from facedial.editor import Editor
from facedial.errors import BadRequest, FacedialError

pytestmark = [
    pytest.mark.filterwarnings(f"ignore:`{name}` is deprecated:DeprecationWarning:ray.data.context")
    for name in ("use_push_based_shuffle", "use_polars", "use_arrow_tensor_v2")
]


class Killed(BaseException):
    """In place of a signal that ends a worker."""


def sizes(kill: str, _editor: Editor, data: bytes, name: str) -> Made:
    """A photo's size in bytes; a photo of that name kills the worker."""
    if Path(name).name == kill:
        raise Killed
    return Made([{"face": 1, "bytes": float(len(data))}])


def sized(editor: Editor, kill: str = "") -> Job:
    """A job that reads photos and needs no network."""
    columns = job.numbers(["bytes"])
    return Job("faces", {}, partial(sizes, kill), "sizes", columns, digest=job.digest(editor))


def files(folder: Path, count: int) -> Path:
    """A folder of so many files that are named like photos."""
    folder.mkdir()
    for number in range(count):
        (folder / f"{number:02}.png").write_bytes(bytes(number + 1))
    return folder


def rows(out: Path, kind: str = "sizes") -> list[dict[str, Any]]:
    """All rows of a run's tables."""
    tables = [parquet.read_table(path) for path in sorted(out.glob(f"{kind}-*.parquet"))]
    return [row for table in tables for row in table.to_pylist()]


def prepared(one: Job, out: Path, *inputs: object, recursive: bool = False) -> run.Prepared:
    """A run that is listed."""
    return run.prepare(one, [str(path) for path in inputs], str(out), recursive=recursive)


def done(ready: run.Prepared) -> Worker:
    """A worker that has done all missing parts."""
    worker = Worker(ready.plan)
    for part in ready.missing:
        worker.do(part)
    return worker


def test_tar_shards_and_parquet_give_what_a_folder_gives(
    editor: Editor, heads: Path, tmp_path: Path
) -> None:
    names = ["00.png", "01.png", "07-bad.png"]
    data = {name: (heads / name).read_bytes() for name in names}
    folder = tmp_path / "folder"
    (folder / "below").mkdir(parents=True)
    with tarfile.open(tmp_path / "shard.tar", "w") as tar:
        for name in names:
            (folder / "below" / name).write_bytes(data[name])
            for member, content in ((f"below/{name}", data[name]), (f"{name}.json", b"{}")):
                header = tarfile.TarInfo(member)
                header.size = len(content)
                tar.addfile(header, io.BytesIO(content))
    plain = {"bytes": list(data.values()), "name": names}
    parquet.write_table(pyarrow.table(plain), tmp_path / "plain.parquet", row_group_size=2)
    pictures = [{"bytes": data[name], "path": name} for name in names]
    parquet.write_table(pyarrow.table({"image": pictures}), tmp_path / "nested.parquet")
    inputs = [folder, *(tmp_path / n for n in ("shard.tar", "plain.parquet", "nested.parquet"))]
    work = clusters.Attempted(partial(_codes, 1))
    one = Job("encode", {}, work, "codes", job.codes(editor), digest=job.digest(editor))
    ready = prepared(one, tmp_path / "out", *inputs, recursive=True)
    done(ready)
    found = rows(tmp_path / "out", "codes")
    files = ["folder/below", "shard.tar/below", "plain.parquet", "nested.parquet"]
    assert [row["name"] for row in found if row["error"] is None] == [
        f"{file}/{name}" for file in files for name in names[:2]
    ]
    assert [row["input"] for row in found] == [
        f"{tmp_path}/{file}/{name}" for file in files for name in names
    ]
    wanted = found[:3]
    assert wanted[0]["code"] != wanted[1]["code"] and "no" in wanted[2]["error"]
    for first in range(3, 12, 3):
        for row, other in zip(found[first : first + 3], wanted, strict=True):
            for name in ("face", "code", "to_photo", "error"):
                assert row[name] == other[name]


def test_a_photo_that_ends_workers_again_and_again_costs_its_row_alone(
    editor: Editor, tmp_path: Path
) -> None:
    folder, out = files(tmp_path / "in", 6), tmp_path / "out"
    ready = prepared(sized(editor, kill="02.png"), out, folder)
    deaths = 0
    while True:
        try:
            entry = Worker(ready.plan).do(0)
            break
        except Killed:
            deaths += 1
    assert (deaths, entry["failed"], entry["attempt"]) == (3, 1, 4)
    found = rows(out)
    assert [row["bytes"] for row in found] == [1, 2, None, 4]
    assert "the process that worked on it ended" in found[2]["error"]
    assert sorted(path.name for path in out.glob("_facedial/*/*.json")) == ["0000000.json"]


def test_a_photo_is_not_blamed_for_drivers_that_end(editor: Editor, tmp_path: Path) -> None:
    folder, out = files(tmp_path / "in", 3), tmp_path / "out"
    for _ in range(5):  # each with a driver of its own
        with pytest.raises(Killed):
            Worker(prepared(sized(editor, kill="01.png"), out, folder).plan).do(0)
    done(prepared(sized(editor), out, folder))
    assert [row["error"] for row in rows(out)] == [None] * 3


def test_a_rerun_does_what_is_missing_and_nothing_else(editor: Editor, tmp_path: Path) -> None:
    folder, out = files(tmp_path / "in", 19), tmp_path / "out"
    first = prepared(sized(editor), out, folder)
    assert (first.missing, first.photos, first.resumed) == ([0, 1, 2, 3, 4], 19, False)
    done(first)
    before = {path: path.stat().st_mtime_ns for path in out.glob("sizes-*")}
    (folder / "99.png").write_bytes(b"later: not in the list")
    assert prepared(sized(editor), out, folder).missing == []
    (out / "sizes-0000002.parquet").unlink()
    (out / "_facedial/done/0000004.json").unlink()
    again = prepared(sized(editor), out, folder)
    assert (again.missing, again.photos, again.resumed) == ([2, 4], 7, True)
    done(again)
    assert [row["bytes"] for row in rows(out)] == list(range(1, 20))
    same = [path for path in before if path.stat().st_mtime_ns == before[path]]
    assert sorted(path.name[-9:-8] for path in same) == ["0", "1", "3"]


def test_a_worker_does_not_do_again_what_another_has_done(editor: Editor, tmp_path: Path) -> None:
    ready = prepared(sized(editor), tmp_path / "out", files(tmp_path / "in", 3))
    entry = done(ready).do(0)
    assert json.loads(Worker(ready.plan)({"part": [0]})["entry"][0]) == entry


def test_what_cannot_be_read_is_a_row_unless_it_is_everything(
    editor: Editor, tmp_path: Path
) -> None:
    folder = files(tmp_path / "in", 4)
    ready = prepared(sized(editor), tmp_path / "out", folder)
    (folder / "01.png").unlink()
    done(ready)
    errors = [row["error"] for row in rows(tmp_path / "out")]
    assert [error is None for error in errors] == [True, False, True, True]
    assert str(folder / "01.png") in errors[1]
    shard = tmp_path / "in.tar"
    with tarfile.open(shard, "w") as tar:
        for path in sorted(folder.iterdir()):
            tar.add(path, path.name)
    ready = prepared(sized(editor), tmp_path / "other", shard)
    os.truncate(shard, 100)
    with pytest.raises(FacedialError, match="none of the 3 photos of a part can be read"):
        done(ready)
    assert not list((tmp_path / "other").glob("_facedial/done/*"))
    assert not list((tmp_path / "other").glob("sizes*"))


def test_a_list_that_was_not_completed_is_made_anew(editor: Editor, tmp_path: Path) -> None:
    folder, out = files(tmp_path / "in", 3), tmp_path / "out"
    Manifest(Place.of(str(out))).listing.write([Item("old", 0, "/old.png")])
    ready = prepared(sized(editor), out, folder)
    assert ready.photos == 3
    assert [one.key for one in ready.plan.manifest.listing.read(0, 3)] == [
        "00.png",
        "01.png",
        "02.png",
    ]


def test_a_long_list_is_read_in_ranges(tmp_path: Path) -> None:
    listing = Listing(Place.of(str(tmp_path)))
    count = ROWS_A_FILE + 5000
    assert listing.write(Item(str(n), 0, "x", Kind.ROW, "m", n) for n in range(count)) == count
    for first in (0, 4090, ROWS_A_FILE - 3):
        assert [one.offset for one in listing.read(first, 10)] == list(range(first, first + 10))
    assert len(list(tmp_path.iterdir())) == 2


def test_rows_are_found_from_anywhere_in_a_parquet_file(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    data = [bytes([n]) * 3 for n in range(60)]
    parquet.write_table(pyarrow.table({"image": data}), path, row_group_size=25)
    place = Place.of(str(tmp_path))
    asked = [Item("", 0, str(path), Kind.ROW, "", row) for row in (7, 8, 30, 59, 0, 25)]
    assert [found for _, found in each(asked, [place])] == [data[one.offset] for one in asked]


def test_folders_are_listed_in_order_without_what_is_none_of_them(
    editor: Editor, tmp_path: Path
) -> None:
    folder = files(tmp_path / "in", 2)
    files(folder / "b", 1)
    (folder / "b/loop").symlink_to(folder)
    (folder / ".hidden.png").write_bytes(b"")
    (folder / "list.txt").write_bytes(b"")
    (folder / os.fsdecode(b"caf\xe9.png")).write_bytes(b"")
    ready = prepared(sized(editor), folder / "out", folder, recursive=True)
    left = ready.left_out
    assert (left.folders, left.others, left.unnamed) == (1, 1, 1)
    keys = [one.key for one in ready.plan.manifest.listing.read(0, 3)]
    assert keys == ["00.png", "01.png", "b/00.png"]


def refused(words: list[object], *parts: str) -> Callable[[pytest.CaptureFixture[str]], None]:
    """Check that a command is refused in one sentence with those parts."""

    def check(capsys: pytest.CaptureFixture[str]) -> None:
        with pytest.raises(SystemExit) as left:
            main([str(word) for word in words])
        err = capsys.readouterr().err
        assert left.value.code == 2 and len(err.splitlines()) == 1
        for part in parts:
            assert part in err

    return check


def test_what_cannot_be_a_run_is_refused_before_any_work(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, out = files(tmp_path / "in", 2), tmp_path / "out"
    empty = tmp_path / "empty"
    empty.mkdir()
    (tmp_path / "a.tar.gz").write_bytes(b"")
    (tmp_path / "b.tar").write_bytes(b"no tar")
    parquet.write_table(pyarrow.table({"age": [1]}), tmp_path / "c.parquet")
    run_it = ["-o", out, "--cluster"]
    for words, parts in (
        (["encode", "--cluster", folder, "-o", out], [f"--cluster local {folder}"]),
        (["faces", folder, "--cluster"], ["needs -o"]),
        (["attributes", folder, "--csv", *run_it], ["--csv does not go with --cluster"]),
        (["attributes", folder, "-o", out], ["-o is for --cluster"]),
        (["encode", folder, "--cluster", "-o", folder], ["holds other things (00.png)"]),
        (["encode", empty, *run_it], [f"{empty} holds no photos"]),
        (["encode", tmp_path / "gone", *run_it], ["there is no file or folder"]),
        (["encode", tmp_path / "a.tar.gz", *run_it], ["compressed"]),
        (["encode", tmp_path / "b.tar", *run_it], ["is no tar file"]),
        (["encode", tmp_path / "c.parquet", *run_it], ["has no column of bytes"]),
        (["encode", "odd://x/y", *run_it], ["cannot use odd://x/y"]),
    ):
        refused([*words], *parts)(capsys)
    assert not list(out.glob("*.parquet"))


def test_runs_of_something_else_are_refused(editor: Editor, tmp_path: Path) -> None:
    folder, out = files(tmp_path / "in", 2), tmp_path / "out"
    one = sized(editor)
    prepared(one, f"file://{out}", folder)  # a URI is the same folder
    assert prepared(one, out, folder).resumed
    other = Job("encode", {}, one.work, "sizes", one.columns, digest=one.digest)
    for wrong, what in (
        (lambda: prepared(other, out, folder), "is of `facedial faces`"),
        (lambda: prepared(one, out, folder, tmp_path), "is on "),
        (lambda: prepared(one, out, folder, recursive=True), "other settings"),
    ):
        with pytest.raises(BadRequest, match=what):
            wrong()
