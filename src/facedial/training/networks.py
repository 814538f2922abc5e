"""Networks with their weights: of a bundle's parts, and the best of a run.

Tensors have in graphs and checkpoints the names of the modules' attributes, so these attributes keep
their names; renaming one makes published bundles unreadable.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import Tensor, nn

from facedial.codes.attributes import NAMES
from facedial.errors import BadBundle
from facedial.model import holder_of
from facedial.runtime.bundle import Bundle
from facedial.training import legacy, packing, tensors
from facedial.training.checkpoints import BEST
from facedial.training.models import autoencoder, classifier, flow
from facedial.training.recipe import from_json

Network = TypeVar("Network", bound=nn.Module)


def load_best(network: nn.Module, run: Path, prefix: str = "") -> dict[str, Any]:
    """Fill `network` with the best weights of a run; returns the facts beside them.

    `prefix`: of the names of its tensors, where the run trained more than this network. It is put into
    evaluation mode. Raises `BadRun` for a run that has no checkpoint.
    """
    state, facts = tensors.load(run / BEST)
    if prefix:
        state = {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}
    network.load_state_dict(state)
    network.eval()
    return facts


def load_part(
    network: nn.Module, bundle: Path, part: str, new: Sequence[str] = (), prefix: str = "network."
) -> str:
    """Fill `network` with the dequantised weights of the graphs `part`*.onnx; returns the code space.

    `prefix` is taken off the graphs' names of weights. Weights whose names begin with one of `new` may be
    missing, since older bundles have none; they stay as they are. Raises `BadBundle` when the bundle has
    no such part, or one of other sizes.
    """
    state: dict[str, Tensor] = {}
    for path in sorted(bundle.glob(f"{part}*.onnx")):
        model = onnx.load(path)
        found = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
        for name, value in found.items():
            plain = name.removesuffix(".int8").removesuffix(".low")
            if name.endswith(".low"):
                parts = (found[plain + ending] for ending in packing.ENDINGS)
                value = packing.unpacked(*parts).values.reshape(found[plain + ".shape"])
            elif plain != name:
                value = value.astype(np.float32) * found[plain + ".scale"]
            state[plain.removeprefix(prefix)] = torch.from_numpy(np.array(value))
    if not state:
        raise BadBundle(f"{bundle} holds no {part} to initialise a network from")
    wanted = network.state_dict()
    for name, value in wanted.items():
        if name in state and state[name].shape != value.shape:
            found_shape = tuple(state[name].shape)
            raise BadBundle(f"{name} of {bundle} is {found_shape}, not {tuple(value.shape)}")
        # Batch norms' counters have no effect and are not in a graph.
        optional = name.endswith("num_batches_tracked") or name.startswith(tuple(new))
        if name not in state and not optional:
            raise BadBundle(f"{bundle} lacks the weight {name}, so no network can start from it")
    network.load_state_dict({k: v for k, v in state.items() if k in wanted}, strict=False)
    facts = json.loads((bundle / "bundle.json").read_text())
    return str(facts.get("space", ""))


def settings_of(bundle: Bundle, part: str) -> dict[str, Any]:
    """The settings with which a bundle's part (`model.holder_of`) was trained, under today's names."""
    return legacy.settings(part, holder_of(part, bundle).part(part)["settings"])


def autoencoder_of(bundle: Bundle) -> tuple[autoencoder.Autoencoder, str]:
    """A bundle's autoencoder, and the name of its code space; raises `BadBundle` where it has none."""
    try:
        config = from_json(autoencoder.Config(), settings_of(bundle, "autoencoder"))
    except KeyError as error:
        raise BadBundle(f"{bundle.path} holds no autoencoder to learn the codes of") from error
    network = autoencoder.Autoencoder(config)
    return network, load_part(network, bundle.path, "autoencoder")


def classifier_of(bundle: Bundle) -> classifier.Classifier:
    """A bundle's attribute classifier (the packaged one where it has none), frozen."""
    config = from_json(classifier.Config(), settings_of(bundle, "reader")["model"])
    network = classifier.Classifier(config, len(NAMES))
    load_part(network, holder_of("reader", bundle).path, "reader")
    return network.eval().requires_grad_(False)


def flow_of(bundle: Bundle, part: str = "flow") -> flow.Flow:
    """A bundle's flow, or its weak flow (part `guide`), in evaluation mode."""
    config = from_json(flow.Config(), settings_of(bundle, part)["model"])
    network = flow.Flow(config, len(NAMES))
    load_part(network, bundle.path, part)
    return network.to(memory_format=torch.channels_last).eval()  # type: ignore[call-overload, no-any-return]
