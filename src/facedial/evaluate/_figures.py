"""Rows of figures, what they ran on, and where they are written: JSON, Markdown, a page."""

import json
import math
import platform
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from facedial import files
from facedial.errors import BadRequest, FacedialError
from facedial.scores import mean_interval

FORMAT = 2
FILE = "figures.json"
PACKAGES = ("facedial", "numpy", "Pillow", "onnxruntime", "dlib-bin", "torch")


@dataclass(frozen=True, slots=True)
class Row:
    """One figure: `value` in `unit` of `metric`, for `model` on `data`, over `n` of them.

    `low`, `high`: 95 % interval, where one is known. `data` is `store-frame/group`, and
    `store-frame/group/part` for one attribute or group of people.
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
        """The mean of `values` [N] with its bootstrap interval; drawn by `groups` [N] if given."""
        values = np.asarray(values, np.float64)
        if not len(values):
            raise ValueError(f"{metric} of {model} on {data} has no values")
        if not np.isfinite(values).all():  # equal pictures: an infinite PSNR has no interval
            return Row(metric, model, data, float(values.mean()), unit, len(values))
        low, high = mean_interval(values, groups)
        return Row(metric, model, data, float(values.mean()), unit, len(values), low, high)

    @property
    def part(self) -> str:
        """What `data` says after `store-frame/group/`: an attribute, a group of people, or ''."""
        return self.data.partition("/")[2].partition("/")[2]


@dataclass(frozen=True, slots=True)
class Goal:
    """What a metric must and should reach: `must`, and `aim` where there is one.

    `lower`: less is better. Applies to rows of `model` whose data starts with `data` and that are
    no part (no single attribute), unless it names that part.
    """

    metric: str
    must: float
    aim: float | None = None
    lower: bool = False
    model: str = "facedial"
    data: str = ""

    def applies(self, row: Row) -> bool:
        """Whether `row` is judged by this goal."""
        same = (row.metric, row.model) == (self.metric, self.model)
        return same and row.data.startswith(self.data) and (not row.part or row.data == self.data)

    def verdict(self, value: float) -> str:
        """`aim`, `must` or `missed`: the most that `value` reaches."""
        sign = -1 if self.lower else 1
        if self.aim is not None and sign * value >= sign * self.aim:
            return "aim"
        return "must" if sign * value >= sign * self.must else "missed"


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """A titled picture for the page: `pixels` uint8 [H, W, 3]."""

    title: str
    pixels: NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class RanOn:
    """Machine and program of an evaluation; `commit` where the program lies in a checkout."""

    cpu: str
    threads: int
    system: str
    python: str
    versions: dict[str, str]
    commit: str | None
    when: str  # UTC, to the minute

    @staticmethod
    def here(threads: int) -> "RanOn":
        """This machine, now."""
        return RanOn(
            cpu=_cpu(),
            threads=threads,
            system=f"{platform.system()} {platform.machine()}",
            python=platform.python_version(),
            versions=_versions(),
            commit=_commit(Path(__file__).parent),
            when=datetime.now(UTC).strftime("%Y-%m-%d %H:%M"),
        )


@dataclass(slots=True)
class Figures:
    """All rows of an evaluation, its pictures, and what it ran on.

    `earlier`: evaluations before, whose other rows are told beside these.
    """

    ran_on: RanOn
    rows: list[Row] = field(default_factory=list)
    pictures: list[Picture] = field(default_factory=list)
    earlier: list["Figures"] = field(default_factory=list)

    def after(self, before: "Figures") -> "Figures":
        """These figures, and of those before what has not been measured again."""
        again = {(row.metric, row.model, row.data) for row in self.rows}
        kept = [
            Figures(run.ran_on, rows)
            for run in (*before.earlier, Figures(before.ran_on, before.rows))
            if (rows := [r for r in run.rows if (r.metric, r.model, r.data) not in again])
        ]
        return Figures(self.ran_on, self.rows, self.pictures, kept)

    @property
    def every(self) -> list[Row]:
        """All rows, those of before first."""
        return [row for run in self.earlier for row in run.rows] + self.rows

    def by_metric(self) -> dict[str, list[Row]]:
        """Rows by metric, both in the order in which they came."""
        groups: dict[str, list[Row]] = {}
        for row in self.every:
            groups.setdefault(row.metric, []).append(row)
        return groups

    def to_json(self) -> str:
        """JSON with a line a row; a value that is not finite (PSNR of equal pictures) is null."""
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
        """Rows and machines of a `figures.json`, to compare versions with and to add to.

        Raises `BadRequest` when it is missing, damaged or of another format.
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
        """A table, rows of one metric together; with `goals`, columns of what must and should be."""
        heads = ["metric", "model", "data", "value", "unit", "95 %", "n"]
        heads += ["must", "aim"] if goals else []
        lines = [
            f"| {' | '.join(heads)} |",
            "|---|---|---|--:|---|---|--:|" + "---|---|" * bool(goals),
        ]
        for metric, rows in self.by_metric().items():
            for i, row in enumerate(rows):
                cells = [f"**{metric}**" if i == 0 else "", row.model, row.data]
                cells += [number(row.value), row.unit, spread(row), f"{row.n:,}"]
                if goals:
                    cells += _goal_cells(row, goals)
                lines.append(f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |")
        return "\n".join(lines) + "\n\n" + self.footer() + "\n"

    def footer(self) -> str:
        """A sentence for each run: what it ran on, and where there are several, what it measured."""
        told = []
        for run in (*self.earlier, self):
            ran = run.ran_on
            versions = ", ".join(f"{name} {version}" for name, version in ran.versions.items())
            commit = f", commit {ran.commit}" if ran.commit else ""
            which = ""
            if self.earlier:
                which = f"{', '.join(dict.fromkeys(row.metric for row in run.rows))}: "
            told.append(
                f"{which}Ran on {ran.cpu}, {ran.threads} threads, {ran.system}, Python {ran.python} "
                f"({versions}){commit}, {ran.when} UTC."
            )
        return " ".join([*told, "95 %: bootstrap interval."])

    def save(self, folder: Path, goals: Sequence[Goal] = ()) -> list[Path]:
        """Write `figures.json`, `figures.md` and `report.html` into `folder`, made if missing.

        Raises `FacedialError` when a file cannot be written.
        """
        from facedial.evaluate._page import page

        texts = {
            FILE: self.to_json(),
            "figures.md": self.markdown(goals),
            "report.html": page(self, goals),
        }
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for name, text in texts.items():
                files.write(folder / name, text)
        except OSError as error:
            raise FacedialError(f"cannot write {folder}: {error.strerror or error}") from error
        return [folder / name for name in texts]


def _run(facts: dict[str, Any]) -> Figures:
    rows = [
        Row(**{**row, "value": math.nan if row["value"] is None else row["value"]})
        for row in facts["rows"]
    ]
    return Figures(RanOn(**facts["ran_on"]), rows)


def number(value: float) -> str:
    """Four figures, thousands apart, no exponent down to a millionth; a dash where undefined.

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


def spread(row: Row) -> str:
    """The interval as "low..high", or nothing."""
    if row.low is None or row.high is None or not math.isfinite(row.low + row.high):
        return ""
    return f"{number(row.low)}..{number(row.high)}"


def goal_of(row: Row, goals: Sequence[Goal]) -> Goal | None:
    """The first goal that judges `row`."""
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


def _cpu() -> str:
    """The processor's name where the system tells it, else its kind."""
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass  # not Linux
    return platform.processor() or platform.machine()


def _versions() -> dict[str, str]:
    found = {}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def _commit(folder: Path) -> str | None:
    """Commit of the checkout that holds `folder`, "+" where files differ from it; None without."""
    git = shutil.which("git")
    if git is None:
        return None

    def ask(*arguments: str) -> str | None:
        done = subprocess.run(  # noqa: S603
            [git, "-C", str(folder), *arguments], capture_output=True, text=True, check=False
        )
        return done.stdout.strip() if done.returncode == 0 else None

    commit = ask("rev-parse", "--short=12", "HEAD")
    # an installed copy may lie in somebody else's checkout: then git does not know the file
    if not commit or not ask("ls-files", "--", Path(__file__).name):
        return None
    return commit + ("+" if ask("status", "--porcelain", "--untracked-files=no") else "")
