"""How each attribute is best changed in a bundle: measured on validation people, by its own reader."""

import dataclasses
import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facedial.codes.attributes import NAMES
from facedial.codes.code import Code, Floats
from facedial.codes.edit import Edit
from facedial.codes.flow import MOVE_STEPS, FlowMove
from facedial.codes.moves import DIRECTION, FLOW, Manner
from facedial.codes.wishes import companions
from facedial.editor import Change, Editor, Portrait
from facedial.errors import BadBundle, BadRequest, BadRun
from facedial.training import export
from facedial.training.batches import labelled
from facedial.training.recipe import Context, Recipe

log = logging.getLogger(__name__)

TABLE = "moves.json"
LOOKED_AT = 2  # times as many people as are wanted
MEASURED = 1000  # photos by which the spread of what is read is measured
# Colour that lies on skin: there the photo's own detail stays. Everywhere else it would shine through
# what is drawn: hair through a bald head, closed lips through a smile.
SKIN = (
    "Attractive",
    "Bags_Under_Eyes",
    "Blurry",
    "Heavy_Makeup",
    "Pale_Skin",
    "Rosy_Cheeks",
    "Wearing_Lipstick",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What is tried: the flow's `turnings`, `guidances`, `focuses`, each with each, in `steps` steps.

    `people`: validation people for each attribute, half without and half with it. `collateral`: how
    much a s.d. of movement of the other attributes counts against the share of edits that succeed.
    `attributes`: those that are measured; the others go along their directions. `fresh`: those whose
    changes are drawn afresh instead of added to the photo's own detail (decision 14).
    """

    turnings: tuple[float, ...] = (0.06, 0.14)
    guidances: tuple[float, ...] = (2.5, 4.5)
    focuses: tuple[float, ...] = (0.0, 0.3)
    steps: int = MOVE_STEPS
    people: int = 16
    collateral: float = 1.0
    attributes: tuple[str, ...] = NAMES
    fresh: tuple[str, ...] = tuple(name for name in NAMES if name not in SKIN)

    def __post_init__(self) -> None:
        if self.people < 2 or not self.turnings or not self.guidances or not self.focuses:
            raise BadRequest(
                "moves are measured on 2 people or more, and at least one of each setting"
            )
        unknown = sorted({*self.attributes, *self.fresh} - set(NAMES))
        if unknown:
            raise BadRequest(f"moves of {', '.join(unknown)}: no such attribute")


@dataclass(frozen=True, slots=True, eq=False)
class _Person:
    """A validation person: portrait, what the reader finds, and the flow's way back and own way forth.

    `turned`, `still`: planes at each turning time, and where they lead by themselves; every wish of
    this person starts there.
    """

    portrait: Portrait
    own: Mapping[str, float]
    planes: Floats
    turned: Mapping[float, Floats]
    still: Mapping[float, Floats]


@dataclass(slots=True)
class _Trial:
    """Edits of one attribute in one manner: which succeeded, and how far all else moved in each."""

    found: list[bool] = dataclasses.field(default_factory=list)
    moved: list[float] = dataclasses.field(default_factory=list)

    def facts(self, weight: float) -> dict[str, float]:
        """`success`, `collateral` (s.d.) and the `merit` that decides."""
        success, collateral = float(np.mean(self.found)), float(np.mean(self.moved))
        return {
            "success": success,
            "collateral": collateral,
            "merit": success - weight * collateral,
        }


def start(context: Context, settings: Settings) -> None:
    """Measure into `moves.json` of the run, once; there is nothing to train."""
    path = context.run / TABLE
    if path.exists():
        return
    with Editor.open(context.init) as editor:
        if not editor.bundle.has_flow:
            raise BadBundle(f"{editor.bundle.path} has no flow, so there is nothing to choose from")
        table = _measured(editor, context, settings)
        facts = {"space": editor.bundle.space, "table": table}
    temporary = path.with_suffix(".part")
    temporary.write_text(json.dumps(facts, indent=1) + "\n")
    temporary.replace(path)


@dataclass(slots=True)
class _Bench:
    """What every edit is tried with; `spread` [40]: s.d. of what the reader finds in photos."""

    editor: Editor
    settings: Settings
    movers: Mapping[tuple[float, float], FlowMove]
    spread: Floats

    @staticmethod
    def of(editor: Editor, settings: Settings, photos: NDArray[np.uint8]) -> "_Bench":
        """The bench of a bundle."""
        movers = {
            (turning, guidance): dataclasses.replace(
                editor.flow_move(Manner(turning=turning, guidance=guidance)), steps=settings.steps
            )
            for turning in settings.turnings
            for guidance in settings.guidances
        }
        spread = np.maximum(editor.bundle.read(photos).std(0), np.float32(1e-3))
        return _Bench(editor, settings, movers, spread)

    def person(self, pixels: NDArray[np.uint8]) -> _Person:
        """A person's crop, opened once for all that is tried."""
        portrait = self.editor.portrait_of_crop(pixels)
        own = self.editor.read_attributes(portrait)
        planes = self.editor.bundle.planes_of(portrait.code.values[None])
        turned: dict[float, Floats] = {}
        still: dict[float, Floats] = {}
        for (turning, _), mover in self.movers.items():
            now = mover.now(own)
            if turning not in turned:
                turned[turning] = mover.back(planes, now[None])
                still[turning] = mover.still(turned[turning], now[None])
        return _Person(portrait, own, planes, turned, still)

    def attempt(
        self, person: _Person, name: str, target: float, trials: dict[Manner, _Trial]
    ) -> None:
        """One edit of one person in every manner, added to the trials."""
        changes = self._changes(person, name, target)
        pictures = [self.editor.paste(person.portrait, one).pixels for one in changes.values()]
        read = self.editor.bundle.read(np.stack(pictures))
        own = np.array([person.own[n] for n in NAMES], np.float32)
        along = companions({name: target}, NAMES)
        others = [i for i, n in enumerate(NAMES) if n != name and n not in along]
        for manner, found in zip(changes, read, strict=True):
            trial = trials.setdefault(manner, _Trial())
            trial.found.append(bool((found[NAMES.index(name)] > 0.5) == (target > 0.5)))
            trial.moved.append(float((np.abs(found - own) / self.spread)[others].mean()))

    def _changes(self, person: _Person, name: str, target: float) -> dict[Manner, Change]:
        edit = Edit({name: target})
        changes = {Manner(): self.editor.change(person.portrait, edit, DIRECTION)}
        fresh = float(name in self.settings.fresh)
        code = person.portrait.code
        for (turning, guidance), mover in self.movers.items():
            now = mover.now(person.own)
            then, _ = mover.then(person.own, name, 1 if target > 0.5 else -1)
            change = mover.forth(person.turned[turning], then[None], now[None])
            change = change - person.still[turning]
            for focus in self.settings.focuses:
                manner = Manner(
                    move=FLOW, turning=turning, guidance=guidance, focus=focus, fresh=fresh
                )
                step = mover.added(person.planes, change, focus)
                after = Code(code.values + step, code.space)
                changes[manner] = Change(code, after, edit, {}, fresh)
        return changes


def _measured(editor: Editor, context: Context, settings: Settings) -> dict[str, Any]:
    crops, labels = labelled(context.stores, "val", "attributes", editor.bundle.side)
    rng = np.random.default_rng(context.seed)
    bench = _Bench.of(editor, settings, crops.read(crops.spread(MEASURED)))
    people: dict[int, _Person] = {}
    table: dict[str, Any] = {}
    for name in settings.attributes:
        if name not in editor.directions.names:
            continue
        trials: dict[Manner, _Trial] = {}
        for has in (False, True):
            rows = np.flatnonzero((labels[:, NAMES.index(name)] > 0.5) == has)
            rows = rng.permutation(rows)[: LOOKED_AT * settings.people]
            if not len(rows):
                continue
            # Where the reader finds already what is asked, it can say nothing of the edit.
            read = editor.bundle.read(crops.read(rows))[:, NAMES.index(name)]
            for row in rows[(read > 0.5) == has][: settings.people // 2]:
                if row not in people:
                    people[row] = bench.person(crops.read(np.array([row]))[0])
                bench.attempt(people[row], name, 1.0 - has, trials)
        if not trials:
            continue
        facts = {manner: trial.facts(settings.collateral) for manner, trial in trials.items()}
        best = max(facts, key=lambda manner: facts[manner]["merit"])
        plain = facts[Manner()]
        table[name] = {**dataclasses.asdict(best), **facts[best], DIRECTION: plain}
        log.info("%s: %s %.3f, direction %.3f", name, best, facts[best]["merit"], plain["merit"])
    return table


def finish(run: Path, settings: Settings, out: Path) -> dict[str, Any]:
    """The table, for `bundle.json`. Raises `BadRun` when it was measured on other codes."""
    path = run / TABLE
    if not path.exists():
        raise BadRun(f"{run} has no {TABLE}; finish the run before exporting it")
    facts: dict[str, Any] = json.loads(path.read_text())
    export.check_space(run, out, facts["space"], "measured edits of", "measure again")
    return {"of": facts["space"], "table": facts["table"]}


RECIPE = Recipe(
    summary="how each attribute is best changed, direction or flow: measured on validation people",
    settings=Settings(),
    start=start,
    export=finish,
    trained=False,
)
