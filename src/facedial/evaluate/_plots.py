"""Plots of figures as pictures of the report, 900 px wide, drawn with matplotlib and no global state."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from facedial.evaluate._rows import Picture, Row

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Doubles = NDArray[np.float64]

WIDTH, DPI = 9.0, 100  # inches, pixels an inch
# Distinguishable with every kind of colour vision (Okabe and Ito 2008), and markers beside them.
COLOURS = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000"
MARKERS = "o", "s", "^", "D", "v", "P", "X"
SOFT = "#8a857b"


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """A labelled curve: `x` and `y` float64 [N], in order of drawing."""

    label: str
    x: Doubles
    y: Doubles


@dataclass(frozen=True, slots=True, eq=False)
class Reliability:
    """Bins of predicted probabilities: means and observed shares [B], 0..1, and counts [B].

    `low`, `high` [B]: 95 % interval of the share, None where none is drawn. NaN in bins that are left
    out, which have few or no predictions.
    """

    label: str
    predicted: Doubles
    observed: Doubles
    counts: NDArray[np.int64]
    low: Doubles | None = None
    high: Doubles | None = None


def curves(
    title: str,
    drawn: Sequence[Curve],
    axes: tuple[str, str],
    *,
    levels: Sequence[tuple[float, str]] = (),
) -> Picture:
    """Curves over a logarithmic x axis. `axes`: names with units. `levels`: labelled horizontal lines."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    figure = _figure(5.4)
    axis = figure.subplots()
    for i, curve in enumerate(drawn):
        axis.plot(curve.x, curve.y, color=_colour(i), marker=_marker(i), ms=5, label=curve.label)
    axis.set_xscale("log")
    axis.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axis.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:,.0f}"))
    axis.xaxis.set_minor_formatter(NullFormatter())
    for value, label in levels:
        axis.axhline(value, color=SOFT, linestyle="--", linewidth=1, zorder=0)
        axis.annotate(
            label, (1, value), xycoords=("axes fraction", "data"), xytext=(-4, 3),
            textcoords="offset points", ha="right", color="#55514a", fontsize=9,
        )  # fmt: skip
    axis.set_xlabel(axes[0])
    axis.set_ylabel(axes[1])
    axis.grid(alpha=0.25)
    axis.legend(frameon=False)
    return _picture(title, figure)


def reliability(title: str, whole: Reliability, parts: Sequence[Reliability]) -> Picture:
    """Reliability diagram: `whole` with its intervals, `parts` as thinner lines, counts below."""
    figure = _figure(7.2)
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(4, 1))
    above.plot(
        whole.predicted, whole.observed, color=_colour(0), marker=_marker(0), ms=6, linewidth=2.5,
        label=whole.label,
    )  # fmt: skip
    for i, part in enumerate(parts, 1):
        above.plot(
            part.predicted, part.observed, color=_colour(i), marker=_marker(i), ms=4,
            linewidth=1, label=part.label,
        )  # fmt: skip
    if whole.low is not None and whole.high is not None:
        above.vlines(whole.predicted, whole.low, whole.high, color=_colour(0), linewidth=2)
    above.plot([0, 1], [0, 1], color=SOFT, linestyle="--", linewidth=1, label="calibrated")
    above.set(ylabel="share of photos with the label", xlim=(0, 1), ylim=(0, 1))
    above.legend(frameon=False, loc="upper left")
    edges = np.linspace(0, 1, len(whole.counts) + 1)
    below.stairs(whole.counts, edges, fill=True, color=_colour(0), alpha=0.6)
    below.set(xlabel="predicted probability", ylabel="predictions", yscale="log")
    below.set_ylim(bottom=1)
    for axis in (above, below):
        axis.grid(alpha=0.25)
    return _picture(title, figure)


def by_group(
    title: str,
    groups: Sequence[tuple[str, str]],
    panels: Mapping[str, Mapping[tuple[str, str], Row]],
) -> Picture:
    """Values of groups of people with their 95 % intervals, beside each other on one list of groups.

    `groups`: division and name of each, from the top, those of a division together and in one colour.
    `panels`: name and unit of an axis -> group -> row; a panel need not have every group.
    """
    divisions = list(dict.fromkeys(division for division, _ in groups))
    # Half a line between divisions.
    places = {key: i + 0.6 * divisions.index(key[0]) for i, key in enumerate(groups)}
    figure = _figure(1.3 + 0.3 * (max(places.values()) + 1))
    for axis, (name, rows) in zip(
        figure.subplots(1, len(panels), sharey=True, squeeze=False)[0], panels.items(), strict=True
    ):
        for key, row in rows.items():
            i = divisions.index(key[0])
            if row.low is not None and row.high is not None:
                axis.hlines(places[key], row.low, row.high, color=_colour(i), linewidth=2)
            axis.plot(row.value, places[key], color=_colour(i), marker=_marker(i), ms=6)
        axis.set_yticks(
            list(places.values()), [f"{group} ({division})" for division, group in groups]
        )
        axis.set_xlabel(name)
        axis.grid(alpha=0.25)
    axis.invert_yaxis()  # shared: the first group on top
    return _picture(title, figure)


def _colour(i: int) -> str:
    return COLOURS[i % len(COLOURS)]


def _marker(i: int) -> str:
    return MARKERS[i % len(MARKERS)]


def _figure(height: float) -> "Figure":
    """An empty figure of `height` inches, with no state of pyplot."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def _picture(title: str, figure: "Figure") -> Picture:
    """The figure as pixels; its title stands above it in the report."""
    file = io.BytesIO()
    figure.savefig(file, dpi=DPI, format="png")
    with Image.open(file) as opened:
        return Picture(title, np.asarray(opened.convert("RGB")))
