"""From an edit to a change of a code: each attribute by its method, implied attributes resolved once."""

import dataclasses
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from facedial.arrays import Floats
from facedial.cache import Cache
from facedial.codes.code import Code
from facedial.codes.later import Later
from facedial.compose.retouch import RETOUCHED
from facedial.composing import (
    BALD,
    BANGS,
    BEARDS,
    GLASSES,
    HAT,
    MIN_WAY,
    MOUTH,
    NO_BEARD,
    SMILE,
    WHOLE_RANGE,
    GlassesChange,
    MouthChange,
    PhotoChange,
    is_composed,
    mouth_of,
    recolours_hair,
    share_of,
)
from facedial.editing.implied import COLOURS, implied_by, partway, with_implied
from facedial.editing.request import Edit
from facedial.editing.table import (
    BEST,
    FAST,
    FLOW,
    FULL,
    METHODS,
    QUALITIES,
    REFINED,
    EditMethod,
    only,
)
from facedial.errors import BadRequest
from facedial.flow.inversion import BY_DISTILLED, BY_FLOW, BY_REFINING, FlowEdit, condition_of
from facedial.model import Model

# Kinds of steps of an edit.
DRAWN, COMPOSED, MOUTHS, OFF, FRINGE, HATS = range(6)
_KIND_OF = {**dict.fromkeys(MOUTH, MOUTHS), BANGS: FRINGE, HAT: HATS}
NOTICED = 0.03  # probability by which an implied attribute must change to be named
MIN_THERE = 0.25  # probability of a thing that comes off, below which nothing is drawn anew
WEARS = 0.5  # probability from which on a face has glasses: none are added
# What makes the best result, by the measured quality of an attribute.
_KINDS = {FULL: BY_FLOW, REFINED: BY_REFINING, FAST: BY_DISTILLED}
# Hair colour -> the one that hair takes when this is taken away.
AWAY = {
    "Black_Hair": "Brown_Hair",
    "Blond_Hair": "Brown_Hair",
    "Gray_Hair": "Brown_Hair",
    "Brown_Hair": "Black_Hair",
}


@dataclass(frozen=True, slots=True, eq=False)
class Change:
    """What an edit does to a face: its codes before and after.

    `edit`: the request, names as the model spells them. `implied`: implied attribute -> where it
    arrives (`editing.implied`). `detail_replacement`: as for `EditMethod`.
    `recolour`: hair colours (attributes, or `#rrggbb`) -> share of the way there, which the photo's own
    hair takes; `glasses`: those that are put on, None where glasses are pasted as drawn; `drawn`: the
    code after everything but these, whose decoded face is pasted; `after` where None. `fine`: whether
    detail is drawn that the decoded face lacks (`detail`). `beard`: attributes -> share of the hair that
    is grown on the photo's own face (`beards`). `bald`: share of the hair that is taken off (`scalp`).
    `mouth`: how the photo's own mouth is moved (`mouths`); None where it stays, or is drawn.
    `retouch`: attributes -> share of what they add to the photo's own face (`retouching`). `shave`:
    attributes -> share of their hair that goes from it (`shaving`). `glasses_off`: glasses that are taken
    off (`glasses_off`); None where there are none to take, or they are drawn. `fringe`: one that is grown
    from the photo's own hair (`fringe`), `hat`: one that is put on (`hats`); None where none is, or it is
    drawn. `covered` [32, 32]: share 0..1 of the way to what is drawn anew where things hid it; None
    where nothing is.
    """

    before: Code
    after: Code
    edit: Edit
    implied: Mapping[str, float]
    detail_replacement: float = 0.0
    recolour: Mapping[str, float] = dataclasses.field(default_factory=dict)
    drawn: Code | None = None
    glasses: GlassesChange | None = None
    fine: bool = True
    beard: Mapping[str, float] = dataclasses.field(default_factory=dict)
    bald: float = 0.0
    mouth: MouthChange | None = None
    retouch: Mapping[str, float] = dataclasses.field(default_factory=dict)
    shave: Mapping[str, float] = dataclasses.field(default_factory=dict)
    glasses_off: PhotoChange | None = None
    fringe: PhotoChange | None = None
    hat: PhotoChange | None = None
    covered: Floats | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """Attributes and learned directions that are changed."""
        return (*self.edit.targets, *self.implied, *self.edit.shifts)

    @property
    def pasted(self) -> Code:
        """The code whose decoded face is pasted."""
        return self.after if self.drawn is None else self.drawn

    @property
    def draws(self) -> bool:
        """Whether anything is pasted as drawn."""
        pasted = self.pasted
        return pasted is not self.before and not np.array_equal(pasted.values, self.before.values)

    @property
    def drawn_names(self) -> tuple[str, ...]:
        """Attributes and learned directions, of those asked for, that are pasted as drawn."""
        composed = {*self.recolour, *self.beard, *self.retouch, *self.shave}
        if self.puts_glasses_on or self.glasses_off is not None:
            composed.add(GLASSES)
        if self.bald:
            composed.add(BALD)
        if self.fringe is not None:
            composed.add(BANGS)
        if self.hat is not None:
            composed.add(HAT)
        if self.mouth is not None:
            composed |= MOUTH
        return tuple(n for n in (*self.edit.targets, *self.edit.shifts) if n not in composed)

    @property
    def puts_glasses_on(self) -> bool:
        """Whether glasses are added by composition, not as drawn."""
        return self.glasses is not None and self.glasses.drawn is not None

    @property
    def draws_eyes(self) -> bool:
        """Whether glasses, if there are some, go with eyes that are drawn, since the photo shows none."""
        return GLASSES in self.drawn_names and lowers(self.edit, GLASSES)

    def also_drawn(self, step: Later[Floats], detail_replacement: float) -> "Change":
        """The same with what a step [D] adds drawn as well."""
        drawn = _stepped(self.pasted, step)
        replaced = max(self.detail_replacement, detail_replacement)
        return dataclasses.replace(self, drawn=drawn, detail_replacement=replaced)

    def drawing(self, field: str) -> "Change":
        """The same with `mouth`, `glasses_off`, `fringe` or `hat`, whichever `field` names, drawn."""
        made = getattr(self, field)
        drawn = self.also_drawn(made.step, made.detail_replacement)
        none: dict[str, Any] = {field: None}
        return dataclasses.replace(drawn, **none)


def lowers(edit: Edit, name: str) -> bool:
    """Whether an edit asks for a face without an attribute, or with less of it."""
    return edit.targets.get(name, 1.0) < WEARS or edit.shifts.get(name, 0.0) < 0


def change(  # noqa: PLR0913  (one request and what its photo shows)
    model: Model,
    code: Code,
    edit: Edit,
    attributes: Mapping[str, float] | None,
    *,
    method: str = BEST,
    quality: str = FULL,
    cache: Cache | None = None,
    unseen: Collection[str] = (),
    hidden: Mapping[str, Floats] | None = None,
) -> Change:
    """What an edit does to a face of that code.

    `attributes`: probability of each attribute of the face, needed where the flow edits
    (`needs_attributes`). `method` and `quality`: see `editing.table`; where both are `best`, the
    quality is the one measured to be best for the attribute. `unseen`: attributes that are drawn, since
    the photo does not show what they would be made of. `hidden`: attribute -> what is drawn anew where it
    falls (`hidden.hidden`). Implied attributes (`editing.implied`) are
    resolved here, once. Raises `BadRequest`, `UnknownName`, `CodeSpaceMismatch`.
    """
    model.check(code)
    edit = edit.checked(model.directions.names)
    _check(model, edit, method, quality)
    colours = _recoloured(model, edit, method)
    plan = model.edit_table.plan(edit, method)
    if method == FLOW or plan.flow:
        model.flow_attributes()  # refused before anything is computed
    if edit.is_zero:
        return Change(code, code, edit, {})
    asked = {*edit.targets, *edit.shifts}
    glasses = None if edit.lens_darkness is None else GlassesChange(darkness=edit.lens_darkness)
    made = _Made(set(colours), glasses)
    for part, recolours in (
        (only(plan.directions, asked - colours), False),
        (only(plan.directions, colours), True),
    ):
        if not part.is_zero:
            resolved = with_implied(part, model.directions.readings(code), asked)
            made.implied |= _besides(resolved.targets, asked)
            step = Later.of(direction_step(model, code, resolved))
            made.add(COMPOSED if recolours else DRAWN, step)
    for name, (part, own_method) in plan.flow.items():
        if attributes is None:
            raise ValueError("an edit by the flow needs the attributes of the face")
        covered = None if hidden is None else hidden.get(name)
        by = _By(name, part, own_method, method, quality, name in unseen, covered)
        _add(made, model, code, edit, attributes, by, cache)
    recolour = {} if not colours or attributes is None else _shares(edit, colours, attributes)
    if edit.hair_colour is not None and edit.recolours:
        recolour[edit.hair_colour] = edit.strength * edit.hair_amount
    covered = None
    if made.anew and attributes is not None:
        covered = _drawn_anew(made, model, code, edit, attributes, cache)
    drawn = made.added(code, [DRAWN])
    after = made.added(drawn, [MOUTHS, OFF, FRINGE, HATS, COMPOSED])
    kept = {name: m.detail_replacement for name, (_, m) in plan.flow.items()}
    replaced = max((kept[name] for name in kept.keys() - made.composed), default=0.0)
    mouth = None
    if attributes is not None and not made.shares.keys().isdisjoint(MOUTH):
        mouth = mouth_of(
            made.shares,
            made.implied,
            edit,
            attributes[SMILE],
            made.step(MOUTHS),
            max(kept.values()),
        )

    def in_photo(name: str, kind: int, way: int = 1) -> PhotoChange | None:
        share = way * made.shares.get(name, 0.0)
        return PhotoChange(share, made.step(kind), kept[name]) if share > 0 else None

    return Change(
        before=code,
        after=after,
        edit=edit,
        implied=made.implied,
        detail_replacement=replaced,
        recolour=recolour,
        drawn=drawn,
        glasses=made.glasses,
        fine=quality == FULL,
        beard={name: share for name, share in made.shares.items() if name in BEARDS and share > 0},
        bald=made.shares.get(BALD, 0.0),
        mouth=mouth,
        retouch={name: share for name, share in made.shares.items() if name in RETOUCHED},
        shave=_shaved(model, made, attributes),
        glasses_off=in_photo(GLASSES, OFF, -1),
        fringe=in_photo(BANGS, FRINGE),
        hat=in_photo(HAT, HATS),
        covered=covered,
    )


@dataclass(slots=True)
class _Made:
    """What an edit's attributes add up to.

    `composed`: names of all that is not drawn. `shares`: name -> share of the way that is made on the
    photo's own head. `steps`: kind -> steps [D] of the code, which are computed when they are needed:
    of what is drawn, of what is composed (hair colours, glasses that are put on), of mouths, of glasses
    that are taken off, of a fringe, of a hat. `anew`: attribute -> what is drawn anew [32, 32], and its
    share.
    """

    composed: set[str]
    glasses: GlassesChange | None
    implied: dict[str, float] = dataclasses.field(default_factory=dict)
    shares: dict[str, float] = dataclasses.field(default_factory=dict)
    steps: dict[int, list[Later[Floats]]] = dataclasses.field(default_factory=dict)
    anew: dict[str, tuple[Floats, float]] = dataclasses.field(default_factory=dict)

    def add(self, kind: int, step: Later[Floats]) -> None:
        """Add a step of that kind."""
        self.steps.setdefault(kind, []).append(step)

    def step(self, kind: int) -> Later[Floats]:
        """The sum of all steps of a kind that has some [D]."""
        return _sum(self.steps[kind])

    def added(self, code: Code, kinds: Sequence[int]) -> Code:
        """A code plus all steps of these kinds; the same code where there are none."""
        steps = [self.step(kind) for kind in kinds if kind in self.steps]
        return _stepped(code, _sum(steps)) if steps else code


def _shaved(model: Model, made: _Made, attributes: Mapping[str, float] | None) -> dict[str, float]:
    """Attribute -> share of its hair that goes: of those asked for, and where retouching implies it."""
    shares = {name: -share for name, share in made.shares.items() if name in BEARDS and share < 0}
    if attributes is None or model.clean_faces is None or made.shares.keys().isdisjoint(RETOUCHED):
        return shares
    now = attributes[NO_BEARD]
    arrived = made.implied.get(NO_BEARD, now)
    if arrived > now and NO_BEARD not in shares:
        shares[NO_BEARD] = min(1.0, (arrived - now) / max(1 - now, MIN_WAY))
    return shares


@dataclass(frozen=True, slots=True)
class _By:
    """An attribute that the flow changes: its part of the edit, its own method, what was asked for.

    `drawn`: whether it is drawn where it could be composed. `hidden`: see `change`.
    """

    name: str
    part: Edit
    own: EditMethod
    method: str
    quality: str
    drawn: bool = False
    hidden: Floats | None = None


def _add(
    made: _Made,
    model: Model,
    code: Code,
    edit: Edit,
    attributes: Mapping[str, float],
    by: _By,
    cache: Cache | None,
) -> None:
    """Add to `made` what becomes of one attribute that the flow changes."""
    name, part = by.name, by.part
    amount = _amount(part, name, attributes)
    falls = amount < 0
    own = model.edit_table.lowering.get(name, by.own) if falls else by.own
    # Of what is composed the distilled editor says what the code becomes.
    composes = not by.drawn and is_composed(model, name, by.method, lowers=falls)
    if composes and (falls or name != GLASSES):
        made.shares[name] = share_of(name, part.strength * amount, attributes)
    quality = model.edit_table.quality(name, by.method, by.quality, lowers=falls)
    flow = flow_edit(
        model,
        own,
        FAST if composes else quality,
        cache=cache,
        mask=model.masks.mask(name, own.mask_threshold),
    )
    asked = {*edit.targets, *edit.shifts}
    step, besides = _flow_step(flow, code, part, name, attributes, asked)
    for other, arrived in besides.items():
        # Two attributes may imply a third: what is reported is the larger of both changes.
        now = attributes[other]
        if abs(arrived - now) >= abs(made.implied.get(other, now) - now):
            made.implied[other] = arrived
    if by.hidden is not None and falls and not composes:
        # Of all of it, 1 where it goes wholly; what is hardly there is not drawn anew.
        there = attributes[name]
        share = min(1.0, part.strength * abs(amount) / (WHOLE_RANGE * max(there, MIN_THERE)))
        if there >= MIN_THERE and share > 0:
            made.anew[name] = (by.hidden, share)
            return
    if name == GLASSES:
        puts_on = composes and not falls
        made.glasses = _put_on(model, code, edit, attributes, cache) if puts_on else None
    made.composed |= {name} if composes else set()
    kind = DRAWN
    if name in made.composed:
        kind = _KIND_OF.get(name, COMPOSED)
        if name == GLASSES and falls:
            kind = OFF
    made.add(kind, Later(lambda: model.directions.keeping(step(), edit.keep)))


def _drawn_anew(
    made: _Made,
    model: Model,
    code: Code,
    edit: Edit,
    attributes: Mapping[str, float],
    cache: Cache | None,
) -> Floats:
    """Add the step of all that is drawn anew, at once; its places [32, 32], each with its share."""
    names = sorted(made.anew)
    flow = flow_edit(model, model.edit_table.of_attribute(names[0]), FULL, cache=cache)
    hidden = np.max([made.anew[name][0] for name in names], axis=0)
    share = max(made.anew[name][1] for name in names)
    source = condition_of(flow.names, attributes)

    def step() -> Floats:
        found = flow.step_anew(code.values, source, names, share, hidden)
        return model.directions.keeping(found, edit.keep)

    made.add(DRAWN, Later(step))
    return np.asarray(share * hidden, np.float32)


def needs_attributes(model: Model, edit: Edit, method: str = BEST) -> bool:
    """Whether `change` needs the attributes of the face: the flow edits some, or hair is recoloured."""
    known = edit.checked(model.directions.names)
    plan = model.edit_table.plan(known, method)
    if plan.flow:
        model.flow_attributes()  # refused before anything is computed
    return bool(plan.flow or _recoloured(model, known, method))


def graphs_of(model: Model, edit: Edit, method: str = BEST) -> tuple[str, ...]:
    """The graphs of a model that an edit of a photo needs besides the detector's, slowest first."""
    known = edit.checked(model.directions.names)
    plan = model.edit_table.plan(known, method)
    colours = _recoloured(model, known, method)
    drawn = {*plan.flow, *plan.directions.targets, *plan.directions.shifts} - colours
    # Which way an edit goes is known once the face is read: what is drawn one way only comes late.
    drawn -= {
        name
        for name in drawn
        if any(is_composed(model, name, method, lowers=way) for way in _ways(known, name))
    }
    # What is made in the photo alone needs no code, but for the shape of glasses and the shade of hair.
    if not (drawn or colours or GLASSES in plan.flow):
        return ("reader", "parser")
    table, needed = model.edit_table, ["autoencoder-encode"]
    ways = [(name, falls) for name in drawn & plan.flow.keys() for falls in (False, True)]
    if any(table.quality(name, method, lowers=falls) != FAST for name, falls in ways):
        needed.append("flow")
    if plan.flow:
        needed += ["flow-code", "student", "flow-planes"]
    needed.append("sharp" if model.has_gan_decoder else "autoencoder-decode")
    detail = ["detail"] if drawn else []
    return (*needed, "reader", "parser", *detail)


def _ways(edit: Edit, name: str) -> tuple[bool, ...]:
    """Whether an attribute falls: what an edit says of it, or both where the face decides."""
    if name in edit.shifts:
        return (edit.shifts[name] < 0,)
    target = edit.targets.get(name, WEARS)
    return (target <= 0,) if target <= 0 or target >= 1 else (False, True)


def _stepped(code: Code, step: Later[Floats]) -> Code:
    """A code plus a step, computed when it is needed."""
    return Code.later(lambda: code.values + step.value, code.space, code.size)


def _sum(steps: Sequence[Later[Floats]]) -> Later[Floats]:
    """The sum of one or more steps [D], computed when it is needed."""
    return Later(lambda: np.asarray(np.sum([step.value for step in steps], axis=0), np.float32))


def direction_step(model: Model, code: Code, edit: Edit) -> Floats:
    """The step [D] along directions of an edit whose implied attributes are resolved.

    A reading may lie beyond the scale (of a broad smile, 1.8). So a target of 1 or more never lowers
    a reading, and one of 0 or less never raises it.
    """
    now = model.directions.readings(code)
    targets = {n: t for n, t in edit.targets.items() if not _beyond(now[n], t)}
    return model.directions.step(code, dataclasses.replace(edit, targets=targets))


def flow_edit(
    model: Model,
    method: EditMethod,
    quality: str = FULL,
    *,
    cache: Cache | None = None,
    mask: Floats | None = None,
) -> FlowEdit:
    """The flow as an editor, under a mask [32, 32]; raises `BadRequest` where the model has none."""
    by_distilled = quality in (FAST, REFINED) and model.has_distilled_editor
    return FlowEdit(
        names=model.flow_attributes(),
        velocity=model.velocity,
        to_latents=model.to_latents,
        to_codes=model.to_codes,
        t_start=method.t_start,
        guidance=method.guidance,
        gain=method.gain,
        mask=mask,
        cache=Cache() if cache is None else cache,
        distilled=model.distilled_edit if by_distilled else None,
        refined=quality == REFINED,
        final=_KINDS[method.quality],
    )


def target_condition(
    flow: FlowEdit, attributes: Mapping[str, float], name: str, present: bool
) -> tuple[Floats, float]:
    """`FlowEdit.target_condition` of a face with these attributes, implied attributes included."""
    implied = implied_by({name: float(present)}, flow.names)
    return flow.target_condition(condition_of(flow.names, attributes), name, present, implied)


def _recoloured(model: Model, edit: Edit, method: str) -> set[str]:
    """Hair colours among the attributes of an edit that the photo's own hair is to take."""
    if method != BEST or not recolours_hair(model):
        return set()
    return {name for name in COLOURS if name in edit.targets or name in edit.shifts}


def _shares(edit: Edit, colours: set[str], attributes: Mapping[str, float]) -> dict[str, float]:
    """Colour -> share of the way that hair goes there: 1 arrives where people who have it are.

    A colour that is taken away goes to the one of `AWAY`.
    """
    shares: dict[str, float] = {}
    for name in sorted(colours):
        now = attributes[name]
        if name in edit.targets:
            target = edit.targets[name]
            to_go = target - now
            share = to_go / max(1 - now if to_go > 0 else now, MIN_WAY)
        else:
            share = edit.shifts[name] / WHOLE_RANGE
        goal = name if share > 0 else AWAY[name]
        shares[goal] = shares.get(goal, 0.0) + edit.strength * abs(share)
    return shares


def _put_on(
    model: Model, code: Code, edit: Edit, attributes: Mapping[str, float], cache: Cache | None
) -> GlassesChange:
    """Glasses that an edit puts on; none where the face has some by its attributes.

    Their shape is that of the distilled editor's drawing of the whole change, where the model has one:
    previews and the final picture show the same.
    """
    now, method = attributes[GLASSES], model.edit_table.of_attribute(GLASSES)
    if GLASSES in edit.targets:
        share = (edit.targets[GLASSES] - now) / max(1 - now, MIN_WAY)
    else:
        share = edit.shifts[GLASSES] / WHOLE_RANGE
    share = 0.0 if now > WEARS else min(1.0, edit.strength * share)
    mask = model.masks.mask(GLASSES, method.mask_threshold)
    flow = flow_edit(model, method, FAST, cache=cache, mask=mask)
    source = condition_of(flow.names, attributes)
    _, whole = flow.target_condition(source, GLASSES, True, {})
    step = Later(lambda: flow.step(code.values, source, GLASSES, whole, {}))
    return GlassesChange(share, _stepped(code, step), edit.lens_darkness)


def _check(model: Model, edit: Edit, method: str, quality: str) -> None:
    """Raise `BadRequest` for what no face can be given by this model and method."""
    if quality not in QUALITIES:
        raise BadRequest(f"no quality named {quality!r}; known: {', '.join(QUALITIES)}")
    if edit.recolours and not recolours_hair(model):
        raise BadRequest(
            f"the model {model.name} has no parser of heads, so it cannot give hair a colour by its "
            "number; set Black_Hair, Blond_Hair, Brown_Hair or Gray_Hair"
        )
    if edit.lens_darkness is None:
        return
    if not recolours_hair(model):
        raise BadRequest(
            f"the model {model.name} has no parser of heads, so it cannot change the darkness of "
            "lenses; leave lens_darkness out"
        )
    if method in METHODS and method != BEST:
        raise BadRequest(
            f"the method {method} draws lenses as they come, so it cannot change their darkness; use "
            f"the method {BEST}, or leave lens_darkness out"
        )


def _flow_step(
    flow: FlowEdit,
    code: Code,
    part: Edit,
    name: str,
    attributes: Mapping[str, float],
    asked: set[str],
) -> tuple[Callable[[], Floats], dict[str, float]]:
    """What computes the step [D] of one attribute, and where its implied attributes arrive.

    A shift of one standard deviation is taken as half the way from without to with.
    """
    flow.index(name)
    amount = _amount(part, name, attributes)
    implied: dict[str, float] = {}
    if amount and not part.exactly:
        implied = implied_by({name: float(amount > 0)}, flow.names, {*asked, *part.keep})
    source = condition_of(flow.names, attributes)

    def step() -> Floats:
        return flow.step(code.values, source, name, part.strength * amount, implied)

    if not implied:
        return step, {}
    _, distance = flow.target_condition(source, name, amount > 0, implied)
    share = min(1.0, abs(amount) / distance)
    arrived = {
        other: partway(attributes[other], value, share)
        for other, value in implied.items()
        if abs(value - attributes[other]) > NOTICED
    }
    return step, arrived


def _amount(part: Edit, name: str, attributes: Mapping[str, float]) -> float:
    """How far an edit moves the attribute's condition, before its strength."""
    if name in part.targets:
        # A learned direction has no probability; the flow refuses it.
        return WHOLE_RANGE * (part.targets[name] - attributes.get(name, 0.0))
    return part.shifts[name]


def _besides(targets: Mapping[str, float], asked: set[str]) -> dict[str, float]:
    return {name: target for name, target in targets.items() if name not in asked}


def _beyond(now: float, target: float) -> bool:
    """Whether a reading is above a target of 1 or more, or below one of 0 or less."""
    return (target >= 1 and now > target) or (target <= 0 and now < target)
