"""Where half precision would cost more than it saves: linear maps, changes of coordinates, sums."""

import contextlib

import torch
from torch import Tensor


def exact(like: Tensor) -> contextlib.AbstractContextManager[None]:
    """Autocast switched off on the device of `like`; nothing while a graph is being exported.

    An export runs in float32 anyway, and exporters stumble over contexts.
    """
    if torch.compiler.is_compiling():
        return contextlib.nullcontext()
    return torch.autocast(like.device.type, enabled=False)
