"""`facedial learn`: a new direction from two small sets of photos."""

import json
from pathlib import Path

import click

from facedial.cli import options, streams
from facedial.cli.batch import Tally, opened
from facedial.cli.outputs import fresh


@click.command()
@click.argument("name")
@click.option(
    "--with",
    "having",
    required=True,
    type=options.path,
    help="Faces with it: a folder of photos, or a text file with one path a line.",
)
@click.option(
    "--without",
    "lacking",
    required=True,
    type=options.path,
    help="The same, of faces without it.",
)
@click.option(
    "--balance",
    default="",
    metavar="NAME,NAME",
    help="Attributes to project out of the direction, e.g. Male,Young.",
)
@click.option("--plain", is_flag=True, help="Use the plain difference of means.")
@click.option("--seed", default=0, show_default=True, help="Seed of the cross-validation folds.")
@click.option(
    "--save",
    "out",
    type=options.path,
    help="Where to save the direction (default NAME.npz).",
)
@options.OVERWRITE
@options.AS_JSON
@options.MODEL
@options.THREADS
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
    threads: int | None,
) -> int:
    """Learn the direction NAME from two sets of photos; report its cross-validated AUC."""
    from facedial import teaching
    from facedial.editor import Editor

    target = out or Path(f"{name}.npz")
    if target.suffix != ".npz":
        raise click.UsageError(f"directions are written as .npz, not {target.name!r}")
    fresh(target, overwrite=overwrite)
    listings = [teaching.listed(listing) for listing in (having, lacking)]
    balanced = [part.strip() for part in balance.split(",") if part.strip()]
    tally = Tally()
    with Editor.open(model, threads=threads) as editor:
        teaching.check_name(editor, name, balanced)
        sets = []
        for files in listings:
            codes = []
            for path, attempt in tally.each(files):
                with attempt:
                    codes.append(editor.read(opened(path))[0].code)
            sets.append(codes)
        learned = teaching.learn_direction(
            editor, name, sets[0], sets[1], balanced, plain=plain, seed=seed
        )
    learned.save(target)
    if as_json:
        report = json.loads(learned.report.to_json())
        facts = {"direction": str(target), **report, "failed": tally.failures}
        streams.say_json(facts)
    else:
        streams.say_text(teaching.described(learned))
        streams.say(str(target))
    return tally.finish()
