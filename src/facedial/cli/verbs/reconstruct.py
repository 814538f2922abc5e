"""`facedial reconstruct`: what a code keeps of a face."""

from pathlib import Path

import click

from facedial.cli.batch import AS_JSON, FACE, INPUTS, MODEL, OVERWRITE, Tally, destinations


@click.command()
@INPUTS
@click.option(
    "--bytes", "as_bytes", is_flag=True, help="Round the code to one byte a number first."
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
    as_bytes: bool,
    face: str,
    out: Path | None,
    overwrite: bool,
    as_json: bool,
    model: str | None,
) -> int:
    """Show PHOTOs' faces beside what 1,024 numbers keep of them; PSNR and SSIM of each."""
    from facedial import strips
    from facedial.editor import Editor
    from facedial.faces.photo import Photo

    tally = Tally()
    files = tally.expand(paths)
    targets = destinations(files, out, "reconstructed", overwrite=overwrite)
    with Editor.open(model) as editor:
        for target, (path, attempt) in zip(targets, tally.each(files), strict=True):
            with attempt:
                portraits = editor.portraits(Photo.open(path), face)
                picture, rows = strips.of_reconstruction(editor, portraits, as_bytes=as_bytes)
                picture.save(target, overwrite=overwrite)
                tally.rows += [{"input": str(path), "output": str(target), **row} for row in rows]
                if not as_json:
                    for row in rows:
                        click.echo(
                            f"{target}: {row['psnr']:.2f} dB, SSIM {row['ssim']:.3f}, "
                            f"{row['bytes']:.0f} bytes"
                        )
    return tally.finish(as_json=as_json)
