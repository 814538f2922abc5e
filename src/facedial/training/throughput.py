"""Arithmetic throughput of a training, compared with the highest that this machine reaches."""

import math
import time

import torch
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

CHANNELS, SIDE = 256, 32  # a convolution large enough to reach the machine's peak
SECONDS = 0.2


class Throughput:
    """Counts the floating-point operations of one step, and compares them with `peak` per second.

    A multiplication and an addition are two operations; only convolutions and matrix products count.
    """

    def __init__(self, peak: float) -> None:
        self.peak = peak
        self.step_operations = 0

    def counting(self) -> "_Counter":
        """A context in which one step is made."""
        return _Counter(self)

    def facts(self, steps_per_s: float) -> dict[str, float]:
        """`gflop_per_s` and `of_peak`, 0..1; nothing before a step was counted."""
        if not self.step_operations:
            return {}
        rate = self.step_operations * steps_per_s
        return {"gflop_per_s": rate / 1e9, "of_peak": rate / self.peak}

    def summary(self, steps_per_s: float, batch: int) -> str:
        """The same as a line of text."""
        facts = self.facts(steps_per_s)
        if not math.isfinite(steps_per_s) or not facts:
            return "too few steps to measure the throughput"
        return (
            f"{steps_per_s * batch:.1f} images/s, {facts['gflop_per_s']:.0f} GFLOP/s, "
            f"{facts['of_peak']:.0%} of this machine's peak for convolutions"
        )


class _Counter(FlopCounterMode):
    def __init__(self, throughput: Throughput) -> None:
        super().__init__(display=False)
        self._throughput = throughput

    def __exit__(self, *given: object) -> None:
        super().__exit__(*given)  # type: ignore[no-untyped-call]
        self._throughput.step_operations = self.get_total_flops()


def peak(device: torch.device, precision: str) -> float:
    """Operations per second of a large convolution in a precision of training: the best of several."""
    dtype = torch.bfloat16 if precision.startswith("bf16") else torch.float32
    x = torch.randn(8, CHANNELS, SIDE, SIDE, device=device, dtype=dtype)
    w = torch.randn(CHANNELS, CHANNELS, 3, 3, device=device, dtype=dtype)
    x = x.to(memory_format=torch.channels_last)
    operations = 2 * 9 * CHANNELS * CHANNELS * SIDE * SIDE * len(x)
    best, end = float("inf"), time.perf_counter() + SECONDS
    with torch.no_grad():
        while time.perf_counter() < end or best == float("inf"):
            start = time.perf_counter()
            F.conv2d(x, w, padding=1)
            if device.type == "cuda":
                torch.cuda.synchronize(device)
            best = min(best, time.perf_counter() - start)
    return operations / best
