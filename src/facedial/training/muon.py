"""Muon: orthogonalised momentum for weight matrices, Adam for all other parameters."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

# Five steps with these bring singular values of 0.001..1 between 0.7 and 1.2 (Jordan 2024).
SERIES = (3.4445, -4.7750, 2.0315)
STEPS = 5
LIKE_ADAM = (
    0.2  # root mean square of Adam's usual step, over the learning rate (Liu 2025, sec. 2.2)
)


class Muon(torch.optim.Optimizer):
    """Orthogonalised momentum (Jordan 2024), scaled to Adam's steps: learning rates of Adam can be used.

    Convolutions count as matrices [outputs, inputs x height x width]. Vectors, and whatever has a
    first axis of 1, are updated by Adam (Kingma 2015) with `betas`.
    """

    def __init__(
        self,
        params: Any,
        lr: float = 1e-3,
        momentum: float = 0.95,
        betas: tuple[float, float] = (0.9, 0.99),
        eps: float = 1e-8,
    ) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum, "betas": betas, "eps": eps})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """One step."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is None:
                    continue
                state = self.state[parameter]
                if parameter.ndim > 1 and parameter.shape[0] > 1:
                    _orthogonal_step(parameter, state, group)
                else:
                    _adam_step(parameter, state, group)
        return loss


def _orthogonal_step(parameter: Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
    grad = parameter.grad
    assert grad is not None
    if not state:
        state["momentum"] = torch.zeros_like(parameter, memory_format=torch.contiguous_format)
    momentum = state["momentum"]
    momentum.lerp_(grad, 1 - group["momentum"])
    ahead = grad.lerp(momentum, group["momentum"])  # Nesterov's
    matrix = ahead.reshape(ahead.shape[0], -1)
    size = LIKE_ADAM * max(matrix.shape) ** 0.5
    step = orthogonal(matrix).reshape(parameter.shape)
    parameter.add_(step.to(parameter.dtype), alpha=-group["lr"] * size)


def _adam_step(parameter: Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
    grad = parameter.grad
    assert grad is not None
    if not state:
        state["step"] = torch.zeros(())
        state["mean"] = torch.zeros_like(parameter)
        state["square"] = torch.zeros_like(parameter)
    state["step"] += 1
    first, second = group["betas"]
    state["mean"].lerp_(grad, 1 - first)
    state["square"].lerp_(grad.square(), 1 - second)
    count = float(state["step"])
    root = (state["square"] / (1 - second**count)).sqrt_().add_(group["eps"])
    parameter.addcdiv_(state["mean"], root, value=-group["lr"] / (1 - first**count))


def orthogonal(matrix: Tensor) -> Tensor:
    """The matrix [m, n] with all singular values near 1, in bfloat16, by a Newton-Schulz iteration.

    It only multiplies matrices, and half precision is enough for a direction.
    """
    a, b, c = SERIES
    x = matrix.bfloat16()
    tall = x.shape[0] > x.shape[1]
    if tall:
        x = x.T
    x = x / (x.norm() + 1e-7)
    for _ in range(STEPS):
        square = x @ x.T
        x = a * x + (b * square + c * square @ square) @ x
    found: Tensor = x.T if tall else x
    return found
