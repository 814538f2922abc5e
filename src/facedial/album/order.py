"""The photos of one moment, the best first, and what is weak in the others."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from facedial.album.groups import Shot, people_of
from facedial.album.measures import OPEN, FaceMeasures
from facedial.codes.attributes import NAMES, match
from facedial.errors import BadRequest

# Share of a person's best in the group up to which a part scores 0, and from which on it scores 1.
EYES = 0.6, 0.85
SHARP = 0.2, 0.7
CLOSED = 0.07  # eyes of somebody who is seen once: from here to `OPEN`
WEAK = 0.5  # a part that scores less is named
EYES_OPEN, SHARPNESS, SEEN = "eyes open", "sharpness", "seen"


@dataclass(frozen=True, slots=True)
class Preferences:
    """What makes a photo better: targets of attributes 0..1, and open eyes. Sharpness always counts."""

    targets: Mapping[str, float]
    eyes_open: bool = False

    def __post_init__(self) -> None:
        spelt = {match(name, NAMES): value for name, value in self.targets.items()}
        for name, value in spelt.items():
            if not 0 <= value <= 1:
                raise BadRequest(f"a preferred {name} must lie in 0..1, found {value:g}")
        object.__setattr__(self, "targets", spelt)


@dataclass(frozen=True, slots=True)
class PersonScore:
    """One person of the group in one photo: `face` number, None where not found; parts 0..1."""

    person: int
    face: int | None
    parts: Mapping[str, float]

    @property
    def score(self) -> float:
        """The mean of the parts."""
        return float(np.mean(list(self.parts.values())))

    def weak(self) -> str:
        """What is weak, in words; empty where nothing is."""
        if self.face is None:
            return f"person {self.person} is not found"
        low = [f"{name} {value:.2f}" for name, value in self.parts.items() if value < WEAK]
        return f"face {self.face}: {', '.join(low)}" if low else ""


@dataclass(frozen=True, slots=True, eq=False)
class Ranked:
    """A photo with its score, 0..1: half the mean over its people, half the weakest of them."""

    shot: Shot
    people: tuple[PersonScore, ...]

    @property
    def score(self) -> float:
        """See the class; 0 where nobody was found."""
        each = [one.score for one in self.people]
        return (float(np.mean(each)) + min(each)) / 2 if each else 0.0

    def weak(self) -> list[str]:
        """What is weak in it, a sentence's part for each person."""
        return [text for text in (one.weak() for one in self.people) if text]


def ranked(shots: Sequence[Shot], wanted: Preferences) -> list[Ranked]:
    """The photos of a group, the best first; equal ones in their order.

    A part of a face's score is 1 less the distance of an attribute's probability from its target; for
    open eyes and sharpness it is relative to the best of the same person in the group.
    """
    rows = people_of(shots)
    persons = range(len(rows[0]) if rows else 0)
    faces = [
        [None if i is None else shot.faces[i] for i in row]
        for shot, row in zip(shots, rows, strict=True)
    ]
    found = []
    for shot, row in zip(shots, faces, strict=True):
        people = []
        for person in persons:
            own = [one[person] for one in faces]
            present = [one for one in own if one is not None]
            people.append(_scored(person + 1, row[person], present, wanted))
        found.append(Ranked(shot, tuple(people)))
    return sorted(found, key=lambda one: -one.score)


def _scored(
    person: int, face: FaceMeasures | None, everywhere: Sequence[FaceMeasures], wanted: Preferences
) -> PersonScore:
    if face is None:
        return PersonScore(person, None, {SEEN: 0.0})
    parts = {
        name: 1 - abs(face.attributes[name] - target) for name, target in wanted.targets.items()
    }
    if wanted.eyes_open and face.eyes_open is not None:
        best = max(one.eyes_open for one in everywhere if one.eyes_open is not None)
        alone = len(everywhere) == 1
        share = (
            _ramp(face.eyes_open, (CLOSED, OPEN))
            if alone
            else _ramp(face.eyes_open / max(best, 1e-6), EYES)
        )
        parts[EYES_OPEN] = share
    sharpest = max(one.facts.sharpness for one in everywhere)
    parts[SHARPNESS] = _ramp(face.facts.sharpness / max(sharpest, 1e-9), SHARP)
    return PersonScore(person, face.facts.face, parts)


def _ramp(value: float, ends: tuple[float, float]) -> float:
    return float(np.clip((value - ends[0]) / (ends[1] - ends[0]), 0, 1))
