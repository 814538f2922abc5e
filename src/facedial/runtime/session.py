"""One graph, opened once, called with arrays."""

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from facedial.errors import BadBundle
from facedial.runtime.heap import give_back
from facedial.runtime.threads import default_threads
from facedial.runtime.weights import unpacked


class Session:
    """A graph on the processor; called for its first output, or asked for every one."""

    def __init__(self, path: Path, *, threads: int | None = None) -> None:
        """Open the graph; `threads` None for `default_threads()`. Raises `BadBundle` when it cannot."""
        try:
            self._session = opened(path, default_threads() if threads is None else threads)
        except Exception as error:  # the runtime's errors share no base class
            raise BadBundle(f"{path} cannot be opened by onnxruntime ({error})") from error
        self.outputs: list[str] = [output.name for output in self._session.get_outputs()]
        self.inputs: list[str] = [given.name for given in self._session.get_inputs()]
        self.output: str = self.outputs[0]
        self.facts: dict[str, str] = self._session.get_modelmeta().custom_metadata_map

    def __call__(self, *values: NDArray[Any]) -> NDArray[np.float32]:
        """Run on a batch, one array [N, ...] for each input in order -> float32 [N, ...]."""
        given = dict(zip(self.inputs, values, strict=True))
        result: NDArray[np.float32] = self._session.run([self.output], given)[0]
        return result

    def every(self, values: NDArray[Any]) -> dict[str, NDArray[np.float32]]:
        """Run on one array: output name -> values."""
        found = self._session.run(None, {self.inputs[0]: values})
        return dict(zip(self.outputs, found, strict=True))


def opened(path: Path, threads: int) -> onnxruntime.InferenceSession:
    """A graph file as ONNX Runtime's session, its weights unpacked here (`runtime.weights`)."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    # Left to itself, the runtime pins threads to cores that this process may not be allowed to use.
    options.intra_op_num_threads = threads
    # Spinning threads would make two sessions in one process fight for two cores.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    found = unpacked(path)
    given = {name: np.ascontiguousarray(one) for name, one in found.weights.items()}
    values = [onnxruntime.OrtValue.ortvalue_from_numpy(one) for one in given.values()]
    options.add_external_initializers(list(given), values)
    providers = ["CPUExecutionProvider"]
    session = onnxruntime.InferenceSession(found.graph, options, providers=providers)
    give_back()
    return session
