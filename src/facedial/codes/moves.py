"""How faces are moved: along directions or by a flow, attribute by attribute as was measured best."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from facedial.codes.edit import Edit
from facedial.codes.flow import MOVE_GUIDANCE, TURNING
from facedial.errors import BadBundle, BadRequest

BEST, DIRECTION, FLOW = "best", "direction", "flow"
MOVES = (BEST, DIRECTION, FLOW)
# What a flow's moves are made by: its student, where there is one, or the flow itself.
FAST, FINEST = "fast", "best"
QUALITIES = (FAST, FINEST)


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """How one attribute is changed: `move`, and for the flow `turning` and `guidance` (`FlowMove`).

    `gain`: how much of the flow's way is gone. `place`: how strictly the change stays where the
    attribute lives (`Places.mask`; 0: anywhere).
    `fresh`: share of the photo's own detail that gives way, where much changes, to what is drawn.
    `quality`: what makes the change best: the flow itself (`best`), or its student (`fast`), which may
    have learnt more than the flow's changes.
    """

    move: str = DIRECTION
    turning: float = TURNING
    guidance: float = MOVE_GUIDANCE
    gain: float = 1.0
    place: float = 0.0
    fresh: float = 0.0
    quality: str = FINEST


@dataclass(frozen=True, slots=True)
class Parts:
    """An edit parted into what goes `along` directions and what flows, each attribute in its manner."""

    along: Edit
    flowing: Mapping[str, tuple[Edit, Manner]]

    @property
    def fresh(self) -> float:
        """As for `Manner`, of the whole edit."""
        return max((manner.fresh for _, manner in self.flowing.values()), default=0.0)


@dataclass(frozen=True, slots=True)
class Manners:
    """Attribute -> how it is best changed; along its direction where nothing is said."""

    table: Mapping[str, Manner]

    @staticmethod
    def of(facts: Mapping[str, Any]) -> "Manners":
        """The manners that a bundle's part `moves` states; raises `BadBundle`."""
        known = {field.name for field in fields(Manner)}
        try:
            table = {
                name: Manner(**{k: v for k, v in about.items() if k in known})
                for name, about in facts.get("table", {}).items()
            }
        except (AttributeError, TypeError) as error:
            raise BadBundle(f"the bundle's table of moves cannot be read ({error})") from error
        return Manners(table)

    def flows(self, name: str) -> bool:
        """Whether the flow moves the attribute best."""
        return self.move(name) == FLOW

    def move(self, name: str, asked: str = BEST) -> str:
        """How an attribute is moved when a move is asked for: `direction` or `flow`."""
        return self.table.get(name, Manner()).move if asked == BEST else asked

    def quality(self, name: str, move: str = BEST, asked: str = FINEST) -> str:
        """What makes a flow's change of the attribute when that is asked for: the flow or its student."""
        best = self.table.get(name, Manner()).quality
        return best if (move, asked) == (BEST, FINEST) else asked

    def parts(self, edit: Edit, move: str) -> Parts:
        """The edit parted by `move`: as the table has it (`best`), or all one way.

        Raises `BadRequest` for an unknown move.
        """
        if move not in MOVES:
            raise BadRequest(f"no move named {move!r}; known: {', '.join(MOVES)}")
        asked = (*edit.targets, *edit.shifts)
        manners = {name: self.table.get(name, Manner()) for name in asked}
        flowing = {
            name: (_only(edit, {name}), manner)
            for name, manner in manners.items()
            if self.move(name, move) == FLOW
        }
        return Parts(_only(edit, set(asked) - set(flowing)), flowing)


def _only(edit: Edit, names: set[str]) -> Edit:
    """The edit of `names` alone; the others that it speaks of are left to whoever moves them.

    They are not kept: what cannot be kept still would refuse the whole.
    """
    return replace(
        edit,
        targets={name: amount for name, amount in edit.targets.items() if name in names},
        shifts={name: amount for name, amount in edit.shifts.items() if name in names},
    )
