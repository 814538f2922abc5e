"""CelebA in its official layout: aligned 178x218 pictures and lists, in a folder, zip or tar."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from facedial.codes.attributes import NAMES, find
from facedial.data.item import Box, Item
from facedial.data.labels import PARTITIONS, LabelTable
from facedial.data.locations import ByteLocation, ByteReader, Entry, entries, is_archive
from facedial.errors import BadRequest
from facedial.files import decode_text, is_picture

PICTURES = "img_align_celeba"
ATTRIBUTE_LIST = "list_attr_celeba"
PERSON_LIST = "identity_CelebA"
SPLIT_LIST = "list_eval_partition"
LANDMARK_LIST = "list_landmarks_align_celeba"
LISTS = (ATTRIBUTE_LIST, PERSON_LIST, SPLIT_LIST, LANDMARK_LIST)
# the square of the 178x218 picture that matches the `head` frame: median eyes at 0.51 of the height,
# 0.22 of the side apart
HEAD_BOX: Box = (0, 20, 178, 198)

Words = dict[str, list[str]]


@dataclass(frozen=True, slots=True, eq=False)
class Celeba:
    """CelebA as distributed; its pictures are already aligned.

    The `head` crop is therefore rows 20 to 198 of a picture, resized by Lanczos; aligning again by
    five landmarks would resample twice. For other frames a picture is treated as a photo.
    """

    found: tuple[Entry, ...]
    lists: Mapping[str, ByteLocation]
    names: tuple[str, ...]
    kind: str = "celeba"
    frame: str = ""
    pick: Literal["largest", "central"] = "central"

    def fingerprint(self) -> str:
        """Sizes or checksums of the pictures; the contents of the lists are in the items."""
        return ",".join(entry.fingerprint for entry in self.found)

    def items(self) -> Iterator[Item]:
        """The pictures by name, with the official split and identity, attributes 0 or 1."""
        with ByteReader() as reader:
            read = {name: _words(reader, location, name) for name, location in self.lists.items()}
        people, splits = read.get(PERSON_LIST, {}), read.get(SPLIT_LIST, {})
        marks, points = read.get(ATTRIBUTE_LIST, {}), read.get(LANDMARK_LIST, {})
        columns = [NAMES.index(find(name).name) for name in marks.get("", [])]
        for entry in self.found:
            file = _base(entry.name)
            yield Item(
                file,
                entry.location,
                person=_one(people, file, PERSON_LIST),
                split=_split(_one(splits, file, SPLIT_LIST)),
                landmarks=_points(points.get(file), file),
                attributes=_attributes(columns, marks.get(file), file),
                head_box=HEAD_BOX,
                extra={"number": Path(file).stem.lstrip("0")},
            )


def is_one(paths: Sequence[Path]) -> bool:
    """Whether there is a folder `img_align_celeba` or one of CelebA's lists."""
    if not all(path.is_dir() or is_archive(path) for path in paths):
        return False
    names = [entry.name for path in paths for entry in entries(path)]
    return any(_list(name) or f"{PICTURES}/" in name for name in names)


def open_source(paths: Sequence[Path], labels: LabelTable | None, *, ready: bool) -> Celeba:
    """Open CelebA: pictures, or `img_align_celeba.zip`, and lists as .txt or .csv.

    Raises `BadRequest` without pictures, without identities or splits, and for other labels.
    """
    if labels is not None or ready:
        raise BadRequest("CelebA has its own lists as labels; give no label table, nor ready crops")
    found: list[Entry] = []
    lists: dict[str, ByteLocation] = {}
    for path in paths:
        inside = entries(path)
        if path.is_dir():
            packed = [entry for entry in inside if _base(entry.name) == f"{PICTURES}.zip"]
            inside += [one for entry in packed for one in entries(Path(entry.location.path))]
        found += [entry for entry in inside if is_picture(entry.name)]
        lists |= {name: entry.location for entry in inside if (name := _list(entry.name))}
    where = ", ".join(map(str, paths))
    if not found:
        raise BadRequest(f"no pictures in {where}")
    if PERSON_LIST not in lists and SPLIT_LIST not in lists:
        raise BadRequest(
            f"{where} has neither {PERSON_LIST}.txt nor {SPLIT_LIST}.txt: "
            "without them one person would fall into several splits"
        )
    found.sort(key=lambda entry: _base(entry.name))
    return Celeba(tuple(found), lists, tuple(path.name for path in paths))


def _base(name: str) -> str:
    return name.rsplit("/", 1)[-1]


def _list(name: str) -> str:
    """Which of CelebA's lists a file is, "" if none."""
    stem, _, kind = _base(name).rpartition(".")
    return stem if stem in LISTS and kind in ("txt", "csv") else ""


def _words(reader: ByteReader, location: ByteLocation, name: str) -> Words:
    """Words of each picture's line, by the picture; those of the header under ""."""
    text = decode_text(reader.read(location), f"CelebA's list {name}", "plain text")
    if not text.isascii():
        raise BadRequest(f"CelebA's list {name} is no plain text: it has letters beyond ASCII")
    words: Words = {}
    for line in text.splitlines():
        first, *rest = line.replace(",", " ").split() or [""]
        if is_picture(first):
            words[first] = rest
        elif first and not first.isdigit():  # a lone number counts the lines that follow
            words[""] = rest if first == "image_id" else [first, *rest]
    return words


def _one(table: Words, file: str, name: str) -> str:
    words = table.get(file)
    if words is None:
        return ""
    if len(words) != 1:
        raise BadRequest(f"CelebA's list {name} has {len(words)} values for {file}, not one")
    return words[0]


def _split(word: str) -> str:
    if word and word not in PARTITIONS:
        raise BadRequest(f"CelebA's list {SPLIT_LIST} has a part {word!r}; 0, 1, 2 were expected")
    return PARTITIONS.get(word, "")


def _numbers(words: list[str], count: int, file: str, name: str) -> npt.NDArray[np.float64]:
    try:
        numbers = np.array([float(word) for word in words])
    except ValueError as wrong:
        raise BadRequest(f"CelebA's list {name} has no numbers for {file}") from wrong
    if len(numbers) != count:
        raise BadRequest(f"CelebA's list {name} has {len(numbers)} values for {file}, not {count}")
    return numbers


def _attributes(
    columns: list[int], words: list[str] | None, file: str
) -> npt.NDArray[np.float32] | None:
    if words is None:
        return None
    values = np.full(len(NAMES), np.nan, np.float32)
    # -1 is absent, 1 is present
    values[columns] = _numbers(words, len(columns), file, ATTRIBUTE_LIST) > 0
    return values


def _points(words: list[str] | None, file: str) -> npt.NDArray[np.float64] | None:
    # CelebA's "left" eye and mouth corner are the image's left ones, as ours
    return None if words is None else _numbers(words, 10, file, LANDMARK_LIST).reshape(5, 2)
