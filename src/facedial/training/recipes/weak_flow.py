"""The weak flow, small and briefly trained, for autoguidance (Karras 2024, arXiv 2406.02507).

Velocities are extrapolated away from it. It must have the flow's errors, enlarged: the same task with
fewer channels and a twentieth of the training.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from facedial.codes.attributes import NAMES
from facedial.training import export, networks, tensors
from facedial.training.models.flow import Config, Flow
from facedial.training.recipe import Recipe
from facedial.training.tasks import flow


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings(flow.Settings):
    """As of a flow, but narrower."""

    model: Config = field(default_factory=lambda: Config(width=32))


def finish(run: Path, settings: Settings, out: Path) -> dict[str, Any]:
    """Write `guide.onnx` and golden numbers into the bundle `out`.

    Raises `BadRun` when `out` holds an autoencoder of another space.
    """
    network = Flow(settings.model, len(NAMES))
    facts = networks.load_best(network, run)
    _, about = tensors.load(run / flow.LATENTS)
    export.check_space(run, out, about["space"], "learnt", "train the weak flow again")
    golden = flow.write_flow(network, settings.optim.bits, out / "guide.onnx")
    export.save_golden(out / "guide-golden.npz", golden)
    return {**facts, "of": about["space"]}


RECIPE = Recipe(
    summary="a small flow for autoguidance, trained for a quarter of an hour",
    settings=Settings(),
    start=flow.start,
    export=finish,
    part="guide",
)
