"""Laws of weights of fewer than eight bits."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import TensorProto, helper
from torch import Tensor, nn

from facedial.training import export, loop, networks, packing


def weight(seed: int, shape: tuple[int, ...] = (64, 96, 3, 3), size: float = 0.02) -> Tensor:
    return size * torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("bits", [5, 6])
@pytest.mark.parametrize("size", [1e-4, 0.02, 3.0])
def test_what_is_packed_is_near_and_is_packed_again_without_loss(bits: int, size: float) -> None:
    given = weight(0, size=size)
    found = packing.quantized(given, bits)
    error = float((found - given).square().mean() / given.square().mean())
    # A uniform quantiser of a normal variable: about 6 dB a bit, and half a decibel for the scales.
    assert error < {5: 2.6e-3, 6: 6.5e-4}[bits]
    assert torch.equal(packing.quantized(found, bits), found)
    kept = packing.packed(given, bits)
    assert np.array_equal(kept.values.reshape(given.shape), found.numpy())


@pytest.mark.parametrize("bits", [5, 6])
def test_bytes_and_back(bits: int) -> None:
    kept = packing.packed(weight(1), bits)
    parts = kept.bytes_of()
    assert sum(part.nbytes for part in parts.values()) * 8 == bits * kept.levels.size
    again = packing.unpacked(parts["low"], parts["high"], kept.scales)
    assert again.bits == bits
    assert np.array_equal(again.levels, kept.levels)


@pytest.mark.parametrize("bits", [5, 6])
def test_a_graph_makes_the_same_weight(bits: int) -> None:
    given = weight(2, (32, 64))
    kept = packing.packed(given, bits)
    initial, nodes = packing.nodes("w", given.shape, kept)
    graph = helper.make_graph(
        nodes,
        "one",
        [],
        [helper.make_tensor_value_info("w", TensorProto.FLOAT, list(given.shape))],
        [*packing.tables(bits), *initial],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    onnx.checker.check_model(model)
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    assert np.array_equal(session.run(None, {})[0], packing.quantized(given, bits).numpy())


class Two(nn.Module):
    """A large weight and one that is too small for few bits."""

    def __init__(self) -> None:
        super().__init__()
        self.large = nn.Linear(256, 256)
        self.small = nn.Linear(256, 16, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.small(torch.relu(self.large(x)))
        return y


def test_a_packed_graph_is_the_quantised_network_and_can_be_started_from(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = Two()
    axes = export.quantize(network, {}, 5)
    assert axes == {"large.weight": export.Blocks(5), "small.weight": 0}
    given = torch.randn(3, 256)
    export.write_one(network, (given,), (["x"], ["y"]), tmp_path / "two.onnx", axes)
    # Five bits and a quarter each, a byte each, and what a graph says of itself.
    assert (tmp_path / "two.onnx").stat().st_size < 5.25 / 8 * 256 * 256 + 256 * 16 + 16_000
    session = onnxruntime.InferenceSession(
        tmp_path / "two.onnx", providers=["CPUExecutionProvider"]
    )
    with torch.no_grad():
        wanted = network(given).numpy()
    assert np.allclose(session.run(None, {"x": given.numpy()})[0], wanted, atol=1e-5)
    (tmp_path / "bundle.json").write_text('{"space": "fd"}')
    fresh = Two()
    assert networks.load_part(fresh, tmp_path, "two") == "fd"
    for name, value in network.state_dict().items():
        assert torch.equal(fresh.state_dict()[name], value), name


def test_losses_use_quantised_weights_and_steps_start_from_exact_ones() -> None:
    torch.manual_seed(0)
    network = Two()
    exact = {name: value.clone() for name, value in network.state_dict().items()}
    with loop._quantized(network, 5):
        assert torch.equal(network.large.weight, packing.quantized(exact["large.weight"], 5))
        assert torch.equal(network.small.weight, exact["small.weight"])
        network(torch.randn(2, 256)).square().mean().backward()
    for name, value in network.state_dict().items():
        assert torch.equal(value, exact[name]), name
    assert network.large.weight.grad is not None
