"""Implied attributes: those that change with a target, because it excludes or includes them.

Few people have grey hair and black hair, or a moustache and no beard, and a model trained on people
hardly reacts to a target of both. The table was taken from the labels of 37,540 photos, where each
rule holds for at least 94 people in a hundred (`facedial evaluate --only implied` counts them), and
corrected by hand: what occurs together by custom alone is left out, so that a moustache implies no
sex, and glasses and grey hair imply no age.
"""

import dataclasses
from collections.abc import Collection, Mapping

from facedial.editing.request import TARGET_RANGE, Edit

COLOURS = ("Black_Hair", "Blond_Hair", "Brown_Hair", "Gray_Hair")
# Without the five o'clock shadow: 29 of 100 who have it are labelled "No_Beard".
BEARDS = ("Goatee", "Mustache", "Sideburns")


def _none_of(*names: str) -> dict[str, float]:
    return dict.fromkeys(names, 0.0)


# Attribute -> other attributes of people who have it: 1 present, 0 absent.
IMPLIED_WITH: Mapping[str, Mapping[str, float]] = {
    **{c: _none_of(*(other for other in COLOURS if other != c)) for c in COLOURS},
    # Of the bald, 27 in 100 are labelled grey.
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
# The same for a person who does not have the attribute. A smile is not taken away by custom of the labels
# but so that it goes: with the mouth left open, teeth stay in the picture.
IMPLIED_WITHOUT: Mapping[str, Mapping[str, float]] = {
    "Smiling": _none_of("Mouth_Slightly_Open"),
    "Wearing_Lipstick": {"Heavy_Makeup": 0.0},
    "Male": {"No_Beard": 1.0},
}


def implied_by(
    targets: Mapping[str, float], known: Collection[str], fixed: Collection[str] = ()
) -> dict[str, float]:
    """Attributes implied by `targets` (attribute -> 0 without .. 1 with), among those `known`.

    `fixed`: attributes that are never implied; the targets are among them. Where two targets imply
    opposite values, neither counts. A target of one half implies nothing.

    >>> implied_by({"Mustache": 1}, ["Mustache", "No_Beard"])
    {'No_Beard': 0.0}
    """
    asked = {name: (amount > 0.5, 1.0) for name, amount in targets.items() if amount != 0.5}
    return {other: value for other, (value, _) in _implied(asked, known, fixed).items()}


def with_implied(edit: Edit, current: Mapping[str, float], fixed: Collection[str] = ()) -> Edit:
    """The edit with its implied attributes as targets, among those that `current` has.

    `current`: attribute -> value of the face, on the scale of targets. An implied attribute goes the
    same share of its way as the target does, so that an edit is continuous at zero; one that is at its
    implied value already, or beyond it, is left out. An edit to be made `exactly` is returned as it is.
    `fixed`: attributes that are never implied.
    """
    if edit.exactly:
        return edit
    asked = {}
    for name, target in edit.targets.items():
        now = current.get(name, target)
        if target != now:
            more = target > now
            way = (1 - now) if more else now
            asked[name] = (more, min(1.0, abs(target - now) / way) if way > 0 else 0.0)
    extra = {
        # A reading may lie beyond what a target may be.
        other: min(max(partway(current[other], value, share), TARGET_RANGE[0]), TARGET_RANGE[1])
        for other, (value, share) in _implied(
            asked, current, {*edit.keep, *edit.shifts, *fixed}
        ).items()
        if share and remains(current[other], value)
    }
    return dataclasses.replace(edit, targets={**edit.targets, **extra})


def partway(now: float, value: float, share: float) -> float:
    """The share of the way from `now` to an implied value."""
    return now + share * (value - now)


def remains(now: float, value: float) -> bool:
    """Whether `now` has not yet reached an implied value, 0 or 1."""
    return (value - now) * (value - 0.5) > 0


def _implied(
    asked: Mapping[str, tuple[bool, float]], known: Collection[str], fixed: Collection[str]
) -> dict[str, tuple[float, float]]:
    """Implied attribute -> (value, share of its way); `asked`: attribute -> (present, share)."""
    found: dict[str, dict[float, float]] = {}
    for name, (present, share) in asked.items():
        table = IMPLIED_WITH if present else IMPLIED_WITHOUT
        for other, value in table.get(name, {}).items():
            if other in known and other not in asked and other not in fixed:
                shares = found.setdefault(other, {})
                shares[value] = max(share, shares.get(value, 0.0))
    return {other: shares.popitem() for other, shares in found.items() if len(shares) == 1}
