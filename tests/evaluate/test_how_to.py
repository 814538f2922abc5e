"""The how-to pages: their table of metrics, and their example of one, are what the program takes."""

import json
import re
from pathlib import Path

import pytest

from facedial import evaluate, folder
from facedial.cli.entry import main
from facedial.evaluate._run import METRICS

DOCS = Path(__file__).parents[2] / "docs"
HOW_TO = DOCS / "how-to"


def run(*words: object) -> None:
    with pytest.raises(SystemExit) as end:
        main([str(word) for word in words])
    assert end.value.code == 0


def test_the_page_lists_every_metric() -> None:
    text = (HOW_TO / "export-and-evaluate.md").read_text(encoding="utf-8")
    table = text.partition("| `--only` |")[2].partition("\n\n")[0]
    assert sorted(re.findall(r"^\| `([\w-]+)` \|", table, re.MULTILINE)) == folder.names(METRICS)


def test_a_new_metric_is_one_new_file(
    labelled_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The example of the how-to, in a file of its own, appears in the table and in the page."""
    text = (HOW_TO / "add-a-verb-recipe-metric.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```python\n(.*?)```", text.partition("## A metric")[2], re.DOTALL)
    (tmp_path / "reconstruction_sharpness.py").write_text(example, encoding="utf-8")
    monkeypatch.setattr(evaluate, "__path__", [*evaluate.__path__, str(tmp_path)])
    out = tmp_path / "out"
    given = ("evaluate", "--data", labelled_store, "--work", tmp_path / "work", "-o", out)
    run(*given, "--only", "reconstruction-sharpness")
    (row,) = json.loads((out / "figures.json").read_text())["runs"][0]["rows"]
    assert (row["metric"], row["data"]) == ("reconstruction_sharpness", "drawn-head/unseen")
    assert row["n"] == 8 and row["low"] < row["value"] < row["high"]
    assert "≥ 0.5 met" in (out / "figures.md").read_text(encoding="utf-8")
    assert "reconstruction_sharpness" in (out / "report.html").read_text(encoding="utf-8")


def test_a_second_evaluation_adds_to_the_first(labelled_store: Path, tmp_path: Path) -> None:
    given = ("evaluate", "--data", labelled_store, "--work", tmp_path / "work", "-o", tmp_path)
    run(*given, "--only", "attributes")
    first = json.loads((tmp_path / "figures.json").read_text())["runs"][0]["rows"]
    # The labels are made up, so nothing is known of the values.
    assert {"attribute_auc", "attribute_accuracy"} <= {row["metric"] for row in first}
    run(*given, "--only", "edits", "--add")  # needs a judge: no rows without one
    assert json.loads((tmp_path / "figures.json").read_text())["runs"][0]["rows"] == first


def test_plots_are_drawn_from_the_rows_that_are_kept_too(
    labelled_store: Path, tmp_path: Path
) -> None:
    """The page of an added evaluation has the plots of groups that were measured before."""
    text = (DOCS / "figures.json").read_text(encoding="utf-8")
    (tmp_path / "figures.json").write_text(text, encoding="utf-8")
    given = ("evaluate", "--data", labelled_store, "--work", tmp_path / "work", "-o", tmp_path)
    run(*given, "--only", "implied", "--add")
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    titles = re.findall(r'<img alt="([^"]*)"', page)
    assert titles and all("figures by group" in title for title in titles)
    assert len(list(tmp_path.glob("sheet-*.png"))) == len(titles)
