"""The published figures: readable, and under the names that the metrics use today."""

import inspect
from pathlib import Path

from facedial import folder
from facedial.evaluate import _conditional
from facedial.evaluate._rows import Figures
from facedial.evaluate._run import METRICS

DOCS = Path(__file__).parents[2] / "docs"


def test_published_figures_are_those_that_are_measured() -> None:
    """A renamed metric is renamed in `docs/figures.json`; its table is made from it."""
    figures = Figures.load(DOCS / "figures.json")
    modules = [folder.load(METRICS, name, "metric") for name in folder.names(METRICS)]
    code = "\n".join(inspect.getsource(module) for module in (*modules, _conditional))
    for metric in figures.by_metric():
        stem = metric.removesuffix("_median").removesuffix("_p95")
        assert f'"{metric}"' in code or f'_rows("{stem}"' in code, metric
    assert figures.to_json() == (DOCS / "figures.json").read_text(encoding="utf-8")
    goals = [goal for module in modules for goal in getattr(module, "GOALS", ())]
    assert figures.markdown(goals) == (DOCS / "figures.md").read_text(encoding="utf-8")
