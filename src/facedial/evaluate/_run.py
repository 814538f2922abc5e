"""One evaluation: runs every metric, then writes the JSON, the table and the report."""

import logging
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from facedial import folder
from facedial.data.store import Store
from facedial.editor import Editor
from facedial.errors import BadRequest
from facedial.evaluate._context import EvaluationContext
from facedial.evaluate._machine import RanOn
from facedial.evaluate._report import JSON_FILE, save
from facedial.evaluate._rows import Figures, Picture, Row
from facedial.faces.photo import Photo

log = logging.getLogger(__name__)
METRICS = "facedial.evaluate"


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationConfig:
    """Options of one `facedial evaluate`; fields as in `EvaluationContext`.

    `only`: names of the metrics to run, all if empty. `model`: bundle, the packaged one if None.
    `add`: keep the rows of a previous evaluation in `out` that are not measured again.
    """

    stores: tuple[Path, ...]
    out: Path
    work: Path
    only: tuple[str, ...] = ()
    most: int = 4000
    seed: int = 0
    teacher: Path | None = None
    model: str | None = None
    models: tuple[Path, ...] = ()
    judge: Path | None = None
    identity: Path | None = None
    sets: Path | None = None
    parse_teachers: Path | None = None
    photos: Path | None = None
    detectors: Path | None = None
    add: bool = False


def named(models: Sequence[Path]) -> dict[str, Path]:
    """Name -> bundle; a bundle in a folder `bundle` has the name of its parent folder.

    Raises `BadRequest` if two have the same name.
    """
    names: dict[str, Path] = {}
    for path in models:
        name = path.resolve().parent.name if path.name == "bundle" else path.name
        if name in names:
            raise BadRequest(f"two models are called {name}: {names[name]} and {path}; rename one")
        names[name] = path
    return names


def run(config: EvaluationConfig) -> Iterator[str]:
    """Run the metrics; yields one line for each row, then the paths of the files written.

    A metric is a module with `measure(context)`, which yields rows. It may have `show(context)` and
    `plots(rows)`, which yield pictures: of the model and stores, and of rows alone, those of an
    earlier evaluation among them. `GOALS` states thresholds.
    Raises `UnknownName` for an unknown metric and `BadStore` for a store that cannot be opened,
    both before anything is measured.
    """
    earlier = Figures.load(config.out / JSON_FILE) if config.add else None
    names = list(config.only) or folder.names(METRICS)
    modules = [folder.load(METRICS, name, "metric") for name in names]
    stores = [Store.open(path) for path in config.stores]
    rows: list[Row] = []
    pictures: list[Picture] = []
    with Editor.open(config.model) as editor:
        context = EvaluationContext(
            editor=editor,
            stores=stores,
            work=config.work,
            seed=config.seed,
            most=config.most,
            teacher=config.teacher,
            models=named(config.models),
            judge=config.judge,
            identity=config.identity,
            sets=config.sets,
            parse_teachers=config.parse_teachers,
            photos=config.photos,
            detectors=config.detectors,
        )
        for name, module in zip(names, modules, strict=True):
            start = time.perf_counter()
            for row in module.measure(context):
                rows.append(row)
                yield f"{row.metric:20} {row.model:18} {row.data:36} {row.value:10.4g} {row.unit}"
            pictures += list(module.show(context)) if hasattr(module, "show") else []
            log.info("%s took %.0f s", name, time.perf_counter() - start)
    figures = Figures(RanOn.here(os.cpu_count() or 1), rows, pictures)
    if earlier is not None:
        figures = figures.after(earlier)
        modules = [folder.load(METRICS, name, "metric") for name in folder.names(METRICS)]
    for module in modules:
        figures.pictures += module.plots(figures.every) if hasattr(module, "plots") else []
    goals = [goal for module in modules for goal in getattr(module, "GOALS", ())]
    written = save(figures, config.out, goals)
    for i, picture in enumerate(figures.pictures):
        path = config.out / f"sheet-{i}.png"
        Photo(picture.pixels, path.name, None).save(path, overwrite=True)
        written.append(path)
    yield from (str(path) for path in written)
