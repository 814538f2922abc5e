"""Which precision is fastest, and where half precision would cost more than it saves."""

import contextlib
import time
from typing import Any

import torch
from lightning_fabric.plugins.precision import MixedPrecision, Precision
from torch import Tensor
from torch.nn import functional as F


def fastest(device: torch.device) -> str:
    """`bf16-mixed` where this machine's bfloat16 convolutions are clearly faster, else `32-true`.

    Processors without such instructions emulate them twenty times slower, so it is measured.
    """
    if device.type != "cpu":
        return "bf16-mixed" if torch.cuda.is_bf16_supported() else "32-true"
    seconds = {}
    for dtype in (torch.float32, torch.bfloat16):
        x, w = torch.randn(4, 64, 32, 32, dtype=dtype), torch.randn(64, 64, 3, 3, dtype=dtype)
        F.conv2d(x, w, padding=1)
        start = time.perf_counter()
        for _ in range(3):
            F.conv2d(x, w, padding=1)
        seconds[dtype] = time.perf_counter() - start
    return "bf16-mixed" if seconds[torch.bfloat16] < 0.8 * seconds[torch.float32] else "32-true"


def uses_bfloat16(device: torch.device) -> bool:
    """Whether `fastest` says so: for networks that are only evaluated."""
    return fastest(device) == "bf16-mixed"


class _InputsAsGiven(MixedPrecision):
    """Autocast alone: Fabric's own plugin rounds every floating-point input to bfloat16."""

    def convert_input(self, data: Any) -> Any:
        """`data`."""
        return data


def plugin(precision: str, device: torch.device) -> Precision | None:
    """What Fabric is given for `precision` on `device`; None where its own plugin is right."""
    return _InputsAsGiven("bf16-mixed", device.type) if precision == "bf16-mixed" else None


def exact(like: Tensor) -> contextlib.AbstractContextManager[None]:
    """Autocast switched off on the device of `like`; nothing while a graph is being exported.

    For linear maps, changes of coordinates and sums. An export runs in float32 anyway, and exporters
    fail on contexts.
    """
    if torch.compiler.is_compiling():
        return contextlib.nullcontext()
    return torch.autocast(like.device.type, enabled=False)
