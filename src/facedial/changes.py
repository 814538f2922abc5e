"""From an edit to a change of a code: each attribute by its method, implied attributes resolved once."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from facedial.arrays import Floats
from facedial.cache import Cache
from facedial.codes.attributes import WITHIN
from facedial.codes.code import Code
from facedial.editing.implied import implied_by, partway, remains, with_implied
from facedial.editing.masks import union
from facedial.editing.request import Edit
from facedial.editing.table import BEST, FAST, FLOW, FULL, QUALITIES, EditMethod
from facedial.errors import BadRequest
from facedial.flow.inversion import FlowEdit, condition_of
from facedial.model import Model

WHOLE_RANGE = 2  # of a condition, from -1 without an attribute to 1 with it


@dataclass(frozen=True, slots=True, eq=False)
class Change:
    """What an edit does to a face: its codes before and after.

    `edit`: the request, names as the model spells them. `implied`: implied attribute -> where it
    arrives (`editing.implied`). `detail_replacement`: as for `EditMethod`. `mask` float32 [32, 32]
    on the head frame: what the change of the picture is multiplied by, 1 everywhere where None.
    """

    before: Code
    after: Code
    edit: Edit
    implied: Mapping[str, float]
    detail_replacement: float = 0.0
    mask: Floats | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """Attributes and learned directions that are changed."""
        return (*self.edit.targets, *self.implied, *self.edit.shifts)

    @property
    def reshapes(self) -> bool:
        """Whether the person's outline may change; it may by any learned direction."""
        return not set(self.names) <= WITHIN


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
    (`needs_attributes`). `method` and `quality`: see `editing.table`; the flow's own quality, `best`,
    is replaced by the distilled editor for attributes that it was measured to edit better. Implied
    attributes (`editing.implied`) are resolved here, once. Raises `BadRequest`, `UnknownName`,
    `CodeSpaceMismatch`.
    """
    model.check(code)
    edit = edit.checked(model.directions.names)
    if quality not in QUALITIES:
        raise BadRequest(f"no quality named {quality!r}; known: {', '.join(QUALITIES)}")
    plan = model.edit_table.plan(edit, method)
    if method == FLOW or plan.flow:
        model.flow_attributes()  # refused before anything is computed
    if edit.is_zero:
        return Change(code, code, edit, {})
    asked = {*edit.targets, *edit.shifts}
    implied: dict[str, float] = {}
    step = np.zeros_like(code.values)
    masks: list[Floats | None] = []
    if not plan.directions.is_zero:
        resolved = with_implied(plan.directions, model.directions.readings(code), asked)
        implied |= _besides(resolved.targets, asked)
        step += direction_step(model, code, resolved)
        masks.append(None)
    for name, (part, own_method) in plan.flow.items():
        if attributes is None:
            raise ValueError("an edit by the flow needs the attributes of the face")
        mask = model.masks.mask(name, own_method.mask_threshold)
        flow = flow_edit(
            model,
            own_method,
            model.edit_table.quality(name, method, quality),
            cache=cache,
            mask=mask,
        )
        moved, besides = _flow_step(flow, code, part, name, attributes, asked)
        for other, arrived in besides.items():
            # Two attributes may imply a third: what is reported is the larger of both changes.
            now = attributes[other]
            if abs(arrived - now) >= abs(implied.get(other, now) - now):
                implied[other] = arrived
        step += model.directions.keeping(moved, edit.keep)
        masks.append(mask)
    after = Code(code.values + step, code.space) if step.any() else code
    return Change(code, after, edit, implied, plan.detail_replacement, union(masks))


def needs_attributes(model: Model, edit: Edit, method: str = BEST) -> bool:
    """Whether `change` needs the attributes of the face: the flow edits some."""
    return bool(model.edit_table.plan(edit.checked(model.directions.names), method).flow)


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
    fast = quality == FAST and model.has_distilled_editor
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
        distilled=model.distilled_edit if fast else None,
        provisional=method.quality == FULL,
    )


def target_condition(
    flow: FlowEdit, attributes: Mapping[str, float], name: str, present: bool
) -> tuple[Floats, float]:
    """`FlowEdit.target_condition` of a face with these attributes, implied attributes included."""
    implied = implied_by({name: float(present)}, flow.names)
    return flow.target_condition(condition_of(flow.names, attributes), name, present, implied)


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
    if name in part.targets:
        amount = WHOLE_RANGE * (part.targets[name] - attributes[name])
    else:
        amount = part.shifts[name]
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


def _besides(targets: Mapping[str, float], asked: set[str]) -> dict[str, float]:
    return {name: target for name, target in targets.items() if name not in asked}


def _beyond(now: float, target: float) -> bool:
    """Whether a reading is above a target of 1 or more, or below one of 0 or less."""
    return (target >= 1 and now > target) or (target <= 0 and now < target)
