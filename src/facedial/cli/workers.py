"""Many photos in several processes: in order, one failure a photo, and nothing left running.

Each process has the work with its own sessions, and reads one photo after another.  What it prints is
printed here, in the photos' order, so that a run with workers is the run without them.
"""

from __future__ import annotations

import contextlib
import logging
import multiprocessing
import signal
import sys
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from facedial.cli import streams
from facedial.cli.batch import Attempt, Tally
from facedial.cli.progress import bar

if TYPE_CHECKING:
    from multiprocessing.context import SpawnProcess

Task = tuple[Path, Path | None]  # a photo, and where its result goes
Work = Callable[[Path, Path | None], Any]

# A process takes as long to begin as some photos take to be edited.
PHOTOS_A_WORKER = 12
AHEAD = 32  # photos for each worker whose results may wait for an earlier photo
END_S = 5.0  # to finish what cannot be interrupted, when the run is
NOTHING = object()  # in place of the result of a photo that failed


def count_for(asked: int | None, photos: int) -> int:
    """How many processes to use for so many photos: as asked, or as pays."""
    from facedial.runtime.threads import default_threads

    useful = photos if asked is not None else photos // PHOTOS_A_WORKER
    return max(1, min(asked or default_threads(), useful))


def threads_for(threads: int | None, workers: int) -> int | None:
    """Threads of each session: as asked, or one where processes share the cores."""
    return 1 if threads is None and workers > 1 else threads


def results(tally: Tally, work: Work, tasks: Sequence[Task], workers: int = 1) -> Iterator[Any]:
    """`work(photo, target)` of every task that does not fail, in order; failures go into `tally`.

    `work` prints by `streams` alone and is picklable where there are several `workers`. An interruption
    ends the workers, which leave no half-written file, and says how far the run has come.
    """
    tally.total += len(tasks)
    with bar(len(tasks)) as advance:
        done = 0
        each = _here(tally, work, tasks) if workers < 2 else _apart(tally, work, tasks, workers)
        try:
            with contextlib.closing(each):
                for one in each:
                    done += 1
                    advance(1)
                    if one is not NOTHING:
                        yield one
        except KeyboardInterrupt:
            if len(tasks) > 1:
                streams.warn(f"{done} of {streams.counted(len(tasks), 'photo')} done until then")
            raise


def _here(tally: Tally, work: Work, tasks: Sequence[Task]) -> Generator[Any]:
    for path, target in tasks:
        made = NOTHING
        with Attempt(tally, path):
            made = work(path, target)
        yield made


@dataclass(slots=True)
class _Outcome:
    """What a worker sends back: what was printed (on stderr or not), failures, and the result."""

    lines: list[tuple[bool, str]] = field(default_factory=list)
    failed: list[tuple[str, str]] = field(default_factory=list)
    made: Any = None
    is_made: bool = False
    ended: str | None = None  # why the whole run ends
    is_told: bool = True  # whether what failed is among the lines


@dataclass(slots=True)
class _Worker:
    """A process, this end of its pipe, and the number of the photo that it works on."""

    process: SpawnProcess
    pipe: Connection
    number: int | None = None

    @staticmethod
    def started(work: Work) -> _Worker:
        context = multiprocessing.get_context("spawn")
        pipe, other = context.Pipe()
        level = logging.getLogger().level
        process = context.Process(target=_serve, args=(other, work, level), daemon=True)
        with _uninterrupted():
            process.start()
        other.close()
        return _Worker(process, pipe)

    def give(self, number: int, task: Task) -> None:
        self.number = number
        with contextlib.suppress(OSError):  # it died, as its pipe says when it is read
            self.pipe.send(task)

    def outcome(self, path: Path) -> _Outcome:
        """What came of the photo; where the process died, that."""
        try:
            found: _Outcome = self.pipe.recv()
        except (EOFError, OSError):
            self.process.join()
            code = self.process.exitcode
            how = f"by signal {-code}, perhaps for want of memory" if code and code < 0 else "early"
            sentence = f"{path}: the process that worked on it ended {how}"
            return _Outcome(failed=[(str(path), sentence)], is_told=False)
        return found

    def end(self) -> None:
        self.process.terminate()
        self.process.join(END_S)
        self.process.kill()
        self.process.join()
        self.pipe.close()


@contextlib.contextmanager
def _uninterrupted() -> Iterator[None]:
    """Processes that begin in the block ignore interruptions from their first moment."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _apart(tally: Tally, work: Work, tasks: Sequence[Task], count: int) -> Generator[Any]:
    workers = [_Worker.started(work) for _ in range(count)]
    waiting: dict[int, _Outcome] = {}
    given = shown = 0
    try:
        while shown < len(tasks):
            for one in workers:
                if one.number is None and given < min(len(tasks), shown + AHEAD * count):
                    one.give(given, tasks[given])
                    given += 1
            busy = {one.pipe: one for one in workers if one.number is not None}
            for pipe in wait(list(busy)):
                one = busy[pipe]  # type: ignore[index]  # the pipes that were waited for
                assert one.number is not None
                waiting[one.number] = one.outcome(tasks[one.number][0])
                one.number = None
                if not one.process.is_alive():
                    workers[workers.index(one)] = _Worker.started(work)
                    one.end()
            while shown in waiting:
                yield _told(tally, waiting.pop(shown))
                shown += 1
    finally:
        for one in workers:
            one.process.terminate()
        for one in workers:
            one.end()


def _told(tally: Tally, outcome: _Outcome) -> Any:
    """Print what a worker printed and keep its failures; returns its result."""
    for is_error, line in outcome.lines:
        (streams.tell if is_error else streams.say)(line)
    if outcome.ended is not None:
        raise click.ClickException(outcome.ended)
    for name, sentence in outcome.failed:
        tally.fail(Path(name), sentence, say=not outcome.is_told)
    return outcome.made if outcome.is_made else NOTHING


def _serve(pipe: Connection, work: Work, level: int) -> None:
    """Work on what the pipe gives until it ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal's goes to all; the first process acts
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that half-written files are removed
    lines: list[tuple[bool, str]] = []
    sys.stdout, sys.stderr = streams.Recorder(lines, False), streams.Recorder(lines, True)
    streams.show_log(level)
    while True:
        try:
            path, target = pipe.recv()
        except (EOFError, OSError):
            return
        outcome, tally = _Outcome(), Tally(total=2)  # of several: no request is the whole run's
        try:
            with Attempt(tally, path):
                outcome.made = work(path, target)
                outcome.is_made = True
        except click.ClickException as error:
            outcome.ended = error.format_message()
        outcome.lines, outcome.failed = list(lines), tally.failed
        lines.clear()
        try:
            pipe.send(outcome)
        except OSError:
            return
