"""`facedial verify`: does a picture carry the mark of an edited picture?"""

from pathlib import Path

import click

from facedial import video
from facedial.cli import options, streams
from facedial.cli.batch import Tally, opened


@click.command()
@click.argument("paths", nargs=-1, required=True, metavar="PICTURE...", type=options.path)
@options.RECURSIVE_INPUT
@options.AS_JSON
def command(paths: tuple[Path, ...], recursive: bool, as_json: bool) -> int:
    """Tell whether PICTUREs and video clips carry the IPTC mark of what an algorithm made or edited.

    facedial writes it into every picture that it saves, except .bmp and .gif, which cannot hold it.
    A picture without it may have lost it: most programs drop it when they save.
    """
    from facedial.faces.mark import MEANINGS

    tally = Tally()
    for path, attempt in tally.each(tally.expand(paths, recursive=recursive).paths):
        with attempt:
            mark = _mark(path)
            tally.rows.append({"input": str(path), "mark": mark})
            if not as_json:
                streams.say(f"{path}: {MEANINGS[mark] if mark else 'no mark'}")
    return tally.finish(as_json=as_json)


def _mark(path: Path) -> str | None:
    if not video.is_clip(path):
        return opened(path).mark
    from facedial.video.clip import mark_of

    return mark_of(path)
