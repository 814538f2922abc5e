"""How each attribute is best changed in a bundle: measured on validation people, by its own reader."""

import dataclasses
import itertools
import json
import logging
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facedial import files
from facedial.codes.attributes import NAMES
from facedial.codes.code import Code, Floats
from facedial.codes.edit import Edit
from facedial.codes.flow import MOVE_STEPS
from facedial.codes.moves import DIRECTION, FAST, FINEST, FLOW, QUALITIES, Manner
from facedial.codes.places import PLACES, Places
from facedial.codes.wishes import companions
from facedial.editor import Change, Editor, Portrait
from facedial.errors import BadBundle, BadRequest, BadRun
from facedial.training import export
from facedial.training.batches import Crops, labelled
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
    """What is tried: the flow's `turnings`, `guidances`, `gains`, `places`, each with each (`Manner`).

    `qualities`: made by the flow (`best`), by the bundle's student (`fast`), or both.
    `steps`: of the flow. `people`: validation people for each attribute, half without and half with it.
    `collateral`: how much a s.d. of movement of the other attributes counts against success.
    `attributes`: those that are measured; the others stay as the bundle has them. `fresh`: those whose
    changes are drawn afresh instead of added to the photo's own detail (decision 14).
    """

    turnings: tuple[float, ...] = (0.06, 0.14, 0.25)
    guidances: tuple[float, ...] = (4.5, 7.0)
    gains: tuple[float, ...] = (1.0, 1.4, 2.0)
    places: tuple[float, ...] = (0.2, 0.4, 0.6)
    qualities: tuple[str, ...] = (FINEST,)
    steps: int = MOVE_STEPS
    people: int = 16
    collateral: float = 1.0
    attributes: tuple[str, ...] = NAMES
    fresh: tuple[str, ...] = tuple(name for name in NAMES if name not in SKIN)

    def __post_init__(self) -> None:
        tried = (self.turnings, self.guidances, self.gains, self.places, self.qualities)
        if self.people < 2 or not all(tried):
            raise BadRequest(
                "moves are measured on 2 people or more, and at least one of each setting"
            )
        if not set(self.qualities) <= set(QUALITIES):
            raise BadRequest(f"qualities are {' or '.join(QUALITIES)}, got {self.qualities}")
        unknown = sorted({*self.attributes, *self.fresh} - set(NAMES))
        if unknown:
            raise BadRequest(f"moves of {', '.join(unknown)}: no such attribute")


@dataclass(slots=True, eq=False)
class _Person:
    """A validation person: portrait, what the reader finds, its code as drawn and as planes.

    `turned`, `still`: planes at each turning time, and where they lead by themselves; every wish of
    this person starts there.
    """

    portrait: Portrait
    own: Mapping[str, float]
    drawn: Floats
    planes: Floats
    turned: dict[float, Floats] = field(default_factory=dict)
    still: dict[float, Floats] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class _Wish:
    """An edit to be tried: of whom, what, and the change of planes in each manner, wherever it goes."""

    person: _Person
    target: float
    changes: Mapping[Manner, Floats]


@dataclass(slots=True)
class _Trial:
    """Edits of one attribute in one manner: how likely each is there, and how far all else moved."""

    found: list[float] = field(default_factory=list)
    moved: list[float] = field(default_factory=list)

    def facts(self, weight: float) -> dict[str, float]:
        """`success`, `collateral` (s.d.), `likely` and the `merit` that decides.

        Likely: the mean probability the reader gives what was wished. It decides, being less left to
        chance than the share of those above one half.
        """
        likely, collateral = float(np.mean(self.found)), float(np.mean(self.moved))
        return {
            "success": float(np.mean(np.array(self.found) > 0.5)),
            "collateral": collateral,
            "likely": likely,
            "merit": likely - weight * collateral,
        }


def start(context: Context, settings: Settings) -> None:
    """Measure into `moves.json` and `places.npz` of the run, once; there is nothing to train."""
    path = context.run / TABLE
    if path.exists():
        return
    with Editor.open(context.init) as editor:
        if not editor.bundle.has_flow:
            raise BadBundle(f"{editor.bundle.path} has no flow, so there is nothing to choose from")
        if FAST in settings.qualities and not editor.bundle.has_student:
            raise BadBundle(f"{editor.bundle.path} has no student; set qualities to {FINEST} alone")
        bench = _Bench.of(editor, settings, context)
        wishes = bench.wishes()
        # Where each attribute lives is only seen beside all the others, so before any is measured.
        maps = Places.of({name: _all_changes(some) for name, some in wishes.items()}).maps
        before = editor.places.maps
        if set(before) - set(maps):
            # Beside a few others a map would be another; those of the bundle were made beside all.
            maps = {**maps, **before}
        places = Places(maps)
        places.save(context.run / PLACES)
        known = editor.bundle.facts["parts"].get("moves", {})
        table = dict(known["table"]) if known.get("of") == editor.bundle.space else {}
        table |= {name: bench.measured(name, some, places) for name, some in wishes.items()}
        facts = {"space": editor.bundle.space, "table": table}
    files.write(path, json.dumps(facts, indent=1) + "\n")


def _all_changes(wishes: Sequence[_Wish]) -> list[Floats]:
    return [change[0] for wish in wishes for change in wish.changes.values()]


@dataclass(slots=True, eq=False)
class _Bench:
    """What every edit is tried with; `spread` [40]: s.d. of what the reader finds in photos."""

    editor: Editor
    settings: Settings
    crops: Crops
    labels: Floats
    spread: Floats
    rng: np.random.Generator
    people: dict[int, _Person] = field(default_factory=dict)

    @staticmethod
    def of(editor: Editor, settings: Settings, context: Context) -> "_Bench":
        """The bench of a bundle and the validation people of stores."""
        crops, labels = labelled(context.stores, "val", "attributes", editor.bundle.side)
        read = editor.bundle.read(crops.read(crops.spread(MEASURED)))
        spread = np.maximum(read.std(0), np.float32(1e-3))
        return _Bench(editor, settings, crops, labels, spread, np.random.default_rng(context.seed))

    def wishes(self) -> dict[str, list[_Wish]]:
        """Attribute -> edits to be tried, of people without it and with it."""
        found: dict[str, list[_Wish]] = {}
        for name in self.settings.attributes:
            if name not in self.editor.directions.names:
                continue
            some = [
                self._wish(row, name, 1.0 - has)
                for has in (False, True)
                for row in self._who(name, has)
            ]
            if some:
                found[name] = some
                log.info("%s: changed in %d people", name, len(some))
        return found

    def _who(self, name: str, has: bool) -> NDArray[np.int64]:
        k = NAMES.index(name)
        rows = np.flatnonzero((self.labels[:, k] > 0.5) == has)
        rows = self.rng.permutation(rows)[: LOOKED_AT * self.settings.people]
        if not len(rows):
            return rows
        # Where the reader finds already what is asked, it can say nothing of the edit.
        read = self.editor.bundle.read(self.crops.read(rows))[:, k]
        return np.asarray(rows[(read > 0.5) == has][: self.settings.people // 2])

    def _wish(self, row: int, name: str, target: float) -> _Wish:
        if row not in self.people:
            self.people[row] = self._person(self.crops.read(np.array([row]))[0])
        person = self.people[row]
        changes = {}
        bare = self.editor.flow_move(Manner())
        now = bare.now(person.own)
        then, _ = bare.then(person.own, name, 1 if target > 0.5 else -1)
        if FINEST in self.settings.qualities:
            for manner in self._flows():
                changes[manner] = self._change(person, manner, now, then)
        if FAST in self.settings.qualities:
            wishes = np.concatenate([now, then])[None]
            made = self.editor.bundle.changed(person.planes, wishes)
            # How the flow is asked, should somebody ask it, stays as it was.
            known = self.editor.manners.table.get(name, Manner())
            asked = Manner(move=FLOW, turning=known.turning, guidance=known.guidance)
            changes[dataclasses.replace(asked, quality=FAST)] = made
        return _Wish(person, target, changes)

    def _flows(self) -> list[Manner]:
        pairs = itertools.product(self.settings.turnings, self.settings.guidances)
        return [Manner(move=FLOW, turning=t, guidance=g) for t, g in pairs]

    def _change(self, person: _Person, manner: Manner, now: Floats, then: Floats) -> Floats:
        mover = dataclasses.replace(self.editor.flow_move(manner), steps=self.settings.steps)
        turning = manner.turning
        if turning not in person.turned:
            person.turned[turning] = mover.back(person.planes, now[None])
            person.still[turning] = mover.still(person.turned[turning], now[None])
        forth = mover.forth(person.turned[turning], then[None], now[None])
        return np.asarray(forth - person.still[turning])

    def _person(self, pixels: NDArray[np.uint8]) -> _Person:
        portrait = self.editor.portrait_of_crop(pixels)
        values = portrait.code.values[None]
        bundle = self.editor.bundle
        own = self.editor.read_attributes(portrait)
        return _Person(portrait, own, bundle.draw(values)[0], bundle.planes_of(values))

    def measured(self, name: str, wishes: Sequence[_Wish], places: Places) -> dict[str, Any]:
        """The best manner of an attribute, with its facts and those of the direction."""
        trials: dict[Manner, _Trial] = {}
        for wish in wishes:
            person = wish.person
            along = companions({name: wish.target}, NAMES)
            others = [i for i, n in enumerate(NAMES) if n != name and n not in along]
            changes = {Manner(): self._along(wish, name)} | self._flowing(wish, name, places)
            pictures = [
                self.editor.paste(person.portrait, one, before=person.drawn).pixels
                for one in changes.values()
            ]
            own = np.array([person.own[n] for n in NAMES], np.float32)
            for manner, read in zip(
                changes, self.editor.bundle.read(np.stack(pictures)), strict=True
            ):
                trial = trials.setdefault(manner, _Trial())
                trial.found.append(1 - abs(float(read[NAMES.index(name)]) - wish.target))
                trial.moved.append(float((np.abs(read - own) / self.spread)[others].mean()))
        facts = {manner: trial.facts(self.settings.collateral) for manner, trial in trials.items()}
        best = max(facts, key=lambda manner: facts[manner]["merit"])
        plain = facts[Manner()]
        log.info("%s: %s %.3f, direction %.3f", name, best, facts[best]["merit"], plain["merit"])
        return {**dataclasses.asdict(best), **facts[best], DIRECTION: plain}

    def _along(self, wish: _Wish, name: str) -> Change:
        return self.editor.change(wish.person.portrait, Edit({name: wish.target}), DIRECTION)

    def _flowing(self, wish: _Wish, name: str, places: Places) -> dict[Manner, Change]:
        code, edit = wish.person.portrait.code, Edit({name: wish.target})
        fresh = float(name in self.settings.fresh)
        changes = {}
        for flowing, planes in wish.changes.items():
            mover = self.editor.flow_move(flowing)
            for place in self.settings.places:
                mask = places.mask(name, place)
                step = mover.added(wish.person.planes, planes, mask)
                for gain in self.settings.gains:
                    manner = dataclasses.replace(flowing, gain=gain, place=place, fresh=fresh)
                    after = Code(code.values + np.float32(gain) * step, code.space)
                    changes[manner] = Change(code, after, edit, {}, fresh, mask)
        return changes


def finish(run: Path, settings: Settings, out: Path) -> dict[str, Any]:
    """The table, for `bundle.json`, and `places.npz`.

    Raises `BadRun` when they were measured on other codes.
    """
    path = run / TABLE
    if not path.exists():
        raise BadRun(f"{run} has no {TABLE}; finish the run before exporting it")
    facts: dict[str, Any] = json.loads(path.read_text())
    export.check_space(run, out, facts["space"], "measured edits of", "measure again")
    shutil.copyfile(run / PLACES, out / PLACES)
    return {"of": facts["space"], "table": facts["table"]}


RECIPE = Recipe(
    summary="how each attribute is best changed, direction or flow: measured on validation people",
    settings=Settings(),
    start=start,
    export=finish,
    trained=False,
)
