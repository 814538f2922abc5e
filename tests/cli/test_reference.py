"""The reference pages, written from the verbs' help."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from facedial.cli.reference import main, pages


def test_pages_are_written_in_place_of_old_ones_and_checked(tmp_path: Path) -> None:
    (tmp_path / "gone.md").write_text("a verb of old")
    assert CliRunner().invoke(main, ["--check", str(tmp_path)]).exit_code == 1
    assert CliRunner().invoke(main, [str(tmp_path)]).exit_code == 0
    assert {p.name for p in tmp_path.iterdir()} == set(pages())
    assert CliRunner().invoke(main, ["--check", str(tmp_path)]).exit_code == 0


@pytest.mark.parametrize("given", [["--help"], ["--chek"], []])
def test_nothing_is_written_where_no_folder_is_named(
    given: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    CliRunner().invoke(main, given)
    assert not list(tmp_path.iterdir())
