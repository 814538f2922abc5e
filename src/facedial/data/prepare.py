"""Prepare a store: plan, make the crops in several processes, journal, resume, finish."""

import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from facedial.codes.attributes import NAMES
from facedial.data import store
from facedial.data.crops import Locate, Maker
from facedial.data.item import SPLIT_RULE, SPLITS, Item, Source, split_of
from facedial.data.workers import Bench, Chunk, Row, run
from facedial.errors import BadRequest, BadStore, FacedialError, UnknownName
from facedial.faces.crop import FRAMES
from facedial.folder import nearest

CHUNK = 256
RAW, JOURNAL, PLAN = "all.u8", "journal.jsonl", "plan.json"
SIZES = (16, 1024)

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Report:
    """What came of it: crops in the store, in each split, and (file, reason) of those left out.

    `resumed`: pictures that an earlier, stopped run had done; `already`: the store was complete.
    """

    store: Path
    count: int
    splits: dict[str, int]
    skipped: tuple[tuple[str, str], ...]
    resumed: int
    already: bool
    seconds: float


def prepare(
    source: Source,
    out: str | Path,
    *,
    frame: str = "head",
    size: int = 128,
    processes: int = 2,
    locate: Locate | None = None,
    progress: Progress | None = None,
) -> Report:
    """Make the store `out` from `source`; the same call goes on where a stopped one was.

    `frame`: how a photo is cropped, a name of `FRAMES`; `size`: pixels of a crop's side.
    `locate`: finds faces where the labels name no landmarks; with several processes it must be
    picklable.  `progress(done, total)` is called after each chunk.  The store's bytes depend on the
    source and these two alone, not on `processes` nor on interruptions.
    Raises `BadRequest` when `out` is something else, `FacedialError` when nothing can be used.
    """
    began = time.monotonic()
    out = Path(out)
    _check(source, frame, size, processes)
    items, twice = _listed(source)
    finds = locate is not None and FRAMES[frame].needs_face and any(map(_unplaced, items))
    plan = _plan(source, items, frame, size, finds)
    if _is_complete(out, plan):
        return _report(out, began, resumed=0, already=True)
    work = _Work.open(out, plan, len(items), size)
    done = work.read_journal()
    resumed = len(done)
    # as the bytes lie: a compressed tar can only be read forwards
    order = sorted(
        range(len(items)), key=lambda row: (items[row].place.path, items[row].place.start)
    )
    todo = [row for row in order if row not in done]
    chunks = [
        Chunk(number, tuple((row, items[row]) for row in todo[start : start + CHUNK]))
        for number, start in enumerate(range(0, len(todo), CHUNK))
    ]
    bench = Bench(Maker(frame, size, locate, source.pick), work.folder / RAW)
    try:
        with work.journal() as journal:
            for _, rows in run(chunks, bench, processes):
                journal.write(json.dumps(rows) + "\n")
                journal.flush()
                done |= {row["row"]: row for row in rows}
                if progress is not None:
                    progress(len(done), len(items))
        work.finish(items, done, _facts(source, plan, frame, size, twice))
    except OSError as wrong:
        raise FacedialError(
            f"cannot write {out}: {wrong.strerror or wrong}; the same command goes on afterwards"
        ) from wrong
    return _report(out, began, resumed=resumed, already=False)


@dataclass(frozen=True, slots=True)
class _Work:
    """The folder beside `out` in which a store grows; renamed to `out` when it is complete."""

    out: Path
    folder: Path
    count: int
    size: int

    @staticmethod
    def open(out: Path, plan: str, count: int, size: int) -> "_Work":
        folder = out.with_name(out.name + ".partial")
        work = _Work(out, folder, count, size)
        if (folder / PLAN).exists():
            try:
                same = json.loads((folder / PLAN).read_text(encoding="utf-8"))["plan"] == plan
            except (OSError, ValueError, KeyError, TypeError):
                same = False
            if not same:
                raise BadRequest(
                    f"{folder} is left from preparing another source or other options; remove it"
                )
            return work
        need = count * size * size * 3
        try:
            out.parent.mkdir(parents=True, exist_ok=True)
            free = shutil.disk_usage(out.parent).free
            if need > free:
                raise FacedialError(
                    f"{out} needs {need / 1e6:.0f} MB, only {free / 1e6:.0f} MB are free"
                )
            folder.mkdir(exist_ok=True)  # without a plan: stopped before anything was done
            with (folder / RAW).open("wb") as raw:
                raw.truncate(need)
            # last: a folder with a plan is one that can be gone on with
            (folder / PLAN).write_text(json.dumps({"plan": plan}), encoding="utf-8")
        except OSError as wrong:
            raise FacedialError(f"cannot write {out}: {wrong.strerror or wrong}") from wrong
        return work

    def journal(self) -> Any:
        return (self.folder / JOURNAL).open("a", encoding="utf-8")

    def read_journal(self) -> dict[int, Row]:
        """Rows done so far; a last line cut off by a kill is dropped from the file."""
        path = self.folder / JOURNAL
        if not path.exists():
            return {}
        data = path.read_bytes()
        whole = data[: data.rfind(b"\n") + 1]
        if len(whole) < len(data):
            os.truncate(path, len(whole))
        return {row["row"]: row for line in whole.splitlines() for row in json.loads(line)}

    def finish(self, items: list[Item], done: dict[int, Row], facts: dict[str, Any]) -> None:
        """Pack, write index and facts, rename.  Stopped anywhere, it can be called again."""
        kept = [row for row in range(self.count) if "skipped" not in done[row]]
        skipped = [
            [item.file, done[row]["skipped"]]
            for row, item in enumerate(items)
            if "skipped" in done[row]
        ]
        if not kept:
            shutil.rmtree(self.folder)
            file, why = skipped[0]
            raise FacedialError(f"none of {self.count} pictures could be used; {file}: {why}")
        self._pack(kept)
        made = [done[row] for row in kept]
        chosen = [items[row] for row in kept]
        write_columns(self.folder, chosen, made)
        facts = {**facts, "count": len(kept), "skipped": skipped + facts["skipped"]}
        text = json.dumps(facts, indent=1, ensure_ascii=False) + "\n"
        (self.folder / store.FACTS).write_text(text, encoding="utf-8")
        if self.out.exists():
            self.out.rmdir()  # checked before: an empty folder
        self.folder.rename(self.out)
        for name in (JOURNAL, PLAN):
            (self.out / name).unlink(missing_ok=True)

    def _pack(self, kept: list[int]) -> None:
        """Make `pixels.u8` of the kept rows of the raw file."""
        raw, pixels = self.folder / RAW, self.folder / store.PIXELS
        if not raw.exists():
            return  # an earlier call came this far
        if len(kept) == self.count:
            raw.rename(pixels)
            return
        row_bytes = self.size * self.size * 3
        with raw.open("rb") as source, pixels.open("wb") as packed:
            for row in kept:
                source.seek(row * row_bytes)
                packed.write(source.read(row_bytes))
        raw.unlink()


def write_columns(folder: Path, items: list[Item], made: list[Row]) -> None:
    """Write the index of `items`, whose crops turned out as `made`."""
    unknown = np.full(len(NAMES), np.nan, np.float32)
    attributes = [unknown if item.attributes is None else item.attributes for item in items]
    columns = {
        "file": [item.file for item in items],
        "person": [item.person or item.file for item in items],
        "split": [item.split or split_of(item.person or item.file) for item in items],
        "landmarks": np.array([row["landmarks"] for row in made], np.float32),
        "inside": np.array([row["inside"] for row in made], np.float32),
        "to_photo": np.array([row["to_photo"] for row in made], np.float64),
        "photo_size": np.array([row["photo_size"] for row in made], np.int32),
        "attributes": np.array(attributes, np.float32),
    }
    names = dict.fromkeys(name for item in items for name in item.extra)
    extra = {
        name: [item.extra.get(name, "") for item in items]
        for name in names
        if name not in store.COLUMNS
    }
    store.write_index(folder, columns, extra)


def _check(source: Source, frame: str, size: int, processes: int) -> None:
    if frame not in FRAMES:
        raise UnknownName(nearest(frame, FRAMES, "frame"))
    if source.frame and source.frame != frame:
        raise BadRequest(
            f"{source.names[0]} holds ready {source.frame} crops; "
            f"{frame} crops can only be made from whole photos"
        )
    if not SIZES[0] <= size <= SIZES[1]:
        raise BadRequest(f"the size must lie in {SIZES[0]}..{SIZES[1]} pixels, got {size}")
    if processes < 1:
        raise BadRequest(f"at least one process is needed, got {processes}")


def _listed(source: Source) -> tuple[list[Item], list[list[str]]]:
    """The source's items by name, and those whose name came before."""
    items: dict[str, Item] = {}
    twice = []
    for item in source.items():
        if item.file in items:
            twice.append([item.file, "another picture of the same name came before"])
        else:
            items[item.file] = item
    if not items:
        raise BadRequest(f"no pictures in {', '.join(source.names)}")
    return list(items.values()), twice


def _unplaced(item: Item) -> bool:
    """Whether a face has to be found before a crop of a face can be made."""
    placed = item.ready or item.head_box is not None
    return not placed and (item.landmarks is None or not np.isfinite(item.landmarks).all())


def _plan(source: Source, items: list[Item], frame: str, size: int, finds: bool) -> str:
    """Digest of all that decides a store's bytes."""
    digest = hashlib.blake2b(digest_size=16)
    head = (store.FORMAT, source.kind, source.names, source.mark(), frame, size, finds)
    digest.update(repr((*head, source.pick, SPLIT_RULE)).encode())
    for item in items:
        facts = (item.file, item.person, item.split, item.ready, item.head_box, item.inside)
        digest.update(repr((*facts, item.photo_size, sorted(item.extra.items()))).encode())
        for numbers in (item.landmarks, item.attributes, item.to_photo):
            digest.update(b"-" if numbers is None else np.ascontiguousarray(numbers).tobytes())
    return digest.hexdigest()


def _is_complete(out: Path, plan: str) -> bool:
    """Whether `out` is this very store; raises `BadRequest` when something else is there."""
    if not out.exists() and not out.is_symlink():
        return False
    if out.is_dir() and not any(out.iterdir()):
        return False
    try:
        same = store.read_facts(out)["plan"] == plan
    except BadStore as wrong:
        raise BadRequest(f"{out} exists and is not a store; choose another output") from wrong
    if not same:
        raise BadRequest(
            f"{out} is a store of another source or made with other options; choose another output"
        )
    return True


def _facts(
    source: Source, plan: str, frame: str, size: int, twice: list[list[str]]
) -> dict[str, Any]:
    return {
        "format": store.FORMAT,
        "count": 0,
        "size": size,
        "frame": frame,
        "kind": source.kind,
        "sources": list(source.names),
        "split": SPLIT_RULE,
        "version": version("facedial"),
        "plan": plan,
        "skipped": twice,
    }


def _report(out: Path, began: float, *, resumed: int, already: bool) -> Report:
    made = store.Store.open(out)
    return Report(
        store=out,
        count=len(made),
        splits={name: len(made.where(name)) for name in SPLITS},
        skipped=made.skipped,
        resumed=resumed,
        already=already,
        seconds=time.monotonic() - began,
    )
