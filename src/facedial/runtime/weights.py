"""A graph file apart from its weights, so that they need not be unpacked by the runtime.

The graphs of a bundle are ONNX files that any runtime opens: nodes unpack quantised weights
(`training.packing`). ONNX Runtime executes those nodes when a session opens, one operator at a time,
which takes most of that time and several times the memory. Here the weights are unpacked by numpy, and
the graph is given to the runtime without these nodes. The numbers are the same, bit for bit.

The file is read by its wire format (protobuf's encoding, and the field numbers of `onnx.proto`), since
the package `onnx` is needed for training only.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Field numbers in `onnx.proto`.
MODEL_GRAPH = 7
GRAPH_NODE, GRAPH_INITIALIZER = 1, 5
NODE_OUTPUT = 2
TENSOR_DIMS, TENSOR_TYPE, TENSOR_NAME, TENSOR_RAW = 1, 2, 8, 9
TENSOR_EXTERNAL, TENSOR_LOCATION = 13, 14
ENTRY_KEY, ENTRY_VALUE = 1, 2
VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5  # wire types
FLOAT = 1
TYPES: Mapping[int, type[np.generic]] = {
    FLOAT: np.float32,
    2: np.uint8,
    3: np.int8,
    6: np.int32,
    7: np.int64,
    10: np.float16,
}
# What the nodes that unpack a weight `w` are called after it: their outputs `w.<name>`.
STEPS = (
    *(f"{part}.{step}" for part in ("low", "high") for step in ("index", "levels", "blocks")),
    *("levels", "scale.float", "size", "values", "float"),
)
# Look-up tables that they share.
TABLES = {f"packed{bits}.{one}" for bits in (5, 6) for one in ("lows", "highs", "unit", "blocks")}
# Numbers of a block, which share a scale; bits of a level that are kept together. Scales are float16
# times this factor: those of small weights would be denormal numbers.
BLOCK, LOW, SCALE_FACTOR = 64, 4, 1024.0


@dataclass(frozen=True, slots=True)
class Unpacked:
    """A graph without its weights, and the weights: initializer -> array."""

    graph: bytes
    weights: Mapping[str, NDArray[Any]]


@dataclass(frozen=True, slots=True)
class _Tensor:
    name: str
    shape: tuple[int, ...]
    kind: int
    raw: memoryview | None
    external: Mapping[str, str]

    def array(self, folder: Path) -> NDArray[Any]:
        """Its values; those kept in another file are read from `folder`."""
        kind = np.dtype(TYPES[self.kind])
        if self.external:
            count = int(self.external["length"]) // kind.itemsize
            place = folder / self.external["location"]
            values = np.fromfile(place, kind, count, offset=int(self.external.get("offset", 0)))
        else:
            values = np.frombuffer(b"" if self.raw is None else self.raw, kind)
        return values.reshape(self.shape)


def unpacked(path: Path) -> Unpacked:
    """A graph file, its quantised weights and those of other files apart.

    Raises `OSError` where a file cannot be read, `ValueError` or `KeyError` where it is no ONNX file.
    """
    data = memoryview(path.read_bytes())
    head: list[memoryview] = []
    tail: list[memoryview] = []
    graph = memoryview(b"")
    for number, value, whole in _fields(data):
        if number == MODEL_GRAPH:
            graph = _bytes(value)
        else:
            (tail if len(graph) else head).append(whole)
    tensors: dict[str, _Tensor] = {}
    # The names that a field of the graph defines, and the field.
    fields: list[tuple[set[str], memoryview]] = []
    for number, value, whole in _fields(graph):
        names: set[str] = set()
        if number == GRAPH_INITIALIZER:
            tensor = _tensor(_bytes(value))
            tensors[tensor.name] = tensor
            names = {tensor.name}
        elif number == GRAPH_NODE:
            names = _outputs(_bytes(value))
        fields.append((names, whole))
    weights, gone = _weights(tensors, path.parent)
    parts: list[bytes | memoryview] = [whole for names, whole in fields if not names & gone]
    for name, values in weights.items():
        parts.append(_field(GRAPH_INITIALIZER, _announced(name, values)))
    return Unpacked(b"".join([*head, _field(MODEL_GRAPH, b"".join(parts)), *tail]), weights)


def _weights(
    tensors: Mapping[str, _Tensor], folder: Path
) -> tuple[dict[str, NDArray[Any]], set[str]]:
    """The weights that are unpacked here, and the names of tensors that the graph then lacks."""

    def own(name: str) -> NDArray[Any]:
        return tensors[name].array(folder)

    weights: dict[str, NDArray[Any]] = {}
    gone: set[str] = {*TABLES}
    for name in tensors:
        weight, _, ending = name.rpartition(".")
        if ending == "low" and {f"{weight}.high", f"{weight}.shape"} <= tensors.keys():
            parts = (own(f"{weight}.{part}") for part in ("low", "high", "scale"))
            weights[weight] = _of_levels(*parts).reshape(own(f"{weight}.shape"))
            used = {"low", "high", "scale", "shape"}
        elif ending == "int8":
            weights[weight] = np.multiply(own(name), own(f"{weight}.scale"), dtype=np.float32)
            used = {"int8", "scale"}
        else:
            continue
        gone |= {weight, *(f"{weight}.{one}" for one in (*used, *STEPS))}
    for name, tensor in tensors.items():
        if tensor.external and name not in gone:
            weights[name] = own(name)
            gone.add(name)
    return weights, gone


def _of_levels(
    low: NDArray[np.uint8], high: NDArray[np.uint8], scales: NDArray[np.float16]
) -> NDArray[np.float32]:
    """The numbers [B, 64] of packed levels; see `training.packing`."""
    bits = LOW + len(high) * 8 // (2 * len(low))
    levels = _apart(low, LOW, -(2 ** (bits - 1)), 1) + _apart(high, bits - LOW, 0, 2**LOW)
    sizes = scales.astype(np.float32) * np.float32(1 / SCALE_FACTOR)
    values: NDArray[np.float32] = np.multiply(levels.reshape(-1, BLOCK), sizes, dtype=np.float32)
    return values


def _apart(joined: NDArray[np.uint8], bits: int, first: int, step: int) -> NDArray[np.int8]:
    """The values of `bits` each that bytes join, times `step`, from `first` on."""
    count = 8 // bits
    every = np.arange(256)[:, None] >> (np.arange(count) * bits)
    table = (first + step * (every % 2**bits)).astype(np.int8)
    # The values of a byte are looked up as one number: several times as fast as row by row.
    rows = np.ascontiguousarray(table).view(f"i{count}").ravel()
    return rows[joined].view(np.int8)


def _announced(name: str, values: NDArray[Any]) -> bytes:
    """An initializer whose values are given to the runtime beside the graph."""
    kind = next(number for number, own in TYPES.items() if own is values.dtype.type)
    entry = _field(ENTRY_KEY, b"location") + _field(ENTRY_VALUE, b"beside the graph")
    return b"".join(
        [
            *(_number(TENSOR_DIMS, size) for size in values.shape),
            _number(TENSOR_TYPE, kind),
            _field(TENSOR_NAME, name.encode()),
            _field(TENSOR_EXTERNAL, entry),
            _number(TENSOR_LOCATION, 1),
        ]
    )


def _tensor(data: memoryview) -> _Tensor:
    name, kind, raw = "", 0, None
    shape: list[int] = []
    external: dict[str, str] = {}
    for number, value, _ in _fields(data):
        if number == TENSOR_DIMS:
            shape += [value] if isinstance(value, int) else _numbers(value)
        elif number == TENSOR_TYPE and isinstance(value, int):
            kind = value
        elif number == TENSOR_NAME:
            name = str(_bytes(value), "utf-8")
        elif number == TENSOR_RAW:
            raw = _bytes(value)
        elif number == TENSOR_EXTERNAL:
            entry = {n: str(_bytes(v), "utf-8") for n, v, _ in _fields(_bytes(value))}
            external[entry[ENTRY_KEY]] = entry[ENTRY_VALUE]
    return _Tensor(name, tuple(shape), kind, raw, external)


def _outputs(node: memoryview) -> set[str]:
    return {str(_bytes(v), "utf-8") for number, v, _ in _fields(node) if number == NODE_OUTPUT}


def _fields(data: memoryview) -> Iterator[tuple[int, int | memoryview, memoryview]]:
    """The fields of a message: number, value (an int, or the bytes), and the whole field's bytes."""
    place = 0
    while place < len(data):
        start = place
        tag, place = _varint(data, place)
        wire = tag & 7
        value: int | memoryview
        if wire == VARINT:
            value, place = _varint(data, place)
        else:
            if wire == BYTES:
                size, place = _varint(data, place)
            elif wire in (FIXED64, FIXED32):
                size = 8 if wire == FIXED64 else 4
            else:
                raise ValueError(f"no field of protobuf has the wire type {wire}")
            value = data[place : place + size]
            if len(value) < size:
                raise ValueError("a field ends beyond its message")
            place += size
        yield tag >> 3, value, data[start:place]


def _varint(data: memoryview, place: int) -> tuple[int, int]:
    """A number in base 128, lowest digit first, and where the next field begins."""
    value = shift = 0
    while True:
        if place >= len(data):
            raise ValueError("a number ends beyond its message")
        byte = data[place]
        value |= (byte & 127) << shift
        place, shift = place + 1, shift + 7
        if byte < 128:
            return value, place


def _numbers(data: memoryview) -> list[int]:
    """Packed numbers."""
    found, place = [], 0
    while place < len(data):
        value, place = _varint(data, place)
        found.append(value)
    return found


def _bytes(value: int | memoryview) -> memoryview:
    if isinstance(value, int):
        raise ValueError("a number was found where a message was expected")
    return value


def _encoded(value: int) -> bytes:
    found = bytearray()
    while value > 127:
        found.append(value & 127 | 128)
        value >>= 7
    return bytes([*found, value])


def _number(field: int, value: int) -> bytes:
    return _encoded(field << 3 | VARINT) + _encoded(value)


def _field(field: int, value: bytes) -> bytes:
    return _encoded(field << 3 | BYTES) + _encoded(len(value)) + value
