"""Makes the crops of a store in several processes, each writing its rows of the pixel file."""

import itertools
import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any

from facedial.data.crops import CropMaker
from facedial.data.item import Item
from facedial.data.locations import ByteReader
from facedial.errors import BadPhoto, FacedialError, NoFaceFound

CropFacts = dict[str, Any]


@dataclass(frozen=True, slots=True, eq=False)
class Chunk:
    """Pictures that one task makes, each with its row in the pixel file."""

    rows: tuple[tuple[int, Item], ...]


@dataclass(slots=True, eq=False)
class CropWriter:
    """Makes crops and writes them into rows of the file `pixels`; keeps its reader open."""

    maker: CropMaker
    pixels: Path
    reader: ByteReader = field(default_factory=ByteReader)

    def write(self, chunk: Chunk, cancelled: Event | None = None) -> list[CropFacts]:
        """Make the crops of `chunk`, write each to its row, and return what is known of each.

        One entry is {"row", "landmarks", "inside", "to_photo", "photo_size"} or {"row",
        "skipped"}, all values plain numbers. A file that is not a picture or shows no face is
        skipped. Stops after the current picture once `cancelled` is set.
        """
        done: list[CropFacts] = []
        side = self.maker.size
        with self.pixels.open("r+b") as file:
            for row, item in chunk.rows:
                if cancelled is not None and cancelled.is_set():
                    break
                try:
                    crop = self.maker.make(item, self.reader.read(item.location))
                except (BadPhoto, NoFaceFound) as error:
                    done.append({"row": row, "skipped": reason(item.file, error)})
                    continue
                file.seek(row * side * side * 3)
                file.write(crop.pixels.tobytes())
                done.append(
                    {
                        "row": row,
                        "landmarks": crop.landmarks.ravel().tolist(),
                        "inside": crop.inside,
                        "to_photo": crop.to_photo.ravel().tolist(),
                        "photo_size": list(crop.photo_size),
                    }
                )
        return done


def reason(file: str, error: Exception) -> str:
    """An error's sentence without the file name in front, which the list of skipped files has.

    >>> reason("a/b.jpg", BadPhoto("a/b.jpg is not a picture"))
    'is not a picture'
    """
    return str(error).removeprefix(file).lstrip(": ")


def write_all(
    chunks: Sequence[Chunk], writer: CropWriter, processes: int
) -> Iterator[list[CropFacts]]:
    """Write all chunks; yields the facts of each chunk as it is done, in no particular order.

    With one process or one chunk, in this process. At most `processes` + 1 chunks are submitted at
    a time, so memory does not grow with the source. Closing the iterator stops the workers after the
    picture they are at. Raises `FacedialError` if a worker dies (killed, or out of memory).
    """
    if processes <= 1 or len(chunks) <= 1:
        with writer.reader:
            for chunk in chunks:
                yield writer.write(chunk)
        return
    # spawn: a fork would copy the threads' locks of the calling process
    context = multiprocessing.get_context("spawn")
    cancelled = context.Event()
    pool = ProcessPoolExecutor(
        min(processes, len(chunks)), context, _start_worker, (writer, cancelled)
    )
    try:
        remaining = iter(chunks)
        pending: set[Future[list[CropFacts]]] = set()
        while True:
            for chunk in itertools.islice(remaining, processes + 1 - len(pending)):
                pending.add(pool.submit(_write, chunk))
            if not pending:
                return
            done, pending = wait(pending, return_when=FIRST_COMPLETED)
            for future in done:
                yield future.result()
    except BrokenProcessPool as error:
        raise FacedialError(
            "a worker process died, perhaps for lack of memory; "
            "the same command goes on where it stopped"
        ) from error
    finally:
        cancelled.set()
        pool.shutdown(cancel_futures=True)


@dataclass(frozen=True, slots=True)
class _Worker:
    """What a worker process keeps between chunks."""

    writer: CropWriter
    cancelled: Event


# Set once in each worker process, by the pool's initializer; never in the calling process.
_worker: _Worker | None = None


def _start_worker(writer: CropWriter, cancelled: Event) -> None:
    """The pool's initializer."""
    global _worker
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # an interrupt is handled by the parent
    threading.Thread(target=_exit_with_parent, daemon=True).start()
    _worker = _Worker(writer, cancelled)


def _exit_with_parent() -> None:
    """End this process when its parent has been killed: the pool's queue would block for ever."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def _write(chunk: Chunk) -> list[CropFacts]:
    assert _worker is not None
    return _worker.writer.write(chunk, _worker.cancelled)
