"""`facedial verify`: does a picture carry the mark of an edited picture?"""

from pathlib import Path

import click

from facedial.cli.batch import AS_JSON, Tally


@click.command()
@click.argument(
    "paths", nargs=-1, required=True, metavar="PICTURE...", type=click.Path(path_type=Path)
)
@AS_JSON
def command(paths: tuple[Path, ...], as_json: bool) -> int:
    """Tell whether PICTUREs say of themselves that an algorithm made or changed them.

    Pictures that facedial saves carry IPTC's mark (not .bmp and .gif, which have no place for it).
    It is a label, not a seal: a picture without it may have lost it.
    """
    from facedial.faces.mark import MEANINGS
    from facedial.faces.photo import Photo

    tally = Tally()
    for path, attempt in tally.each(tally.expand(paths)):
        with attempt:
            mark = Photo.open(path).mark
            tally.rows.append({"input": str(path), "mark": mark})
            if not as_json:
                click.echo(f"{path}: {MEANINGS[mark] if mark else 'no mark'}")
    return tally.finish(as_json=as_json)
