"""A worker: it has a model of its own, and does one part after another."""

import io
import itertools
import json
import os
import socket
import tarfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

import pyarrow
from pyarrow import parquet

from facedial.cluster import reading
from facedial.cluster.inputs import Item, Kind
from facedial.cluster.job import Job, Made
from facedial.cluster.manifest import Manifest, Run, Trial
from facedial.cluster.places import Place
from facedial.editor import Editor
from facedial.errors import FacedialError

TOLD = 20  # failures of a part that its entry names; its table has them all


@dataclass(frozen=True, slots=True)
class Plan:
    """What every worker knows: the job, the run, where photos and results are, and who asks."""

    job: Job
    run: Run
    roots: tuple[Place, ...]
    manifest: Manifest
    driver: str


@dataclass(slots=True)
class Worker:
    """Ray Data calls it with the number of a part, and gets the part's entry."""

    plan: Plan
    editor: Editor = field(init=False)

    def __post_init__(self) -> None:
        self.editor = self.plan.job.opened()

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Do the parts of a batch: the column `part`, numbers; returns `entry`, JSON."""
        return {"entry": [json.dumps(self.do(int(part))) for part in batch["part"]]}

    def do(self, part: int) -> dict[str, Any]:
        """Do one part, unless it is done; returns its entry."""
        plan, manifest = self.plan, self.plan.manifest
        if (found := manifest.entry(part, plan.job.files)) is not None:
            return found
        begun = time.monotonic()
        trial = manifest.begin(part, plan.driver)
        first, count = plan.run.photos_of(part)
        items = manifest.listing.read(first, count)
        with ExitStack() as files:
            results = _Results(plan, part, files)
            for item, made in self._each(part, items, trial):
                results.add(item, made)
            entry = results.finish()
        entry |= {
            "part": part,
            "photos": count,
            "seconds": round(time.monotonic() - begun, 3),
            "attempt": trial.attempt,
            "host": socket.gethostname(),
            "pid": os.getpid(),
        }
        manifest.finish(part, entry)
        return entry

    def _each(self, part: int, items: Sequence[Item], trial: Trial) -> Iterator[tuple[Item, Made]]:
        """What comes of each photo; raises `FacedialError` where none of them can be read."""
        unread: list[OSError] = []
        for number, (item, data) in enumerate(reading.each(items, self.plan.roots)):
            name = full_name(item, self.plan.roots)
            if trial.is_deadly(number):
                why = "the process that worked on it ended, perhaps for want of memory"
                yield item, Made(error=f"{name}: {why}")
                continue
            if trial.is_careful:
                trial.photo = number
                self.plan.manifest.note(part, trial)
            if isinstance(data, OSError):
                # What is missing stays so; what cannot be read may be the network's fault.
                unread += [] if isinstance(data, FileNotFoundError) else [data]
                reason = data.strerror or " ".join(str(data).split())
                made = Made(error=f"cannot read {name}: {reason}")
            else:
                made = self.plan.job.work(self.editor, data, name)
            yield item, made
        if len(unread) == len(items) > 1:
            raise FacedialError(
                f"none of the {len(items)} photos of a part can be read ({unread[0]}); run the same "
                "command again when they can"
            )


def full_name(item: Item, roots: Sequence[Place]) -> str:
    """Where a photo is, for people: its file, and its name in it."""
    file = f"{roots[item.root].scheme}{item.path}"
    return file if item.kind == Kind.FILE else f"{file}/{item.member}"


class _Results:
    """The files of a part, written as results come, in place when all are there."""

    def __init__(self, plan: Plan, part: int, files: ExitStack) -> None:
        self._plan, self._files = plan, files
        self._places = [plan.manifest.out.at(name) for name in plan.job.files(part)]
        self._rows: list[dict[str, Any]] = []
        self._failures: list[tuple[str, str]] = []
        self._failed = 0
        self._taken: set[str] = set()
        self._tar: tarfile.TarFile | None = None
        if plan.job.pictures:
            stream = files.enter_context(self._places[1].writing())
            # Written from front to end: object stores cannot go back.
            tar = tarfile.open(fileobj=stream, mode="w|")  # noqa: SIM115 (closed with the others)
            self._tar = files.enter_context(tar)

    def add(self, item: Item, made: Made) -> None:
        """Add what came of a photo: a row for each face, or one with its error."""
        name = full_name(item, self._plan.roots)
        common: dict[str, Any] = {"input": name, "notes": list(made.notes)}
        if made.error is not None:
            self._failed += 1
            self._failures += [(name, made.error)] if self._failed <= TOLD else []
            self._rows.append({**common, "error": made.error})
            return
        if self._tar is not None and made.picture is not None:
            common["output"] = self._member(item, made.ending)
            header = tarfile.TarInfo(common["output"])
            header.size = len(made.picture)
            self._tar.addfile(header, io.BytesIO(made.picture))
        for number, row in enumerate(made.rows, 1):
            # As `facedial encode` names them in a table of codes.
            common["name"] = item.key if number == 1 else f"{item.key}#{number}"
            self._rows.append({**common, **row})

    def finish(self) -> dict[str, Any]:
        """Write the table, and put all files in their places; returns what the entry says of them."""
        job = self._plan.job
        table = pyarrow.Table.from_pylist(self._rows, job.schema)
        self._files.close()
        with self._places[0].writing() as stream:
            parquet.write_table(table, stream)
        return {"rows": table.num_rows, "failed": self._failed, "failures": self._failures}

    def _member(self, item: Item, ending: str) -> str:
        """The name of a photo's result: the photo's, marked; no two of a part are the same."""
        key, mark = PurePosixPath(item.key), self._plan.job.pictures
        stem = key.stem if key.suffix.lower() == ending.lower() else key.name
        for number in itertools.count(1):
            again = f"-{number}" if number > 1 else ""
            name = str(key.with_name(f"{stem}-{mark}{again}{ending}"))
            if name not in self._taken:
                self._taken.add(name)
                return name
        raise AssertionError("unreachable")
