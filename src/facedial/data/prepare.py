"""Prepares a store: plans, makes the crops in several processes, journals, resumes, packs."""

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
from facedial.data.crops import CropMaker, Locate
from facedial.data.item import SPLIT_RULE, SPLITS, Item, Source, split_of
from facedial.data.pool import Chunk, CropFacts, CropWriter, write_all
from facedial.errors import BadRequest, BadStore, FacedialError, UnknownName
from facedial.faces.crop import FRAMES
from facedial.folder import nearest

CHUNK = 256
RAW, JOURNAL, PLAN = "all.u8", "journal.jsonl", "plan.json"
SIZES = (16, 1024)

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Report:
    """Result: number of crops, in all and in each split, and (file, reason) of skipped pictures.

    `resumed`: pictures done by an earlier, interrupted call. `already`: the store was complete.
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
    """Make the store `out` from `source`; resumes an interrupted call with the same arguments.

    `frame`: how a photo is cropped, a name of `FRAMES`. `size`: side of a crop, px. `locate`: finds
    faces if the labels have no landmarks; picklable if there are several processes.
    `progress(done, total)` is called after each chunk. The store's bytes depend on the source, the
    frame and the size alone, not on `processes` or interruptions.
    Raises `BadRequest` if `out` is something else, `FacedialError` if no picture can be used.
    """
    start_time = time.monotonic()
    out = Path(out)
    _check(source, frame, size, processes)
    items, twice = _listed(source)
    finds = locate is not None and FRAMES[frame].needs_face and any(map(_unplaced, items))
    plan = _plan(source, items, frame, size, finds)
    if _is_complete(out, plan):
        return _report(out, start_time, resumed=0, already=True)
    partial = _PartialStore.open(out, plan, len(items), size)
    done = partial.read_journal()
    resumed = len(done)
    # in the order of the bytes: a compressed tar can only be read forwards
    order = sorted(
        range(len(items)), key=lambda row: (items[row].location.path, items[row].location.start)
    )
    todo = [row for row in order if row not in done]
    chunks = [
        Chunk(tuple((row, items[row]) for row in todo[start : start + CHUNK]))
        for start in range(0, len(todo), CHUNK)
    ]
    writer = CropWriter(CropMaker(frame, size, locate, source.pick), partial.folder / RAW)
    try:
        with partial.journal() as journal:
            for rows in write_all(chunks, writer, processes):
                journal.write(json.dumps(rows) + "\n")
                journal.flush()
                done |= {row["row"]: row for row in rows}
                if progress is not None:
                    progress(len(done), len(items))
        partial.finish(items, done, _facts(source, plan, frame, size, twice))
    except OSError as error:
        raise FacedialError(
            f"cannot write {out}: {error.strerror or error}; the same command goes on afterwards"
        ) from error
    return _report(out, start_time, resumed=resumed, already=False)


@dataclass(frozen=True, slots=True)
class _PartialStore:
    """The folder `out`.partial in which a store is made; renamed to `out` when it is complete."""

    out: Path
    folder: Path
    count: int
    size: int

    @staticmethod
    def open(out: Path, plan: str, count: int, size: int) -> "_PartialStore":
        folder = out.with_name(out.name + ".partial")
        partial = _PartialStore(out, folder, count, size)
        if (folder / PLAN).exists():
            try:
                same = json.loads((folder / PLAN).read_text(encoding="utf-8"))["plan"] == plan
            except (OSError, ValueError, KeyError, TypeError):
                same = False
            if not same:
                raise BadRequest(
                    f"{folder} is left from preparing another source or with other options; remove it"
                )
            return partial
        need = count * size * size * 3
        try:
            out.parent.mkdir(parents=True, exist_ok=True)
            free = shutil.disk_usage(out.parent).free
            if need > free:
                raise FacedialError(
                    f"{out} needs {need / 1e6:.0f} MB, only {free / 1e6:.0f} MB are free"
                )
            folder.mkdir(exist_ok=True)  # without a plan: interrupted before anything was done
            with (folder / RAW).open("wb") as raw:
                raw.truncate(need)
            # last: a folder with a plan can be resumed
            (folder / PLAN).write_text(json.dumps({"plan": plan}), encoding="utf-8")
        except OSError as error:
            raise FacedialError(f"cannot write {out}: {error.strerror or error}") from error
        return partial

    def journal(self) -> Any:
        return (self.folder / JOURNAL).open("a", encoding="utf-8")

    def read_journal(self) -> dict[int, CropFacts]:
        """Facts of the rows done so far; truncates a last line that is incomplete."""
        path = self.folder / JOURNAL
        if not path.exists():
            return {}
        data = path.read_bytes()
        whole = data[: data.rfind(b"\n") + 1]
        if len(whole) < len(data):
            os.truncate(path, len(whole))
        return {row["row"]: row for line in whole.splitlines() for row in json.loads(line)}

    def finish(self, items: list[Item], done: dict[int, CropFacts], facts: dict[str, Any]) -> None:
        """Pack the pixels, write index and facts, rename; can be called again after an interruption."""
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
        """Write the kept rows of the raw file to `pixels.u8`."""
        raw, pixels = self.folder / RAW, self.folder / store.PIXELS
        if not raw.exists():
            return  # done by an earlier call
        if len(kept) == self.count:
            raw.rename(pixels)
            return
        row_bytes = self.size * self.size * 3
        with raw.open("rb") as source, pixels.open("wb") as packed:
            for row in kept:
                source.seek(row * row_bytes)
                packed.write(source.read(row_bytes))
        raw.unlink()


def write_columns(folder: Path, items: list[Item], crops: list[CropFacts]) -> None:
    """Write the index of `items`; `crops`: the facts of their crops."""
    unknown = np.full(len(NAMES), np.nan, np.float32)
    attributes = [unknown if item.attributes is None else item.attributes for item in items]
    columns = {
        "file": [item.file for item in items],
        "person": [item.person or item.file for item in items],
        "split": [item.split or split_of(item.person or item.file) for item in items],
        "landmarks": np.array([row["landmarks"] for row in crops], np.float32),
        "inside": np.array([row["inside"] for row in crops], np.float32),
        "to_photo": np.array([row["to_photo"] for row in crops], np.float64),
        "photo_size": np.array([row["photo_size"] for row in crops], np.int32),
        "attributes": np.array(attributes, np.float32),
    }
    names = dict.fromkeys(name for item in items for name in item.extra)
    extra = {
        name: [item.extra.get(name, "") for item in items]
        for name in names
        if name not in store.COLUMNS
    }
    store.write_index(folder, columns, extra)
    if any(item.masks for item in items):
        store.write_masks(folder, [item.masks for item in items])


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
    """The source's items, and (file, reason) of those whose name is not the first of its kind."""
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
    """Whether the face has to be detected before the picture can be cropped."""
    placed = item.ready or item.head_box is not None
    return not placed and (item.landmarks is None or not np.isfinite(item.landmarks).all())


def _plan(source: Source, items: list[Item], frame: str, size: int, finds: bool) -> str:
    """Digest of everything that a store's bytes depend on."""
    digest = hashlib.blake2b(digest_size=16)
    head = (store.FORMAT, source.kind, source.names, source.fingerprint(), frame, size, finds)
    digest.update(repr((*head, source.pick, SPLIT_RULE)).encode())
    for item in items:
        facts = (item.file, item.person, item.split, item.ready, item.head_box, item.inside)
        digest.update(repr((*facts, item.photo_size, sorted(item.extra.items()))).encode())
        for name, png in sorted(item.masks.items()):
            digest.update(name.encode() + png)
        for numbers in (item.landmarks, item.attributes, item.to_photo):
            digest.update(b"-" if numbers is None else np.ascontiguousarray(numbers).tobytes())
    return digest.hexdigest()


def _is_complete(out: Path, plan: str) -> bool:
    """Whether `out` is this store, complete; raises `BadRequest` if it is something else."""
    if not out.exists() and not out.is_symlink():
        return False
    if out.is_dir() and not any(out.iterdir()):
        return False
    try:
        same = store.read_facts(out)["plan"] == plan
    except BadStore as error:
        raise BadRequest(f"{out} exists and is not a store; choose another output") from error
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


def _report(out: Path, start_time: float, *, resumed: int, already: bool) -> Report:
    complete = store.Store.open(out)
    return Report(
        store=out,
        count=len(complete),
        splits={name: len(complete.where(name)) for name in SPLITS},
        skipped=complete.skipped,
        resumed=resumed,
        already=already,
        seconds=time.monotonic() - start_time,
    )
