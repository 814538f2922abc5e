"""`facedial find`: faces of an index by person, by code, or sorted by an attribute."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from facedial.cli import options, outputs, streams
from facedial.cli.batch import Tally, opened
from facedial.cli.options import Face

if TYPE_CHECKING:
    from facedial.editor import Editor
    from facedial.search.index import Index
    from facedial.search.searcher import Hit

COLUMNS = ("query_face", "rank", "file", "face", "x0", "y0", "x1", "y1", "score", "same_person")


@click.command()
@click.argument("photo", required=False, metavar="[PHOTO]", type=options.path)
@click.option(
    "--in",
    "folder",
    required=True,
    type=options.path,
    metavar="INDEX",
    help="Index that `facedial index` made.",
)
@click.option(
    "--by",
    "kind",
    type=click.Choice(["person", "code"]),
    help="The same person, by the identity network (default); or whoever looks alike, by the code.",
)
@options.FACE
@click.option(
    "--sort-by",
    "name",
    metavar="NAME",
    help="Instead of PHOTO: faces with most of an attribute, as Smiling, or of a measure: yaw, pitch, "
    "roll, sharpness, eye_distance, inside, score.",
)
@click.option("--least", is_flag=True, help="With --sort-by: those with least of it.")
@click.option(
    "-n",
    "--most",
    type=click.IntRange(min=1),
    default=10,
    show_default=True,
    metavar="N",
    help="Faces that are listed.",
)
@click.option(
    "--picture",
    type=options.path,
    metavar="FILE",
    help="Save a contact sheet of the faces.",
)
@options.OVERWRITE
@options.AS_JSON
@click.option("--csv", "as_csv", is_flag=True, help="One line a face.")
@options.MODEL
@options.THREADS
def command(
    photo: Path | None,
    folder: Path,
    kind: str | None,
    face: Face,
    name: str | None,
    least: bool,
    most: int,
    picture: Path | None,
    overwrite: bool,
    as_json: bool,
    as_csv: bool,
    model: str | None,
    threads: int | None,
) -> int:
    """Find the faces of an index that are nearest to a face of PHOTO, or have most of an attribute.

    By person, the score is the cosine of two identity embeddings: two photos of one person have 0.6 on
    average. 1 in 100 pairs of different people exceed 0.62, so that among 10,000 faces a hundred
    strangers may; hits from there on are marked, and only a person can tell. By code it is the cosine of
    what the codes say of forty attributes. The face itself is left out.
    """
    from facedial.editor import Editor
    from facedial.search.index import Index
    from facedial.search.sheet import contact_sheet

    _check(photo, kind, name, least, as_json and as_csv)
    if picture is not None:
        outputs.picture(picture, overwrite=overwrite)
    tally = Tally()
    found: list[tuple[Any, list[Hit]]] = []
    if as_csv:
        streams.say_csv(COLUMNS)
    if photo is None:
        assert name is not None
        with Index.open(folder) as index:
            hits = index.ranked(name, most, least=least)
        found.append((None, hits))
        rows = _rows(hits, {"sorted_by": name})
        _say(rows, None, as_csv=as_csv, quiet=as_json)
        tally.add(rows)
    else:
        by = kind or "person"
        with (
            Editor.open(model, threads=threads) as editor,
            Index.open(folder, editor.model) as index,
        ):
            for path, attempt in tally.each([photo]):
                with attempt:
                    for number, crop, hits in _nearest(editor, index, path, face, by, most):
                        found.append((crop, hits))
                        rows = _rows(hits, {"input": str(path), "query_face": number, "by": by})
                        _say(rows, f"{path}, face {number}", as_csv=as_csv, quiet=as_json)
                        tally.add(rows)
    if picture is not None and not tally.failed:
        sheet, notes = contact_sheet(found)
        for note in (*notes, *sheet.save(picture, overwrite=overwrite)):
            streams.warn(note)
        streams.tell(str(picture))
    return tally.finish(as_json=as_json)


def _check(photo: Path | None, kind: str | None, name: str | None, least: bool, both: bool) -> None:
    """Raise `UsageError` for options that do not go together."""
    if (photo is None) == (name is None):
        raise click.UsageError("give either a PHOTO with the face to look for, or --sort-by")
    if name is not None and kind is not None:
        raise click.UsageError(
            "--by says how a face of PHOTO is compared; it does not go with --sort-by"
        )
    if least and name is None:
        raise click.UsageError("--least is for --sort-by")
    if both:
        raise click.UsageError("choose one of --json and --csv")


def _nearest(
    editor: Editor, index: Index, path: Path, face: Face, kind: str, most: int
) -> list[tuple[int, Any, list[Hit]]]:
    """For each face that is looked for: its number, its crop, and what was found."""
    from facedial.search.entry import absolute, query

    found = []
    for portrait in editor.portraits(opened(path), face):
        hits = index.nearest(query(editor.model, portrait, kind), kind, most + 1)
        itself = (absolute(path), portrait.number)
        others = [hit for hit in hits if (str(hit.file), hit.face) != itself]
        found.append((portrait.number, portrait.crop.pixels, others[:most]))
    return found


def _rows(hits: Sequence[Hit], facts: dict[str, Any]) -> list[dict[str, Any]]:
    from facedial.search.index import SAME_PERSON

    rows = []
    for rank, hit in enumerate(hits, 1):
        row = {
            **facts,
            "rank": rank,
            "file": str(hit.file),
            "face": hit.face,
            "box": list(hit.box),
            "score": round(hit.value, 4),
        }
        if facts.get("by") == "person":
            row["same_person"] = hit.value >= SAME_PERSON
        rows.append(row)
    return rows


def _say(rows: list[dict[str, Any]], title: str | None, *, as_csv: bool, quiet: bool) -> None:
    """Print hits as text or CSV."""
    from facedial.faces.choose import in_words
    from facedial.faces.overview import BOX

    if not rows:
        streams.warn("no face found in the index")
    if as_csv:
        for row in rows:
            cells = {**row, **dict(zip(BOX, row["box"], strict=True))}
            streams.say_csv([cells.get(column, "") for column in COLUMNS])
        return
    if quiet:
        return
    if title is not None:
        streams.say(title)
    for row in rows:
        note = "  (likely the same person)" if row.get("same_person") else ""
        place = f"face {row['face']}: {in_words(row['box'])}"
        streams.say(f"  {row['rank']}. {row['score']:.2f}  {row['file']}, {place}{note}")
