"""`facedial prepare`: pictures of faces in, a store of crops for training out."""

from __future__ import annotations

import json
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from facedial.faces.face import Face
    from facedial.faces.photo import Photo

SHOWN = 10


class BundledFaces:
    """Finds faces with the packaged model, opened on first use, once in each worker process."""

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
        # a worker opens its own: sessions do not travel
        return (BundledFaces, ())


@click.command()
@click.argument(
    "sources", nargs=-1, required=True, metavar="SOURCE...", type=click.Path(path_type=Path)
)
@click.option("-o", "--out", required=True, metavar="STORE", type=click.Path(path_type=Path))
@click.option(
    "--kind",
    default="auto",
    show_default=True,
    metavar="auto|lfw|celeba|shards|folder",
    help="What SOURCE is; told by its contents unless named.",
)
@click.option(
    "--frame",
    default="head",
    show_default=True,
    metavar="head|center150|squash128",
    help="How the crop lies on the face.",
)
@click.option("--size", default=128, show_default=True, help="Side of a crop in pixels.")
@click.option(
    "--labels",
    metavar="FILE",
    type=click.Path(path_type=Path),
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

    SOURCE is a folder, zip, tar or .parquet; several are put together.  Where the labels name no
    landmarks, faces are found by the packaged model.  Stopped, the same command goes on.
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
        click.echo(json.dumps(facts, indent=1))
    else:
        parts = ", ".join(f"{count} {name}" for name, count in report.splits.items())
        state = "was complete already" if report.already else f"made in {report.seconds:.1f} s"
        if report.resumed:
            state += f", {report.resumed} pictures of an earlier run kept"
        click.echo(f"{report.store}: {report.count} {frame} crops ({parts}), {state}")
    _tell(report.skipped)
    return 1 if report.skipped else 0


def _tell(skipped: tuple[tuple[str, str], ...]) -> None:
    """List what was left out on stderr: the first few and a count."""
    if not skipped:
        return
    click.echo(f"facedial: {len(skipped)} pictures skipped:", err=True)
    for file, why in skipped[:SHOWN]:
        click.echo(f"  {file}: {why}", err=True)
    if len(skipped) > SHOWN:
        click.echo(f"  and {len(skipped) - SHOWN} more, all in store.json", err=True)


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
