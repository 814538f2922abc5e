"""All that ships, stage by stage, into one bundle, each stage from the bundle so far."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from facedial.errors import BadRequest, BadRun
from facedial.training.models import perceptual
from facedial.training.recipe import Context, Recipe, Stage
from facedial.training.recipes import moves

OF_THE_FLOW = ("guide", "moves", "student", "firm", "school")  # nothing without one
OF_THE_STUDENT = ("firm", "school")
PATIENT = ("pace.batch=40", "pace.rate=0.0003", "pace.clip=5.0")  # a game wants smaller steps


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Shares of the minutes; `features`, `features_file` of the discriminators.

    They teach the sharp renderer and, where the file is named, school the student, together with a
    reader trained under attack, `firm`, which does not ship. `people`: of the recipe `moves`, which is
    measured before the student learns from it.
    """

    autoencoder: float = 0.2
    flow: float = 0.43
    guide: float = 0.03
    sharp: float = 0.2
    student: float = 0.06
    firm: float = 0.02
    school: float = 0.04
    matte: float = 0.02
    features: str = perceptual.SQUEEZENET
    features_file: str = ""
    people: int = moves.Settings().people

    def __post_init__(self) -> None:
        given = (self.autoencoder, self.flow, self.guide)
        shares = (*given, self.sharp, self.student, self.firm, self.school, self.matte)
        if min(shares) < 0 or abs(sum(shares) - 1) > 1e-6:
            raise BadRequest(f"shares of the minutes must be 0 or more and make 1, got {shares}")


def stages(settings: Settings) -> tuple[Stage, ...]:
    """Its stages, those without a share left out; the codes come first, since all else draws them."""
    seen = (f"features={settings.features}", f"features_file={settings.features_file}")
    measured = (f"people={settings.people}",)
    teachers = ("school.reader={run}/firm/bundle", "pairs_of={run}/student")
    schooled = (*(f"school.{one}" for one in seen), *teachers, *PATIENT)
    every = (
        Stage(recipe="autoencoder", share=settings.autoencoder),
        Stage(recipe="flow", share=settings.flow),
        Stage(recipe="guide", share=settings.guide),
        Stage(recipe="sharp", share=settings.sharp, assignments=seen),
        Stage(recipe="moves", share=0, assignments=measured),
        Stage(recipe="student", share=settings.student),
        Stage(
            recipe="reader",
            name="firm",
            share=settings.firm,
            assignments=("attack=2.5",),
            alone=True,
        ),
        Stage(recipe="student", name="school", share=settings.school, assignments=schooled),
        Stage(recipe="matte", share=settings.matte),
    )
    without: set[str] = set() if settings.flow else {*OF_THE_FLOW}
    if not (settings.features_file and settings.student):
        without |= {*OF_THE_STUDENT}
    return tuple(
        stage
        for stage in every
        if (stage.share > 0 or stage.recipe == "moves")
        and (stage.name or stage.recipe) not in without
    )


def start(context: Context, settings: Settings) -> None:
    """Nothing of its own is trained."""


def finish(run: Path, settings: Settings, out: Path) -> dict[str, Any]:
    """Refuse: the run's own bundle has every stage already."""
    raise BadRun(f"{run} has its bundle already: {run / 'bundle'}")


RECIPE = Recipe(
    summary="all that ships, stage by stage, into RUN/bundle",
    settings=Settings(),
    start=start,
    export=finish,
    stages=stages,
)
