"""Costs: the limit of what the package may weigh."""

from facedial.evaluate import costs
from facedial.runtime import bundle


def test_packaged_weights_fit_their_limit() -> None:
    """The goal of the figures and this test state the same number."""
    own = sum(f.stat().st_size for f in bundle.home().rglob("*") if f.is_file()) / 1e6
    assert 0 < costs.packaged_mb() <= own < costs.MAX_PACKAGED_MB
    goal = next(goal for goal in costs.GOALS if goal.metric == "weights_mb")
    assert (goal.must, goal.lower, goal.data) == (costs.MAX_PACKAGED_MB, True, "all bundles")
