"""From a run to a bundle: quantised ONNX graphs, with golden numbers that torch computed.

Weights are quantised first, and torch runs the quantised network for the golden numbers, so the
comparison with ONNX sees only differences of arithmetic. In the graph a weight is Cast(int8) * scale,
or is unpacked from fewer bits (`packing`); the runtime does so once, when a session opens.
"""

import hashlib
import json
import logging
import shutil
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from facedial import files
from facedial.errors import BadRun
from facedial.training import packing
from facedial.training.recipe import BITS

# A tensor below this many numbers stays float32: it saves few bytes, and its error might matter.
SMALLEST_QUANTIZED = 2048
SMALLEST_PACKED = 2**15  # below this, one byte a number in any case
SHARED = "shared.bin"
Size = tuple[int, int]
# Golden arrays beyond this many numbers are kept in half precision.
LARGE = 10_000


def space_of(basis: Tensor, *weights: Tensor) -> str:
    """Id of a code space: a hash of `basis` [M, D] and all `weights` that codes depend on.

    So no two models share an id.
    """
    digest = hashlib.sha256()
    for tensor in (basis, *weights):
        digest.update(tensor.detach().cpu().half().contiguous().numpy().tobytes())
    return f"fd{basis.shape[1]}-{digest.hexdigest()[:10]}"


def int8(weight: Tensor, axis: int) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Symmetric int8 of `weight` with one scale for each slice along `axis`; scale broadcasts."""
    values = weight.detach().cpu().float().numpy()
    others = tuple(i for i in range(values.ndim) if i != axis)
    scale = np.maximum(np.abs(values).max(axis=others, keepdims=True), 1e-12) / 127
    return np.clip(np.rint(values / scale), -127, 127).astype(np.int8), scale.astype(np.float32)


@dataclass(frozen=True, slots=True)
class Blocks:
    """A weight of `bits` per number, in blocks (`packing`)."""

    bits: int


# How a weight is kept: int8 with a scale for each slice along an axis, or in blocks.
Form = int | Blocks


def quantize(network: nn.Module, axes: Mapping[str, int], bits: int = BITS) -> dict[str, Form]:
    """Replace every large weight of `network` by its quantised value, of 5, 6 or 8 bits per number.

    `axes` names tensors that are kept as int8, and the axis along which their scales run. Returns the
    names of all that were quantised, and how.
    """
    done: dict[str, Form] = {}
    for name, value in network.state_dict().items():
        large = value.dim() >= 2 and value.numel() >= SMALLEST_QUANTIZED
        if value.dtype != torch.float32 or not large:
            continue
        if bits < 8 and name not in axes and packable(value):
            done[name] = Blocks(bits)
            value.copy_(packing.quantized(value, bits))
        else:
            axis = axes.get(name, 0)
            done[name] = axis
            whole, scale = int8(value, axis)
            value.copy_(torch.from_numpy(whole.astype(np.float32) * scale))
    return done


def packable(value: Tensor) -> bool:
    """Whether a weight is large enough for fewer than eight bits, and of a shape that fits blocks."""
    return value.numel() >= SMALLEST_PACKED and packing.fits(value)


def picture_like(generator: torch.Generator, side: int) -> Tensor:
    """Two pictures of flat cells, uint8 [2, side, side, 3], for golden numbers: they compress well."""
    cells = (2, side // 8, side // 8, 3)
    drawn = torch.randint(0, 256, cells, generator=generator, dtype=torch.uint8)
    return drawn.repeat_interleave(8, 1).repeat_interleave(8, 2)


def write(
    module: nn.Module,
    inputs: tuple[Tensor, ...],
    names: tuple[Sequence[str], Sequence[str]],
    path: Path,
    axes: Mapping[str, Form],
    shared: Sequence[str] = (),
    sides: Sequence[int] = (),
) -> dict[str, NDArray[Any]]:
    """Export `module` to `path` with a dynamic batch and quantised weights; returns its golden numbers.

    `names`: names of inputs and of outputs. `axes`: what `quantize` returned. `shared`: weights whose
    bytes lie in `shared.bin` beside the graph, in this order, so that several graphs of one network
    store them once. `sides`: other dimensions of the inputs that may have any length. The graph's
    metadata states its multiply-accumulates per item, `macs` (convolutions and matrix products), and
    the module's number of `parameters`, trained or fitted.
    The golden numbers are the inputs and torch's outputs. Raises `BadRun` when a weight to share is not
    in the graph.
    """
    module.eval()
    # The exporter warns of packages that it does not need here.
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        any_length = torch.export.Dim.DYNAMIC
        program = torch.onnx.export(
            module,
            inputs,
            dynamo=True,
            input_names=list(names[0]),
            output_names=list(names[1]),
            dynamic_shapes=tuple({i: any_length for i in (0, *sides)} for _ in inputs),
            optimize=False,  # folding renames weights, which `networks.load_part` could not find then
            verbose=False,
        )
        with FlopCounterMode(display=False) as counted:
            outputs = module(*inputs)
    assert program is not None
    model = program.model_proto
    _drop_zero_biases(model)
    _store_bytes(model, axes, shared, path.parent)
    for node in model.graph.node:
        node.ClearField("metadata_props")
        node.ClearField("doc_string")
    model.graph.ClearField("value_info")
    per_item = {
        "macs": counted.get_total_flops() // 2 // len(inputs[0]),
        "parameters": sum(v.numel() for v in module.state_dict().values() if v.is_floating_point()),
    }
    for key, count in per_item.items():
        model.metadata_props.add(key=key, value=str(count))
    with files.atomic_write(path) as temporary:
        temporary.write_bytes(model.SerializeToString())
        onnx.checker.check_model(temporary)
    outputs = outputs if isinstance(outputs, tuple) else (outputs,)
    golden = {f"{path.stem}.{n}": v.numpy() for n, v in zip(names[0], inputs, strict=True)}
    golden |= {f"{path.stem}.{n}": v.numpy() for n, v in zip(names[1], outputs, strict=True)}
    return golden


def write_one(
    module: nn.Module,
    inputs: tuple[Tensor, ...],
    names: tuple[Sequence[str], Sequence[str]],
    path: Path,
    axes: Mapping[str, Form],
    shared: Sequence[str] = (),
    sides: Sequence[int] = (),
) -> None:
    """`write`, with the golden numbers beside the graph."""
    golden = write(module, inputs, names, path, axes, shared, sides)
    save_golden(path.with_name(f"{path.stem}-golden.npz"), golden)


def write_pair(
    encode: nn.Module,
    decode: nn.Module,
    axes: Mapping[str, Form],
    shared: Sequence[str],
    size: Size,
    out: Path,
) -> None:
    """Write the graphs `autoencoder-encode` and `-decode` of a model and their golden numbers.

    `encode`: uint8 [N, S, S, 3] -> codes [N, D]; `decode`: codes -> pictures, 0..255. `shared`: the
    weights that both hold, whose bytes are stored once. `size`: (D, S).
    """
    dimensions, side = size
    generator = torch.Generator().manual_seed(0)
    codes = torch.randn(2, dimensions, generator=generator).half().float()
    pixels = picture_like(generator, side)
    golden: dict[str, NDArray[Any]] = {}
    for part, module, given, names in (
        ("encode", encode, pixels, (["pixels"], ["codes"])),
        ("decode", decode, codes, (["codes"], ["pixels"])),
    ):
        golden |= write(module, (given,), names, out / f"autoencoder-{part}.onnx", axes, shared)
    save_golden(out / "autoencoder-golden.npz", golden)


def _drop_zero_biases(model: onnx.ModelProto) -> None:
    """Remove the zeros that the exporter adds to convolutions without a bias.

    They are of the type of the convolution's input, so that a runtime computes them at every call, and
    does not fold the batch norm that follows into the convolution: half of a small network's time.
    """
    graph = model.graph
    made = {output: node for node in graph.node for output in node.output}
    for node in graph.node:
        if node.op_type == "Conv" and len(node.input) == 3 and node.input[2] in made:
            zeros = made[node.input[2]]
            if zeros.op_type == "Expand" and made[zeros.input[0]].op_type == "CastLike":
                node.input.pop()
    while True:
        used = {name for node in graph.node for name in node.input}
        used |= {output.name for output in graph.output}
        dead = [node for node in graph.node if not used & set(node.output)]
        if not dead:
            return
        for node in dead:
            graph.node.remove(node)


def _store_bytes(
    model: onnx.ModelProto, axes: Mapping[str, Form], shared: Sequence[str], folder: Path
) -> None:
    graph = model.graph
    kept, nodes, bytes_of = [], [], {}
    for bits in sorted({form.bits for form in axes.values() if isinstance(form, Blocks)}):
        kept += packing.tables(bits)
    for tensor in graph.initializer:
        name = tensor.name
        ending = next((known for known in axes if name.endswith(known)), None)
        if ending is None:
            kept.append(tensor)
            continue
        values, form = numpy_helper.to_array(tensor), axes[ending]
        if isinstance(form, Blocks):
            parts, steps = packing.nodes(
                name, values.shape, packing.packed(torch.from_numpy(values.copy()), form.bits)
            )
            kept += parts
            nodes += steps
            continue
        whole, scale = int8(torch.from_numpy(values.copy()), form)
        small = numpy_helper.from_array(whole, name + ".int8")
        if ending in shared:
            bytes_of[ending] = whole.tobytes()
            small = TensorProto(name=name + ".int8", data_type=TensorProto.INT8, dims=whole.shape)
        kept += [small, numpy_helper.from_array(scale, name + ".scale")]
        nodes += [
            helper.make_node("Cast", [name + ".int8"], [name + ".float"], to=TensorProto.FLOAT),
            helper.make_node("Mul", [name + ".float", name + ".scale"], [name]),
        ]
    if missing := sorted(set(shared) - set(bytes_of)):
        raise BadRun(f"the exporter lost the shared weights {missing}")
    offset = 0
    for ending in shared:
        small = next(t for t in kept if t.name.endswith(ending + ".int8"))
        small.data_location = TensorProto.EXTERNAL
        length = len(bytes_of[ending])
        for key, value in (("location", SHARED), ("offset", offset), ("length", length)):
            small.external_data.add(key=key, value=str(value))
        offset += length
    content = b"".join(bytes_of[ending] for ending in shared)
    path = folder / SHARED
    # A graph that needs only the first of them finds them there already.
    if content and not (path.exists() and path.read_bytes().startswith(content)):
        path.write_bytes(content)
    everything = [*nodes, *graph.node]
    del graph.initializer[:]
    del graph.node[:]
    graph.initializer.extend(kept)
    graph.node.extend(everything)


def check_space(run: Path, out: Path, space: str, did: str, again: str) -> None:
    """Raise `BadRun` unless the bundle `out` has the code space `space` that a run was trained in.

    `did`: what the run did, as in "learnt edits of"; `again`: what to do, as in "train it again".
    """
    path = out / "bundle.json"
    found = json.loads(path.read_text()).get("space") if path.exists() else None
    if found is None:
        raise BadRun(f"{run} belongs in a bundle with an autoencoder; export the autoencoder first")
    if found != space:
        raise BadRun(
            f"{run} {did} codes of {space}, the bundle's are {found}; "
            f"{again}, initialised from that bundle"
        )


def fitted(run: Path, name: str) -> Path:
    """The file that a recipe in closed form has fitted in a run; raises `BadRun` where there is none."""
    path = run / name
    if not path.exists():
        raise BadRun(f"{run} has no {name}; finish the run before exporting it")
    return path


def copy_fitted(run: Path, name: str, out: Path) -> Path:
    """Copy that file into the bundle `out`; returns the copy. Raises `BadRun`."""
    return Path(shutil.copyfile(fitted(run, name), out / name))


def write_facts(out: Path, facts: Mapping[str, Any]) -> None:
    """Merge `facts` into `bundle.json`, renew every file's SHA-256, and write it whole."""
    path = out / "bundle.json"
    old = json.loads(path.read_text()) if path.exists() else {}
    merged = {**old, **facts, "format": 1}
    merged["parts"] = {**old.get("parts", {}), **facts.get("parts", {})}
    merged["files"] = {
        file.name: files.sha256(file)
        for file in sorted(out.iterdir())
        if file.suffix != ".json" and file.is_file()
    }
    files.write(path, json.dumps(merged, indent=1, sort_keys=True) + "\n")


def save_golden(path: Path, golden: Mapping[str, NDArray[Any]]) -> None:
    """Write golden numbers, keys `graph.input` and `graph.output`, as `.npz`; large arrays as float16.

    Those stay float32 whose range is so small beside their magnitude that float16 would be too coarse.
    """
    halves = {
        key: value.astype(np.float16) if value.size > LARGE and _fits_float16(value) else value
        for key, value in golden.items()
    }
    with path.open("wb") as file:
        np.savez_compressed(file, allow_pickle=False, **halves)


def _fits_float16(value: NDArray[Any]) -> bool:
    whole = value.dtype == np.float32
    return whole and float(np.abs(value).max()) * 2**-11 < 5e-4 * float(np.ptp(value))
