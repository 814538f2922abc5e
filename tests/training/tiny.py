"""Runs small enough for a test."""

from pathlib import Path

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
