"""Any folder or archive of pictures, with an optional table of labels."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from facedial.data.item import Item
from facedial.data.labels import LabelTable
from facedial.data.locations import ByteLocation, Entry, entries, is_archive
from facedial.errors import BadRequest
from facedial.files import is_picture


@dataclass(frozen=True, slots=True, eq=False)
class Folder:
    """Pictures of a folder or archive; each counts as its own person unless labels name one.

    `ready`: the pictures are square crops and are only resized.
    """

    found: tuple[Entry, ...]
    names: tuple[str, ...]
    labels: LabelTable | None = None
    ready: bool = False
    kind: str = "folder"
    frame: str = ""
    pick: Literal["largest", "central"] = "largest"

    def fingerprint(self) -> str:
        """Sizes or checksums of the files."""
        return ",".join(entry.fingerprint for entry in self.found)

    def items(self) -> Iterator[Item]:
        """The pictures by relative path."""
        for entry in self.found:
            label = None if self.labels is None else self.labels.find(entry.name)
            if label is None:
                yield Item(entry.name, entry.location, ready=self.ready)
                continue
            yield Item(
                entry.name,
                entry.location,
                label.person,
                label.split,
                label.landmarks,
                label.attributes,
                self.ready,
                extra=label.extra,
            )


def is_one(paths: Sequence[Path]) -> bool:
    """Whether all of these are folders, archives or pictures."""
    return all(path.is_dir() or is_archive(path) or is_picture(path.name) for path in paths)


def open_source(paths: Sequence[Path], labels: LabelTable | None, *, ready: bool) -> Folder:
    """Open folders, archives and pictures; if several, names are prefixed with the folder's name.

    Raises `BadRequest` if there are no pictures, or if the labels match none of them.
    """
    found: list[Entry] = []
    for path in paths:
        if path.is_file() and is_picture(path.name):
            found.append(Entry(path.name, ByteLocation(str(path)), str(path.stat().st_size)))
            continue
        prefix = f"{path.name}/" if len(paths) > 1 else ""
        inside = [entry for entry in entries(path) if is_picture(entry.name)]
        found += [Entry(prefix + entry.name, entry.location, entry.fingerprint) for entry in inside]
    if not found:
        raise BadRequest(f"no pictures in {', '.join(map(str, paths))}")
    found.sort(key=lambda entry: entry.name)
    if labels is not None:
        labels.check(entry.name for entry in found)
    return Folder(tuple(found), tuple(path.name for path in paths), labels, ready)
