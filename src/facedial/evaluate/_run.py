"""One evaluation: every metric in turn, then the table, the JSON and the page."""

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
from facedial.evaluate._context import Context
from facedial.evaluate._figures import FILE, Figures, Picture, RanOn, Row
from facedial.faces.photo import Photo

log = logging.getLogger(__name__)
METRICS = "facedial.evaluate"


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One call of `facedial evaluate`."""

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
    add: bool = False


def named(models: Sequence[Path]) -> dict[str, Path]:
    """Name -> bundle; a bundle in a folder `bundle` is called after what holds it.

    Raises `BadRequest` for two of one name.
    """
    names: dict[str, Path] = {}
    for path in models:
        name = path.resolve().parent.name if path.name == "bundle" else path.name
        if name in names:
            raise BadRequest(f"two models are called {name}: {names[name]} and {path}; rename one")
        names[name] = path
    return names


def run(order: Order) -> Iterator[str]:
    """Measure as ordered; yields a line for each figure, then the paths written.

    Raises `UnknownName` for a metric that is not there and `BadStore` for a store that cannot be
    opened, both before anything is measured. With `add`, figures of `out` that are not measured again
    stay, and say what they ran on.
    """
    earlier = Figures.load(order.out / FILE) if order.add else None
    names = list(order.only) or folder.names(METRICS)
    modules = [folder.load(METRICS, name, "metric") for name in names]
    stores = [Store.open(path) for path in order.stores]
    rows: list[Row] = []
    pictures: list[Picture] = []
    with Editor.open(order.model) as editor:
        context = Context(
            editor=editor,
            stores=stores,
            work=order.work,
            seed=order.seed,
            most=order.most,
            teacher=order.teacher,
            models=named(order.models),
            judge=order.judge,
            identity=order.identity,
            sets=order.sets,
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
    goals = [goal for module in modules for goal in getattr(module, "GOALS", ())]
    written = figures.save(order.out, goals)
    for i, picture in enumerate(pictures):
        path = order.out / f"sheet-{i}.png"
        Photo(picture.pixels, path.name, None).save(path, overwrite=True)
        written.append(path)
    yield from (str(path) for path in written)
