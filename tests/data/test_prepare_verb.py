"""`facedial prepare` on the command line: exit codes, what goes where."""

import json
from pathlib import Path

import pytest

from facedial.cli.entry import main
from facedial.data.store import Store

from .made_pictures import encoded, picture


def run(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as exit_:
        main(["prepare", *map(str, words)])
    out, err = capsys.readouterr()
    assert isinstance(exit_.value.code, int)
    return exit_.value.code, out, err


def test_done_then_complete_already(
    capsys: pytest.CaptureFixture[str], lfw: Path, lfw_labels: Path, tmp_path: Path
) -> None:
    words = (lfw, "-o", tmp_path / "store", "--labels", lfw_labels, "--size", 32)
    code, out, err = run(capsys, *words, "--processes", 1)
    assert code == 0, err
    assert "12 head crops (" in out
    assert "made in" in out
    assert err == ""
    assert len(Store.open(tmp_path / "store")) == 12
    code, out, _ = run(capsys, *words)
    assert code == 0
    assert "was complete already" in out


def test_skipped_files_are_told_and_the_code_is_1(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "good.png").write_bytes(encoded(picture(1)))
    for n in range(12):
        (folder / f"bad{n:02d}.jpg").write_bytes(b"no")
    words = (folder, "-o", tmp_path / "store", "--frame", "squash128", "--processes", 1, "--json")
    code, out, err = run(capsys, *words)
    assert code == 1
    facts = json.loads(out)
    assert (facts["count"], facts["kind"], facts["already"]) == (1, "folder", False)
    assert len(facts["skipped"]) == 12
    assert "12 pictures skipped" in err
    assert "bad09.jpg: " in err
    assert "bad10.jpg" not in err
    assert "and 2 more" in err


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        (["nowhere", "-o", "x"], 2, "facedial: there is no nowhere"),
        ([".", "-o", "x", "--kind", "lfv"], 2, "did you mean lfw?"),
        (["."], 2, "Missing option '-o'"),
        (["-o", "x"], 2, "Missing argument 'SOURCE...'"),
    ],
)
def test_wrong_usage(
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    words: list[str],
    code: int,
    text: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    got, out, err = run(capsys, *words)
    assert (got, out) == (code, "")
    assert text in err
    assert not (tmp_path / "x").exists()
