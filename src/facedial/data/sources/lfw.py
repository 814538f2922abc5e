"""Labeled Faces in the Wild: `Person_Name/Person_Name_0001.jpg` in a folder, zips or a tar."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from facedial.data.item import Item
from facedial.data.labels import LabelTable
from facedial.data.locations import Entry, entries, is_archive
from facedial.errors import BadRequest
from facedial.files import is_picture

# the person's name twice: as the folder and before four digits
PICTURE = re.compile(r"(?:^|/)(?P<file>(?P<person>[^/]+)/(?P=person)_\d{4}\.\w+)$")
MIN_SHARE = 0.9  # of the pictures must be named so


@dataclass(frozen=True, slots=True, eq=False)
class Lfw:
    """LFW's photos, 250x250, with the named person in the centre.

    A photo may show others too, so of several faces the one nearest the centre is cropped.
    """

    found: tuple[Entry, ...]
    names: tuple[str, ...]
    labels: LabelTable | None = None
    kind: str = "lfw"
    frame: str = ""
    pick: Literal["largest", "central"] = "central"

    def fingerprint(self) -> str:
        """Sizes or checksums of the files."""
        return ",".join(entry.fingerprint for entry in self.found)

    def items(self) -> Iterator[Item]:
        """The photos by name."""
        for entry in self.found:
            match = PICTURE.search(entry.name)
            if match is None:
                continue
            file, person = match["file"], match["person"]
            label = None if self.labels is None else self.labels.find(file)
            if label is None:
                yield Item(file, entry.location, person)
                continue
            yield Item(
                file,
                entry.location,
                person,
                split=label.split,
                landmarks=label.landmarks,
                attributes=label.attributes,
                extra=label.extra,
            )


def is_one(paths: Sequence[Path]) -> bool:
    """Whether at least 90 % of the pictures are named as LFW's are."""
    if not all(path.is_dir() or is_archive(path) for path in paths):
        return False
    pictures = [e.name for path in paths for e in entries(path) if is_picture(e.name)]
    named = sum(PICTURE.search(name) is not None for name in pictures)
    return bool(named) and named >= MIN_SHARE * len(pictures)


def open_source(paths: Sequence[Path], labels: LabelTable | None, *, ready: bool) -> Lfw:
    """Open LFW's folder or archives; raises `BadRequest` if no picture is named as LFW's are."""
    if ready:
        raise BadRequest(
            "LFW has whole photos, not ready crops; choose the kind folder for ready crops"
        )
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
