"""`facedial attributes`: what the model reads in a photo, and how far each reading can be trusted."""

import csv
import sys
from pathlib import Path

import click

from facedial.cli.batch import AS_JSON, FACE, INPUTS, MODEL, Tally
from facedial.codes.attributes import is_weak


@click.command()
@INPUTS
@FACE
@AS_JSON
@click.option("--csv", "as_csv", is_flag=True, help="One line a face, one column an attribute.")
@MODEL
def command(
    paths: tuple[Path, ...], face: str, as_json: bool, as_csv: bool, model: str | None
) -> int:
    """Read all 40 attributes of the faces in PHOTOs: probabilities, and AUC on unseen people."""
    from facedial.editor import Editor
    from facedial.faces.photo import Photo

    if as_json and as_csv:
        raise click.UsageError("choose one of --json and --csv")
    tally = Tally()
    files = tally.expand(paths)
    table = csv.writer(sys.stdout, lineterminator="\n")
    with Editor.open(model) as editor:
        trust = editor.reliability()
        if as_csv:
            table.writerow(["file", "face", *trust])
        for path, attempt in tally.each(files):
            with attempt:
                portraits = editor.portraits(Photo.open(path), face)
                for number, portrait in enumerate(portraits, 1 if face == "all" else int(face)):
                    read = editor.read_attributes(portrait)
                    row = {"input": str(path), "face": number, "attributes": read}
                    tally.rows.append({**row, "auc": trust})
                    if as_csv:
                        table.writerow([path, number, *(f"{v:.3f}" for v in read.values())])
                    elif not as_json:
                        click.echo(f"{path}, face {number}")
                        for name, value in sorted(read.items(), key=lambda item: -item[1]):
                            weak = is_weak(trust[name])
                            click.echo(
                                f"  {value:5.2f}  {name}{'  (weak reading)' if weak else ''}"
                            )
    return tally.finish(as_json=as_json)
