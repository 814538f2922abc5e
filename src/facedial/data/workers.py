"""Several processes that turn chunks of a source into rows of a pixel file."""

import multiprocessing
import signal
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import Any

from facedial.data.crops import Maker
from facedial.data.item import Item
from facedial.data.places import Reader
from facedial.errors import BadPhoto, FacedialError, NoFaceFound

Row = dict[str, Any]


@dataclass(frozen=True, slots=True, eq=False)
class Chunk:
    """Pictures to be made in one go, each with its row in the pixel file."""

    number: int
    rows: tuple[tuple[int, Item], ...]


@dataclass(frozen=True, slots=True, eq=False)
class Bench:
    """All that a worker needs besides its chunks; `pixels`: the file it writes rows into."""

    maker: Maker
    pixels: Path

    def work(self, chunk: Chunk, reader: Reader) -> list[Row]:
        """Make a chunk's crops, write each to its row, and tell what is known of each.

        A row is {"row", "landmarks", "inside", "to_photo", "photo_size"} or {"row", "skipped"};
        all values are plain numbers.  A file that is no picture or has no face is skipped.
        """
        done: list[Row] = []
        side = self.maker.size
        with self.pixels.open("r+b") as file:
            for row, item in chunk.rows:
                try:
                    made = self.maker.make(item, reader.read(item.place))
                except (BadPhoto, NoFaceFound) as wrong:
                    done.append({"row": row, "skipped": reason(item.file, wrong)})
                    continue
                file.seek(row * side * side * 3)
                file.write(made.pixels.tobytes())
                done.append(
                    {
                        "row": row,
                        "landmarks": made.landmarks.ravel().tolist(),
                        "inside": made.inside,
                        "to_photo": made.to_photo.ravel().tolist(),
                        "photo_size": list(made.photo_size),
                    }
                )
        return done


def reason(file: str, wrong: Exception) -> str:
    """An error's sentence without the file's name before it, which the list gives anyway.

    >>> reason("a/b.jpg", BadPhoto("a/b.jpg is not a picture"))
    'is not a picture'
    """
    return str(wrong).removeprefix(file).lstrip(": ")


def run(chunks: Sequence[Chunk], bench: Bench, processes: int) -> Iterator[tuple[Chunk, list[Row]]]:
    """Do all chunks, in this process when `processes` is 1; yields each as it is done.

    Each worker holds one chunk at a time, so memory does not grow with the source.
    Raises `FacedialError` when a worker dies (out of memory, or killed).
    """
    if processes <= 1 or len(chunks) <= 1:
        with Reader() as reader:
            for chunk in chunks:
                yield chunk, bench.work(chunk, reader)
        return
    crew = _Crew()
    try:
        todo = iter(chunks)
        for _, chunk in zip(range(processes), todo, strict=False):
            crew.send(crew.hire(bench), chunk)
        while crew.busy:
            for connection in crew.ready():
                chunk, rows = crew.receive(connection)
                following = next(todo, None)
                if following is None:
                    connection.close()
                else:
                    crew.send(connection, following)
                yield chunk, rows
    finally:
        crew.dismiss()


@dataclass(slots=True)
class _Crew:
    """Worker processes, and which chunk each is at, by the connection to it."""

    busy: dict[Connection, Chunk] = field(default_factory=dict)
    workers: list[SpawnProcess] = field(default_factory=list)

    def hire(self, bench: Bench) -> Connection:
        # spawn: a fork would copy whatever threads and locks the caller's process holds
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        worker = context.Process(target=_serve, args=(theirs, bench), daemon=True)
        worker.start()
        theirs.close()
        self.workers.append(worker)
        return ours

    def send(self, connection: Connection, chunk: Chunk) -> None:
        self.busy[connection] = chunk
        # a worker that is dead already shows itself when its answer is read
        with suppress(ConnectionError):
            connection.send(chunk)

    def ready(self) -> list[Connection]:
        return [one for one in wait(list(self.busy)) if isinstance(one, Connection)]

    def receive(self, connection: Connection) -> tuple[Chunk, list[Row]]:
        try:
            answer = connection.recv()
        except (EOFError, ConnectionError) as dead:
            raise FacedialError(
                "a worker process died, perhaps for lack of memory; "
                "the same command goes on where it stopped"
            ) from dead
        if isinstance(answer, BaseException):
            raise answer
        return self.busy.pop(connection), answer

    def dismiss(self) -> None:
        for connection in self.busy:
            connection.close()
        for worker in self.workers:
            if self.busy:  # stopped early: what they are at will be done again
                worker.terminate()
            worker.join()


def _serve(connection: Connection, bench: Bench) -> None:
    """A worker: answers chunks until the other end closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # an interrupt is for the parent to act on
    with Reader() as reader:
        while True:
            try:
                chunk = connection.recv()
            except EOFError:
                return
            try:
                connection.send(bench.work(chunk, reader))
            except Exception as wrong:
                connection.send(wrong)
