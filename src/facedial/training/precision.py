"""Where half precision would cost more than it saves: linear maps, changes of coordinates, sums."""

import contextlib
from typing import Any

import torch
from lightning_fabric.plugins.precision import MixedPrecision, Precision
from torch import Tensor


class _AsGiven(MixedPrecision):
    """Autocast alone: inputs stay as they are, where Fabric would round every float to 8 bits."""

    def convert_input(self, data: Any) -> Any:
        """Nothing."""
        return data


def plugin(precision: str, device: torch.device) -> Precision | None:
    """What Fabric is given for `precision` on `device`; None where its own way is right."""
    return _AsGiven("bf16-mixed", device.type) if precision == "bf16-mixed" else None


def exact(like: Tensor) -> contextlib.AbstractContextManager[None]:
    """Autocast switched off on the device of `like`; nothing while a graph is being exported.

    An export runs in float32 anyway, and exporters stumble over contexts.
    """
    if torch.compiler.is_compiling():
        return contextlib.nullcontext()
    return torch.autocast(like.device.type, enabled=False)
