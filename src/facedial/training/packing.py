"""Block-wise quantisation to 5 or 6 bits: integer levels in blocks of 64 numbers, a scale for each block.

A level's low four bits are packed two to a byte, its remaining bits eight (or four) to a byte; a graph
unpacks them by table look-up, once, when a session opens. ONNX has no such types of its own.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor

from facedial.runtime.weights import BLOCK, LOW, SCALE_FACTOR

# Clipping tried: how far a block's largest number may lie beyond the last level. A few clipped numbers
# can cost less than coarser steps for all.
CLIPPING = (1.0, 1.125, 1.25)
ENDINGS = (".low", ".high", ".scale")


@dataclass(frozen=True, slots=True)
class Packed:
    """Levels int8 [B, 64] in -2^(bits-1)..2^(bits-1)-1 and scales float16 [B, 1], times 1024."""

    levels: NDArray[np.int8]
    scales: NDArray[np.float16]
    bits: int

    def __post_init__(self) -> None:
        if self.bits not in (5, 6):
            raise ValueError(f"bits must be 5 or 6, got {self.bits}")

    @property
    def values(self) -> NDArray[np.float32]:
        """The weights [B, 64]."""
        return self.levels.astype(np.float32) * (self.scales.astype(np.float32) / SCALE_FACTOR)

    def bytes_of(self) -> dict[str, NDArray[np.uint8]]:
        """`low` uint8 [32 B], two levels to a byte, and `high` [64 B * (bits - 4) / 8]."""
        whole = (self.levels.astype(np.int16) + 2 ** (self.bits - 1)).astype(np.uint8).ravel()
        return {"low": _joined(whole % 2**LOW, LOW), "high": _joined(whole >> LOW, self.bits - LOW)}


def fits(weight: Tensor) -> bool:
    """Whether a weight can be packed: float32, several outputs, a whole number of blocks."""
    several = weight.dim() > 1 and weight.shape[0] > 1
    return weight.dtype == torch.float32 and several and weight.numel() % BLOCK == 0


def levels_and_scales(weight: Tensor, bits: int) -> tuple[Tensor, Tensor]:
    """Levels [B, 64] and scales float16 [B, 1] of a weight that `fits`, where it is.

    Each block takes the one of several scales with the least squared error. Quantising a quantised
    weight again changes nothing.
    """
    blocks = weight.detach().contiguous().view(-1, BLOCK)
    end = 2 ** (bits - 1)
    largest = blocks.abs().amax(1, keepdim=True).clamp_min(1e-7)
    best, error = None, torch.zeros(0)
    for steps in (end - 1, *(end * clipping for clipping in CLIPPING)):
        scales = (largest / steps * SCALE_FACTOR).half()
        levels = (blocks / _size(scales)).round().clamp(-end, end - 1)
        off = (levels * _size(scales) - blocks).square().sum(1, keepdim=True)
        if best is None:
            best, error = (levels, scales), off
        else:
            better = off < error
            best = (torch.where(better, levels, best[0]), torch.where(better, scales, best[1]))
            error = torch.minimum(error, off)
    assert best is not None
    return best


def quantized(weight: Tensor, bits: int) -> Tensor:
    """A weight that `fits`, quantised to `bits` per number and dequantised again."""
    levels, scales = levels_and_scales(weight, bits)
    return (levels * _size(scales)).view(weight.shape)


def packed(weight: Tensor, bits: int) -> Packed:
    """A weight that `fits`, packed."""
    levels, scales = levels_and_scales(weight, bits)
    return Packed(levels.cpu().numpy().astype(np.int8), scales.cpu().numpy(), bits)


def _size(scales: Tensor) -> Tensor:
    return scales.float() / SCALE_FACTOR


def unpacked(
    low: NDArray[np.uint8], high: NDArray[np.uint8], scales: NDArray[np.float16]
) -> Packed:
    """Inverse of `Packed.bytes_of`, given the scales."""
    bits = LOW + len(high) * 8 // (2 * len(low))
    whole = _apart(low, LOW) + (_apart(high, bits - LOW).astype(np.int16) << LOW)
    return Packed((whole - 2 ** (bits - 1)).astype(np.int8).reshape(-1, BLOCK), scales, bits)


def tables(bits: int) -> list[onnx.TensorProto]:
    """Look-up tables that all weights of `bits` per number in a graph share, as initializers."""
    high = bits - LOW
    constants: dict[str, NDArray[Any]] = {
        f"packed{bits}.lows": _table(LOW).astype(np.float32) - np.float32(2 ** (bits - 1)),
        f"packed{bits}.highs": _table(high).astype(np.float32) * np.float32(2**LOW),
        f"packed{bits}.unit": np.array(1 / SCALE_FACTOR, np.float32),
        f"packed{bits}.blocks": np.array([-1, BLOCK], np.int64),
    }
    return [numpy_helper.from_array(np.asarray(value), key) for key, value in constants.items()]


def nodes(
    name: str, shape: Sequence[int], kept: Packed
) -> tuple[list[onnx.TensorProto], list[onnx.NodeProto]]:
    """Initializers and nodes by which a graph with `tables` unpacks the weight `name`."""
    own: dict[str, NDArray[Any]] = {
        **kept.bytes_of(),
        "scale": kept.scales,
        "shape": np.array(shape, np.int64),
    }
    shared = f"packed{kept.bits}."
    made = []

    def step(operator: str, given: Sequence[str], out: str, **how: Any) -> str:
        made.append(helper.make_node(operator, given, [out], **how))
        return out

    blocks = []
    for part in ("low", "high"):
        whole = f"{name}.{part}"
        index = step("Cast", [whole], whole + ".index", to=TensorProto.INT32)
        found = step("Gather", [f"{shared}{part}s", index], whole + ".levels")
        blocks.append(step("Reshape", [found, shared + "blocks"], whole + ".blocks"))
    levels = step("Add", blocks, name + ".levels")
    scale = step("Cast", [name + ".scale"], name + ".scale.float", to=TensorProto.FLOAT)
    size = step("Mul", [scale, shared + "unit"], name + ".size")
    values = step("Mul", [levels, size], name + ".values")
    step("Reshape", [values, name + ".shape"], name)
    initial = [numpy_helper.from_array(np.asarray(v), f"{name}.{key}") for key, v in own.items()]
    return initial, made


def _joined(values: NDArray[np.uint8], bits: int) -> NDArray[np.uint8]:
    count = 8 // bits
    weights = np.array([2 ** (bits * place) for place in range(count)], np.uint8)
    return np.asarray((values.reshape(-1, count) * weights).sum(1, dtype=np.uint8), np.uint8)


def _apart(joined: NDArray[np.uint8], bits: int) -> NDArray[np.uint8]:
    values: NDArray[np.uint8] = _table(bits)[joined].ravel()
    return values


def _table(bits: int) -> NDArray[np.uint8]:
    """Byte -> the 8 / bits values that it joins."""
    every = np.arange(256, dtype=np.uint16)[:, None] >> (np.arange(8 // bits) * bits)
    return np.asarray(every % 2**bits, np.uint8)
