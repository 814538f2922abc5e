import dataclasses
import json
import math
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from facedial.errors import BadRequest, FacedialError
from facedial.evaluate._machine import RanOn
from facedial.evaluate._report import report, save
from facedial.evaluate._rows import Figures, Goal, Picture, Row, number

RAN_ON = RanOn(
    "A <fast> processor",
    2,
    "Linux x86_64",
    "3.11.9",
    {"numpy": "2.2"},
    "0123abc",
    "2026-01-02 03:04",
)
GOALS = (
    Goal("psnr", must=28, aim=29),
    Goal("landmark_median", must=3, aim=2, lower=True),
    Goal("help_s", must=0.3, lower=True),
)


def figures() -> Figures:
    rows = [
        Row("psnr", "facedial", "celeba-head/unseen", 28.6449, "dB", 3165, 28.5, 28.79),
        Row("landmark_median", "facedial", "celeba-head/unseen", 1.9, "% of eye distance", 800),
        Row("psnr", "pca-1024", "celeba-head/unseen", 27.09, "dB", 3165, 26.9, 27.2),
        Row("help_s", "facedial", "process", 0.5, "s", 5),
        Row("attribute_auc", "facedial", "celeba-head/unseen/Smiling", 0.97, "", 3165),
        Row("psnr", "facedial", "same|same", math.inf, "dB", 1),
    ]
    picture = Picture('crop & "result"', np.zeros((8, 12, 3), np.uint8))
    return Figures(RAN_ON, rows, [picture])


def test_json_keeps_every_row_and_null_for_what_is_not_finite(tmp_path: Path) -> None:
    made = figures()
    facts = json.loads(made.to_json())
    names = {"metric", "model", "data", "value", "unit", "n", "low", "high"}
    (run,) = facts["runs"]
    assert all(set(row) == names for row in run["rows"])
    assert run["ran_on"] == dataclasses.asdict(RAN_ON)
    assert run["rows"][-1]["value"] is None
    (tmp_path / "figures.json").write_text(made.to_json(), encoding="utf-8")
    loaded = Figures.load(tmp_path / "figures.json")
    assert loaded.rows[:-1] == made.rows[:-1] and loaded.ran_on == RAN_ON
    assert math.isnan(loaded.rows[-1].value)
    assert json.loads(Figures(RAN_ON).to_json())["runs"][0]["rows"] == []
    # a line a row: two versions are compared with diff
    assert sum('"metric"' in line for line in made.to_json().splitlines()) == len(made.rows)


def test_a_file_that_is_no_figures_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "figures.json"
    for text in ("", "[]", "{}", '{"format": 2, "runs": []}', '{"format": 2, "runs": [{}]}'):
        path.write_text(text)
        with pytest.raises(BadRequest, match=r"is not a figures\.json"):
            Figures.load(path)
    path.write_text('{"format": 99}')
    with pytest.raises(BadRequest, match="format 99"):
        Figures.load(path)
    with pytest.raises(BadRequest):
        Figures.load(tmp_path / "missing.json")


def test_what_is_measured_again_takes_the_place_of_what_was(tmp_path: Path) -> None:
    later = dataclasses.replace(RAN_ON, commit="beef", when="2026-02-03 04:05")
    sharper = Row("psnr", "facedial", "celeba-head/unseen", 29.5, "dB", 3165)
    added = Figures(later, [sharper, Row("new", "facedial", "random", 1.0, "", 3)])
    both = added.after(figures())
    assert [row.value for row in both.by_metric()["psnr"]][:2] == [27.09, math.inf]
    assert both.by_metric()["psnr"][2] == sharper
    assert len(both.every) == len(figures().rows) + 1
    for path in save(both, tmp_path, GOALS):
        text = path.read_text(encoding="utf-8")
        assert "0123abc" in text and "beef" in text  # each says what it ran on
    loaded = Figures.load(tmp_path / "figures.json")
    assert [run.ran_on.commit for run in (*loaded.earlier, loaded)] == ["0123abc", "beef"]
    third = dataclasses.replace(RAN_ON, commit="f00d")
    again = Figures(third, list(added.rows)).after(loaded)
    assert [run.ran_on.commit for run in (*again.earlier, again)] == ["0123abc", "f00d"]
    assert "psnr, new: Ran on" in again.footer()


def test_markdown_groups_rows_by_metric() -> None:
    lines = figures().markdown().splitlines()
    assert lines[0] == "| metric | model | data | value | unit | 95 % | n |"
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:8]]
    assert [row[0] for row in cells] == [
        "**psnr**",
        "",
        "",
        "**landmark_median**",
        "**help_s**",
        "**attribute_auc**",
    ]
    assert cells[0][3:] == ["28.64", "dB", "28.50..28.79", "3,165"]
    assert cells[2][2:4] == ["same/same", "–"]
    assert all(line.count("|") == lines[0].count("|") for line in lines[1:8])


def test_markdown_says_what_goals_are_met() -> None:
    lines = figures().markdown(GOALS).splitlines()
    assert lines[0].endswith("| must | aim |")
    assert lines[2].endswith("| ≥ 28 met | ≥ 29 not yet |")
    assert lines[3].endswith("|  |  |")  # another model's row
    assert lines[5].endswith("| ≤ 3 met | ≤ 2 met |")
    assert lines[6].endswith("| ≤ 0.3 missed |  |")
    assert all(line.count("|") == lines[0].count("|") for line in lines[1:8])


@pytest.mark.parametrize(
    ("goal", "value", "verdict"),
    [
        (Goal("m", 1, 2), 2, "aim"),
        (Goal("m", 1, 2), 1, "must"),
        (Goal("m", 1, 2), 0.9, "missed"),
        (Goal("m", 2, 1, lower=True), 1, "aim"),
        (Goal("m", 2, 1, lower=True), 2, "must"),
        (Goal("m", 2, 1, lower=True), 2.1, "missed"),
        (Goal("m", 1), 5, "must"),
        (Goal("m", 1), math.nan, "missed"),
    ],
)
def test_a_goal_judges(goal: Goal, value: float, verdict: str) -> None:
    assert goal.verdict(value) == verdict


def test_goals_do_not_judge_parts_or_other_models() -> None:
    goal = Goal("auc", 0.85, data="celeba-head/unseen")
    row = Row("auc", "facedial", "celeba-head/unseen", 0.9, "", 9)
    assert goal.applies(row)
    for other in (
        dataclasses.replace(row, metric="psnr"),
        dataclasses.replace(row, model="pca-1024"),
        dataclasses.replace(row, data="lfw-head/unseen"),
        dataclasses.replace(row, data="celeba-head/unseen/Smiling"),
    ):
        assert not goal.applies(other)


class Reader(HTMLParser):
    """Checks that tags close in order, and collects links and sources."""

    EMPTY = frozenset({"meta", "img", "line", "circle"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.sources: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        facts = dict(attrs)
        self.sources += [v for k in ("src",) if (v := facts.get(k))]
        self.ids += [v for k in ("id",) if (v := facts.get(k))]
        self.links += [v for k in ("href",) if (v := facts.get(k))]
        if tag not in self.EMPTY:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in self.EMPTY
        self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def read(html: str) -> Reader:
    reader = Reader()
    reader.feed(html)
    reader.close()
    assert reader.open == []
    return reader


def test_the_page_is_whole_and_fetches_nothing() -> None:
    html = report(figures(), GOALS)
    reader = read(html)
    assert all(source.startswith("data:image/webp;base64,") for source in reader.sources)
    assert len(reader.sources) == 1
    assert [link.removeprefix("#") for link in reader.links] == reader.ids
    assert "<script" not in html and "http" not in html and "@import" not in html
    text = "".join(reader.text)
    assert "A <fast> processor" in text and 'crop & "result"' in text
    # psnr twice (one infinite), landmarks, help_s
    assert "Of 4 figures with a goal, 3 reach what they must and 2 their aim." in text
    assert "Missed: help_s." in text


def test_every_text_is_escaped() -> None:
    """What a store, a model or a title is called cannot become markup."""
    bad = '"><script>x</script>&'
    rows = [Row(bad, bad, bad, 1.0, bad, 2), Row(bad, bad, f"a/b/{bad}", 1.0, bad, 2)]
    ran_on = dataclasses.replace(RAN_ON, cpu=bad)
    html = report(Figures(ran_on, rows, [Picture(bad, np.zeros((8, 8, 3), np.uint8))]))
    assert "<script" not in html
    reader = read(html)
    assert reader.ids == [bad, "pictures"] and "".join(reader.text).count(bad) > 8


def test_a_page_of_nothing_is_a_report() -> None:
    assert "Figures of facedial" in "".join(read(report(Figures(RAN_ON))).text)


def test_save_writes_three_files_and_no_halves(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "folder"
    written = save(figures(), folder, GOALS)
    assert [p.name for p in written] == ["figures.json", "figures.md", "report.html"]
    assert sorted(p.name for p in folder.iterdir()) == sorted(p.name for p in written)
    assert Figures.load(written[0]).ran_on == RAN_ON
    (tmp_path / "file").write_text("")
    with pytest.raises(FacedialError, match="cannot write"):
        save(figures(), tmp_path / "file")


def test_a_row_of_values_has_their_mean_and_interval() -> None:
    row = Row.of("psnr", "facedial", "x", np.array([1.0, 2, 3, 4]), "dB")
    assert (row.value, row.n) == (2.5, 4)
    assert row.low is not None and row.high is not None and 1 <= row.low < 2.5 < row.high <= 4
    assert Row.of("psnr", "facedial", "x", [math.inf, 3], "dB").low is None
    assert Row.of("m", "f", "x", [5.0, 5.0, 1.0, 1.0], "", ["a", "a", "b", "b"]).low == 1
    with pytest.raises(ValueError, match="no values"):
        Row.of("psnr", "facedial", "x", [], "dB")


def test_this_machine_is_described() -> None:
    here = RanOn.here(2)
    assert here.cpu and here.threads == 2 and here.versions["numpy"] == np.__version__
    assert here.commit is None or len(here.commit) >= 12


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (-2.5, "-2.500"),
        (1e-9, "1.000e-09"),
        (999.96, "1,000.0"),
        (1234567.0, "1,234,567"),
    ],
)
def test_numbers_have_four_figures(value: float, text: str) -> None:
    assert number(value) == text
