"""Curves of a run as a picture: loss and every score against minutes."""

import json
from pathlib import Path


def draw(run: Path) -> None:
    """Draw `run/log.jsonl` into `run/curves.png`."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    lines = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    losses = [(line["seconds"] / 60, line["loss"]) for line in lines if "loss" in line]
    marks = [(line["seconds"] / 60, line["scores"]) for line in lines if "scores" in line]
    names = list(marks[-1][1]) if marks else []
    width = 4 * (1 + len(names))
    figure = Figure(figsize=(width, 3))
    FigureCanvasAgg(figure)
    # Margins in inches: a layout that measures every label takes as long as the drawing itself.
    figure.subplots_adjust(0.7 / width, 0.17, 1 - 0.15 / width, 0.9, wspace=0.25)
    axes = figure.subplots(1, 1 + len(names), squeeze=False)[0]
    if losses:
        axes[0].plot(*zip(*losses, strict=True), linewidth=1)
        # A likelihood may be negative.
        axes[0].set_yscale("log" if min(loss for _, loss in losses) > 0 else "linear")
    axes[0].set_title("loss")
    for axis, name in zip(axes[1:], names, strict=True):
        points = [(minute, scores[name]) for minute, scores in marks if name in scores]
        axis.plot(*zip(*points, strict=True), marker=".")
        axis.set_title(name)
    for axis in axes:
        axis.set_xlabel("minutes")
        axis.grid(alpha=0.3)
    figure.savefig(run / "curves.png", dpi=80)
