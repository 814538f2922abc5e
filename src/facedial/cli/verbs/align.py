"""`facedial align`: canonical crops with their matrices."""

from pathlib import Path

import click

from facedial.cli.batch import AS_JSON, FACE, INPUTS, MODEL, OVERWRITE, Tally, destinations


@click.command()
@INPUTS
@click.option(
    "--frame",
    default="head",
    show_default=True,
    metavar="head|center150|squash128",
    help="head needs a face; the others take the picture's middle or all of it.",
)
@click.option(
    "--size",
    default=128,
    show_default=True,
    type=click.IntRange(16, 2048),
    help="Pixels along a side.",
)
@FACE
@click.option(
    "-o", "--out", type=click.Path(path_type=Path), help="Output file, or folder for several."
)
@OVERWRITE
@AS_JSON
@MODEL
def command(
    paths: tuple[Path, ...],
    frame: str,
    size: int,
    face: str,
    out: Path | None,
    overwrite: bool,
    as_json: bool,
    model: str | None,
) -> int:
    """Cut the faces of PHOTOs onto a frame; matrices (crop to photo pixels) go into the report."""
    from facedial import strips
    from facedial.editor import Editor
    from facedial.faces.photo import Photo

    strips.check_frame(frame)
    tally = Tally()
    files = tally.expand(paths)
    targets = destinations(files, out, "aligned", overwrite=overwrite)
    with Editor.open(model) as editor:
        for target, (path, attempt) in zip(targets, tally.each(files), strict=True):
            with attempt:
                for row in strips.save_crops(
                    editor, Photo.open(path), target, frame, size, face, overwrite=overwrite
                ):
                    tally.rows.append({"input": str(path), **row})
                    if not as_json:
                        click.echo(str(row["output"]))
    return tally.finish(as_json=as_json)
