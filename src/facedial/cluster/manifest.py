"""What a run is, and which of its parts are done: small files beside its results, in `_facedial`.

    run.json            what is run on what; written when the list of photos is complete
    inputs/*.parquet    the list (`listing`)
    begun/PART.json     a part that is worked on: who has it, and what it died of before
    done/PART.json      a part that is done, written after its files: photos, failures, seconds

A part is done where its entry and all its files exist.  Nothing is locked: whoever does a part once
more writes the same bytes under the same names.
"""

import json
import os
import socket
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

from facedial.cluster.listing import Listing
from facedial.cluster.places import Place
from facedial.errors import BadRequest

FORMAT = 1
HOME = "_facedial"  # readers of Parquet folders leave out what begins so
# Photos in a part: at least 64 parts where there are so many photos, at most some 65,000.
FEWEST, USUAL, MOST = 4, 256, 4096
DEATHS = 2  # of workers at one photo, after which it has failed


@dataclass(frozen=True, slots=True)
class Run:
    """What a rerun must have in common with the run that it goes on with; the first `photos` matter.

    `settings`: what was asked for, as JSON can hold it.  `inputs`: what was given, as text.
    """

    verb: str
    settings: dict[str, Any]
    inputs: list[str]
    photos: int
    part_size: int

    @property
    def parts(self) -> int:
        """How many parts there are."""
        return -(-self.photos // self.part_size)

    def photos_of(self, part: int) -> tuple[int, int]:
        """The first photo of a part, and how many it has."""
        first = part * self.part_size
        return first, min(self.part_size, self.photos - first)


def part_size(photos: int) -> int:
    """Photos in each part of a run.

    >>> [part_size(photos) for photos in (60, 5_000, 10**6, 10**9)]
    [4, 78, 256, 4096]
    """
    return min(MOST, max(FEWEST, min(USUAL, photos // 64), photos // 65_536))


@dataclass(slots=True)
class Trial:
    """An attempt at a part by one driver's workers.

    `photo`: the place in the part of the photo that is worked on, where that is noted, as it is from
    the second attempt on. `deaths`: place of a photo -> how many workers ended while working on it.
    """

    driver: str
    attempt: int = 1
    photo: int | None = None
    deaths: dict[str, int] = field(default_factory=dict)
    pid: int = field(default_factory=os.getpid)
    host: str = field(default_factory=socket.gethostname)

    @property
    def is_careful(self) -> bool:
        """Whether each photo is noted before it is worked on."""
        return self.attempt > 1

    def is_deadly(self, photo: int) -> bool:
        """Whether so many workers ended at that photo that it has failed."""
        return self.deaths.get(str(photo), 0) >= DEATHS

    def next(self) -> "Trial":
        """The attempt after this one, whose worker ended."""
        deaths = dict(self.deaths)
        if self.photo is not None:
            deaths[str(self.photo)] = deaths.get(str(self.photo), 0) + 1
        return Trial(self.driver, self.attempt + 1, None, deaths)


@dataclass(frozen=True, slots=True)
class Manifest:
    """The files of a run in the folder `out`."""

    out: Place

    @property
    def listing(self) -> Listing:
        """The list of the run's photos."""
        return Listing(self.out.at(f"{HOME}/inputs"))

    def load(self) -> Run | None:
        """The run that the folder holds; None where it holds none, or one whose list is not complete.

        Raises `BadRequest` for a folder with other things in it.
        """
        place = self.out.at(f"{HOME}/run.json")
        if not place.is_file():
            if others := [one.name for one in self.out.entries() if one.name != HOME]:
                raise BadRequest(
                    f"{self.out} holds other things ({others[0]}); give an empty folder for -o"
                )
            return None
        try:
            facts = json.loads(place.read())
            if facts.pop("format") != FORMAT:
                raise ValueError("another format")
            return Run(**facts)
        except (ValueError, KeyError, TypeError) as error:
            raise BadRequest(
                f"{place} is not of this version of facedial ({error}); give another folder for -o"
            ) from error

    def save(self, run: Run) -> None:
        """Store what is run; its list must be complete."""
        for name in ("begun", "done"):
            self.out.at(f"{HOME}/{name}").make()
        text = json.dumps({"format": FORMAT, **asdict(run)}, indent=1)
        self.out.at(f"{HOME}/run.json").write(text.encode())

    def clear(self) -> None:
        """Delete a list that was not completed."""
        self.out.at(f"{HOME}/inputs").remove()

    def missing(self, run: Run, files: Callable[[int], list[str]]) -> list[int]:
        """Parts that are not done; `files(part)`: the names of a part's files."""
        entries = {one.name for one in self.out.at(f"{HOME}/done").entries()}
        there = {one.name for one in self.out.entries()}
        return [
            part
            for part in range(run.parts)
            if f"{part:07d}.json" not in entries or not there.issuperset(files(part))
        ]

    def entry(self, part: int, files: Callable[[int], list[str]]) -> dict[str, Any] | None:
        """The entry of a part that is done (see `missing`), None for another."""
        place = self._of(part, "done")
        if not place.is_file() or not all(self.out.at(name).is_file() for name in files(part)):
            return None
        return dict(json.loads(place.read()))

    def finish(self, part: int, entry: dict[str, Any]) -> None:
        """Say that a part is done, after its files are there."""
        self._of(part, "done").write(json.dumps(entry).encode())
        self._of(part, "begun").remove()

    def begin(self, part: int, driver: str) -> Trial:
        """Say that a part is worked on; knows of earlier attempts by workers of the same driver."""
        place = self._of(part, "begun")
        trial = Trial(driver)
        if place.is_file():
            before = Trial(**json.loads(place.read()))
            # Another driver's workers ended with it, which is no photo's fault.
            trial = before.next() if before.driver == driver else trial
        self.note(part, trial)
        return trial

    def note(self, part: int, trial: Trial) -> None:
        """Store how far an attempt is."""
        self._of(part, "begun").write(json.dumps(asdict(trial)).encode())

    def _of(self, part: int, kind: str) -> Place:
        return self.out.at(f"{HOME}/{kind}/{part:07d}.json")
