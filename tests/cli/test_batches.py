"""A batch: whatever happens to one photo is its own failure, whatever its name, on any terminal."""

import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import click
import pytest

from facedial.cli import streams
from facedial.cli.batch import Tally
from facedial.cli.entry import main
from facedial.errors import BadPhoto, BadRequest

from .conftest import NARROW, Facedial, told

SOURCE = Path(streams.__file__).parent
PHOTOS = [Path(f"{i}.jpg") for i in range(3)]


def batch(work: Callable[[Path], None], photos: list[Path] = PHOTOS) -> Tally:
    """A tally after `work` on each photo."""
    tally = Tally()
    for path, attempt in tally.each(photos):
        with attempt:
            work(path)
            tally.rows.append({"input": str(path)})
    return tally


ERRORS = [
    (RuntimeError("cannot write\nsub-IFD"), "RuntimeError: cannot write sub-IFD", True),
    (KeyError("Make"), "this is a fault of facedial (KeyError: 'Make')", True),
    (MemoryError(), "out of memory", True),
    (OSError(36, "File name too long", "x" * 300), "File name too long", True),
    (UnicodeEncodeError("ascii", "é", 0, 1, "no"), "UnicodeEncodeError", True),
    (RecursionError("deep"), "RecursionError: deep", True),
    (AssertionError(), "AssertionError", True),
    (BadPhoto("1.jpg is empty"), "1.jpg is empty", False),
    (BadRequest("1.jpg has 1 face"), "1.jpg has 1 face", False),
]


@pytest.mark.parametrize(("error", "sentence", "names"), ERRORS)
def test_any_error_in_one_photo_is_its_failure(
    capsys: pytest.CaptureFixture[str], error: Exception, sentence: str, names: bool
) -> None:
    def work(path: Path) -> None:
        if path.name == "1.jpg":
            raise error

    tally = batch(work)
    assert tally.finish() == 1
    assert [row["input"] for row in tally.rows] == ["0.jpg", "2.jpg"]
    first, last = capsys.readouterr().err.splitlines()
    assert first.startswith("facedial: 1.jpg")
    assert sentence in first
    assert first.startswith("facedial: 1.jpg: ") == names
    assert last == "facedial: 2 of 3 done, 1 failed"


ENDS = [KeyboardInterrupt(), BrokenPipeError(), click.UsageError("no"), click.Abort()]


@pytest.mark.parametrize("error", ENDS, ids=lambda error: type(error).__name__)
def test_what_concerns_the_whole_run_ends_it(error: BaseException) -> None:
    def work(path: Path) -> None:
        raise error

    with pytest.raises(type(error)):
        batch(work)


def test_a_wrong_request_about_the_only_photo_is_the_commands() -> None:
    def work(path: Path) -> None:
        raise BadRequest("there is no face 3")

    with pytest.raises(BadRequest):
        batch(work, PHOTOS[:1])
    assert len(batch(work).failed) == 3


def test_output_that_cannot_be_written_is_no_photos_failure(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with open("/dev/full", "w", buffering=1) as full:
        monkeypatch.setattr("sys.stdout", full)
        with pytest.raises(click.ClickException, match="standard output: No space left"):
            batch(lambda path: streams.say(str(path)))
        monkeypatch.undo()
        with pytest.raises(OSError, match="No space"):
            full.close()


def command(
    *words: str | bytes | Path, encoding: str | None = None, data: bytes = b""
) -> subprocess.CompletedProcess[bytes]:
    """The command in a process of its own."""
    own = {"PYTHONIOENCODING": encoding} if encoding else {}
    return subprocess.run(  # noqa: S603 (our own words, no shell)
        [sys.executable, "-m", "facedial", *words],
        input=data,
        capture_output=True,
        check=False,
        env={**os.environ, **own},
    )


def encoded(
    monkeypatch: pytest.MonkeyPatch, *words: str | bytes, encoding: str
) -> subprocess.CompletedProcess[bytes]:
    """As `command`, in this process, with streams as Python opens them for that encoding."""
    codec, _, errors = encoding.partition(":")
    out, err = io.BytesIO(), io.BytesIO()
    with monkeypatch.context() as patch:
        patch.setattr("sys.stdout", io.TextIOWrapper(out, codec, errors or "strict"))
        patch.setattr("sys.stderr", io.TextIOWrapper(err, codec, "backslashreplace"))
        with pytest.raises(SystemExit) as left:
            main([os.fsdecode(word) for word in words])
        sys.stdout.flush()
        sys.stderr.flush()
        assert isinstance(left.value.code, int)
        return subprocess.CompletedProcess(words, left.value.code, out.getvalue(), err.getvalue())


# A name that would steer a terminal, one that is not UTF-8 (Latin-1's é), one outside Latin-1.
ODD_NAMES = [b"a\x1b[2J\nb.png", b"caf\xe9.png", "顔.png".encode()]
SHOWN = {
    "ascii:strict": ["a\\x1b[2J\\nb.png", "caf\\xe9.png", "\\u9854.png"],
    "cp1252": ["a\\x1b[2J\\nb.png", "caf\\xe9.png", "\\u9854.png"],
    "utf-8:strict": ["a\\x1b[2J\\nb.png", "caf\\xe9.png", "顔.png"],
}


@pytest.mark.parametrize("encoding", SHOWN)
def test_no_name_ends_a_batch_on_any_terminal(
    head: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, encoding: str
) -> None:
    monkeypatch.chdir(tmp_path)
    os.mkdir("in")
    for name in ODD_NAMES:
        Path(os.fsdecode(b"in/" + name)).write_bytes(head.read_bytes())
    Path(os.fsdecode(b"in/bad \xff\x07.png")).write_bytes(b"no picture")
    # A process of its own for the narrowest encoding, streams as Python opens them for the others.
    run = command if encoding == "ascii:strict" else partial(encoded, monkeypatch)
    done = run("verify", "in", encoding=encoding)
    codec = encoding.partition(":")[0]
    shown = [f"in/{name}: no mark" for name in SHOWN[encoding]]
    assert done.stdout.decode(codec).splitlines() == shown
    assert done.stderr.decode(codec).splitlines() == [
        "facedial: bad \\xff\\x07.png is not a picture that can be read",
        "facedial: 3 of 4 done, 1 failed",
    ]
    assert done.returncode == 1
    done = encoded(monkeypatch, "verify", "in", "--json", encoding=encoding)
    names = [os.fsencode(row["input"]) for row in json.loads(done.stdout)["results"]]
    assert names == [b"in/" + name for name in ODD_NAMES]
    assert encoded(monkeypatch, "edit", "--help", encoding=encoding).returncode == 0


def test_results_of_odd_names_are_written_and_said(
    head: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in (b"caf\xe9.png", "顔.png".encode()):
        Path(os.fsdecode(name)).write_bytes(head.read_bytes())
    photos = (b"caf\xe9.png", "顔.png".encode())
    done = command("align", *photos, encoding="ascii:strict")
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.splitlines() == [b"caf\\xe9-aligned.png", b"\\u9854-aligned.png"]
    assert os.path.isfile(b"caf\xe9-aligned.png")
    table = encoded(monkeypatch, "attributes", *photos, "--csv", encoding="cp1252")
    assert table.returncode == 0
    rows = [line.split(b",")[0] for line in table.stdout.splitlines()]
    assert rows == [b"file", b"caf\\xe9.png", b"\\u9854.png"]


def test_every_text_is_printed_by_streams() -> None:
    """The one place that escapes; `click.echo` and `print` would pass it by."""
    for file in SOURCE.rglob("*.py"):
        if file.name != "streams.py":
            found = re.search(r"\b(echo|secho|print|sys\.std\w+\.write)\(", file.read_text())
            assert found is None, (file.name, found)


def test_debug_shows_where_a_photo_failed(
    head: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"no picture")
    done = command("--debug", "verify", str(head), str(bad))
    assert done.returncode == 1
    assert done.stdout.splitlines() == [f"{head}: no mark".encode()]
    assert b"Traceback (most recent call last)" in done.stderr
    done = encoded(monkeypatch, "verify", str(head), str(bad), encoding="utf-8")
    assert done.stderr and b"Traceback" not in done.stderr


QUICK = ("--add", "Smiling=1", "--method", "direction")


def test_edit_through_real_pipes(
    facedial: Facedial, head: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    assert facedial("edit", head, *QUICK, "-o", "file.png").code == 0
    done = command("edit", "-", *QUICK, "-o", "-", data=head.read_bytes())
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout == Path("file.png").read_bytes()
    assert [path.name for path in Path().iterdir()] == ["file.png"]


def piped(monkeypatch: pytest.MonkeyPatch, data: bytes, *words: str) -> tuple[int, bytes]:
    """Exit code and stdout of the command in this process, with `data` on stdin."""
    result = io.BytesIO()
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(data)))
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(result))
    with pytest.raises(SystemExit) as left:
        main(list(words))
    assert isinstance(left.value.code, int)
    return left.value.code, result.getvalue()


def test_standard_input_and_output_in_every_format(
    head: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    data = head.read_bytes()
    code, png = piped(monkeypatch, data, "edit", "-", *QUICK)
    assert (code, png[:4]) == (0, b"\x89PNG")
    assert piped(monkeypatch, b"", "edit", str(head), *QUICK, "-o", "-") == (0, png)
    code, jpeg = piped(monkeypatch, data, "edit", "-", *QUICK, "-o", "-", "--format", "jpg")
    assert (code, jpeg[:3]) == (0, b"\xff\xd8\xff")
    code, again = piped(monkeypatch, jpeg, "edit", "-", *QUICK, "-o", "-")
    assert (code, again[:3]) == (0, b"\xff\xd8\xff")
    assert piped(monkeypatch, data, "edit", "-", *QUICK, "-o", "x.png") == (0, b"x.png\n")
    assert Path("x.png").read_bytes() == png
    assert capsys.readouterr().err == ""
    for nothing, said in ((b"", "is empty"), (b"no picture", "is not a picture")):
        assert piped(monkeypatch, nothing, "edit", "-", *QUICK) == (1, b"")
        assert capsys.readouterr().err.startswith(f"facedial: standard input {said}")
    assert [path.name for path in Path().iterdir()] == ["x.png"]


def test_no_picture_goes_to_or_comes_from_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal, end = os.openpty()
    with open(end, "r+b", buffering=0) as raw, io.TextIOWrapper(raw) as text:
        monkeypatch.setattr("sys.stdin", text)
        monkeypatch.setattr("sys.stdout", text)
        with pytest.raises(BadRequest, match="standard output is a terminal"):
            streams.check_stdout()
        with pytest.raises(BadRequest, match="standard input is a terminal"):
            streams.read_picture()
        monkeypatch.undo()
    os.close(terminal)
    monkeypatch.setattr("sys.stdin", None)
    with pytest.raises(BadPhoto, match="standard input is closed"):
        streams.read_picture()


DASHES = [
    (["edit", "-", "HEAD", *NARROW], "takes one photo alone"),
    (["edit", "HEAD", "HEAD2", *NARROW, "-o", "-"], "takes one photo alone"),
    (["edit", "folder", *NARROW, "-o", "-"], "takes one photo alone"),
    (["edit", "-", "--ask"], "which cannot be -"),
    (["edit", "HEAD", *NARROW, "--format", "png"], "--format is for -o -"),
    (["faces", "-"], "supported by `facedial edit` alone"),
    (["faces", "HEAD", "-o", "-"], "supported by `facedial edit` alone"),
    (["align", "-"], "supported by `facedial edit` alone"),
    (["align", "HEAD", "-o", "-"], "supported by `facedial edit` alone"),
    (["reconstruct", "HEAD", "-o", "-"], "supported by `facedial edit` alone"),
    (["generate", "-o", "-"], "supported by `facedial edit` alone"),
    (["generate", "--single", "-o", "-"], "supported by `facedial edit` alone"),
    (["morph", "HEAD", "HEAD", "-o", "-"], "supported by `facedial edit` alone"),
    (["encode", "HEAD", "-o", "-"], "supported by `facedial edit` alone"),
    (["decode", "-"], "supported by `facedial edit` alone"),
    (["demo", "-o", "-"], "supported by `facedial edit` alone"),
    (["prepare", "HEAD", "-o", "-"], "supported by `facedial edit` alone"),
    (["train", "autoencoder", "--data", "s", "-o", "-"], "supported by `facedial edit` alone"),
]


@pytest.mark.parametrize(("words", "sentence"), DASHES, ids=lambda value: str(value)[:50])
def test_a_dash_is_never_a_file_or_a_folder(
    facedial: Facedial, head: Path, words: list[str], sentence: str
) -> None:
    Path("folder").mkdir()
    for name in ("HEAD", "HEAD2"):
        Path(name).write_bytes(head.read_bytes())
    Path("folder/1.png").write_bytes(head.read_bytes())
    told(facedial(*words), sentence, code=2)
    assert sorted(path.name for path in Path().iterdir()) == ["HEAD", "HEAD2", "folder"]


def test_a_file_named_dash_is_reached_by_its_path(facedial: Facedial, head: Path) -> None:
    Path("-").write_bytes(head.read_bytes())
    done = facedial("verify", "./-")
    assert (done.code, done.out) == (0, f"{Path('-').absolute()}: no mark\n")


def test_threads_reach_the_sessions(facedial: Facedial, monkeypatch: pytest.MonkeyPatch) -> None:
    from facedial.editor import Editor

    opened: list[int | None] = []
    really = Editor.open

    def watched(model: str | None, *, threads: int | None = None) -> None:
        with really(model, threads=threads) as editor:
            opened.append(editor.model.bundle.threads)
        raise BadRequest("that is enough")

    monkeypatch.setattr(Editor, "open", watched)
    for words in (["generate"], ["align", "x"], ["morph", "x", "y"], ["serve"]):
        facedial(*words, "--threads", 3)
    facedial("generate")
    assert opened == [3, 3, 3, 3, None]
    told(facedial("generate", "--threads", 0), "0 is not in the range", code=2)


def test_a_byte_order_mark_in_a_preset_or_list_is_no_part_of_it(
    facedial: Facedial, head: Path, tmp_path: Path
) -> None:
    from facedial import teaching
    from facedial.cli.options import load_preset

    Path("p.json").write_bytes(b"\xef\xbb\xbf" + b'{"set": {"Smiling": 1}}')
    assert load_preset(Path("p.json")).targets == {"Smiling": 1}
    Path("list.txt").write_bytes(b"\xef\xbb\xbfa.png\r\nb.png\r\n")
    assert teaching.listed(Path("list.txt")) == [Path("a.png"), Path("b.png")]
