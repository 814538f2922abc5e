"""Tensors on disk: safetensors with JSON metadata, written whole or not at all; never pickle."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from facedial import files
from facedial.errors import BadRun


def save(path: Path, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
    """Write `tensors` and JSON `facts` to `path`; raises `FacedialError` as `files.atomic_write` does."""
    whole = {name: value.detach().contiguous().cpu() for name, value in tensors.items()}
    with files.atomic_write(path) as temporary:
        save_file(whole, temporary, {"facedial": json.dumps(facts)})


def load(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors and facts of a file made by `save`; raises `BadRun` when missing or damaged."""
    try:
        with safe_open(path, framework="pt") as file:
            facts = json.loads((file.metadata() or {}).get("facedial", "{}"))
            return {name: file.get_tensor(name) for name in file.keys()}, facts  # noqa: SIM118
    except (OSError, SafetensorError, json.JSONDecodeError) as error:
        raise BadRun(f"{path} is no checkpoint of facedial or is damaged ({error})") from error
