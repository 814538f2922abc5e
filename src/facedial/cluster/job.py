"""What is done with each photo, and the tables that results are stored in."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow

from facedial.codes.code import parquet_facts
from facedial.editing.learn import Learned
from facedial.editor import Editor
from facedial.errors import BadBundle
from facedial.files import sha256

STRING, NUMBER = pyarrow.string(), pyarrow.float64()


@dataclass(frozen=True, slots=True)
class Made:
    """What came of one photo.

    `rows`: of the table, a face each.  `picture`: the content of a file that ends in `ending`, where the
    job makes one.  `error`: why there is nothing, in one sentence.  `notes`: what was said meanwhile.
    """

    rows: Sequence[dict[str, Any]] = ()
    picture: bytes | None = None
    ending: str = ""
    error: str | None = None
    notes: tuple[str, ...] = ()


# The editor, a photo's bytes, its name; never raises for what is the photo's fault.
Work = Callable[[Editor, bytes, str], Made]


@dataclass(frozen=True, slots=True)
class Job:
    """The work on each photo, and what its results are: pickled, and sent to every worker.

    `verb`, `settings`: what a rerun must have in common.  `table`: what its files are called, with the
    columns `schema` beside those of every job.  `pictures`: what its tar shards are called, empty where
    it makes no pictures; it goes into their members' names, too.  `model`: a name or folder, which is
    opened where the work is done, with `learned`, in `threads`; its bundle must have the `digest`.
    """

    verb: str
    settings: dict[str, Any]
    work: Work
    table: str
    columns: Any  # pyarrow.Schema
    pictures: str = ""
    model: str | None = None
    learned: tuple[Learned, ...] = ()
    threads: int = 1
    digest: str = field(default="", kw_only=True)

    def files(self, part: int) -> list[str]:
        """The names of a part's files: its table, and its shard where there are pictures."""
        names = [f"{self.table}-{part:07d}.parquet"]
        return [*names, f"{self.pictures}-{part:07d}.tar"] if self.pictures else names

    @property
    def schema(self) -> Any:
        """Columns of its table; `error` is null where there is a face, whose columns are else null."""
        common = [("input", STRING), ("face", pyarrow.int32())]
        made = [("output", STRING)] if self.pictures else []
        said = [("notes", pyarrow.list_(STRING)), ("error", STRING)]
        fields = [pyarrow.field(*one) for one in (*common, *made)]
        fields += [*self.columns, *(pyarrow.field(*one) for one in said)]
        return pyarrow.schema(fields, self.columns.metadata)

    def opened(self) -> Editor:
        """The editor that the work needs; raises `BadBundle` where it is another model here."""
        editor = Editor.open(self.model, threads=self.threads)
        if digest(editor) != self.digest:
            raise BadBundle(
                f"the model {editor.model.path} of a worker is not the one of the command; install the "
                "same facedial on every machine"
            )
        return editor.with_learned(self.learned)


def digest(editor: Editor) -> str:
    """SHA-256 of a bundle's facts, which hold those of all its files."""
    return sha256(editor.model.path / "bundle.json")


def codes(editor: Editor) -> Any:
    """Columns of a table of codes: parts can be read as any file of codes (`load_codes`)."""
    fields = [("name", STRING), ("code", pyarrow.list_(pyarrow.float32(), editor.model.dimensions))]
    place = [("to_photo", pyarrow.list_(NUMBER, 6))]
    return pyarrow.schema([*fields, *place], parquet_facts(editor.model.space))


def numbers(names: Sequence[str]) -> Any:
    """Columns of numbers."""
    return pyarrow.schema([(name, NUMBER) for name in names])


def faces(names: Sequence[str]) -> Any:
    """Columns of the faces of photos: the box x0, y0, x1, y1, and numbers."""
    return pyarrow.schema([("box", pyarrow.list_(NUMBER, 4)), *numbers(names)])


def edits() -> Any:
    """Columns of a table of edited faces."""
    implied = ("implied", pyarrow.map_(STRING, NUMBER))
    return pyarrow.schema([implied, ("strength", NUMBER), ("identity", NUMBER)])
