"""The guide: a lesser flow, small and soon trained, whose faults show where the flow's own lie.

New faces are bent away from it (Karras 2024, arXiv 2406.02507). It must be worse than the flow in the
same manner: fewer channels, a twentieth of the training.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from facedial.codes.attributes import NAMES
from facedial.training import export, tensors
from facedial.training.models.flow import Config, Flow
from facedial.training.recipe import Context, Recipe
from facedial.training.recipes import flow


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings(flow.Settings):
    """As of a flow, but narrower and coarser: its faults are what it is there for."""

    model: Config = field(default_factory=lambda: Config(width=32))


def start(context: Context, settings: Settings) -> flow.Task:
    """A fresh guide on the codes of a bundle (the packaged one unless named)."""
    return flow.begun(context, settings)


def finish(run: Path, settings: Settings, out: Path) -> dict[str, Any]:
    """Write `guide.onnx` and golden numbers into the bundle `out`.

    Raises `BadRun` when `out` holds an autoencoder of another space.
    """
    network = Flow(settings.model, len(NAMES)).eval()
    state, facts = tensors.load(run / "best.safetensors")
    network.load_state_dict(state)
    _, about = tensors.load(run / flow.KEPT)
    export.check_space(run, out, about["space"], "learnt", "train the guide again")
    golden = flow.write_flow(network, settings.pace.bits, out / "guide.onnx")
    export.save_golden(out / "guide-golden.npz", golden)
    return {**facts, "of": about["space"]}


RECIPE = Recipe(
    summary="a lesser flow, a quarter of an hour's work, which new faces are bent away from",
    settings=Settings(),
    start=start,
    export=finish,
)
