"""Models trained for the same minutes on the same people, exported, and measured side by side."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from facedial.errors import UnknownName
from facedial.evaluate import _run
from facedial.folder import nearest
from facedial.training import publish, start

SIDE = 64  # pixels: what a plain network can learn of in ten minutes of two cores
WIDTH = 0.25  # of the first source's channels: a sixteenth of its work


@dataclass(frozen=True, slots=True)
class Contender:
    """A recipe with settings; `feels` where it takes a feature network, `taught` a reader as teacher."""

    name: str
    recipe: str
    assignments: tuple[str, ...] = ()
    feels: bool = False
    taught: bool = False


_SMALL = (f"side={SIDE}",)
_PLAIN = (*_SMALL, f"width={WIDTH}")
CONTENDERS = (
    Contender("pca", "pca", _SMALL),
    Contender("ae-mse", "ae-mse", _PLAIN),
    Contender("ae-bce", "ae-bce", _PLAIN),
    Contender("cvae-v9", "cvae-v9", _SMALL, True),
    Contender("cvae-v9-faithful", "cvae-v9", (*_SMALL, "faithful=true"), True),
    Contender("cvae-v10", "cvae-v10", _SMALL, True),
    Contender("cvae-v10-faithful", "cvae-v10", (*_SMALL, "faithful=true"), True),
    Contender("cvae-simple", "cvae-simple", (*_SMALL, "features=none")),
    Contender("cvae-simple-bce", "cvae-simple", (*_SMALL, "features=none", 'reconstruction="bce"')),
    Contender("cvae", "cvae", (f"model.side={SIDE}",), True, True),
    # At its own 128 px: its convolutions run at 32x32 either way.
    Contender("autoencoder", "autoencoder"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One call of `facedial compare`. `features`: a feature network's name and file, or none.

    `teacher`: a bundle whose reader teaches ours what to change; its own minutes are not counted.
    """

    stores: tuple[Path, ...]
    out: Path
    minutes: float
    judge: Path | None
    features: str = "none"
    features_file: Path | None = None
    teacher: Path | None = None
    only: tuple[str, ...] = ()
    most: int = 2000
    seed: int = 0


def run(order: Order) -> Iterator[str]:
    """Train what is not trained yet, then measure all there are; yields lines as they come.

    Each contender's run is `out`/NAME and resumes; its bundle is inside. Without a judge nothing is
    measured. Raises `UnknownName` for a contender that there is not.
    """
    known = [contender.name for contender in CONTENDERS]
    for name in order.only:
        if name not in known:
            raise UnknownName(nearest(name, known, "contender"))
    for contender in CONTENDERS:
        if order.only and contender.name not in order.only:
            continue
        folder = order.out / contender.name
        if not (folder / "bundle" / "bundle.json").exists():
            yield f"{contender.name}: training"
            start.run(_training(order, contender, folder))
            publish.publish([folder], folder / "bundle")
        yield str(folder / "bundle")
    if order.judge is None:
        return
    bundles = [order.out / name / "bundle" for name in known]
    yield from _run.run(
        _run.EvaluationConfig(
            stores=order.stores,
            out=order.out / "report",
            work=order.out,
            only=("comparison",),
            most=order.most,
            seed=order.seed,
            models=tuple(path for path in bundles if path.exists()),
            judge=order.judge,
        )
    )


def _training(order: Order, contender: Contender, folder: Path) -> start.Order:
    assignments = contender.assignments
    if contender.feels:
        assignments += (f"features={order.features}",)
        if order.features_file is not None:
            assignments += (f"features_file={order.features_file}",)
    if contender.taught and order.teacher is not None:
        assignments += (f"teacher={order.teacher}",)
    return start.Order(
        recipe=contender.recipe,
        stores=order.stores,
        run=folder,
        minutes=order.minutes,
        assignments=assignments,
        seed=order.seed,
    )
