"""What a wish brings along: attributes that exclude or imply each other, in one table.

Hardly any person has grey hair and black hair, or a moustache and no beard: a model that learnt from
people does little when asked for both. The table was read off the labels of 37,540 photos, where each
rule holds for at least 94 people in a hundred (`facedial evaluate --only implied` counts them), and
corrected by hand: what goes together by custom alone is left out, so that a moustache asks for no sex,
glasses and grey hair for no age.
"""

import dataclasses
from collections.abc import Collection, Mapping

from facedial.codes.edit import Edit

COLOURS = ("Black_Hair", "Blond_Hair", "Brown_Hair", "Gray_Hair")
BEARDS = (
    "Goatee",
    "Mustache",
    "Sideburns",
)  # not the shadow: 29 of 100 who have it have "No_Beard"


def _none_of(*names: str) -> dict[str, float]:
    return dict.fromkeys(names, 0.0)


# Attribute -> what a person who has it has (1) and has not (0) besides.
WITH: Mapping[str, Mapping[str, float]] = {
    **{c: _none_of(*(other for other in COLOURS if other != c)) for c in COLOURS},
    # Of the bald, 27 in 100 are called grey.
    "Bald": _none_of(*COLOURS[:3], "Bangs", "Straight_Hair", "Wavy_Hair", "Wearing_Hat"),
    "Bangs": _none_of("Bald", "Receding_Hairline", "Wearing_Hat"),
    "Receding_Hairline": _none_of("Bangs", "Wearing_Hat"),
    "Straight_Hair": _none_of("Bald", "Wavy_Hair"),
    "Wavy_Hair": _none_of("Bald", "Straight_Hair"),
    "Wearing_Hat": _none_of("Bald", "Bangs", "Receding_Hairline"),
    **{part: _none_of("No_Beard") for part in BEARDS},
    "No_Beard": _none_of("5_o_Clock_Shadow", *BEARDS),
    "Heavy_Makeup": {"Wearing_Lipstick": 1.0},
    "Pale_Skin": _none_of("Rosy_Cheeks"),
    "Rosy_Cheeks": _none_of("Pale_Skin"),
    "Wearing_Necklace": _none_of("Wearing_Necktie"),
    "Wearing_Necktie": _none_of("Wearing_Necklace"),
    "Young": _none_of("Gray_Hair", "Double_Chin"),
}  # fmt: skip
# Attribute -> the same for a person who has it not.
WITHOUT: Mapping[str, Mapping[str, float]] = {"Wearing_Lipstick": {"Heavy_Makeup": 0.0}}


def companions(
    wanted: Mapping[str, float], known: Collection[str], spoken_of: Collection[str] = ()
) -> dict[str, float]:
    """What `wanted` (attribute -> 0 without .. 1 with) brings along, of the attributes `known`.

    `spoken_of`: attributes that stay as they are asked for; those wanted belong to them. Of two wishes
    that bring opposite things along, neither does. Half a wish brings nothing: it may go either way.

    >>> companions({"Mustache": 1}, ["Mustache", "No_Beard"])
    {'No_Beard': 0.0}
    """
    asked = {name: (amount > 0.5, 1.0) for name, amount in wanted.items() if amount != 0.5}
    return {other: value for other, (value, _) in _brought(asked, known, spoken_of).items()}


def completed(edit: Edit, own: Mapping[str, float], spoken_of: Collection[str] = ()) -> Edit:
    """The edit with what its targets bring along, of the attributes that `own` speaks of.

    `own`: attribute -> how much of it the face has, on the scale of targets. A companion goes as far
    of its way as the wish does of its own, so that an edit begins at nothing; one that is there
    already, or beyond, stays. The edit that comes out is to be made `exactly`; to one that is so
    already nothing is added. `spoken_of`: attributes that are somebody else's to change.
    """
    if edit.exactly:
        return edit
    asked = {}
    for name, target in edit.targets.items():
        now = own.get(name, target)
        if target != now:
            more = target > now
            way = (1 - now) if more else now
            asked[name] = (more, min(1.0, abs(target - now) / way) if way > 0 else 0.0)
    extra = {
        other: own[other] + share * (value - own[other])
        for other, (value, share) in _brought(
            asked, own, {*edit.keep, *edit.shifts, *spoken_of}
        ).items()
        if share and (value - own[other]) * (value - 0.5) > 0
    }
    return dataclasses.replace(edit, targets={**edit.targets, **extra}, exactly=True)


def _brought(
    asked: Mapping[str, tuple[bool, float]], known: Collection[str], spoken_of: Collection[str]
) -> dict[str, tuple[float, float]]:
    """`asked`: attribute -> whether it comes or goes, and how much counts; companion -> value, count."""
    found: dict[str, dict[float, float]] = {}
    for name, (comes, share) in asked.items():
        for other, value in (WITH if comes else WITHOUT).get(name, {}).items():
            if other in known and other not in asked and other not in spoken_of:
                shares = found.setdefault(other, {})
                shares[value] = max(share, shares.get(value, 0.0))
    return {other: shares.popitem() for other, shares in found.items() if len(shares) == 1}
