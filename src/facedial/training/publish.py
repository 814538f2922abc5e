"""Runs into a bundle: each run's part, the card, the facts, and the proof that ONNX agrees with torch."""

import dataclasses
import datetime
import json
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from facedial import __version__
from facedial.codes.attributes import WEAK, is_weak
from facedial.errors import BadRequest
from facedial.runtime.bundle import Bundle
from facedial.training import export, runs

LICENCE = "weights: non-commercial research (trained on research data sets); code: Apache-2.0"

# Facts of the whole bundle, not of one part.
TOP = ("space", "dimensions", "side", "frame")


def publish(folders: Sequence[Path], out: Path, card: Path | None = None) -> dict[str, float]:
    """Write the parts of the runs in `folders` into the bundle folder `out`; parts of other runs stay.

    Everything is made in a temporary folder, proved there against the golden numbers, and only
    then moved. Returns graph -> largest difference from torch, relative to the range.
    Raises `BadBundle` when a graph differs and `BadRun` for a folder that is no run.
    """
    if card is not None and not card.is_file():
        raise BadRequest(f"the card {card} does not exist")
    opened = [(run, *runs.opened(run)) for run in folders]
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=".export-") as made_in:
        work = Path(made_in) / out.name
        if out.exists():
            shutil.copytree(out, work)
        else:
            work.mkdir()
        for run, name, recipe, settings in opened:
            facts = recipe.export(run, settings, work)
            top = {key: facts.pop(key) for key in TOP if key in facts}
            facts["settings"] = _without_folders(dataclasses.asdict(settings))
            facts["commit"] = _commit()
            export.write_facts(work, {**top, "parts": {recipe.part or name: facts}})
        if card is not None:
            stated = json.loads((work / "bundle.json").read_text())["parts"].get("reader")
            text = card.read_text(encoding="utf-8")
            (work / "CARD.md").write_text(text + _table(stated), encoding="utf-8")
        made = datetime.date.today().isoformat()
        export.write_facts(work, {"made": made, "version": __version__, "licence": LICENCE})
        with Bundle.open(work) as bundle:
            differences = bundle.prove()
        _replace(work, out)
    return differences


def _without_folders(values: Any) -> Any:
    """Settings in which paths are cut to the name of the file: bundles are published."""
    if isinstance(values, dict):
        return {key: _without_folders(value) for key, value in values.items()}
    return Path(values).name if isinstance(values, str) and "/" in values else values


def _table(classifier: Mapping[str, Any] | None) -> str:
    """The card's table of attributes: how well each is predicted on validation people."""
    if classifier is None:
        return ""
    lines = [
        "\n## Attributes as predicted\n",
        "On validation people: AUC, and expected calibration error of the probabilities. *Weak* below an "
        f"AUC of {WEAK}.\n",
        "| attribute | AUC | calibration error | |",
        "|---|--:|--:|---|",
    ]
    for name, stated in classifier["attributes"].items():
        auc, error = stated["auc"], stated.get("calibration_error")
        cells = ["–" if value is None else f"{value:.3f}" for value in (auc, error)]
        lines.append(f"| {name} | {' | '.join(cells)} | {'weak' if is_weak(auc) else ''} |")
    return "\n".join(lines) + "\n"


def _replace(work: Path, out: Path) -> None:
    """Put `work` in the place of `out` by renames, so that `out` is never half of each."""
    old = work.parent / "old"
    if out.exists():
        out.rename(old)
    work.rename(out)


def _commit() -> str | None:
    try:
        found = subprocess.run(
            ["git", "rev-parse", "HEAD"],  # noqa: S607
            cwd=Path(__file__).parent,
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return found.stdout.strip()
