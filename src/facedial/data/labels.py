"""Label tables: attributes, landmarks, person and split of each picture."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from facedial.codes.attributes import NAMES
from facedial.data import tables
from facedial.data.item import Doubles, Floats
from facedial.errors import BadRequest

POINTS = ("eye_imgleft", "eye_imgright", "nose", "mouth_imgleft", "mouth_imgright")
FILE_COLUMNS = ("file", "filename", "image", "imageid", "path", "name")
PERSON_COLUMNS = ("person", "identity", "personid", "subject")
NUMBER_COLUMNS = ("num", "imagenum")
SPLIT_COLUMNS = ("split", "partition")
PREFIXES = ("", "facer", "attr", "attribute")
PARTITIONS = {"0": "train", "1": "val", "2": "test", "valid": "val", "validation": "val"}
PARTITIONS |= {name: name for name in ("train", "val", "test")}


@dataclass(frozen=True, slots=True, eq=False)
class Label:
    """The labels of one picture; fields as in `Item`."""

    person: str
    split: str
    landmarks: Doubles | None
    attributes: Floats
    extra: Mapping[str, str]


@dataclass(frozen=True, slots=True, eq=False)
class LabelTable:
    """Rows of a label table, looked up by file name (without extension) or person and number.

    `attributes`: float32 [R, 40] in 0..1, NaN unknown; `landmarks`: float64 [R, 5, 2] or None.
    """

    path: Path
    rows: Mapping[str, int]
    by_person: bool
    person: tuple[str, ...]
    split: tuple[str, ...]
    attributes: Floats
    landmarks: Doubles | None
    extra: Mapping[str, tuple[str, ...]]

    @staticmethod
    def open(path: Path) -> "LabelTable":
        """Load a Parquet, CSV or tab separated table.

        Attribute columns have CelebA's names (case, spaces and underscores are ignored) with an
        optional prefix such as `facer_`. Landmarks are `lm_eye_imgleft_x` to `lm_mouth_imgright_y`.
        Raises `BadRequest` if no column identifies the picture of a row.
        """
        columns = tables.read_table(path)
        plain = {_plain(name): name for name in columns}
        file = _first(plain, FILE_COLUMNS)
        person = _first(plain, PERSON_COLUMNS)
        number = _first(plain, NUMBER_COLUMNS)
        split = _first(plain, SPLIT_COLUMNS)
        if file is not None:
            keys = [_stem(str(cell)) for cell in columns[file]]
        elif person is not None and number is not None:
            people, numbers = columns[person], columns[number]
            keys = [numbered(str(who), cell) for who, cell in zip(people, numbers, strict=True)]
        elif "number" in plain:
            keys = [f"{int(cell):06d}" for cell in columns[plain["number"]]]  # CelebA's file names
        else:
            raise BadRequest(
                f"{path} has no column `file` or `number`, nor `person` and `imagenum`: "
                "its rows cannot be matched to pictures"
            )
        attributes, used = _attributes(columns, plain)
        landmarks, points = _landmarks(columns, plain)
        used |= points | {name for name in (file, person, split) if name is not None}
        count = len(keys)
        return LabelTable(
            path=path,
            rows={key: row for row, key in reversed(list(enumerate(keys)))},
            by_person=file is None,
            person=tuple(map(_text, columns[person])) if person else ("",) * count,
            split=tuple(_partition(cell, path) for cell in columns[split])
            if split
            else ("",) * count,
            attributes=attributes,
            landmarks=landmarks,
            extra={
                name: tuple(map(_text, cells))
                for name, cells in columns.items()
                if name not in used and cells and not isinstance(cells[0], (bytes, list, dict))
            },
        )

    def row_of(self, file: str) -> int | None:
        """Row of the picture `file`, a path with slashes; None if there is none.

        The whole path is looked up first, then the base name.
        """
        stem = _stem(file)
        row = self.rows.get(stem)
        return self.rows.get(stem.rsplit("/", 1)[-1]) if row is None else row

    def check(self, files: Iterable[str]) -> None:
        """Raises `BadRequest` if the table has none of `files`, or one row matches two of them."""
        users: dict[int, str] = {}
        for file in files:
            row = self.row_of(file)
            if row in users:
                raise BadRequest(
                    f"row {row + 1} of {self.path} matches both {users[row]} and {file}; "
                    "give their whole paths in the column `file`"
                )
            if row is not None:
                users[row] = file
        if not users:
            raise BadRequest(f"no row of {self.path} matches any of the pictures")

    def find(self, file: str) -> Label | None:
        """Labels of the picture `file`, looked up as by `row_of`; None if there are none."""
        row = self.row_of(file)
        if row is None:
            return None
        landmarks = None if self.landmarks is None else self.landmarks[row]
        if landmarks is not None and not np.isfinite(landmarks).all():
            landmarks = None
        return Label(
            person=self.person[row].replace(" ", "_") if self.by_person else self.person[row],
            split=self.split[row],
            landmarks=landmarks,
            attributes=self.attributes[row],
            extra={name: cells[row] for name, cells in self.extra.items()},
        )


def numbered(person: str, number: Any) -> str:
    """LFW's file stem of a person's picture.

    >>> numbered("Aaron Eckhart", "1")
    'Aaron_Eckhart_0001'
    """
    try:
        return f"{person.strip().replace(' ', '_')}_{int(float(number)):04d}"
    except (TypeError, ValueError) as wrong:
        raise BadRequest(f"{number!r} is not the number of a picture of {person}") from wrong


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _first(plain: Mapping[str, str], wanted: tuple[str, ...]) -> str | None:
    return next((plain[name] for name in wanted if name in plain), None)


def _stem(file: str) -> str:
    return re.sub(r"\.[A-Za-z0-9]{1,5}$", "", file.replace("\\", "/"))


def _text(cell: Any) -> str:
    return "" if cell is None else str(cell)


def _partition(cell: Any, path: Path) -> str:
    text = _text(cell).strip().lower()
    if text and text not in PARTITIONS:
        raise BadRequest(f"{path} has a split {text!r}; train, val, test or 0, 1, 2 were expected")
    return PARTITIONS.get(text, "")


def _numbers(cells: list[Any]) -> Doubles:
    values = np.full(len(cells), np.nan)
    for row, cell in enumerate(cells):
        if cell is None or cell == "":
            continue
        try:
            values[row] = float(cell)
        except (TypeError, ValueError) as wrong:
            raise BadRequest(f"{cell!r} in row {row + 1} of the labels is not a number") from wrong
    return values


def unit_scale(values: Doubles) -> Floats:
    """Attribute values in 0..1: probabilities unchanged, -1/1 as 0/1, scores by the logistic function.

    Which of the three they are is decided from all values together; a score of 0 becomes 0.5.
    """
    known = values[np.isfinite(values)]
    if known.size and not ((known >= 0) & (known <= 1)).all():
        if np.isin(known, (-1, 1)).all():
            values = (values + 1) / 2
        else:
            values = 1 / (1 + np.exp(-np.clip(values, -60, 60)))
    return values.astype(np.float32)


def _attributes(columns: tables.Columns, plain: Mapping[str, str]) -> tuple[Floats, set[str]]:
    count = len(next(iter(columns.values()), []))
    values = np.full((count, len(NAMES)), np.nan)
    used = set()
    for k, name in enumerate(NAMES):
        column = _first(plain, tuple(_plain(prefix + name) for prefix in PREFIXES))
        if column is not None:
            values[:, k] = _numbers(columns[column])
            used.add(column)
    return unit_scale(values), used


def _landmarks(
    columns: tables.Columns, plain: Mapping[str, str]
) -> tuple[Doubles | None, set[str]]:
    wanted = [f"lm_{point}_{axis}" for point in POINTS for axis in "xy"]
    found = [_first(plain, (_plain(name),)) for name in wanted]
    names = [name for name in found if name is not None]
    if len(names) < len(wanted):
        return None, set()
    values = np.stack([_numbers(columns[name]) for name in names], axis=1)
    return values.reshape(-1, len(POINTS), 2), set(names)
