"""From an edit to a change of a code: each attribute by its method, implied attributes resolved once."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from facedial.arrays import Floats
from facedial.cache import Cache
from facedial.codes.code import Code
from facedial.editing.implied import COLOURS, implied_by, partway, remains, with_implied
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
from facedial.model import FRAME, Model

WHOLE_RANGE = 2  # of a condition, from -1 without an attribute to 1 with it
GLASSES, BALD = "Eyeglasses", "Bald"
# Attributes that put hair on the face: where they rise, or (-1) where they fall.
BEARDS = {"Mustache": 1, "Goatee": 1, "5_o_Clock_Shadow": 1, "No_Beard": -1}
WEARS = 0.5  # probability from which on a face has glasses: none are added
# What makes the best result, by the measured quality of an attribute.
_KINDS = {FULL: BY_FLOW, REFINED: BY_REFINING, FAST: BY_DISTILLED}
LARGEST_BEARD = 1.3  # times the mean density of hair, which a target beyond 1 gets
MIN_WAY = 0.25  # least distance to a target that counts, so that blond hair can become more so
# Hair colour -> the one that hair takes when this is taken away.
AWAY = {
    "Black_Hair": "Brown_Hair",
    "Blond_Hair": "Brown_Hair",
    "Gray_Hair": "Brown_Hair",
    "Brown_Hair": "Black_Hair",
}


@dataclass(frozen=True, slots=True)
class GlassesChange:
    """Glasses that are put on: `share` of them (0: none), of the shape that the code `drawn` shows.

    `darkness` of their lenses, or of those of the glasses that the photo shows, 0 clear..1 dark; None:
    clear lenses, and as they are in the photo's own.
    """

    share: float = 0.0
    drawn: Code | None = None
    darkness: float | None = None


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

    @property
    def names(self) -> tuple[str, ...]:
        """Attributes and learned directions that are changed."""
        return (*self.edit.targets, *self.implied, *self.edit.shifts)

    @property
    def pasted(self) -> Code:
        """The code whose decoded face is pasted."""
        return self.after if self.drawn is None else self.drawn

    @property
    def drawn_names(self) -> tuple[str, ...]:
        """Attributes and learned directions, of those asked for, that are pasted as drawn."""
        composed = {*self.recolour, *self.beard}
        if self.puts_glasses_on:
            composed.add(GLASSES)
        if self.bald:
            composed.add(BALD)
        return tuple(n for n in (*self.edit.targets, *self.edit.shifts) if n not in composed)

    @property
    def puts_glasses_on(self) -> bool:
        """Whether glasses are added by composition, not as drawn."""
        return self.glasses is not None and self.glasses.drawn is not None


def change(
    model: Model,
    code: Code,
    edit: Edit,
    attributes: Mapping[str, float] | None,
    *,
    method: str = BEST,
    quality: str = FULL,
    cache: Cache | None = None,
) -> Change:
    """What an edit does to a face of that code.

    `attributes`: probability of each attribute of the face, needed where the flow edits
    (`needs_attributes`). `method` and `quality`: see `editing.table`; where both are `best`, the
    quality is the one measured to be best for the attribute. Implied attributes (`editing.implied`) are
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
    implied: dict[str, float] = {}
    glasses = None if edit.lens_darkness is None else GlassesChange(darkness=edit.lens_darkness)
    composed = set(colours)
    own_head: dict[str, float] = {}
    # Of what is drawn, and of what is composed: hair colours, and glasses that are put on.
    steps = np.zeros((2, len(code.values)), np.float32)
    for part, recolours in (
        (only(plan.directions, asked - colours), False),
        (only(plan.directions, colours), True),
    ):
        if not part.is_zero:
            resolved = with_implied(part, model.directions.readings(code), asked)
            implied |= _besides(resolved.targets, asked)
            steps[int(recolours)] += direction_step(model, code, resolved)
    for name, (part, own_method) in plan.flow.items():
        if attributes is None:
            raise ValueError("an edit by the flow needs the attributes of the face")
        amount = _amount(part, name, attributes)
        lowers = amount < 0
        if lowers:
            own_method = model.edit_table.lowering.get(name, own_method)
        # Glasses that are put on take their shape from the distilled editor: so does the code.
        puts_on = name == GLASSES and not lowers and method == BEST and recolours_hair(model)
        own_head |= _on_own_head(model, name, part.strength * amount, attributes, method)
        own_quality = model.edit_table.quality(name, method, quality, lowers=lowers)
        flow = flow_edit(
            model,
            own_method,
            FAST if puts_on or name in own_head else own_quality,
            cache=cache,
            mask=model.masks.mask(name, own_method.mask_threshold),
        )
        moved, besides = _flow_step(flow, code, part, name, attributes, asked)
        for other, arrived in besides.items():
            # Two attributes may imply a third: what is reported is the larger of both changes.
            now = attributes[other]
            if abs(arrived - now) >= abs(implied.get(other, now) - now):
                implied[other] = arrived
        if name == GLASSES:
            glasses = _put_on(model, code, edit, attributes, cache) if puts_on else None
        composed |= {name} if puts_on or name in own_head else set()
        steps[int(name in composed)] += model.directions.keeping(moved, edit.keep)
    recolour = {} if not colours or attributes is None else _shares(edit, colours, attributes)
    if edit.hair_colour is not None and edit.recolours:
        recolour[edit.hair_colour] = edit.strength * edit.hair_amount
    drawn = Code(code.values + steps[0], code.space) if steps[0].any() else code
    after = Code(drawn.values + steps[1], code.space) if steps[1].any() else drawn
    kept = [method for name, (_, method) in plan.flow.items() if name not in composed]
    replaced = max((method.detail_replacement for method in kept), default=0.0)
    fine = quality == FULL
    bald = own_head.pop(BALD, 0.0)
    return Change(
        code, after, edit, implied, replaced, recolour, drawn, glasses, fine, own_head, bald
    )


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
    if method == BEST and recolours_hair(model):
        # Put on, grown or taken off: the distilled editor alone says what the code becomes.
        drawn -= {GLASSES, BALD, *BEARDS}
    table, needed = model.edit_table, ["autoencoder-encode"]
    ways = [(name, lowers) for name in drawn & plan.flow.keys() for lowers in (False, True)]
    if any(table.quality(name, method, lowers=lowers) != FAST for name, lowers in ways):
        needed.append("flow")
    if plan.flow:
        needed += ["flow-code", "student", "flow-planes"]
    if drawn or colours or GLASSES in plan.flow:
        needed.append("sharp" if model.has_gan_decoder else "autoencoder-decode")
    detail = ["detail"] if drawn else []
    return (*needed, "reader", "parser", *detail)


def recolours_hair(model: Model) -> bool:
    """Whether a model can give a photo's own hair another colour: it has a parser of head crops.

    The same models put glasses on by composition, with lenses of any darkness.
    """
    return model.frame == FRAME and model.has_parser


def _on_own_head(
    model: Model, name: str, amount: float, attributes: Mapping[str, float], method: str
) -> dict[str, float]:
    """Share of a beard that is grown on the photo's own face, or of the hair that is taken off its head.

    Nothing for what is drawn. `amount`: by which the attribute's condition moves.
    """
    grows = amount * BEARDS.get(name, 0) > 0 and model.beards is not None
    shaves = name == BALD and amount > 0 and model.bald_heads is not None
    if not (grows or shaves) or not recolours_hair(model) or method != BEST:
        return {}
    room = 1 - attributes[name] if amount > 0 else attributes[name]
    share = abs(amount) / WHOLE_RANGE / max(room, MIN_WAY)
    return {name: min(share, LARGEST_BEARD if grows else 1.0)}


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
    step = flow.step(code.values, source, GLASSES, whole, {})
    return GlassesChange(share, Code(code.values + step, code.space), edit.lens_darkness)


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
) -> tuple[Floats, dict[str, float]]:
    """The step [D] of one attribute, and where its implied attributes arrive.

    A shift of one standard deviation is taken as half the way from without to with.
    """
    flow.index(name)
    amount = _amount(part, name, attributes)
    implied: dict[str, float] = {}
    if amount and not part.exactly:
        implied = implied_by({name: float(amount > 0)}, flow.names, {*asked, *part.keep})
    source = condition_of(flow.names, attributes)
    step = flow.step(code.values, source, name, part.strength * amount, implied)
    if not implied:
        return step, {}
    _, distance = flow.target_condition(source, name, amount > 0, implied)
    share = min(1.0, abs(amount) / distance)
    arrived = {
        other: partway(attributes[other], value, share)
        for other, value in implied.items()
        if remains(attributes[other], value)
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
