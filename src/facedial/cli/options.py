"""Options and arguments that verbs share: their declarations, and the parsing of their texts."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from facedial.codes.attributes import NAMES, match
from facedial.errors import BadRequest
from facedial.files import read_text

if TYPE_CHECKING:
    from facedial.editing.request import Edit

Amount = tuple[str, float]
Face = int | str
Eyes = tuple[float, ...]

DASH = Path("-")  # standard input or output; a file of that name is kept as an absolute path
FORMATS = ("png", "jpg", "webp", "tif", "avif", "bmp")


@dataclass(frozen=True, slots=True)
class Output:
    """Where results go: `-o` as given. `is_folder`: it ended in a slash."""

    path: Path
    is_folder: bool = False

    @property
    def is_stdout(self) -> bool:
        """Whether the result is written to standard output."""
        return self.path == DASH


def path(value: str | Path) -> Path:
    """The name of a file; raises `BadRequest` for `-`, which only `path_or_dash` supports."""
    if value == "-":
        raise BadRequest(
            "- (standard input or output) is supported by `facedial edit` alone; give the name of a "
            "file, ./- for one named -"
        )
    return path_or_dash(value)


def path_or_dash(value: str | Path) -> Path:
    """The name of a file, or `DASH`."""
    found = Path(value)
    return found.absolute() if found == DASH and value not in ("-", DASH) else found


def output(value: str | Output) -> Output:
    """`-o` of a verb over many photos; raises `BadRequest` for `-`."""
    return value if isinstance(value, Output) else Output(path(value), _is_folder(value))


def output_or_dash(value: str | Output) -> Output:
    """As `output`, or standard output."""
    return value if isinstance(value, Output) else Output(path_or_dash(value), _is_folder(value))


def _is_folder(text: str) -> bool:
    return text.endswith(tuple(end for end in (os.sep, os.altsep) if end))


def amount(value: str | Amount) -> Amount:
    """`NAME=NUMBER` as a pair, whether or not there is such a name; raises `BadRequest`."""
    if isinstance(value, tuple):
        return value
    name, equals, text = value.partition("=")
    if not equals or not name.strip():
        raise BadRequest(f"{value!r} has no amount; write NAME=AMOUNT, as in Smiling=1")
    try:
        return name.strip(), float(text)
    except ValueError as error:
        raise BadRequest(f"{text!r} in {value!r} is not a number") from error


def face(value: Face) -> Face:
    """A choice of a face as `Editor.portraits` takes it; raises `BadRequest` for anything else."""
    if isinstance(value, str):
        from facedial.faces.choose import parsed

        parsed(value)
    return value


def eyes(value: str | Eyes) -> Eyes:
    """`X,Y,X,Y` as four numbers; raises `BadRequest` for anything else."""
    if isinstance(value, tuple):
        return value
    try:
        points = tuple(float(part) for part in value.split(","))
    except ValueError:
        points = ()
    if len(points) != 4:
        raise BadRequest(f"--eyes wants four numbers X,Y,X,Y, got {value!r}")
    return points


PHOTOS = click.argument("paths", nargs=-1, required=True, metavar="PHOTO...", type=path)
MODEL = click.option(
    "--model", metavar="NAME|FOLDER", help="Bundle to use instead of the default one."
)
THREADS = click.option(
    "--threads",
    type=click.IntRange(min=1),
    metavar="N",
    help="CPU threads; by default as many as this process may use (OMP_NUM_THREADS is honoured).",
)
SIZE = click.option(
    "--size",
    type=click.IntRange(min=1),
    help="Side of a face's picture in pixels: 128, or 256 where the model has the network that draws "
    "its detail (default: the largest).",
)
OVERWRITE = click.option("--overwrite", is_flag=True, help="Replace outputs that exist.")
SKIP_EXISTING = click.option(
    "--skip-existing", is_flag=True, help="Skip photos whose outputs exist."
)
RECURSIVE = click.option(
    "-r",
    "--recursive",
    is_flag=True,
    help="Include sub-folders; outputs keep the folder structure.",
)
RECURSIVE_INPUT = click.option("-r", "--recursive", is_flag=True, help="Include sub-folders.")
AS_JSON = click.option("--json", "as_json", is_flag=True, help="Report as JSON on stdout.")
JSON_LINES = click.option(
    "--json-lines",
    is_flag=True,
    help="Report each photo as soon as it is done, as a line of JSON on stdout.",
)
WORKERS = click.option(
    "--workers",
    "processes",
    type=click.IntRange(min=1),
    metavar="N",
    help="Processes that work at the same time, each with a model of its own; by default one for each "
    "core, or one alone for few photos. Results are the same.",
)
FACE = click.option(
    "--face",
    default=1,
    show_default=True,
    metavar="N|all|largest|leftmost|rightmost|X,Y",
    type=face,
    help="Which face: counted from the largest, by its place, or by a point in photo pixels that its "
    "box holds (`facedial faces` lists them).",
)
EYES = click.option(
    "--eyes",
    metavar="X,Y,X,Y",
    type=eyes,
    help="Both eyes in pixels of the photo, where no face is detected.",
)
OUT = click.option(
    "-o",
    "--out",
    type=output,
    metavar="PATH",
    help="Output file for a single photo; otherwise a folder (a slash at its end names a folder).",
)


def amounts(pairs: Iterable[Amount], known: Iterable[str] = NAMES) -> dict[str, float]:
    """Pairs as a table, with names as `known` spells them.

    Raises `UnknownName` with the nearest, `BadRequest` for a name given twice.

    >>> amounts([("no beard", 1.0)])
    {'No_Beard': 1.0}
    """
    names, table = tuple(known), {}
    for given, amount in pairs:
        name = match(given, names)
        if name in table:
            raise BadRequest(f"{name} is given twice; give one amount")
        table[name] = amount
    return table


@dataclass(frozen=True, slots=True)
class EditOptions:
    """An edit as options give it: `--set`, `--add`, `--keep`, `--strength`, `--exactly`, `--preset`,
    `--hair-colour`, `--lens-darkness`, `--min-identity`.
    """

    targets: tuple[Amount, ...] = ()
    shifts: tuple[Amount, ...] = ()
    keep: tuple[str, ...] = ()
    strength: float = 1.0
    exactly: bool = False
    preset: Path | None = None
    hair_colour: str | None = None
    lens_darkness: float | None = None
    min_identity: float | None = None

    def edit(self, known: Iterable[str] = NAMES) -> Edit:
        """The edit; options win over the preset. `known`: names that may occur.

        Raises `UnknownName`, `BadRequest`.
        """
        from facedial.editing.request import Edit

        names = tuple(known)
        own = Edit(
            amounts(self.targets, names),
            amounts(self.shifts, names),
            frozenset(match(name.strip(), names) for name in self.keep),
            self.strength,
            self.exactly,
            self.hair_colour,
            lens_darkness=self.lens_darkness,
            min_identity=self.min_identity,
        )
        if self.preset is None:
            return own
        return over(own, load_preset(self.preset)).checked(names)


def load_preset(path: Path) -> Edit:
    """The edit in a JSON file, with or without a byte order mark; raises `BadRequest`."""
    from facedial.editing.request import Edit

    text = read_text(path, "preset")
    try:
        return Edit.from_json(text)
    except BadRequest as error:
        raise BadRequest(f"the preset {path} is no edit: {error}") from error


def over(own: Edit, preset: Edit) -> Edit:
    """Both edits together: `own`, and of a preset what it does not name."""
    named = {*own.targets, *own.shifts, *own.keep}
    hair = preset if own.hair_colour is None else own
    return dataclasses.replace(
        own,
        targets={**_without(preset.targets, named), **own.targets},
        shifts={**_without(preset.shifts, named), **own.shifts},
        keep=(preset.keep - named) | own.keep,
        strength=preset.strength * own.strength,
        exactly=preset.exactly or own.exactly,
        hair_colour=hair.hair_colour,
        hair_amount=hair.hair_amount,
        lens_darkness=preset.lens_darkness if own.lens_darkness is None else own.lens_darkness,
        min_identity=preset.min_identity if own.min_identity is None else own.min_identity,
    )


def _without(table: Mapping[str, float], names: Collection[str]) -> dict[str, float]:
    return {name: amount for name, amount in table.items() if name not in names}
