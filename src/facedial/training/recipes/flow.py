"""The conditional flow: new faces from noise, given attributes, in the codes of a bundle."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from facedial.codes.attributes import NAMES
from facedial.priors.labels import LABEL_PRIOR, LabelPrior
from facedial.runtime.bundle import Bundle
from facedial.training import export, networks, tensors
from facedial.training.models import flow, latents
from facedial.training.recipe import Recipe, RunContext
from facedial.training.tasks.flow import LATENTS, Settings, Task, write_flow
from facedial.training.tasks.flow import start as start_task


def complete(labels: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Rows [M, 40] of attributes [N, 40] in -1..1 in which all are known, as there or not.

    Those given by people, plainly -1 or 1, where there are any: predictions are soft, and thresholding
    them gives combinations that nobody has.
    """
    whole = labels[(labels != 0).all(1)]
    by_hand = whole[(np.abs(whole) == 1).all(1)]
    return np.asarray((by_hand if len(by_hand) else whole) > 0)


def start(context: RunContext, settings: Settings) -> Task:
    """A new flow on the codes of a bundle (the packaged one unless named), or the bundle's flow."""
    task = start_task(context, settings)
    known = complete(task.labels)
    if len(known) and not (context.run / LABEL_PRIOR).exists():
        LabelPrior.fit(known, np.random.default_rng(context.seed)).save(context.run / LABEL_PRIOR)
    if context.init is not None:
        with Bundle.open(context.init) as bundle:
            folder, parts = bundle.path, bundle.facts["parts"]
        if "flow" in parts:
            networks.load_part(task.network, folder, "flow")
    return task


def finish(run: Path, settings: Settings, out: Path) -> dict[str, Any]:
    """Write the flow, its two maps to codes and back, and golden numbers into the bundle `out`.

    Raises `BadRun` when `out` holds an autoencoder of another space.
    """
    network = flow.Flow(settings.model, len(NAMES))
    facts = networks.load_best(network, run)
    kept, about = tensors.load(run / LATENTS)
    export.check_space(run, out, about["space"], "learnt", "train the flow again")
    space = latents.Latents(latents.LinearMap(kept["linear.basis"].shape[1]))
    space.load_state_dict(kept)
    golden = write_flow(network, settings.optim.bits, out / "flow.onnx")
    generator = torch.Generator().manual_seed(0)
    shape = (2, latents.CHANNELS, latents.SIDE, latents.SIDE)
    noise = torch.randn(*shape, generator=generator).half().float()
    codes = torch.randn(2, space.linear.deviation.numel(), generator=generator).half().float()
    # The names of graphs, inputs and outputs are part of the bundle's format.
    for name, module, value, ends in (
        ("flow-code", latents.DecodeLatents(space), noise, (["planes"], ["codes"])),
        ("flow-planes", latents.EncodeLatents(space), codes, (["codes"], ["planes"])),
    ):
        basis = "linear.basis"
        path = out / f"{name}.onnx"
        golden |= export.write(module, (value,), ends, path, {basis: 1}, [basis])
    export.save_golden(out / "flow-golden.npz", golden)
    if (run / LABEL_PRIOR).exists():
        shutil.copyfile(run / LABEL_PRIOR, out / LABEL_PRIOR)
    return {**facts, "of": about["space"], "attributes": list(NAMES)}


RECIPE = Recipe(
    summary="new faces from noise and attributes: conditional flow matching in latents",
    settings=Settings(),
    start=start,
    export=finish,
)
