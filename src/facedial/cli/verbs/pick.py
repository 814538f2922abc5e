"""`facedial pick`: the best of several photos of one moment."""

from pathlib import Path

import click

from facedial.cli import options, streams
from facedial.cli.batch import Tally, opened
from facedial.cli.options import Amount


@click.command()
@click.argument("paths", nargs=-1, required=True, metavar="FOLDER...", type=options.path)
@click.option(
    "--prefer",
    multiple=True,
    metavar="NAME=0..1",
    type=options.amount,
    help="Attribute that each face should have (1) or not (0), as in Smiling=1.",
)
@click.option("--eyes-open", is_flag=True, help="Prefer photos in which everybody's eyes are open.")
@click.option(
    "--top",
    type=click.IntRange(min=1),
    metavar="N",
    help="Photos shown of each group; all by default.",
)
@options.RECURSIVE_INPUT
@options.AS_JSON
@options.MODEL
@options.THREADS
def command(
    paths: tuple[Path, ...],
    prefer: tuple[Amount, ...],
    eyes_open: bool,
    top: int | None,
    recursive: bool,
    as_json: bool,
    model: str | None,
    threads: int | None,
) -> int:
    """Order photos of one moment in FOLDERs, the best first, and say what is weak in the others.

    Photos belong together where at least half of their people are the same, by their faces, and they
    were taken within two minutes (EXIF) or, where that is not known, look alike. A photo's score, 0..1,
    is half the mean over its people and half the weakest of them: how near they are to --prefer, how
    open their eyes are and how sharp they are, compared with the best of the same person. Somebody who
    is not found counts 0.
    """
    from facedial.album.groups import Shot, grouped
    from facedial.album.measures import measure
    from facedial.album.order import Preferences, ranked
    from facedial.editor import Editor
    from facedial.identity import check_people

    wanted = Preferences(options.amounts(prefer), eyes_open)
    tally, shots = Tally(), []
    inputs = tally.expand(paths, recursive=recursive)
    with Editor.open(model, threads=threads) as editor:
        check_people(editor.model)
        for path, attempt in tally.each(inputs.paths):
            with attempt:
                photo = opened(path)
                shots.append(
                    Shot.of(path, photo, measure(editor, photo, editor.portraits(photo, "all")))
                )
    for number, group in enumerate(grouped(shots), 1):
        best = ranked(group, wanted)
        people = len(best[0].people)
        if not as_json:
            shown = streams.counted(len(group), "photo")
            streams.say(f"group {number}: {shown}, {streams.counted(people, 'person', 'people')}")
        for place, one in enumerate(best[:top], 1):
            weak = one.weak()
            if not as_json:
                notes = f"  ({'; '.join(weak)})" if weak else ""
                streams.say(f"  {place}. {one.score:.2f}  {one.shot.path}{notes}")
            tally.rows.append(
                {
                    "group": number,
                    "place": place,
                    "input": str(one.shot.path),
                    "score": round(one.score, 4),
                    "weak": weak,
                    "people": [
                        {
                            "person": each.person,
                            "face": each.face,
                            "score": round(each.score, 4),
                            "parts": {name: round(value, 4) for name, value in each.parts.items()},
                        }
                        for each in one.people
                    ],
                }
            )
    return tally.finish(as_json=as_json)
