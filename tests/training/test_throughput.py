"""How hard a training works the machine."""

import math

import pytest
import torch
from torch.nn import functional as F

from facedial.training.throughput import Throughput, limit


def test_a_step_is_counted_product_by_product() -> None:
    reached = Throughput(limit=1e9)
    assert reached.facts(1.0) == {}
    x, w = torch.randn(2, 3, 8, 8), torch.randn(4, 3, 3, 3, requires_grad=True)
    with reached.counting():
        F.conv2d(x, w, padding=1).sum().backward()
    forward = 2 * 2 * 4 * 8 * 8 * 3 * 9  # a product and a sum each
    assert reached.step_operations == 2 * forward  # and once more for the weights' gradient
    facts = reached.facts(steps_per_s=10)
    assert facts["gflop_per_s"] == pytest.approx(20 * forward / 1e9)
    assert facts["of_limit"] == pytest.approx(20 * forward / 1e9)
    assert reached.told(
        10, 16
    ) == f"160.0 pictures/s, 0 GFLOP/s, {20 * forward / 1e9:.0%} of what " + (
        "convolutions reach here"
    )
    assert "too few steps" in reached.told(math.nan, 16)


def test_a_machine_reaches_something() -> None:
    assert limit(torch.device("cpu"), "32-true") > 1e8
