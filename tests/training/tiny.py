"""Runs small enough for a test."""

import json
import shutil
from pathlib import Path

from facedial.runtime.bundle import DEFAULT, home
from facedial.training import start

BLOCKS = tuple(
    f"{net}.{level}=1" for net in ("decoder", "refiner") for level in ("down", "below", "up")
)
TINY = (
    "dimensions=6", "decoder.width=8", "refiner.width=8", *BLOCKS, "optim.batch=4", "val_images=8",
)  # fmt: skip
TINY_FLOW = (
    "model.width=8", "model.condition=16", "model.heads=2", "model.middle=1", "optim.batch=8",
)  # fmt: skip
FLOW_STEPS = (*TINY_FLOW, "val_images=4", "steps=2")
STUDENT_STEPS = (*TINY_FLOW, "pairs=32", "flow_steps=1")
FEW = (
    "people=4", "flow_steps=1", "t_starts=[0.2]", "guidances=[2]", "gains=[1.5]", "mask_thresholds=[0.5]",
)  # fmt: skip


def order(store: Path, run: Path, **changes: object) -> start.RunConfig:
    """Six steps of a tiny autoencoder, or what `changes` say."""
    facts: dict[str, object] = {
        "recipe": "autoencoder",
        "stores": (store,),
        "run": run,
        "steps": 6,
        "assignments": TINY,
        "precision": "32-true",
        "log_every": 1,
    }
    return start.RunConfig(**{**facts, **changes})  # type: ignore[arg-type]


def of_another_space(bundle: Path, folder: Path) -> Path:
    """A copy of `bundle` in `folder` that says that its codes are those of another model."""
    other = shutil.copytree(bundle, folder / "other-bundle")
    facts = json.loads((other / "bundle.json").read_text())
    (other / "bundle.json").write_text(json.dumps({**facts, "space": "fd6-another"}))
    return other


def bare_bundle(out: Path) -> Path:
    """The packaged bundle's autoencoder alone, in `out`.

    Publishing into it proves two graphs beside what is new, not fifteen.
    """
    names = ("bundle.json", "shared.bin", "directions.npz", "prior.npz")
    out.mkdir()
    for path in (home() / DEFAULT).iterdir():
        if path.name in names or path.name.startswith("autoencoder-"):
            shutil.copyfile(path, out / path.name)
    facts = json.loads((out / "bundle.json").read_text())
    facts["parts"] = {"autoencoder": facts["parts"]["autoencoder"]}
    facts["files"] = {name: sha for name, sha in facts["files"].items() if (out / name).exists()}
    (out / "bundle.json").write_text(json.dumps(facts))
    return out
