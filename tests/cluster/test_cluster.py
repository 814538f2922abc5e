"""Laws of runs on a cluster: the results of one process, each once, whoever is killed."""

import json
import os
import signal
import subprocess
import sys
import tarfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from pyarrow import parquet

from facedial.cli.entry import main
from facedial.codes.code import load_codes

# Ray sets options of its own that it says are outdated.
pytestmark = [
    pytest.mark.filterwarnings(f"ignore:`{name}` is deprecated:DeprecationWarning:ray.data.context")
    for name in ("use_push_based_shuffle", "use_polars", "use_arrow_tensor_v2")
]

Facedial = Callable[..., tuple[int, str]]


@pytest.fixture
def facedial(capsys: pytest.CaptureFixture[str]) -> Facedial:
    """`facedial(*words)`: the exit code and stderr of a command, which is to print what it made last."""

    def call(*words: object) -> tuple[int, str]:
        with pytest.raises(SystemExit) as left:
            main([str(word) for word in words])
        out, err = capsys.readouterr()
        assert "Traceback" not in out + err
        assert out in ("", f"{words[words.index('-o') + 1]}\n")
        assert isinstance(left.value.code, int)
        return left.value.code, err

    return call


@pytest.fixture(scope="session")
def alone(heads: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Name -> code of every head, by one process without Ray."""
    out = tmp_path_factory.mktemp("alone") / "codes.npz"
    with pytest.raises(SystemExit) as left:
        main(["encode", str(heads), "-o", str(out), "--workers", "1"])
    assert left.value.code == 1  # for the damaged photo
    table = load_codes(out)
    return {name: row.tobytes() for name, row in zip(table.names, table.values, strict=True)}


def rows(out: Path, kind: str = "codes") -> list[dict[str, Any]]:
    """All rows of a run's tables, in the order of its parts."""
    return [
        row
        for path in sorted(out.glob(f"{kind}-*.parquet"))
        for row in parquet.read_table(path).to_pylist()
    ]


def check_whole(out: Path, heads: Path, alone: dict[str, bytes]) -> None:
    """Every photo is there once, with the code that one process gives it, or with its error."""
    found = rows(out)
    assert [row["input"] for row in found] == sorted(str(path) for path in heads.iterdir())
    errors = {row["input"]: row["error"] for row in found if row["error"] is not None}
    assert errors == {str(heads / "07-bad.png"): "07-bad.png is not a picture that can be read"}
    codes: dict[str, bytes] = {}
    for path in sorted(out.glob("*.parquet")):
        table = load_codes(path)
        codes |= {name: row.tobytes() for name, row in zip(table.names, table.values, strict=True)}
    assert codes == alone
    assert sorted(path.name for path in out.iterdir()) == [
        "_facedial",
        *(f"codes-{n:07}.parquet" for n in range(6)),
    ]


def entries(out: Path) -> list[dict[str, Any]]:
    """Entries of the parts that are done."""
    return [json.loads(path.read_text()) for path in sorted(out.glob("_facedial/done/*.json"))]


def wait_for(out: Path, pattern: str) -> list[Path]:
    """Files of a run, once there are some."""
    until = time.monotonic() + 300
    while time.monotonic() < until:
        if found := sorted(out.glob(f"_facedial/{pattern}")):
            return found
        time.sleep(0.02)
    raise AssertionError(f"no {pattern} in {out}")


@pytest.mark.usefixtures("local_ray")
def test_a_killed_worker_loses_nothing_and_nothing_is_twice(
    facedial: Facedial, heads: Path, alone: dict[str, bytes], tmp_path: Path
) -> None:
    out, killed = tmp_path / "out", []

    def kill() -> None:
        wait_for(out, "done/*.json")
        trial = json.loads(wait_for(out, "begun/*.json")[0].read_text())
        os.kill(trial["pid"], signal.SIGKILL)
        killed.append(trial["pid"])

    killer = threading.Thread(target=kill)
    killer.start()
    code, err = facedial("encode", heads, "-o", out, "--cluster", "--workers", "2")
    killer.join()
    assert killed and code == 1
    assert "23 of 24 done, 1 failed" in err
    assert len({entry["pid"] for entry in entries(out)} | set(killed)) == 3
    check_whole(out, heads, alone)


@pytest.mark.usefixtures("local_ray")
def test_a_killed_driver_loses_nothing_and_done_parts_stay(
    facedial: Facedial, heads: Path, alone: dict[str, bytes], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    words = ["encode", str(heads), "-o", str(out), "--cluster", "--workers", "2"]
    environment = {**os.environ, "TMPDIR": str(Path("/tmp")), "OMP_NUM_THREADS": "1"}  # noqa: S108 (short: sockets)
    with subprocess.Popen([sys.executable, "-m", "facedial", *words], env=environment) as driver:  # noqa: S603
        wait_for(out, "done/*.json")
        driver.kill()
    workers = {json.loads(path.read_text())["pid"] for path in out.glob("_facedial/begun/*.json")}
    until = time.monotonic() + 30
    while any(Path(f"/proc/{pid}").exists() for pid in workers):  # they end with their driver
        assert time.monotonic() < until
        time.sleep(0.1)
    before = {path.name: path.stat().st_mtime_ns for path in out.glob("_facedial/done/*.json")}
    kept = {
        path.stem: (out / f"codes-{path.stem}.parquet").stat().st_mtime_ns
        for path in out.glob("_facedial/done/*.json")
    }
    assert 0 < len(before) < 6
    code, err = facedial(*words)
    assert f"goes on with the run in {out}: " in err
    check_whole(out, heads, alone)
    for name, when in before.items():
        assert (out / "_facedial/done" / name).stat().st_mtime_ns == when
    for part, when in kept.items():
        assert (out / f"codes-{part}.parquet").stat().st_mtime_ns == when
    code, err = facedial(*words)
    assert (code, err.splitlines()[-1]) == (0, "facedial: 0 of 0 done, 0 failed, in 0 s")
    code, err = facedial("encode", heads, "-o", out, "--cluster", "--face", "all")
    assert code == 2 and "other settings (face)" in err


@pytest.mark.usefixtures("local_ray")
def test_edited_photos_are_those_of_one_process(
    facedial: Facedial, heads: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    some = tmp_path / "some"
    some.mkdir()
    for name in ("00.png", "01.png"):
        (some / name).write_bytes((heads / name).read_bytes())
    with Image.open(heads / "02.png") as image:
        image.save(some / "02.jpg")
    words = ("--set", "Narrow_Eyes=1.2")
    with pytest.raises(SystemExit):
        main(["edit", str(some), *words, "-o", f"{tmp_path / 'alone'}/", "--json"])
    capsys.readouterr()
    out = tmp_path / "out"
    facedial("edit", some, *words, "-o", out, "--cluster", "--workers", "1")
    with tarfile.open(out / "edited-0000000.tar") as tar:
        found = {name: tar.extractfile(name).read() for name in tar.getnames()}
    assert found == {path.name: path.read_bytes() for path in (tmp_path / "alone").iterdir()}
    assert [row["output"] for row in rows(out, "edits")] == list(found)
