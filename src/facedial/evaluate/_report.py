"""The HTML report of an evaluation and the writing of all its files.

The report is one file with its pictures inside, no scripts, readable offline.
"""

import base64
import functools
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import jinja2
from PIL import Image

from facedial import files
from facedial.errors import FacedialError
from facedial.evaluate._rows import Figures, Goal, Picture, Row, goal_of, interval_text, number

JSON_FILE, TABLE_FILE, REPORT_FILE = "figures.json", "figures.md", "report.html"
TEMPLATE = "report.html.jinja"
VERDICTS = {"aim": "aim met", "must": "met", "missed": "missed"}
PLOT_WIDTH = 180  # px, of an interval's plot


@dataclass(frozen=True, slots=True)
class _Table:
    """Rows of one metric, and which optional columns the table has."""

    caption: str
    rows: Sequence[Row]
    has_plot: bool
    has_interval: bool
    has_goal: bool
    limits: tuple[float, float]

    @staticmethod
    def of(caption: str, rows: Sequence[Row], goals: Sequence[Goal]) -> "_Table":
        """A plot column needs two rows in one unit, the other two at least one entry."""
        return _Table(
            caption=caption,
            rows=rows,
            has_plot=len(rows) > 1 and len({row.unit for row in rows}) == 1,
            has_interval=any(interval_text(row) for row in rows),
            has_goal=any(goal_of(row, goals) for row in rows),
            limits=_limits(rows),
        )

    def x(self, value: float) -> float:
        """Place of `value` in the plot, px from the left."""
        low, high = self.limits
        return round((value - low) / (high - low) * PLOT_WIDTH, 1)


def report(figures: Figures, goals: Sequence[Goal] = ()) -> str:
    """The whole report as HTML; pictures as WebP data URLs, nothing fetched."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    sections = []
    for metric, rows in figures.by_metric().items():
        whole = [row for row in rows if not row.part]
        parts = [row for row in rows if row.part]
        sections.append(
            {
                "metric": metric,
                "whole": _Table.of(metric, whole, goals) if whole else None,
                "parts": _Table.of(f"{metric}, by part", parts, goals) if parts else None,
            }
        )
    return environment.get_template(TEMPLATE).render(
        footer=figures.footer(),
        summary=_summary(figures, goals),
        sections=sections,
        pictures=figures.pictures,
        plot_width=PLOT_WIDTH,
        verdicts=VERDICTS,
        goal_of=functools.partial(goal_of, goals=goals),
        interval_text=interval_text,
        isfinite=math.isfinite,
        number=number,
        data_url=_data_url,
    )


def save(figures: Figures, folder: Path, goals: Sequence[Goal] = ()) -> list[Path]:
    """Write `figures.json`, `figures.md` and `report.html` into `folder`, made if missing.

    Raises `FacedialError` if a file cannot be written.
    """
    texts = {
        JSON_FILE: figures.to_json(),
        TABLE_FILE: figures.markdown(goals),
        REPORT_FILE: report(figures, goals),
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            files.write(folder / name, text)
    except OSError as error:
        raise FacedialError(f"cannot write {folder}: {error.strerror or error}") from error
    return [folder / name for name in texts]


def _summary(figures: Figures, goals: Sequence[Goal]) -> str:
    verdicts = [
        (row.metric, goal.verdict(row.value))
        for row in figures.every
        if (goal := goal_of(row, goals)) is not None
    ]
    if not verdicts:
        return ""
    missed = [metric for metric, verdict in verdicts if verdict == "missed"]
    aimed = sum(verdict == "aim" for _, verdict in verdicts)
    text = (
        f"Of {len(verdicts)} figures with a goal, {len(verdicts) - len(missed)} reach what they "
        f"must and {aimed} their aim."
    )
    if missed:
        text += f" Missed: {', '.join(dict.fromkeys(missed))}."
    return text


def _limits(rows: Sequence[Row]) -> tuple[float, float]:
    """Range of a table's plots: all values and intervals, and a tenth more on both sides."""
    marks = [v for row in rows for v in (row.value, row.low, row.high) if v is not None]
    marks = [v for v in marks if math.isfinite(v)] or [0.0]
    margin = (max(marks) - min(marks)) * 0.1 or 1.0
    return min(marks) - margin, max(marks) + margin


def _data_url(picture: Picture) -> str:
    buffer = io.BytesIO()
    Image.fromarray(picture.pixels).save(buffer, "WEBP", quality=92, method=4)
    return "data:image/webp;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")
