"""`facedial learn`: a new direction from two small sets of photos."""

import json
from pathlib import Path

import click

from facedial.cli.batch import AS_JSON, MODEL, OVERWRITE, Tally, fresh


@click.command()
@click.argument("name")
@click.option(
    "--with",
    "having",
    required=True,
    type=click.Path(path_type=Path),
    help="Folder of photos, or a text file with one path a line.",
)
@click.option(
    "--without",
    "lacking",
    required=True,
    type=click.Path(path_type=Path),
    help="The same, without it.",
)
@click.option(
    "--balance",
    default="",
    metavar="NAME,NAME",
    help="Attributes that must not differ between the sets, e.g. Male,Young.",
)
@click.option(
    "--plain", is_flag=True, help="The plain difference of means, as the first source had it."
)
@click.option(
    "--seed", default=0, show_default=True, help="Seed of the folds of the held-out report."
)
@click.option(
    "--save",
    "out",
    type=click.Path(path_type=Path),
    help="Where to keep the direction (default NAME.npz).",
)
@OVERWRITE
@AS_JSON
@MODEL
def command(
    name: str,
    having: Path,
    lacking: Path,
    balance: str,
    plain: bool,
    seed: int,
    out: Path | None,
    overwrite: bool,
    as_json: bool,
    model: str | None,
) -> int:
    """Learn the direction NAME from two sets, with a held-out quality report."""
    from facedial import teaching
    from facedial.editor import Editor

    target = out or Path(f"{name}.npz")
    if target.suffix != ".npz":
        raise click.UsageError(f"directions are written as .npz, not {target.name!r}")
    fresh(target, overwrite=overwrite)
    listings = [teaching.listed(listing) for listing in (having, lacking)]
    balanced = [part.strip() for part in balance.split(",") if part.strip()]
    tally = Tally()
    with Editor.open(model) as editor:
        teaching.check_wish(editor, name, balanced)
        sets = []
        for files in listings:
            codes = []
            for path, attempt in tally.each(files):
                with attempt:
                    codes.append(teaching.code_of(editor, path))
            sets.append(codes)
        learned = teaching.teach(editor, name, sets[0], sets[1], balanced, plain=plain, seed=seed)
    learned.save(target)
    if as_json:
        report = json.loads(learned.report.to_json())
        facts = {"direction": str(target), **report, "failed": tally.failures}
        click.echo(json.dumps(facts, indent=1))
    else:
        click.echo(teaching.described(learned))
        click.echo(str(target))
    return tally.finish()
