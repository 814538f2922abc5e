"""Runs small enough for a test."""

from pathlib import Path

from facedial.training import start

BLOCKS = tuple(
    f"{net}.{level}=1" for net in ("drawing", "refining") for level in ("down", "below", "up")
)
TINY = (
    "dimensions=6", "drawing.width=8", "refining.width=8", *BLOCKS, "pace.batch=4", "judged=8",
)  # fmt: skip
TINY_FLOW = (
    "model.width=8", "model.condition=16", "model.heads=2", "model.middle=1", "pace.batch=8",
)  # fmt: skip


def order(store: Path, run: Path, **changes: object) -> start.Order:
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
    return start.Order(**{**facts, **changes})  # type: ignore[arg-type]
