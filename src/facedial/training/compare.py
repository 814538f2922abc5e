"""Models measured side by side: trained for equal minutes on the same people, or finished runs."""

import json
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from facedial.data.store import Store
from facedial.errors import BadRequest, BadRun, UnknownName
from facedial.evaluate import _run
from facedial.folder import nearest
from facedial.model import FRAME
from facedial.runtime.bundle import Bundle
from facedial.training import publish, runs, start
from facedial.training.checkpoints import BEST

SIDE = 64  # pixels: what a plain network can learn in ten minutes of two cores
WIDTH = 0.25  # of the first source's channels: a sixteenth of its work
MINUTES = 10.0
FILE = "bundle.json"


@dataclass(frozen=True, slots=True)
class Contender:
    """A recipe with settings.

    `features`: whether it has a perceptual loss; `teacher`: whether it is trained by a classifier.
    """

    name: str
    recipe: str
    assignments: tuple[str, ...] = ()
    features: bool = False
    teacher: bool = False


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
class CompareConfig:
    """One call of `facedial compare`.

    `minutes`: of each training; None: nothing is trained. `runs`: finished runs, or bundles, that are
    measured too, under the names of their folders. `features`, `features_file`: the perceptual losses'
    network and its weights, or none. `teacher`: bundle of the classifier that trains our conditional
    VAE; its own minutes do not count.
    """

    stores: tuple[Path, ...]
    out: Path
    minutes: float | None
    judge: Path | None
    runs: tuple[Path, ...] = ()
    features: str = "none"
    features_file: Path | None = None
    teacher: Path | None = None
    only: tuple[str, ...] = ()
    most: int = 2000
    seed: int = 0

    def __post_init__(self) -> None:
        if self.minutes is None and not self.runs:
            raise BadRequest("nothing to compare; give minutes of training, finished runs, or both")
        if self.minutes is None and self.only:
            raise BadRequest(f"no minutes to train {', '.join(self.only)}; give minutes too")


def run(config: CompareConfig) -> Iterator[str]:
    """Export finished runs, train what is not trained yet, then measure all; yields lines of progress.

    Each contender's run is `out`/NAME and is resumed; its bundle is inside. Without a judge nothing is
    measured. Raises `UnknownName` for an unknown contender, and `BadRun` for a run without a checkpoint.
    """
    known = [contender.name for contender in CONTENDERS]
    for name in config.only:
        if name not in known:
            raise UnknownName(nearest(name, known, "contender"))
    finished = [
        _exported(path, config.out / "runs" / label / "bundle")
        for label, path in _labels(config).items()
    ]
    yield from map(str, finished)
    yield from _frames(finished, config.stores)
    for contender in CONTENDERS if config.minutes is not None else ():
        if config.only and contender.name not in config.only:
            continue
        folder = config.out / contender.name
        if not (folder / "bundle" / FILE).exists():
            yield f"{contender.name}: training"
            start.run(_training(config, contender, folder))
            publish.publish([folder], folder / "bundle")
        yield str(folder / "bundle")
    if config.judge is None:
        return
    trained = [config.out / name / "bundle" for name in known]
    models = [path for path in trained if path.exists()] if config.minutes is not None else []
    yield from _run.run(
        _run.EvaluationConfig(
            stores=config.stores,
            out=config.out / "report",
            work=config.out,
            only=("comparison",),
            most=config.most,
            seed=config.seed,
            models=(*models, *finished),
            judge=config.judge,
        )
    )


def _labels(config: CompareConfig) -> dict[str, Path]:
    """Name in the table -> finished run; one that is called like a model to be trained gets another."""
    trained = {contender.name for contender in CONTENDERS} if config.minutes is not None else set()
    labels: dict[str, Path] = {}
    for path in config.runs:
        folder = path.resolve()
        name = folder.parent.name if folder.name == "bundle" else folder.name
        label = f"{name}-finished" if name in trained else name
        if label in labels:
            raise BadRequest(f"two runs are called {name}: {labels[label]} and {path}; rename one")
        labels[label] = path
    return labels


def _exported(run: Path, out: Path) -> Path:
    """The bundle `out` of a finished run or bundle, made anew if the run has gone on since.

    The run itself is not written to: it may be under way. Raises `BadRun` for a folder that is neither,
    for a run without a checkpoint, and for one whose bundle would have no codes.
    """
    source = _bundle_in(run)
    newest = (source or run) / (FILE if source else BEST)
    if (out / FILE).exists() and not (
        newest.exists() and newest.stat().st_mtime > (out / FILE).stat().st_mtime
    ):
        return out
    if source is None:
        recipe = runs.opened(run)[1]
        if recipe.trained and not newest.exists():
            raise BadRun(f"{run} has no {BEST} yet; train it up to its first checkpoint")
        publish.publish([run], out)
    else:
        shutil.copytree(source, out, dirs_exist_ok=True)
        (out / FILE).touch()
    if "space" not in json.loads((out / FILE).read_text()):
        shutil.rmtree(out)
        raise BadRun(f"{run} trains no codes of faces, so it cannot be compared by itself")
    return out


def _bundle_in(run: Path) -> Path | None:
    """The bundle that a folder is, or holds beside no run or beside a run of stages."""
    if (run / FILE).exists():
        return run
    own = run / "bundle"
    if not (own / FILE).exists():
        return None
    alone = not (run / runs.FILE).exists() or runs.opened(run)[1].stages is not None
    return own if alone else None


def _frames(bundles: Iterable[Path], stores: Iterable[Path]) -> Iterator[str]:
    """A line for each bundle that was trained on crops of a frame that no store has."""
    frames = {Store.open(path).frame for path in stores}
    for path in bundles:
        with Bundle.open(path) as bundle:
            frame = str(bundle.facts.get("frame", FRAME))
            if frame not in frames:
                yield (
                    f"{path.parent.name}: trained on crops of the frame {frame}, measured on "
                    f"{' and '.join(sorted(frames))}"
                )


def _training(config: CompareConfig, contender: Contender, folder: Path) -> start.RunConfig:
    assignments = contender.assignments
    if contender.features:
        assignments += (f"features={config.features}",)
        if config.features_file is not None:
            assignments += (f"features_file={config.features_file}",)
    if contender.teacher and config.teacher is not None:
        assignments += (f"teacher={config.teacher}",)
    return start.RunConfig(
        recipe=contender.recipe,
        stores=config.stores,
        run=folder,
        minutes=config.minutes,
        assignments=assignments,
        seed=config.seed,
    )
