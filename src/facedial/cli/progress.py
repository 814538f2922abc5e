"""A progress bar on a terminal: photos done, photos a second, time left."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

FEW = 3  # fewer photos need no bar


@contextmanager
def bar(total: int) -> Iterator[Callable[[int], None]]:
    """A function to call with how many photos are done now; it is on stderr, where that is a terminal.

    Lines that are printed meanwhile appear above it.
    """
    if total < FEW or sys.stderr is None or not sys.stderr.isatty():
        yield lambda _count: None
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    shown = Progress(
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        console=Console(file=sys.stderr, soft_wrap=True, highlight=False, markup=False),
        redirect_stdout=sys.stdout is not None and sys.stdout.isatty(),
        transient=True,
    )
    with shown:
        task = shown.add_task("", total=total, rate="")

        def advance(count: int) -> None:
            shown.advance(task, count)
            one = shown.tasks[0]
            if one.elapsed:
                shown.update(task, rate=f"{one.completed / one.elapsed:.1f} photos a second")

        yield advance
