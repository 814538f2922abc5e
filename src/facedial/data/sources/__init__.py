"""Kinds of sources, one file each: `is_one(paths)` recognises, `open_source(...)` opens."""

from collections.abc import Sequence
from pathlib import Path

from facedial.data.item import Source
from facedial.data.labels import LabelTable
from facedial.errors import BadRequest
from facedial.folder import load

# the special before the general: any folder is a folder of pictures
ORDER = ("groups", "shards", "celeba", "lfw", "folder")


def open_source(
    paths: Sequence[str | Path],
    *,
    kind: str = "auto",
    labels: str | Path | None = None,
    ready: bool = False,
) -> Source:
    """Open pictures for `prepare`.

    `kind`: a name of this folder's modules, or `auto` to tell by what is there; `labels`: a CSV,
    Parquet or tab separated table; `ready`: square crops that are only resized.
    Raises `BadRequest` for what is not there, not readable or of no kind; `UnknownName`.
    """
    wanted = [Path(path) for path in paths]
    if not wanted:
        raise BadRequest("no source was named")
    for path in wanted:
        if not path.exists():
            raise BadRequest(f"there is no {path}")
    if kind == "auto":
        kind = "folder" if ready else recognise(wanted)
    module = load(__name__, kind, "kind of source")
    table = None if labels is None else LabelTable.open(Path(labels))
    source: Source = module.open_source(wanted, table, ready=ready)
    return source


def recognise(paths: Sequence[Path]) -> str:
    """The kind of what lies at `paths`; raises `BadRequest` when it is none."""
    for kind in ORDER:
        if load(__name__, kind, "kind of source").is_one(paths):
            return kind
    raise BadRequest(f"{paths[0]} is neither a folder, an archive, nor Parquet shards with crops")
