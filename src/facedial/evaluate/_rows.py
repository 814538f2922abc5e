"""Rows of an evaluation with their 95 % intervals and goals, as JSON and as a Markdown table."""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from facedial.errors import BadRequest
from facedial.evaluate._machine import RanOn
from facedial.scores import mean_interval, ratio_interval

FORMAT = 2


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """Values [N] of photos of the people `groups` [N], and their mean.

    With `bases` [N] it is the sum of the values over that of the bases: a ratio of means.
    """

    values: ArrayLike
    groups: ArrayLike
    bases: ArrayLike | None = None

    @property
    def columns(self) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.str_]]:
        """Values, bases (1 where there are none) and groups, as arrays [N]."""
        values = np.asarray(self.values, np.float64)
        bases = np.ones(len(values)) if self.bases is None else np.asarray(self.bases, np.float64)
        return values, bases, np.asarray(self.groups).astype(str)

    @property
    def value(self) -> float:
        """The mean, or the ratio of means."""
        values, bases, _ = self.columns
        return float(values.sum() / bases.sum())


@dataclass(frozen=True, slots=True)
class Row:
    """One figure: `value` of `metric` in `unit`, for `model` on `data`, over `n` samples.

    `low`, `high`: 95 % interval, None where there is none. `data` is `store-frame/group`, or
    `store-frame/group/part` for one attribute or one group of people.
    """

    metric: str
    model: str
    data: str
    value: float
    unit: str
    n: int
    low: float | None = None
    high: float | None = None

    @staticmethod
    def of(
        metric: str,
        model: str,
        data: str,
        values: ArrayLike,
        unit: str,
        groups: ArrayLike | None = None,
    ) -> "Row":
        """Mean of `values` [N] with its bootstrap interval, resampled by `groups` [N] if given."""
        values = np.asarray(values, np.float64)
        if not len(values):
            raise ValueError(f"{metric} of {model} on {data} has no values")
        if not np.isfinite(values).all():  # equal pictures: an infinite PSNR has no interval
            return Row(metric, model, data, float(values.mean()), unit, len(values))
        low, high = mean_interval(values, groups)
        return Row(metric, model, data, float(values.mean()), unit, len(values), low, high)

    @staticmethod
    def over(metric: str, model: str, data: str, unit: str, samples: Sequence[Sample]) -> "Row":
        """Mean over `samples` of their values, over all their photos.

        Its interval is by bootstrap over people, each drawn with all their photos of all samples.
        """
        value = float(np.mean([sample.value for sample in samples]))
        columns = [sample.columns for sample in samples]
        values, bases, groups = (np.concatenate(part) for part in zip(*columns, strict=True))
        parts = np.repeat(np.arange(len(samples)), [len(own) for own, _, _ in columns])
        low, high = ratio_interval(values, bases, groups, parts)
        return Row(metric, model, data, value, unit, len(values), low, high)

    @property
    def part(self) -> str:
        """The part of `data` after `store-frame/group/`: an attribute, a group of people, or ""."""
        return self.data.partition("/")[2].partition("/")[2]


@dataclass(frozen=True, slots=True)
class Goal:
    """Threshold `must` of a metric and, where there is one, the stricter threshold `aim`.

    `lower`: lower is better. A goal applies to rows of `model` whose data starts with `data`. It
    applies to a part (one attribute) only if `data` names that part.
    """

    metric: str
    must: float
    aim: float | None = None
    lower: bool = False
    model: str = "facedial"
    data: str = ""

    def applies(self, row: Row) -> bool:
        """Whether this goal applies to `row`."""
        same = (row.metric, row.model) == (self.metric, self.model)
        return same and row.data.startswith(self.data) and (not row.part or row.data == self.data)

    def verdict(self, value: float) -> str:
        """`aim`, `must` or `missed`: the strictest threshold that `value` reaches."""
        sign = -1 if self.lower else 1
        if self.aim is not None and sign * value >= sign * self.aim:
            return "aim"
        return "must" if sign * value >= sign * self.must else "missed"


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """A titled picture for the report: `pixels` uint8 [H, W, 3]."""

    title: str
    pixels: NDArray[np.uint8]


@dataclass(slots=True)
class Figures:
    """All rows of an evaluation, its pictures, and what it ran on.

    `earlier`: previous evaluations, reduced to the rows that this one did not measure again.
    """

    ran_on: RanOn
    rows: list[Row] = field(default_factory=list)
    pictures: list[Picture] = field(default_factory=list)
    earlier: list["Figures"] = field(default_factory=list)

    def after(self, before: "Figures") -> "Figures":
        """These figures with those rows of `before` that were not measured again."""
        again = {(row.metric, row.model, row.data) for row in self.rows}
        kept = [
            Figures(run.ran_on, rows)
            for run in (*before.earlier, Figures(before.ran_on, before.rows))
            if (rows := [r for r in run.rows if (r.metric, r.model, r.data) not in again])
        ]
        return Figures(self.ran_on, self.rows, self.pictures, kept)

    @property
    def every(self) -> list[Row]:
        """All rows, earlier evaluations first."""
        return [row for run in self.earlier for row in run.rows] + self.rows

    def by_metric(self) -> dict[str, list[Row]]:
        """Rows by metric, both in order of first appearance."""
        groups: dict[str, list[Row]] = {}
        for row in self.every:
            groups.setdefault(row.metric, []).append(row)
        return groups

    def to_json(self) -> str:
        """JSON with one line for each row; a non-finite value (PSNR of equal pictures) is null."""
        runs = ",\n".join(run._run_json() for run in (*self.earlier, self))
        return f'{{\n "format": {FORMAT},\n "runs": [\n{runs}\n ]\n}}\n'

    def _run_json(self) -> str:
        rows = [
            json.dumps({key: _finite(value) for key, value in asdict(row).items()}, allow_nan=False)
            for row in self.rows
        ]
        head = json.dumps(asdict(self.ran_on), indent=1)
        body = ",\n".join(f"  {row}" for row in rows)
        return f' {{"ran_on": {head},\n "rows": [\n{body}\n ]}}'

    @staticmethod
    def load(path: Path) -> "Figures":
        """Load a `figures.json`; a null value becomes NaN.

        Raises `BadRequest` if the file is missing, damaged or of another format.
        """
        try:
            facts = json.loads(path.read_text(encoding="utf-8"))
            if facts["format"] != FORMAT:
                raise BadRequest(f"{path} has figures of format {facts['format']}, not {FORMAT}")
            *earlier, last = [_run(run) for run in facts["runs"]]
            return Figures(last.ran_on, last.rows, earlier=earlier)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise BadRequest(f"{path} is not a figures.json: {error}") from error

    def markdown(self, goals: Sequence[Goal] = ()) -> str:
        """A table with the rows of one metric together; with `goals`, columns `must` and `aim`."""
        heads = ["metric", "model", "data", "value", "unit", "95 %", "n"]
        heads += ["must", "aim"] if goals else []
        lines = [
            f"| {' | '.join(heads)} |",
            "|---|---|---|--:|---|---|--:|" + "---|---|" * bool(goals),
        ]
        for metric, rows in self.by_metric().items():
            for i, row in enumerate(rows):
                cells = [f"**{metric}**" if i == 0 else "", row.model, row.data]
                cells += [number(row.value), row.unit, interval_text(row), f"{row.n:,}"]
                if goals:
                    cells += _goal_cells(row, goals)
                lines.append(f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |")
        return "\n".join(lines) + "\n\n" + self.footer() + "\n"

    def footer(self) -> str:
        """One sentence for each run: its machine and, if there are several runs, its metrics."""
        sentences = []
        for run in (*self.earlier, self):
            ran = run.ran_on
            versions = ", ".join(f"{name} {version}" for name, version in ran.versions.items())
            commit = f", commit {ran.commit}" if ran.commit else ""
            which = ""
            if self.earlier:
                which = f"{', '.join(dict.fromkeys(row.metric for row in run.rows))}: "
            sentences.append(
                f"{which}Ran on {ran.cpu}, {ran.threads} threads, {ran.system}, Python {ran.python} "
                f"({versions}){commit}, {ran.when} UTC."
            )
        return " ".join([*sentences, "95 %: bootstrap interval."])


def _run(facts: dict[str, Any]) -> Figures:
    rows = [
        Row(**{**row, "value": math.nan if row["value"] is None else row["value"]})
        for row in facts["rows"]
    ]
    return Figures(RanOn(**facts["ran_on"]), rows)


def number(value: float) -> str:
    """Four significant digits with thousands separators; a dash for NaN and infinity.

    >>> [number(v) for v in (28.6449, 0.95131, 12345.6, 3, 0.00123456, math.nan)]
    ['28.64', '0.9513', '12,346', '3', '0.001235', '–']
    """
    if not math.isfinite(value):
        return "–"
    if value == int(value) and abs(value) < 1e15:
        return f"{int(value):,}"
    if abs(value) < 1e-6:
        return f"{value:.3e}"
    places = max(0, 3 - math.floor(math.log10(abs(value))))
    return f"{value:,.{places}f}"


def interval_text(row: Row) -> str:
    """The 95 % interval as "low..high"; "" where there is none."""
    if row.low is None or row.high is None or not math.isfinite(row.low + row.high):
        return ""
    return f"{number(row.low)}..{number(row.high)}"


def goal_of(row: Row, goals: Sequence[Goal]) -> Goal | None:
    """The first goal that applies to `row`."""
    return next((goal for goal in goals if goal.applies(row)), None)


def _goal_cells(row: Row, goals: Sequence[Goal]) -> list[str]:
    goal = goal_of(row, goals)
    if goal is None:
        return ["", ""]
    verdict = goal.verdict(row.value)
    sign = "≤" if goal.lower else "≥"
    must = f"{sign} {goal.must:g} {'missed' if verdict == 'missed' else 'met'}"
    if goal.aim is None:
        return [must, ""]
    return [must, f"{sign} {goal.aim:g} {'met' if verdict == 'aim' else 'not yet'}"]


def _finite(value: object) -> object:
    return None if isinstance(value, float) and not math.isfinite(value) else value
