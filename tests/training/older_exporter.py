"""torch's older exporter, which takes a tenth of the time of the one that bundles are published with.

For laws of what happens before an export or after it. `publish` proves these graphs against torch as it
proves all; and of every network one graph is exported in some other test as it is for users.
"""

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import onnx
import pytest
import torch


@contextmanager
def older_exporter() -> Iterator[None]:
    """Graphs are exported by tracing, with the same names of weights and a batch of any size."""
    todays = torch.onnx.export

    def traced(
        module: torch.nn.Module,
        inputs: tuple[torch.Tensor, ...],
        *,
        input_names: Sequence[str],
        output_names: Sequence[str],
        dynamic_shapes: Sequence[dict[int, Any]],
        **_: Any,
    ) -> SimpleNamespace:
        stream = io.BytesIO()
        todays(
            module,
            inputs,
            stream,
            dynamo=False,
            input_names=input_names,
            output_names=output_names,
            dynamic_axes={
                **{name: {0: "batch"} for name in output_names},
                **{
                    name: {axis: "batch" if axis == 0 else f"{name}-{axis}" for axis in axes}
                    for name, axes in zip(input_names, dynamic_shapes, strict=True)
                },
            },
            do_constant_folding=False,
            # Otherwise batch norms are folded into the weights before them, whose names then go.
            training=torch.onnx.TrainingMode.PRESERVE,
            opset_version=18,
        )
        return SimpleNamespace(model_proto=onnx.load_from_string(stream.getvalue()))

    with pytest.MonkeyPatch.context() as patched:
        # Weights of equal values would become one, and the other's name would go.
        patched.setattr(
            torch._C,
            "_jit_pass_onnx_deduplicate_initializers",
            lambda _graph, weights, _train: weights,
        )
        patched.setattr(torch.onnx, "export", traced)
        yield
