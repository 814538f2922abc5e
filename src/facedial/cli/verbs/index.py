"""`facedial index`: an index of the faces of many photos, for `facedial find`."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from facedial.cli import options, streams, workers
from facedial.cli.batch import Attempt, Tally, opened

if TYPE_CHECKING:
    from facedial.editor import Editor
    from facedial.search.entry import PhotoEntry


@dataclass(frozen=True, slots=True)
class Work:
    """Entries of photos for an index."""

    editor: Editor

    def __call__(self, path: Path, _target: Path | None) -> PhotoEntry:
        """Detect, encode and measure one photo's faces."""
        from facedial.search.entry import entry_of

        return entry_of(self.editor, path, opened(path))


@dataclass(slots=True)
class Counts:
    """Photos of a run: `new` ones, `changed` ones, those `unchanged` and skipped, and `removed` ones."""

    new: int = 0
    changed: int = 0
    unchanged: int = 0
    removed: int = 0

    def in_words(self) -> str:
        """One clause."""
        return (
            f"{self.new} new, {self.changed} changed, {self.unchanged} unchanged, "
            f"{self.removed} removed"
        )


@click.command()
@click.argument("paths", nargs=-1, required=True, metavar="FOLDER...", type=options.path)
@click.option(
    "-o",
    "--out",
    required=True,
    type=options.path,
    metavar="INDEX",
    help="Folder of the index: a new one, or an index that is extended.",
)
@options.RECURSIVE_INPUT
@click.option(
    "--prune",
    is_flag=True,
    help="Remove photos of FOLDERs whose files no longer exist; without it they are only counted.",
)
@options.AS_JSON
@options.WORKERS
@options.MODEL
@options.THREADS
def command(
    paths: tuple[Path, ...],
    out: Path,
    recursive: bool,
    prune: bool,
    as_json: bool,
    processes: int | None,
    model: str | None,
    threads: int | None,
) -> int:
    """Index all faces of the photos in FOLDERs, for `facedial find`; needs the extra `search`.

    Photos that are in the index already are skipped, unless their size or time of change differs. What
    is done is written every five seconds, so an interrupted run is continued by the same command.
    Photos are known by their absolute paths. The index holds what identifies people: keep it as safe
    as the photos.
    """
    from facedial.editor import Editor
    from facedial.model import Model
    from facedial.search.index import Index

    tally, counts = Tally(), Counts()
    inputs = tally.expand(paths, recursive=recursive, leave_out=out)
    with closing(Model.open(model)) as known, Index.opened_or_made(out, known) as index:
        tasks: list[workers.Task] = []
        for path in inputs.paths:
            with Attempt(tally, path):
                if index.has(path):
                    counts.unchanged += 1
                else:
                    tasks.append((path, None))
        tally.total = len(inputs.paths) - len(tasks) + len(tally.failed)
        count = workers.count_for(processes, len(tasks))
        with Editor.open(model, threads=workers.threads_for(threads, count)) as editor:
            for entry in workers.results(tally, Work(editor), tasks, count):
                if index.knows(entry.path):
                    counts.changed += 1
                else:
                    counts.new += 1
                index.add([entry])
        gone = index.gone(paths)
        if gone and prune:
            index.remove(gone)
            counts.removed = len(gone)
        elif gone:
            are = "photo of the index no longer exists"
            shown = streams.counted(len(gone), are, "photos of the index no longer exist")
            streams.warn(f"{shown}, as {gone[0]}; --prune removes what is kept of them")
        index.save(threads)
        photos, faces = index.photos, index.faces
    tally.rows.append(
        {
            "index": str(out),
            "photos": photos,
            "faces": faces,
            "new": counts.new,
            "changed": counts.changed,
            "unchanged": counts.unchanged,
            "removed": counts.removed,
            "gone": [] if prune else gone,
        }
    )
    if not as_json:
        holds = f"{streams.counted(photos, 'photo')}, {streams.counted(faces, 'face')}"
        streams.say(f"{out}: {holds} ({counts.in_words()})")
    return tally.finish(as_json=as_json)
