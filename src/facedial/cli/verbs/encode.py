"""`facedial encode`: photos to codes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from facedial.cli import clusters, options, streams, workers
from facedial.cli.batch import Tally, opened
from facedial.cli.options import Face
from facedial.cli.outputs import FD, codes_file
from facedial.errors import BadRequest

if TYPE_CHECKING:
    from facedial.codes.code import Code
    from facedial.editor import Editor
    from facedial.faces.geometry import Affine
    from facedial.faces.photo import Photo


@dataclass(frozen=True, slots=True)
class Work:
    """Codes of photos, with their names in a table of codes, and where their crops lie."""

    editor: Editor
    face: Face

    def __call__(self, path: Path, _target: Path | None) -> list[tuple[str, Code, Affine]]:
        """Encode one photo's faces."""
        portraits = self.editor.portraits(opened(path), self.face)
        return [
            (
                path.name if number == 1 else f"{path.name}#{number}",
                portrait.code,
                portrait.crop.to_photo,
            )
            for number, portrait in enumerate(portraits, 1)
        ]


@click.command()
@options.PHOTOS
@options.FACE
@click.option(
    "-o",
    "--out",
    required=True,
    type=options.path,
    help="Codes: .npz or .parquet; or .fd, one face in some hundred bytes. With --cluster: a folder.",
)
@click.option(
    "--quality", type=click.FloatRange(0, 100), help=".fd: how finely it is coded (default 90)."
)
@click.option(
    "--bytes", "size", type=click.IntRange(1), help=".fd: as finely as so many bytes allow."
)
@options.RECURSIVE_INPUT
@options.OVERWRITE
@options.WORKERS
@clusters.CLUSTER
@options.MODEL
@options.THREADS
def command(
    paths: tuple[Path, ...],
    face: Face,
    out: Path,
    quality: float | None,
    size: int | None,
    recursive: bool,
    overwrite: bool,
    processes: int | None,
    cluster: str | None,
    model: str | None,
    threads: int | None,
) -> int:
    """Encode the faces in PHOTOs as codes of 1,024 numbers, in a file with the id of their code space.

    A .fd file holds one face, quantised and entropy-coded, and where its crop lies in the photo.
    """
    from facedial import coded
    from facedial.codes.code import CodeTable, save_codes
    from facedial.editor import Editor

    if cluster is not None:
        is_fd = quality is not None or size is not None
        refused = {"--overwrite": overwrite, "--quality or --bytes": is_fd}
        folder = clusters.folder(out, refused)
        asked = clusters.Asked(cluster, paths, folder, recursive, processes, model, threads)
        return _on_cluster(asked, face)
    _check(out, quality, size)
    codes_file(out, overwrite=overwrite, coded=True)
    tally, codes, names, places = Tally(), [], [], []
    inputs = tally.expand(paths, recursive=recursive)
    count = workers.count_for(processes, len(inputs.photos))
    with Editor.open(model, threads=workers.threads_for(threads, count)) as editor:
        tasks: list[workers.Task] = [(path, None) for path in inputs.paths]
        for found in workers.results(tally, Work(editor, face), tasks, count):
            for name, code, place in found:
                names.append(name)
                codes.append(code)
                places.append(place)
        if codes and out.suffix == FD:
            if len(codes) > 1:
                raise BadRequest(
                    f"a {FD} file holds one face, found {len(codes)}; give one photo and one face, or a "
                    ".npz file"
                )
            fine = coded.QUALITY if quality is None else quality
            packed = coded.packed(
                editor.model, codes[0], quality=fine, size=size, to_photo=places[0]
            )
            coded.save(out, packed)
    if codes:
        if out.suffix != FD:
            save_codes(out, CodeTable.of(codes, names))
        streams.say(str(out))
    return tally.finish()


def _on_cluster(asked: clusters.Asked, face: Face) -> int:
    from facedial.cluster import job
    from facedial.editor import Editor

    work = clusters.Attempted(partial(_codes, face))
    with Editor.open(asked.model) as editor:
        columns, model = job.codes(editor), job.digest(editor)
    return asked.run(job.Job("encode", {"face": face}, work, "codes", columns, digest=model))


def _codes(face: Face, editor: Editor, photo: Photo) -> clusters.Results:
    """Codes of a photo's faces, and where their crops lie."""
    return clusters.Results(
        [
            {"face": one.number, "code": one.code.values, "to_photo": one.crop.to_photo.ravel()}
            for one in editor.portraits(photo, face)
        ]
    )


def _check(out: Path, quality: float | None, size: int | None) -> None:
    """Raise `BadRequest` for options that do not go together."""
    if out.suffix != FD and (quality is not None or size is not None):
        raise BadRequest(
            f"--quality and --bytes are for {FD} files, found {out.name!r}; leave them out"
        )
    if quality is not None and size is not None:
        raise BadRequest(
            "--quality and --bytes both say how finely a face is coded; give one of them"
        )
