"""Laws of many photos at once: what workers do is what one process does, and nothing of them is left."""

import json
import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from facedial.cli import streams, workers
from facedial.cli.batch import Tally
from facedial.cli.progress import bar
from facedial.errors import BadPhoto

from .conftest import Facedial, told

ALIGN = ("align", "--frame", "center150", "a.png", "b.png", "bad.png")  # needs no network
PHOTOS: list[workers.Task] = [(Path(f"{i}.jpg"), None) for i in range(6)]


def odd(path: Path, _target: Path | None) -> str:
    """The later the photo, the sooner it is done; some fail, and everything is printed."""
    number = int(path.stem)
    time.sleep(0.02 * (6 - number))
    streams.say(f"works on {path}")
    streams.warn(f"{path} is odd")
    if number == 3:
        raise BadPhoto(f"{path} is no picture")
    if number == 4:
        raise RuntimeError("a fault")
    return f"result {number}"


def killing(path: Path, _target: Path | None) -> str:
    """Whatever works on photo 2 is killed."""
    if path.stem == "2":
        os.kill(os.getpid(), signal.SIGKILL)
    return path.stem


def slow(path: Path, _target: Path | None) -> None:
    """A result that is being written for a long time."""
    from facedial.files import atomic_write

    with atomic_write(path) as temporary:
        temporary.write_bytes(b"half")
        time.sleep(60)


def lives(group: int) -> bool:
    """Whether there is a process of that group."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def test_workers_print_and_give_what_one_process_does(capsys: pytest.CaptureFixture[str]) -> None:
    found = []
    for count in (1, 2):
        tally = Tally()
        made = list(workers.results(tally, odd, PHOTOS, count))
        code = tally.finish()
        found.append((made, tally.failed, code, *capsys.readouterr()))
    assert found[0] == found[1]
    made, failed, code, out, err = found[0]
    assert made == [f"result {i}" for i in (0, 1, 2, 5)]
    assert [name for name, _ in failed] == ["3.jpg", "4.jpg"] and code == 1
    assert out.splitlines() == [f"works on {path}" for path, _ in PHOTOS]
    assert err.splitlines()[-1] == "facedial: 4 of 6 done, 2 failed"


def test_a_killed_worker_costs_its_photo_alone(capsys: pytest.CaptureFixture[str]) -> None:
    tally = Tally()
    assert list(workers.results(tally, killing, PHOTOS, 2)) == ["0", "1", "3", "4", "5"]
    assert tally.finish() == 1
    assert "2.jpg: the process that worked on it ended by signal 9" in capsys.readouterr().err


def test_an_interruption_leaves_neither_processes_nor_files(tmp_path: Path) -> None:
    program = (
        # A shell's background jobs ignore interruptions, and so would this.
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "import sys; from pathlib import Path; from facedial.cli import workers\n"
        "from facedial.cli.batch import Tally; from cli.test_workers import slow\n"
        "tasks = [(Path(sys.argv[1]) / f'{i}.jpg', None) for i in range(4)]\n"
        "try: list(workers.results(Tally(), slow, tasks, 2))\n"
        "except KeyboardInterrupt: sys.exit(130)\n"
    )
    path = os.pathsep.join([str(Path(__file__).parents[1]), *sys.path])
    process = subprocess.Popen(  # noqa: S603  # a program of our own
        [sys.executable, "-c", program, str(tmp_path)],
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={**os.environ, "PYTHONPATH": path},
    )
    with process:
        while len(list(tmp_path.iterdir())) < 2 and process.poll() is None:
            time.sleep(0.01)
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does, to all of them
        _, err = process.communicate(timeout=20)
    assert process.returncode == 130
    assert "0 of 4 photos done until then" in err and "Traceback" not in err
    assert list(tmp_path.iterdir()) == []
    until = time.monotonic() + 10  # Python's own helper of processes ends when it sees the end
    while time.monotonic() < until and lives(process.pid):
        time.sleep(0.01)
    assert not lives(process.pid)


@pytest.mark.parametrize(
    ("asked", "photos", "expected"),
    [(None, 5, 1), (None, 1000, 2), (3, 1000, 3), (8, 2, 2), (1, 9, 1)],
)
def test_few_photos_are_worked_on_by_one_process(
    monkeypatch: pytest.MonkeyPatch, asked: int | None, photos: int, expected: int
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    assert workers.count_for(asked, photos) == expected
    assert workers.threads_for(None, expected) == (1 if expected > 1 else None)
    assert workers.threads_for(4, expected) == 4


def test_a_verb_gives_the_same_files_and_report_by_workers(facedial: Facedial, head: Path) -> None:
    names = ("a.png", "b.png")
    for name in names:
        Path(name).write_bytes(head.read_bytes())
    Path("bad.png").write_bytes(b"no picture")
    found = []
    for out, count in (("one", 1), ("two", 2)):
        done = facedial(*ALIGN, "-o", f"{out}/", "--json", "--workers", count)
        assert done.code == 1 and "bad.png is not a picture" in done.err
        report = json.loads(done.out.replace(f"{out}/", ""))
        found.append((report, [Path(out, row["output"]).read_bytes() for row in report["results"]]))
    assert found[0] == found[1] and len(found[0][1]) == 2
    lines = facedial(*ALIGN, "-o", "three/", "--json-lines")
    rows = [json.loads(line) for line in lines.lines]
    assert [row["input"] for row in rows] == [*names, "bad.png"]
    assert "error" in rows[2] and rows[0]["output"] == "three/a-aligned.png"


def test_a_result_never_replaces_a_photo_of_the_same_run(facedial: Facedial, head: Path) -> None:
    Path("in").mkdir()
    for name in ("a.png", "a-aligned.png"):
        Path("in", name).write_bytes(head.read_bytes())
    done = facedial("align", "in", "-o", "in", "--overwrite")
    told(done, "is one of the photos", code=2)
    assert Path("in/a-aligned.png").read_bytes() == head.read_bytes()


def test_after_many_photos_failures_are_told_once_more(capsys: pytest.CaptureFixture[str]) -> None:
    tally = Tally(total=500)
    for number in range(30):
        tally.fail(Path(f"{number}.jpg"), f"{number}.jpg is empty")
    capsys.readouterr()
    assert tally.finish() == 1
    err = capsys.readouterr().err.splitlines()
    assert err[0] == "facedial: failed: 0.jpg is empty" and len(err) == 22
    assert err[-2:] == ["facedial: and 10 more", "facedial: 470 of 500 done, 30 failed"]


def test_the_bar_counts_on_a_terminal_alone(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def counted(total: int) -> None:
        with bar(total) as advance:
            for _ in range(total):
                advance(1)

    counted(9)
    assert capfd.readouterr() == ("", "")
    terminal, end = os.openpty()
    with os.fdopen(end, "w") as text:
        monkeypatch.setenv("TERM", "xterm")
        monkeypatch.setattr("sys.stderr", text)
        counted(9)
        monkeypatch.undo()
        shown = b""
        # A terminal hands over what was written piece by piece, with a delay on a busy machine.
        while b"9/9" not in shown or b"photos a second" not in shown:
            assert select.select([terminal], [], [], 10)[0], shown
            shown += os.read(terminal, 65536)
    os.close(terminal)
