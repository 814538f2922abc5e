"""Arithmetic throughput of a training."""

import math

import pytest
import torch
from torch.nn import functional as F

from facedial.training.throughput import Throughput, peak


def test_a_step_is_counted_product_by_product() -> None:
    throughput = Throughput(peak=1e9)
    assert throughput.facts(1.0) == {}
    x, w = torch.randn(2, 3, 8, 8), torch.randn(4, 3, 3, 3, requires_grad=True)
    with throughput.counting():
        F.conv2d(x, w, padding=1).sum().backward()
    forward = 2 * 2 * 4 * 8 * 8 * 3 * 9  # a product and a sum each
    assert throughput.step_operations == 2 * forward  # and once more for the weights' gradient
    facts = throughput.facts(steps_per_s=10)
    assert facts["gflop_per_s"] == pytest.approx(20 * forward / 1e9)
    assert facts["of_peak"] == pytest.approx(20 * forward / 1e9)
    assert throughput.summary(
        10, 16
    ) == f"160.0 images/s, 0 GFLOP/s, {20 * forward / 1e9:.0%} of " + (
        "this machine's peak for convolutions"
    )
    assert "too few steps" in throughput.summary(math.nan, 16)


def test_a_machine_has_a_peak() -> None:
    assert peak(torch.device("cpu"), "32-true") > 1e8
