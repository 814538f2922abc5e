"""Costs: the limit of what the package may weigh."""

from pathlib import Path

import pytest

from facedial.editor import Editor
from facedial.errors import BadStore
from facedial.evaluate import costs
from facedial.evaluate._context import EvaluationContext
from facedial.runtime import bundle


def test_packaged_weights_fit_their_limit() -> None:
    """The goal of the figures and this test state the same number."""
    own = sum(f.stat().st_size for f in bundle.home().rglob("*") if f.is_file()) / 1e6
    assert 0 < costs.packaged_mb() <= own + 1e-9
    assert own < costs.MAX_PACKAGED_MB
    goal = next(goal for goal in costs.GOALS if goal.metric == "weights_mb")
    assert (goal.must, goal.lower, goal.data) == (costs.MAX_PACKAGED_MB, True, "all bundles")


def test_without_a_store_of_head_crops_it_says_what_to_give(editor: Editor, tmp_path: Path) -> None:
    context = EvaluationContext(editor, (), tmp_path)
    with pytest.raises(BadStore, match="--data STORE, prepared with --size 128"):
        list(costs.measure(context))
