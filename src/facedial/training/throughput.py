"""How hard a training works the machine: arithmetic a second, beside what the machine reaches at most."""

import math
import time

import torch
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

CHANNELS, SIDE = 256, 32  # a convolution large enough to reach what the machine can do
SECONDS = 0.2


class Throughput:
    """Counts the arithmetic of one step, and compares it with `limit`, operations a second.

    A product and a sum are two operations; only convolutions and products of matrices count.
    """

    def __init__(self, limit: float) -> None:
        self.limit = limit
        self.step_operations = 0

    def counting(self) -> "_Counted":
        """A context in which one step is made."""
        return _Counted(self)

    def facts(self, steps_per_s: float) -> dict[str, float]:
        """`gflop_per_s` and `of_limit`, 0..1; nothing before a step was counted."""
        if not self.step_operations:
            return {}
        rate = self.step_operations * steps_per_s
        return {"gflop_per_s": rate / 1e9, "of_limit": rate / self.limit}

    def told(self, steps_per_s: float, batch: int) -> str:
        """The same for a person; of a run too short to be measured, that."""
        facts = self.facts(steps_per_s)
        if not math.isfinite(steps_per_s) or not facts:
            return "too few steps to tell how fast this is"
        return (
            f"{steps_per_s * batch:.1f} pictures/s, {facts['gflop_per_s']:.0f} GFLOP/s, "
            f"{facts['of_limit']:.0%} of what convolutions reach here"
        )


class _Counted(FlopCounterMode):
    def __init__(self, throughput: Throughput) -> None:
        super().__init__(display=False)
        self._throughput = throughput

    def __exit__(self, *given: object) -> None:
        super().__exit__(*given)  # type: ignore[no-untyped-call]
        self._throughput.step_operations = self.get_total_flops()


def limit(device: torch.device, precision: str) -> float:
    """Operations a second of a large convolution in the precision of a training: the best of some."""
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
