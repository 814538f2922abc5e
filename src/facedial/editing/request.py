"""Edit requests: attributes with targets or shifts, and attributes to keep."""

import dataclasses
import json
import math
import numbers
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from facedial.codes.attributes import NAMES, match
from facedial.errors import BadRequest, UnknownName

TARGET_RANGE = (-0.5, 1.5)  # reading: 0 = people without, 1 = people with the attribute
SHIFT_RANGE = (-5.0, 5.0)  # standard deviations of the reading over training people
STRENGTH_RANGE = (0.0, 3.0)
HAIR_RANGE = (0.0, 1.5)  # 1: hair has the colour that is asked for
DARKNESS_RANGE = (0.0, 1.0)  # of lenses: 0 clear, 1 sunglasses
IDENTITY_RANGE = (0.0, 1.0)  # cosine of embeddings; 1: the same picture
KEYS = {
    "set", "add", "keep", "strength", "exactly", "hair_colour", "hair_amount", "lens_darkness",
    "min_identity",
}  # fmt: skip
COLOUR = re.compile(r"#[0-9a-f]{6}")


@dataclass(frozen=True)
class Edit:
    """An edit of one face, independent of any model.

    `targets`: attribute -> reading to arrive at, -0.5..1.5 (0 without, 1 with it). `shifts`:
    attribute -> change of its reading, -5..5 standard deviations over training people. `keep`:
    attributes whose readings do not change. `strength`: factor on the whole step, 0..3. `exactly`:
    whether implied attributes stay as they are (see `editing.implied`). `hair_colour`: `#rrggbb` that
    hair is to have, None: unchanged; `hair_amount`: share of the way there, 0..1.5. `lens_darkness`: of
    the lenses of glasses, added or worn, 0 clear..1 dark; None: as they are, and clear where glasses are
    added. `min_identity`: the least cosine, 0..1, between the face before and after, for which the
    strength is lowered (`facedial.identity`), None: whatever it is. CelebA's names may be spelt in any
    case; other names are learned directions', left as they are. Raises `BadRequest` for amounts out of
    range and for one attribute asked for twice.

    >>> Edit({"smiling": 1}).targets
    {'Smiling': 1.0}
    """

    targets: Mapping[str, float] = field(default_factory=dict)
    shifts: Mapping[str, float] = field(default_factory=dict)
    keep: frozenset[str] = frozenset()
    strength: float = 1.0
    exactly: bool = False
    hair_colour: str | None = None
    hair_amount: float = 1.0
    lens_darkness: float | None = None
    min_identity: float | None = None

    def __post_init__(self) -> None:
        targets = _amounts(self.targets, TARGET_RANGE, "target")
        shifts = _amounts(self.shifts, SHIFT_RANGE, "shift")
        keep = frozenset(_spelt(name) for name in self.keep)
        for name in sorted((targets.keys() & shifts.keys()) | ((targets | shifts).keys() & keep)):
            raise BadRequest(f"{name} is asked for twice: set it, add to it or keep it, not two")
        object.__setattr__(self, "targets", targets)
        object.__setattr__(self, "shifts", shifts)
        object.__setattr__(self, "keep", keep)
        if not isinstance(self.exactly, bool):
            raise BadRequest(f"exactly must be true or false, found {self.exactly!r}")
        object.__setattr__(self, "hair_colour", _colour(self.hair_colour))
        amount = _number(self.hair_amount, HAIR_RANGE, "hair amount")
        object.__setattr__(self, "hair_amount", amount)
        if self.lens_darkness is not None:
            darkness = _number(self.lens_darkness, DARKNESS_RANGE, "lens darkness")
            object.__setattr__(self, "lens_darkness", darkness)
        if self.min_identity is not None:
            least = _number(self.min_identity, IDENTITY_RANGE, "min_identity")
            object.__setattr__(self, "min_identity", least)
        object.__setattr__(self, "strength", _number(self.strength, STRENGTH_RANGE, "strength"))

    @property
    def is_zero(self) -> bool:
        """Whether this edit asks for no change at all."""
        asked = self.targets or any(self.shifts.values()) or self.recolours or self.lens_darkness
        return self.strength == 0 or not asked

    @property
    def recolours(self) -> bool:
        """Whether hair is to have a colour of its own (`hair_colour`)."""
        return self.hair_colour is not None and self.hair_amount > 0

    def checked(self, known: Iterable[str]) -> "Edit":
        """This edit with names as `known` spells them; raises `UnknownName` with the nearest."""
        names = tuple(known)
        return dataclasses.replace(
            self,
            targets={match(name, names): amount for name, amount in self.targets.items()},
            shifts={match(name, names): amount for name, amount in self.shifts.items()},
            keep=frozenset(match(name, names) for name in self.keep),
        )

    def to_json(self) -> str:
        """One line of JSON with sorted keys, so that equal edits are equal texts."""
        facts = {
            "set": self.targets,
            "add": self.shifts,
            "keep": sorted(self.keep),
            "strength": self.strength,
            "exactly": self.exactly,
        }
        if self.hair_colour is not None:
            facts |= {"hair_colour": self.hair_colour, "hair_amount": self.hair_amount}
        if self.lens_darkness is not None:
            facts["lens_darkness"] = self.lens_darkness
        if self.min_identity is not None:
            facts["min_identity"] = self.min_identity
        return json.dumps(facts, sort_keys=True)

    @staticmethod
    def from_json(text: str) -> "Edit":
        """The edit that `to_json` wrote; all keys may be missing.

        Raises `BadRequest` when the text is not such an edit.
        """
        try:
            facts = json.loads(text)
        except ValueError as error:
            raise BadRequest(f"an edit is JSON: {error}") from error
        if not isinstance(facts, dict) or facts.keys() - KEYS:
            raise BadRequest(
                'an edit is {"set": {...}, "add": {...}, "keep": [...], "strength": 1, '
                '"exactly": false, "hair_colour": "#rrggbb", "hair_amount": 1, "lens_darkness": 0, '
                '"min_identity": 0.6}'
            )
        set_, added, kept = facts.get("set", {}), facts.get("add", {}), facts.get("keep", [])
        if not isinstance(set_, dict) or not isinstance(added, dict):
            raise BadRequest('"set" and "add" of an edit are tables of names and amounts')
        if not isinstance(kept, list) or not all(isinstance(name, str) for name in kept):
            raise BadRequest('"keep" of an edit is a list of names')
        return Edit(
            set_,
            added,
            frozenset(kept),
            facts.get("strength", 1.0),
            facts.get("exactly", False),
            facts.get("hair_colour"),
            facts.get("hair_amount", 1.0),
            facts.get("lens_darkness"),
            facts.get("min_identity"),
        )


def _spelt(name: str) -> str:
    """CelebA's spelling where `name` is one of its attributes, else `name` itself."""
    try:
        return match(name, NAMES)
    except UnknownName:
        return name


def _colour(value: object) -> str | None:
    if value is None:
        return None
    text = value.strip().lower() if isinstance(value, str) else ""
    text = text if text.startswith("#") else f"#{text}"
    if not COLOUR.fullmatch(text):
        raise BadRequest(f"a hair colour is written #rrggbb, found {value!r}")
    return text


def _number(value: object, limits: tuple[float, float], what: str) -> float:
    if isinstance(value, bool) or not isinstance(value, numbers.Real) or not math.isfinite(value):
        raise BadRequest(f"{what} must be a number, found {value!r}")
    value = float(value)
    if not limits[0] <= value <= limits[1]:
        raise BadRequest(f"{what} must lie in {limits[0]:g}..{limits[1]:g}, found {value:g}")
    return value


def _amounts(
    asked: Mapping[str, float], limits: tuple[float, float], what: str
) -> dict[str, float]:
    amounts: dict[str, float] = {}
    for name, value in asked.items():
        name = _spelt(name)
        if name in amounts:
            raise BadRequest(f"{name} has two {what}s; give one")
        amounts[name] = _number(value, limits, f"{what} of {name}")
    return amounts
