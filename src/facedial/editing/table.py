"""How attributes are edited: the method of each, as measured for a bundle."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from facedial.editing.request import Edit
from facedial.errors import BadBundle, BadRequest
from facedial.flow.inversion import EDIT_GUIDANCE, T_START

# Edit methods: the measured one of each attribute, along its direction, or by the flow.
BEST, DIRECTION, FLOW = "best", "direction", "flow"
METHODS = (BEST, DIRECTION, FLOW)
# Quality of an edit by the flow, as asked: the distilled editor, or the best.
FAST, FULL = "fast", "best"
QUALITIES = (FAST, FULL)
# What is best for an attribute: one of those, or the distilled editor's edit refined by the flow.
REFINED = "refined"
MEASURED_QUALITIES = (*QUALITIES, REFINED)
LOWERING = "lowering"  # in the facts of an attribute
# Names of the fields in the table of a bundle of format 1.
_FORMAT_1 = {
    "method": "move",
    "t_start": "turning",
    "mask_threshold": "place",
    "detail_replacement": "fresh",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class EditMethod:
    """How one attribute is edited: `method`, and for the flow `t_start`, `guidance`, `gain` (`FlowEdit`).

    `mask_threshold`: how strictly the change of the flow's latents is confined to the attribute's map
    (`AttributeMasks`; 0: not at all). `detail_replacement`: factor, 0..1, on the share of the photo's
    fine detail that gives way where the drawing's changes (`compose.masks.detail_loss`). `quality`:
    what gives the best result: the flow itself (`best`); its distilled editor (`fast`), which was also
    trained adversarially; or that editor's edit, refined by the flow (`refined`).
    """

    method: str = DIRECTION
    t_start: float = T_START
    guidance: float = EDIT_GUIDANCE
    gain: float = 1.0
    mask_threshold: float = 0.0
    detail_replacement: float = 0.0
    quality: str = FULL

    def __post_init__(self) -> None:
        if self.quality not in MEASURED_QUALITIES:
            raise TypeError(
                f"quality is one of {', '.join(MEASURED_QUALITIES)}, not {self.quality}"
            )

    def facts(self) -> dict[str, Any]:
        """As a bundle states it."""
        return {_FORMAT_1.get(name, name): getattr(self, name) for name in self.__slots__}

    @staticmethod
    def of(facts: Mapping[str, Any]) -> "EditMethod":
        """The method that a bundle states; other facts beside it are ignored."""
        stated = {name: _FORMAT_1.get(name, name) for name in EditMethod.__slots__}
        return EditMethod(**{name: facts[key] for name, key in stated.items() if key in facts})


@dataclass(frozen=True, slots=True)
class EditPlan:
    """An edit in two parts: along `directions`, and by the `flow`, attribute by attribute."""

    directions: Edit
    flow: Mapping[str, tuple[Edit, EditMethod]]

    @property
    def detail_replacement(self) -> float:
        """As for `EditMethod`, of the whole edit."""
        return max((method.detail_replacement for _, method in self.flow.values()), default=0.0)


@dataclass(frozen=True, slots=True)
class EditTable:
    """Attribute -> its edit method; along its direction where there is none.

    `lowering`: methods by which the flow takes an attribute away, where another was measured to be
    better than that of `methods`: what adds a smile well may remove one badly.
    """

    methods: Mapping[str, EditMethod]
    lowering: Mapping[str, EditMethod] = field(default_factory=dict)

    @staticmethod
    def of(facts: Mapping[str, Any]) -> "EditTable":
        """The table that a bundle states; raises `BadBundle`."""
        try:
            table = facts.get("table", {})
            methods = {name: EditMethod.of(about) for name, about in table.items()}
            lowering = {
                name: EditMethod.of(about[LOWERING])
                for name, about in table.items()
                if LOWERING in about
            }
        except (AttributeError, TypeError) as error:
            raise BadBundle(
                f"the bundle's table of edit methods cannot be read ({error}); export it again"
            ) from error
        return EditTable(methods, lowering)

    def with_flow(self, names: Iterable[str]) -> "EditTable":
        """This table, in which the flow says what becomes of the code of `names`, too."""
        more = {name for name in names if not self.uses_flow(name)}
        by_flow = EditMethod(method=FLOW, quality=FAST)
        return replace(self, methods={**self.methods, **dict.fromkeys(more, by_flow)})

    def of_attribute(self, name: str) -> EditMethod:
        """The method of one attribute."""
        return self.methods.get(name, EditMethod())

    def method(self, name: str, asked: str = BEST) -> str:
        """`direction` or `flow`: the method as asked, or where that is `best` the measured one."""
        return self.of_attribute(name).method if asked == BEST else asked

    def uses_flow(self, name: str) -> bool:
        """Whether the attribute is best edited by the flow."""
        return self.method(name) == FLOW

    def quality(
        self, name: str, method: str = BEST, asked: str = FULL, *, lowers: bool = False
    ) -> str:
        """The quality as asked, or where method and quality are both `best` the measured one."""
        own = self.of_attribute(name)
        best = (self.lowering.get(name, own) if lowers else own).quality
        return best if (method, asked) == (BEST, FULL) else asked

    def plan(self, edit: Edit, method: str) -> EditPlan:
        """The edit by `method`: each attribute by its own (`best`), or all by one.

        Raises `BadRequest` for an unknown method.
        """
        if method not in METHODS:
            raise BadRequest(f"no edit method named {method!r}; known: {', '.join(METHODS)}")
        asked = (*edit.targets, *edit.shifts)
        by_flow = {
            name: (only(edit, {name}), self.of_attribute(name))
            for name in asked
            if self.method(name, method) == FLOW
        }
        return EditPlan(only(edit, set(asked) - set(by_flow)), by_flow)


def only(edit: Edit, names: set[str]) -> Edit:
    """The edit of `names` alone; the other attributes are edited elsewhere, so they are not kept."""
    return replace(
        edit,
        targets={name: amount for name, amount in edit.targets.items() if name in names},
        shifts={name: amount for name, amount in edit.shifts.items() if name in names},
        hair_colour=None,
        lens_darkness=None,
    )
