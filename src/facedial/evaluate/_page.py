"""The page of an evaluation: one HTML file with its pictures inside, readable offline."""

import base64
import io
import math
from collections.abc import Sequence
from html import escape

from PIL import Image

from facedial.evaluate._figures import Figures, Goal, Picture, Row, goal_of, number, spread

VERDICTS = {"aim": "aim met", "must": "met", "missed": "missed"}
PLOT = 180  # px, width of an interval's plot

STYLE = """
:root { color-scheme: light dark; --paper: #fbfaf7; --ink: #23211d; --soft: #6b665c;
  --line: #e3dfd6; --card: #ffffff; --accent: #0c6b64; --good: #1d6b35; --bad: #a3341c; }
@media (prefers-color-scheme: dark) { :root { --paper: #171614; --ink: #ece8e0; --soft: #a29c90;
  --line: #35322d; --card: #1f1e1b; --accent: #5cc4b8; --good: #7fcf96; --bad: #ee8d75; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink);
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
main { max-width: 68rem; margin: 0 auto; padding: 2.5rem 1.25rem 4rem; }
h1 { font-size: 1.9rem; line-height: 1.2; margin: 0 0 .5rem; letter-spacing: -.01em; }
h2 { font-size: 1.15rem; margin: 2.5rem 0 .6rem; scroll-margin-top: 1rem; }
p { max-width: 46rem; margin: .4rem 0; } .soft { color: var(--soft); font-size: .9rem; }
nav { display: flex; flex-wrap: wrap; gap: .3rem 1rem; margin: 1.25rem 0 0; padding: .9rem 0;
  border-block: 1px solid var(--line); font-size: .9rem; }
a { color: var(--accent); text-decoration: none; } a:hover { text-decoration: underline; }
.scroll { overflow-x: auto; background: var(--card); border: 1px solid var(--line);
  border-radius: .5rem; }
table { border-collapse: collapse; width: 100%; font-size: .92rem; }
th, td { padding: .45rem .8rem; text-align: left; white-space: nowrap; vertical-align: middle; }
th { color: var(--soft); font-weight: 500; font-size: .82rem; }
th:first-child { width: 11rem; } th:nth-child(2) { width: 16rem; }
th:nth-child(3) { width: 12rem; } th:last-child { width: auto; }
tbody tr { border-top: 1px solid var(--line); } tr.ours td:first-child { font-weight: 600; }
.number { text-align: right; font-variant-numeric: tabular-nums; }
.chip { font-size: .78rem; font-weight: 600; margin-left: .5rem; }
.chip.aim, .chip.must { color: var(--good); } .chip.missed { color: var(--bad); }
svg { display: block; } svg line { stroke: var(--soft); stroke-width: 1.5; }
svg circle { fill: var(--soft); } tr.ours svg line { stroke: var(--accent); }
tr.ours svg circle { fill: var(--accent); }
details { margin-top: .6rem; } summary { cursor: pointer; color: var(--accent); font-size: .92rem; }
details .scroll { margin-top: .6rem; }
figure { margin: 1rem 0 2rem; } figcaption { margin-bottom: .4rem; font-size: .92rem; }
figure div { overflow-x: auto; } img { display: block; max-width: 100%; height: auto;
  border-radius: .35rem; }
@media print { nav { display: none; } .scroll { overflow: visible; } }
"""


def page(figures: Figures, goals: Sequence[Goal] = ()) -> str:
    """The whole page of `figures`; pictures as WebP inside it, no scripts, nothing fetched."""
    groups = figures.by_metric()
    links = [f'<a href="#{escape(m, quote=True)}">{escape(m)}</a>' for m in groups]
    if figures.pictures:
        links.append('<a href="#pictures">pictures</a>')
    parts = [
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>facedial: figures</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>",
        f'<h1>Figures of facedial</h1>\n<p class="soft">{escape(figures.footer())}</p>',
        _summary(figures, goals),
        f'<nav aria-label="Metrics">{"".join(links)}</nav>',
        *(_section(metric, rows, goals) for metric, rows in groups.items()),
        _pictures(figures.pictures),
        "</main>\n</body>\n</html>\n",
    ]
    return "\n".join(part for part in parts if part)


def _summary(figures: Figures, goals: Sequence[Goal]) -> str:
    judged = [(row, goal) for row in figures.every if (goal := goal_of(row, goals))]
    if not judged:
        return ""
    verdicts = [goal.verdict(row.value) for row, goal in judged]
    missed = [row.metric for (row, _), v in zip(judged, verdicts, strict=True) if v == "missed"]
    text = (
        f"Of {len(judged)} figures with a goal, {len(judged) - len(missed)} reach what they must "
        f"and {verdicts.count('aim')} their aim."
    )
    if missed:
        text += f" Missed: {', '.join(dict.fromkeys(missed))}."
    return f"<p>{escape(text)}</p>"


def _section(metric: str, rows: Sequence[Row], goals: Sequence[Goal]) -> str:
    whole = [row for row in rows if not row.part]
    parts = [row for row in rows if row.part]
    text = f'<h2 id="{escape(metric, quote=True)}">{escape(metric)}</h2>\n'
    if whole:
        text += _table(metric, whole, goals)
    if parts:
        table = _table(f"{metric}, by part", parts, goals)
        text += f"<details><summary>{len(parts)} parts</summary>\n{table}</details>"
    return text


def _table(caption: str, rows: Sequence[Row], goals: Sequence[Goal]) -> str:
    asked = any(goal_of(row, goals) for row in rows)
    drawn = len(rows) > 1 and len({row.unit for row in rows}) == 1
    known = any(spread(row) for row in rows)
    heads = ["model", "data", "value"] + [""] * drawn + ["95 %"] * known + ["n"] + ["goal"] * asked
    numeric = {"value", "n"}
    cells = "".join(
        f'<th scope="col"{_numeric(head in numeric)}>{escape(head)}</th>' for head in heads
    )
    limits = _range(rows) if drawn else None
    body = "\n".join(_line(row, goals if asked else None, limits, known) for row in rows)
    return (
        f'<div class="scroll"><table aria-label="{escape(caption, quote=True)}">'
        f"<thead><tr>{cells}</tr></thead>\n<tbody>\n{body}\n</tbody></table></div>"
    )


def _line(
    row: Row, goals: Sequence[Goal] | None, limits: tuple[float, float] | None, known: bool
) -> str:
    unit = f' <span class="soft">{escape(row.unit)}</span>' if row.unit else ""
    cells = [f"<td>{escape(row.model)}</td>", f"<td>{escape(row.data)}</td>"]
    cells.append(f'<td class="number">{number(row.value)}{unit}</td>')
    if limits:
        cells.append(f"<td>{_plot(row, *limits)}</td>")
    if known:
        cells.append(f'<td class="soft">{spread(row)}</td>')
    cells.append(f'<td class="number">{row.n:,}</td>')
    if goals is not None:
        cells.append(f"<td>{_goal(row, goals)}</td>")
    ours = ' class="ours"' if row.model == "facedial" else ""
    return f"<tr{ours}>{''.join(cells)}</tr>"


def _goal(row: Row, goals: Sequence[Goal]) -> str:
    goal = goal_of(row, goals)
    if goal is None:
        return ""
    sign, verdict = ("≤" if goal.lower else "≥"), goal.verdict(row.value)
    aim = "" if goal.aim is None else f", aim {goal.aim:g}"
    chip = f'<span class="chip {verdict}">{VERDICTS[verdict]}</span>'
    return f"{sign} {goal.must:g}{aim}{chip}"


def _range(rows: Sequence[Row]) -> tuple[float, float]:
    """What the plots of `rows` span: all values and intervals, and a tenth more on both sides."""
    marks = [v for row in rows for v in (row.value, row.low, row.high) if v is not None]
    marks = [v for v in marks if math.isfinite(v)] or [0.0]
    room = (max(marks) - min(marks)) * 0.1 or 1.0
    return min(marks) - room, max(marks) + room


def _plot(row: Row, low: float, high: float) -> str:
    """A dot at the value with a line over its interval, on the scale of the whole table."""
    if not math.isfinite(row.value):
        return ""

    def place(value: float) -> float:
        return round((value - low) / (high - low) * PLOT, 1)

    whisker = ""
    if spread(row) and row.low is not None and row.high is not None:
        whisker = f'<line x1="{place(row.low)}" x2="{place(row.high)}" y1="8" y2="8"/>'
    return (
        f'<svg width="{PLOT}" height="16" aria-hidden="true">{whisker}'
        f'<circle cx="{place(row.value)}" cy="8" r="4"/></svg>'
    )


def _pictures(pictures: Sequence[Picture]) -> str:
    if not pictures:
        return ""
    shown = []
    for picture in pictures:
        title = escape(picture.title, quote=True)
        height, width = picture.pixels.shape[:2]
        shown.append(
            f'<figure><figcaption>{title}</figcaption><div><img alt="{title}" width="{width}" '
            f'height="{height}" loading="lazy" src="{_inline(picture)}"></div></figure>'
        )
    return '<h2 id="pictures">pictures</h2>\n' + "\n".join(shown)


def _inline(picture: Picture) -> str:
    buffer = io.BytesIO()
    Image.fromarray(picture.pixels).save(buffer, "WEBP", quality=92, method=4)
    return "data:image/webp;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


def _numeric(is_number: bool) -> str:
    return ' class="number"' if is_number else ""
