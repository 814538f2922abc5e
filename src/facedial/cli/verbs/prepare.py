"""`facedial prepare`: pictures of faces in, a store of crops for training out."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from facedial.cli import options, streams

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from facedial.faces.face import Face
    from facedial.faces.photo import Photo

SHOWN = 10


class BundledFaces:
    """Detects faces with the packaged model, opened on first use, once in each worker process."""

    def __init__(self) -> None:
        self._editor: Any = None

    def __call__(self, photo: Photo) -> list[Face]:
        """Faces of `photo`, largest first."""
        if self._editor is None:
            from facedial.editor import Editor

            self._editor = Editor.open()
        faces: list[Face] = self._editor.faces(photo)
        return faces

    def __reduce__(self) -> tuple[Any, ...]:
        # sessions cannot be pickled, so each worker opens its own
        return (BundledFaces, ())


@click.command()
@click.argument("sources", nargs=-1, required=True, metavar="SOURCE...", type=options.path)
@click.option("-o", "--out", required=True, metavar="STORE", type=options.path)
@click.option(
    "--kind",
    default="auto",
    show_default=True,
    metavar="auto|lfw|celeba|groups|shards|folder",
    help="Kind of SOURCE; by default recognized by its contents.",
)
@click.option(
    "--frame",
    default="head",
    show_default=True,
    metavar="head|portrait|center150|squash128",
    help="Alignment of the crops.",
)
@click.option("--size", default=128, show_default=True, help="Side of a crop in pixels.")
@click.option(
    "--labels",
    metavar="FILE",
    type=options.path,
    help="CSV, Parquet or lfw_attributes.txt: attributes, landmarks, person, split by file.",
)
@click.option("--ready", is_flag=True, help="The pictures are square crops already: resize only.")
@click.option("--processes", default=2, show_default=True, help="Worker processes.")
@click.option("--json", "as_json", is_flag=True, help="Report as JSON on stdout.")
def command(
    sources: tuple[Path, ...],
    out: Path,
    kind: str,
    frame: str,
    size: int,
    labels: Path | None,
    ready: bool,
    processes: int,
    as_json: bool,
) -> int:
    """Prepare a store of crops from LFW, CelebA, Parquet shards or any folder of pictures.

    SOURCE is a folder, zip, tar or .parquet; several are combined.  Without landmarks in the labels,
    faces are detected by the packaged model.  An interrupted run is resumed by the same command.
    """
    from facedial.data.prepare import prepare
    from facedial.data.sources import open_source

    source = open_source(sources, kind=kind, labels=labels, ready=ready)
    with _bar() as progress:
        report = prepare(
            source,
            out,
            frame=frame,
            size=size,
            processes=processes,
            locate=BundledFaces(),
            progress=progress,
        )
    if as_json:
        facts = {
            "store": str(report.store),
            "kind": source.kind,
            "frame": frame,
            "size": size,
            "count": report.count,
            "splits": report.splits,
            "skipped": [{"file": file, "reason": why} for file, why in report.skipped],
            "resumed": report.resumed,
            "already": report.already,
            "seconds": round(report.seconds, 2),
        }
        streams.say_json(facts)
    else:
        parts = ", ".join(f"{count} {name}" for name, count in report.splits.items())
        state = "was complete already" if report.already else f"made in {report.seconds:.1f} s"
        if report.resumed:
            state += f", {report.resumed} pictures of an earlier run kept"
        streams.say(f"{report.store}: {report.count} {frame} crops ({parts}), {state}")
    _tell(report.skipped)
    return 1 if report.skipped else 0


def _tell(skipped: tuple[tuple[str, str], ...]) -> None:
    """List the skipped pictures on stderr: the first few and a count."""
    if not skipped:
        return
    streams.warn(f"{len(skipped)} pictures skipped:")
    for file, why in skipped[:SHOWN]:
        streams.tell(f"  {file}: {why}")
    if len(skipped) > SHOWN:
        streams.tell(f"  and {len(skipped) - SHOWN} more, all in store.json")


@contextmanager
def _bar() -> Iterator[Callable[[int, int], None]]:
    """A progress bar on stderr, quiet when stderr is no terminal."""
    from rich.console import Console
    from rich.progress import MofNCompleteColumn, Progress, TimeRemainingColumn

    bar = Progress(
        *Progress.get_default_columns()[:3],
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=Console(file=sys.stderr),
        disable=not sys.stderr.isatty(),
        transient=True,
    )
    with bar:
        task = bar.add_task("crops", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
