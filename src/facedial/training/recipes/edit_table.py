"""The edit table: how each attribute is best edited in a bundle, measured on validation people.

Edits are scored by the bundle's own attribute classifier.
"""

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
from facedial.arrays import Floats
from facedial.changes import Change, flow_edit, target_condition
from facedial.codes.attributes import NAMES
from facedial.codes.code import Code
from facedial.editing.implied import implied_by
from facedial.editing.masks import ATTRIBUTE_MASKS, AttributeMasks
from facedial.editing.request import Edit
from facedial.editing.table import DIRECTION, FAST, FLOW, FULL, LOWERING, QUALITIES, EditMethod
from facedial.editor import Editor
from facedial.errors import BadBundle, BadRequest, BadRun
from facedial.flow.inversion import EDIT_STEPS, condition_of
from facedial.portrait import Portrait
from facedial.render import paste
from facedial.training import export
from facedial.training.batches import Crops, labelled
from facedial.training.recipe import Recipe, RunContext

log = logging.getLogger(__name__)

TABLE = "moves.json"
CANDIDATES = 2  # times as many people as are needed, of whom some are rejected
SPREAD_PHOTOS = 1000  # by which the standard deviation of predictions is measured
# Colour on skin: there the photo's own high frequencies are kept. In all other edits they would show
# through what is generated: hair through a bald head, closed lips through a smile.
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
    """The grid: `t_starts`, `guidances`, `gains`, `mask_thresholds` of the flow's edits (`EditMethod`).

    `qualities`: by the flow (`best`), by the bundle's distilled editor (`fast`), or both. `flow_steps`:
    of the solver. `people`: validation people for each attribute, half without and half with it.
    `collateral`: the score is the target's probability less so much of a s.d. of change of the others.
    `attributes`: those that are measured; the others stay as the bundle has them. `detail_replacement`:
    attributes in whose edits the photo's own high frequencies are replaced (decisions 17 and 22).
    """

    t_starts: tuple[float, ...] = (0.14, 0.25)
    guidances: tuple[float, ...] = (2.0, 3.5, 5.0)
    gains: tuple[float, ...] = (1.0,)
    mask_thresholds: tuple[float, ...] = (0.0,)
    qualities: tuple[str, ...] = (FULL,)
    flow_steps: int = EDIT_STEPS
    people: int = 16
    collateral: float = 1.0
    attributes: tuple[str, ...] = NAMES
    detail_replacement: tuple[str, ...] = tuple(name for name in NAMES if name not in SKIN)

    def __post_init__(self) -> None:
        grid = (self.t_starts, self.guidances, self.gains, self.mask_thresholds, self.qualities)
        if self.people < 2 or not all(grid):
            raise BadRequest(
                "an edit table is measured on 2 people or more, and at least one value of each setting"
            )
        if not set(self.qualities) <= set(QUALITIES):
            raise BadRequest(f"qualities are {' or '.join(QUALITIES)}, got {self.qualities}")
        unknown = sorted({*self.attributes, *self.detail_replacement} - set(NAMES))
        if unknown:
            raise BadRequest(f"edits of {', '.join(unknown)}: no such attribute")


@dataclass(slots=True, eq=False)
class _Person:
    """A validation person: portrait, predicted attributes, decoded picture, latents.

    `paths`: start time -> the way back to it (`FlowEdit.path`), with which all its edits begin.
    """

    portrait: Portrait
    own: Mapping[str, float]
    decoded: Floats
    latents: Floats
    paths: dict[float, Floats] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class _Trial:
    """An edit to be measured: of whom, to which value, and each method's change of latents, unmasked."""

    person: _Person
    target: float
    changes: Mapping[EditMethod, Floats]


@dataclass(slots=True)
class _Measured:
    """Edits of one attribute by one method: probability of the target, and change of the others."""

    probability: list[float] = field(default_factory=list)
    moved: list[float] = field(default_factory=list)

    def facts(self, weight: float) -> dict[str, float]:
        """`success`, `collateral` (s.d.), `target_probability`, and the `score` that decides.

        The mean probability of the target decides, and not the share above one half: it varies less from
        sample to sample.
        """
        probability, collateral = float(np.mean(self.probability)), float(np.mean(self.moved))
        return {
            "success": float(np.mean(np.array(self.probability) > 0.5)),
            "collateral": collateral,
            "target_probability": probability,
            "score": probability - weight * collateral,
        }


def start(context: RunContext, settings: Settings) -> None:
    """Measure into `moves.json` and `places.npz` of the run, once; there is nothing to train."""
    path = context.run / TABLE
    if path.exists():
        return
    with Editor.open(context.init, strict=False) as editor:
        if not editor.model.has_flow:
            raise BadBundle(f"{editor.model.path} has no flow, so there is nothing to choose from")
        if FAST in settings.qualities and not editor.model.has_distilled_editor:
            raise BadBundle(
                f"{editor.model.path} has no distilled editor; set qualities to {FULL} alone"
            )
        bench = _Bench.of(editor, settings, context)
        trials = bench.trials()
        # A mask is relative to all attributes' changes, so all are made before any edit is measured.
        maps = AttributeMasks.of({name: _all_changes(some) for name, some in trials.items()}).maps
        before = editor.model.masks.maps
        if set(before) - set(maps):
            # Relative to fewer attributes a map would differ; the bundle's were made relative to all.
            maps = {**maps, **before}
        masks = AttributeMasks(maps)
        masks.save(context.run / ATTRIBUTE_MASKS)
        known = editor.model.bundle.facts["parts"].get("moves", {})
        table = dict(known["table"]) if known.get("of") == editor.model.space else {}
        table |= {name: bench.measured(name, some, masks) for name, some in trials.items()}
        facts = {"space": editor.model.space, "table": table}
    files.write(path, json.dumps(facts, indent=1) + "\n")


def _all_changes(trials: Sequence[_Trial]) -> list[Floats]:
    return [change[0] for trial in trials for change in trial.changes.values()]


@dataclass(slots=True, eq=False)
class _Bench:
    """What every edit is measured with; `deviation` [40]: s.d. of predictions over photos."""

    editor: Editor
    settings: Settings
    crops: Crops
    labels: Floats
    deviation: Floats
    rng: np.random.Generator
    people: dict[int, _Person] = field(default_factory=dict)

    @staticmethod
    def of(editor: Editor, settings: Settings, context: RunContext) -> "_Bench":
        """The bench of a bundle and the validation people of stores."""
        crops, labels = labelled(context.stores, "val", "attributes", editor.model.side)
        predicted = editor.model.predict_attributes(crops.read(crops.evenly(SPREAD_PHOTOS)))
        deviation = np.maximum(predicted.std(0), np.float32(1e-3))
        rng = np.random.default_rng(context.seed)
        return _Bench(editor, settings, crops, labels, deviation, rng)

    def trials(self) -> dict[str, list[_Trial]]:
        """Attribute -> edits to be measured, of people without it and with it."""
        found: dict[str, list[_Trial]] = {}
        for name in self.settings.attributes:
            if name not in self.editor.model.directions.names:
                continue
            some = [
                self._trial(row, name, 1.0 - has)
                for has in (False, True)
                for row in self._rows(name, has)
            ]
            if some:
                found[name] = some
                log.info("%s: edited in %d people", name, len(some))
        return found

    def _rows(self, name: str, has: bool) -> NDArray[np.int64]:
        """People with the attribute, or without it, of whom the classifier finds the same."""
        k = NAMES.index(name)
        rows = np.flatnonzero((self.labels[:, k] > 0.5) == has)
        rows = self.rng.permutation(rows)[: CANDIDATES * self.settings.people]
        if not len(rows):
            return rows
        # Where the classifier finds the target before the edit, it cannot score the edit.
        predicted = self.editor.model.predict_attributes(self.crops.read(rows))[:, k]
        return np.asarray(rows[(predicted > 0.5) == has][: self.settings.people // 2])

    def _trial(self, row: int, name: str, value: float) -> _Trial:
        if row not in self.people:
            self.people[row] = self._person(self.crops.read(np.array([row]))[0])
        person = self.people[row]
        changes = {}
        flow = flow_edit(self.editor.model, EditMethod())
        source = condition_of(flow.names, person.own)
        target, _ = target_condition(flow, person.own, name, value > 0.5)
        if FULL in self.settings.qualities:
            for method in self._grid():
                changes[method] = self._change(person, method, source, target)
        if FAST in self.settings.qualities:
            made = self.editor.model.distilled_edit(
                person.latents, np.concatenate([source, target])[None]
            )
            # The settings of the flow's own edits, should they be asked for, stay as they were.
            known = self.editor.model.edit_table.of_attribute(name)
            asked = EditMethod(method=FLOW, t_start=known.t_start, guidance=known.guidance)
            changes[dataclasses.replace(asked, quality=FAST)] = made
        return _Trial(person, value, changes)

    def _grid(self) -> list[EditMethod]:
        pairs = itertools.product(self.settings.t_starts, self.settings.guidances)
        return [EditMethod(method=FLOW, t_start=t, guidance=g) for t, g in pairs]

    def _change(
        self, person: _Person, method: EditMethod, source: Floats, target: Floats
    ) -> Floats:
        flow = dataclasses.replace(
            flow_edit(self.editor.model, method), steps=self.settings.flow_steps
        )
        t_start = method.t_start
        if t_start not in person.paths:
            person.paths[t_start] = flow.path(person.latents, source[None])
        return flow.change(person.paths[t_start], target[None], source[None])

    def _person(self, pixels: NDArray[np.uint8]) -> _Person:
        portrait = self.editor.reader.of_crop(pixels)
        values = portrait.code.values[None]
        model = self.editor.model
        own = self.editor.predict_attributes(portrait)
        return _Person(portrait, own, model.decode(values)[0], model.to_latents(values))

    def measured(
        self, name: str, trials: Sequence[_Trial], masks: AttributeMasks
    ) -> dict[str, Any]:
        """The best method for an attribute, with its facts and those of the direction.

        Where the flow is best, also its best method for taking the attribute away (`LOWERING`).
        """
        ways = {target: [t for t in trials if t.target == target] for target in (1.0, 0.0)}
        found = self._facts(name, ways[1.0] or ways[0.0], masks)
        best = max(found, key=lambda method: found[method]["score"])
        plain = found[EditMethod()]
        log.info("%s: %s %.3f, direction %.3f", name, best, found[best]["score"], plain["score"])
        measured = {**best.facts(), **found[best], DIRECTION: plain}
        if best.method == FLOW and ways[1.0] and ways[0.0]:
            away = self._facts(name, ways[0.0], masks)
            other = max(away, key=lambda m: away[m]["score"] if m.method == FLOW else -np.inf)
            measured[LOWERING] = {**other.facts(), **away[other]}
        return measured

    def _facts(
        self, name: str, trials: Sequence[_Trial], masks: AttributeMasks
    ) -> dict[EditMethod, dict[str, float]]:
        """What each method makes of some trials of an attribute."""
        model, found = self.editor.model, dict[EditMethod, _Measured]()
        for trial in trials:
            person = trial.person
            implied = implied_by({name: trial.target}, NAMES)
            others = [i for i, n in enumerate(NAMES) if n != name and n not in implied]
            edits = {EditMethod(): self._by_direction(trial, name)}
            edits |= self._by_flow(trial, name, masks)
            pictures = [
                paste(model, person.portrait, one, before=person.decoded).pixels
                for one in edits.values()
            ]
            own = np.array([person.own[n] for n in NAMES], np.float32)
            predictions = model.predict_attributes(np.stack(pictures))
            for method, predicted in zip(edits, predictions, strict=True):
                one = found.setdefault(method, _Measured())
                one.probability.append(1 - abs(float(predicted[NAMES.index(name)]) - trial.target))
                one.moved.append(float((np.abs(predicted - own) / self.deviation)[others].mean()))
        return {method: one.facts(self.settings.collateral) for method, one in found.items()}

    def _by_direction(self, trial: _Trial, name: str) -> Change:
        return self.editor.change(trial.person.portrait, Edit({name: trial.target}), DIRECTION)

    def _by_flow(self, trial: _Trial, name: str, masks: AttributeMasks) -> dict[EditMethod, Change]:
        code, edit = trial.person.portrait.code, Edit({name: trial.target})
        replaced = float(name in self.settings.detail_replacement)
        changes = {}
        for by_flow, change in trial.changes.items():
            flow = flow_edit(self.editor.model, by_flow)
            for threshold in self.settings.mask_thresholds:
                mask = masks.mask(name, threshold)
                step = flow.code_change(trial.person.latents, change, mask)
                for gain in self.settings.gains:
                    method = dataclasses.replace(
                        by_flow,
                        gain=gain,
                        mask_threshold=threshold,
                        detail_replacement=replaced,
                    )
                    after = Code(code.values + np.float32(gain) * step, code.space)
                    changes[method] = Change(code, after, edit, {}, replaced)
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
    shutil.copyfile(run / ATTRIBUTE_MASKS, out / ATTRIBUTE_MASKS)
    return {"of": facts["space"], "table": facts["table"]}


RECIPE = Recipe(
    summary="how each attribute is best edited, by direction or flow: measured on validation people",
    settings=Settings(),
    start=start,
    export=finish,
    trained=False,
    part="moves",
)
