"""The learning rate in the course of a training."""

import math
from dataclasses import dataclass

from facedial.training.recipe import OptimConfig

WARMUP_STEPS = 100


@dataclass(slots=True)
class LRSchedule:
    """The learning-rate schedule, and the best score so far; both are kept in checkpoints.

    `stale`: evaluations since the best score; `lowered`: product of the `plateau` schedule's factors.
    """

    optim: OptimConfig
    best: float = -math.inf
    stale: int = 0
    lowered: float = 1.0

    def factor(self, step: int, progress: float) -> float:
        """Factor on the peak learning rate at `progress` 0..1 of the budget."""
        if self.optim.schedule != "cosine":
            return self.lowered
        cosine = 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))
        return min(1.0, (step + 1) / WARMUP_STEPS) * (0.02 + 0.98 * cosine)

    def evaluated(self, score: float) -> bool:
        """Record the score of an evaluation; whether it is the best so far."""
        if score > self.best:
            self.best, self.stale = score, 0
            return True
        self.stale += 1
        if self.optim.schedule == "plateau" and self.stale > self.optim.patience:
            self.lowered, self.stale = self.lowered * self.optim.factor, 0
        return False
