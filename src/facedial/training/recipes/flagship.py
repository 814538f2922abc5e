"""All parts of the packaged bundle, stage by stage, each initialised from the bundle so far."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from facedial.errors import BadRequest, BadRun
from facedial.training.models import perceptual
from facedial.training.recipe import Recipe, RunContext, Stage

# Stages that need a flow, and those that need a distilled editor.
OF_FLOW = ("weak-flow", "edit-table", "distilled-editor", "robust-classifier", "fine-tuned-editor")
OF_EDITOR = ("robust-classifier", "fine-tuned-editor")
# Adversarial training needs smaller steps.
FINE_TUNING = ("optim.batch=40", "optim.lr=0.0003", "optim.clip=5.0")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Shares of the budget; `features`, `features_file` of the discriminators.

    The discriminators are those of the GAN decoder and, where the file is named, of the distilled
    editor's fine-tuning (`adversarial`), which uses a classifier trained adversarially,
    `robust_classifier`, that is not shipped. `people`: of the recipe `edit-table`, which is measured
    before the editor is distilled; 0: as many as its default.
    """

    autoencoder: float = 0.2
    flow: float = 0.45
    weak_flow: float = 0.03
    gan_decoder: float = 0.2
    distilled_editor: float = 0.06
    robust_classifier: float = 0.02
    adversarial: float = 0.04
    features: str = perceptual.SQUEEZENET
    features_file: str = ""
    people: int = 0

    def __post_init__(self) -> None:
        given = (self.autoencoder, self.flow, self.weak_flow, self.gan_decoder)
        editor = (self.distilled_editor, self.robust_classifier, self.adversarial)
        shares = (*given, *editor)
        if min(shares) < 0 or abs(sum(shares) - 1) > 1e-6:
            raise BadRequest(f"shares of the budget must be 0 or more and add to 1, got {shares}")


def stages(settings: Settings) -> tuple[Stage, ...]:
    """Its stages, without those of no share; the codes come first, since all others depend on them."""
    features = (f"features={settings.features}", f"features_file={settings.features_file}")
    inputs = (
        "adversarial.classifier={run}/robust-classifier/bundle",
        "pairs_from={run}/distilled-editor",
    )
    fine_tuning = (*(f"adversarial.{one}" for one in features), *inputs, *FINE_TUNING)
    every = (
        Stage(recipe="autoencoder", share=settings.autoencoder),
        Stage(recipe="flow", share=settings.flow),
        Stage(recipe="weak-flow", share=settings.weak_flow),
        Stage(recipe="gan-decoder", share=settings.gan_decoder, assignments=features),
        Stage(
            recipe="edit-table",
            share=0,
            assignments=(f"people={settings.people}",) if settings.people else (),
        ),
        Stage(recipe="distilled-editor", share=settings.distilled_editor),
        Stage(
            recipe="classifier",
            name="robust-classifier",
            share=settings.robust_classifier,
            assignments=("adversarial_radius=2.5",),
            own_bundle=True,
        ),
        Stage(
            recipe="distilled-editor",
            name="fine-tuned-editor",
            share=settings.adversarial,
            assignments=fine_tuning,
        ),
    )
    without: set[str] = set() if settings.flow else {*OF_FLOW}
    if not (settings.features_file and settings.distilled_editor):
        without |= {*OF_EDITOR}
    return tuple(
        stage
        for stage in every
        if (stage.share > 0 or stage.recipe == "edit-table")
        and (stage.name or stage.recipe) not in without
    )


def start(context: RunContext, settings: Settings) -> None:
    """Nothing: only its stages are trained."""


def finish(run: Path, settings: Settings, out: Path) -> dict[str, Any]:
    """Raise `BadRun`: the run's own bundle has every stage already."""
    raise BadRun(f"{run} has its bundle already: {run / 'bundle'}")


RECIPE = Recipe(
    summary="all that ships, stage by stage, into RUN/bundle",
    settings=Settings(),
    start=start,
    export=finish,
    stages=stages,
)
