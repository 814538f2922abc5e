"""Labeled Faces in the Wild: `Person_Name/Person_Name_0001.jpg` in a folder, zips or a tar."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from facedial.data.item import Item
from facedial.data.labels import LabelTable
from facedial.data.places import Entry, entries, is_archive
from facedial.errors import BadRequest
from facedial.files import is_picture

# the person's name twice: as the folder and before the four digits
PICTURE = re.compile(r"(?:^|/)(?P<file>(?P<person>[^/]+)/(?P=person)_\d{4}\.\w+)$")
ENOUGH = 0.9


@dataclass(frozen=True, slots=True, eq=False)
class Lfw:
    """LFW's photos, 250x250, the named person in the middle.

    A photo may show others too, so of several faces the one nearest the centre is meant.
    """

    found: tuple[Entry, ...]
    names: tuple[str, ...]
    labels: LabelTable | None = None
    kind: str = "lfw"
    frame: str = ""
    pick: Literal["largest", "central"] = "central"

    def mark(self) -> str:
        """Sizes or checksums of the files."""
        return ",".join(entry.mark for entry in self.found)

    def items(self) -> Iterator[Item]:
        """The photos by name, whatever they were packed in."""
        for entry in self.found:
            match = PICTURE.search(entry.name)
            if match is None:
                continue
            file, person = match["file"], match["person"]
            label = None if self.labels is None else self.labels.find(file)
            if label is None:
                yield Item(file, entry.place, person)
                continue
            yield Item(
                file,
                entry.place,
                person,
                split=label.split,
                landmarks=label.landmarks,
                attributes=label.attributes,
                extra=label.extra,
            )


def is_one(paths: Sequence[Path]) -> bool:
    """Whether nearly all pictures bear their person's name, as LFW's do."""
    if not all(path.is_dir() or is_archive(path) for path in paths):
        return False
    pictures = [e.name for path in paths for e in entries(path) if is_picture(e.name)]
    named = sum(PICTURE.search(name) is not None for name in pictures)
    return bool(named) and named >= ENOUGH * len(pictures)


def open_source(paths: Sequence[Path], labels: LabelTable | None, *, ready: bool) -> Lfw:
    """Open LFW's folder or archives; raises `BadRequest` when no picture is named as LFW's are."""
    if ready:
        raise BadRequest("LFW's pictures are whole photos, not ready crops; leave --ready away")
    found = [e for path in paths for e in entries(path) if is_picture(e.name)]
    found = sorted((e for e in found if PICTURE.search(e.name)), key=lambda entry: entry.name)
    if not found:
        raise BadRequest(
            f"no picture in {', '.join(map(str, paths))} is named like LFW's, "
            "Person_Name/Person_Name_0001.jpg"
        )
    source = Lfw(tuple(found), tuple(path.name for path in paths), labels)
    if labels is not None:
        labels.check(sorted({item.file for item in source.items()}))
    return source
