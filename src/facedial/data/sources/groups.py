"""Parquet shards of whole photos with YuNet's detections in the column `yunet`."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from facedial.data import tables
from facedial.data.item import Doubles, Item
from facedial.data.labels import LabelTable
from facedial.data.locations import ByteLocation
from facedial.data.sources import shards
from facedial.errors import BadRequest

FACES = "yunet"
NUMBERS = 15  # per face: score, x0, y0, x1, y1, five landmarks
SMALLEST = 12.0  # eye distance in pixels; crops of smaller faces are too blurred to use


@dataclass(frozen=True, slots=True)
class Groups(shards.ShardFiles):
    """One item for each face with an eye distance of at least `SMALLEST`.

    All faces of a photo count as one person, so that they are in one split. Extra column `others`: JSON
    of [x, y, eye distance] of the photo's other faces, (x, y) between the eyes, in photo pixels.
    """

    kind: str = "groups"
    frame: str = ""
    pick: Literal["largest", "central"] = "largest"

    def items(self) -> Iterator[Item]:
        """Every such face, named after its photo and its number there."""
        for path in self.paths:
            columns = tables.read_parquet(path, ["name", FACES])
            for row, (name, found) in enumerate(zip(*columns.values(), strict=True)):
                faces = np.array(found or [], np.float64).reshape(-1, NUMBERS)[:, 5:]
                faces = faces.reshape(-1, 5, 2)
                for number, landmarks in enumerate(faces):
                    if _eyes(landmarks) < SMALLEST:
                        continue
                    others = np.delete(faces, number, 0)
                    places = [
                        [*(round(v, 1) for v in other[:2].mean(0).tolist()), round(_eyes(other), 1)]
                        for other in others
                    ]
                    yield Item(
                        file=f"{name}#{number}",
                        location=ByteLocation(str(path), shards.PICTURE, row),
                        person=str(name),
                        landmarks=landmarks,
                        extra={"others": json.dumps(places)},
                    )


def is_one(paths: Sequence[Path]) -> bool:
    """Whether these are Parquet files of photos with detections, or folders of them."""
    found = shards.files(paths)
    return bool(found) and all(_has_faces(path) for path in found)


def open_source(paths: Sequence[Path], labels: LabelTable | None, *, ready: bool) -> Groups:
    """Open shards; raises `BadRequest` for other files, for labels, and for ready crops."""
    if labels is not None or ready:
        raise BadRequest(
            "shards of photos have their own landmarks; give no label table and no ready crops"
        )
    found = shards.files(paths)
    lacking = [path for path in found if not _has_faces(path)]
    if not found or lacking:
        named = ", ".join(map(str, lacking or paths))
        raise BadRequest(f"{named}: no Parquet shard of photos with the column `{FACES}`")
    return Groups(tuple(found))


def _has_faces(path: Path) -> bool:
    return {"name", FACES, shards.PICTURE} <= set(tables.column_names(path))


def _eyes(landmarks: Doubles) -> float:
    return float(np.linalg.norm(landmarks[1] - landmarks[0]))
