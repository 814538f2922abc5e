"""Graphs apart from their weights: the numbers are those of the runtime's own unpacking, bit for bit."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from facedial.errors import BadBundle
from facedial.runtime import bundle
from facedial.runtime.session import Session
from facedial.runtime.weights import unpacked
from facedial.training import packing

FLAGSHIP = bundle.home() / bundle.DEFAULT


def graph(path: Path, bits: int, external: bool = False) -> np.ndarray:
    """Write `x @ w.T + b * s`, `w` packed, `b` in eight bits and `s` plain; returns w."""
    w = torch.randn(64, 32, generator=torch.Generator().manual_seed(bits))
    initial, nodes = packing.nodes("layer.w", w.shape, packing.packed(w, bits))
    b = np.arange(-32, 32, dtype=np.int8)
    constants = {
        "layer.b.int8": b[None],
        "layer.b.scale": np.array([[0.25]], np.float32),
        "layer.s": np.full((1, 64), 0.5, np.float32),
    }
    nodes += [
        helper.make_node("Cast", ["layer.b.int8"], ["layer.b.float"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["layer.b.float", "layer.b.scale"], ["layer.b"]),
        helper.make_node("Gemm", ["x", "layer.w"], ["product"], transB=1),
        helper.make_node("Mul", ["layer.b", "layer.s"], ["offset"]),
        helper.make_node("Add", ["product", "offset"], ["y"]),
    ]
    numbers = [numpy_helper.from_array(v, k) for k, v in constants.items()]
    made = helper.make_graph(
        nodes,
        "one",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 32])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 64])],
        [*packing.tables(bits), *initial, *numbers],
    )
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    model.metadata_props.add(key="macs", value="2048")
    how = {"location": "weights.bin", "size_threshold": 256} if external else {}
    onnx.save_model(model, str(path), save_as_external_data=external, **how)
    return packing.quantized(w, bits).numpy()


@pytest.mark.parametrize("external", [False, True])
@pytest.mark.parametrize("bits", [5, 6])
def test_packed_weights_and_those_of_eight_bits_leave_the_graph(
    tmp_path: Path, bits: int, external: bool
) -> None:
    path = tmp_path / "one.onnx"
    w = graph(path, bits, external)
    found = unpacked(path)
    assert np.array_equal(found.weights["layer.w"], w)
    assert np.array_equal(found.weights["layer.b"], np.arange(-32, 32, dtype=np.float32)[None] / 4)
    left = onnx.load_from_string(found.graph)
    assert [node.op_type for node in left.graph.node] == ["Gemm", "Mul", "Add"]
    x = np.random.default_rng(0).standard_normal((3, 32)).astype(np.float32)
    own = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    session = Session(path)
    assert np.array_equal(session(x), own.run(None, {"x": x})[0])
    assert session.facts == {"macs": "2048"}


@pytest.mark.parametrize("name", ["landmarks", "autoencoder-decode", "detail"])
def test_graphs_that_ship_give_the_same_bits(name: str) -> None:
    path = FLAGSHIP / f"{name}.onnx"
    own = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    session, rng = Session(path), np.random.default_rng(0)
    given = []
    for one in own.get_inputs():
        shape = [1 if not isinstance(size, int) else size for size in one.shape]
        values = rng.integers(0, 256, shape) if "uint8" in one.type else rng.random(shape)
        given.append(values.astype(np.uint8 if "uint8" in one.type else np.float32))
    named = dict(zip((one.name for one in own.get_inputs()), given, strict=True))
    assert np.array_equal(session(*given), own.run([session.output], named)[0])


def test_weights_leave_no_node_that_unpacks_them() -> None:
    """Else the runtime would unpack them again, unseen."""
    for path in sorted(FLAGSHIP.glob("*.onnx")):
        left = onnx.load_from_string(unpacked(path).graph).graph
        endings = {one.name.rpartition(".")[2] for one in left.initializer}
        assert not endings & {"low", "high", "int8"}, path.name


@pytest.mark.parametrize("damage", ["cut", "text", "empty"])
def test_what_is_no_graph_is_refused_by_name(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "one.onnx"
    graph(path, 5)
    whole = path.read_bytes()
    path.write_bytes({"cut": whole[: len(whole) // 2], "text": b"no graph", "empty": b""}[damage])
    with pytest.raises(BadBundle, match=r"one\.onnx cannot be opened"):
        Session(path)
