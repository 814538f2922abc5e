"""The manifest of an index: which model made it, and which of its files count."""

import dataclasses
import json
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from facedial import files
from facedial.errors import BadIndex
from facedial.model import DIRECTIONS, Model

FORMAT = 1
NAME = "index.json"
PHOTOS, FACES = "photos-{:06}.parquet", "faces-{:06}.parquet"


@dataclass(frozen=True, slots=True)
class ModelStamp:
    """What decides the numbers of an index: code space, and SHA-256 of the files that computed them."""

    name: str
    space: str
    identity: str
    classifier: str
    directions: str

    @staticmethod
    def of(model: Model) -> "ModelStamp":
        """The stamp of a model."""

        def hashed(graph: str) -> str:
            return str(model.holder(graph).facts["files"][f"{graph}.onnx"])

        directions = str(model.bundle.facts["files"][DIRECTIONS])
        return ModelStamp(model.name, model.space, hashed("identity"), hashed("reader"), directions)

    def differing(self, other: "ModelStamp") -> list[str]:
        """What differs from `other` but the name."""
        names = [one.name for one in dataclasses.fields(self) if one.name != "name"]
        return [name for name in names if getattr(self, name) != getattr(other, name)]


@dataclass(frozen=True, slots=True)
class Part:
    """A pair of Parquet files: rows of photos, and of their faces."""

    number: int
    photos: int
    faces: int


@dataclass(frozen=True, slots=True)
class GraphFile:
    """A graph's file, its SHA-256, and the `state` of the rows that it was made from."""

    file: str
    sha256: str
    state: int


@dataclass(slots=True)
class Manifest:
    """What an index consists of; a file that it does not name does not count.

    `sizes`: numbers of each vector. `next_id`: of the next face; ids are never used twice.
    `next_file`: number of the next file. `state`: raised whenever rows change.
    """

    model: ModelStamp
    sizes: dict[str, int]
    parts: list[Part] = field(default_factory=list)
    graphs: dict[str, GraphFile] = field(default_factory=dict)
    next_id: int = 0
    next_file: int = 1
    state: int = 0

    @property
    def photos(self) -> int:
        """Photos in all parts."""
        return sum(part.photos for part in self.parts)

    @property
    def faces(self) -> int:
        """Faces in all parts."""
        return sum(part.faces for part in self.parts)

    def number(self) -> int:
        """A number for a new file."""
        self.next_file += 1
        return self.next_file - 1

    @property
    def names(self) -> set[str]:
        """Names of the files that count, itself left out."""
        found = {one.file for one in self.graphs.values()}
        for part in self.parts:
            found |= {PHOTOS.format(part.number), FACES.format(part.number)}
        return found

    def save(self, folder: Path, keep: Collection[str] = ()) -> None:
        """Write it, which is when what it names becomes the index; then delete what it does not name.

        `keep`: files that are not deleted yet, since somebody may be reading them.
        """
        text = json.dumps({"format": FORMAT, **dataclasses.asdict(self)}, indent=1)
        files.write(folder / NAME, text + "\n")
        kept = self.names.union(keep)
        for pattern in ("photos-*.parquet", "faces-*.parquet", "*-*.usearch"):
            for path in folder.glob(pattern):
                if path.name not in kept:
                    path.unlink(missing_ok=True)

    @staticmethod
    def load(folder: Path) -> "Manifest":
        """Read it; raises `BadIndex` where it is missing, damaged or of another version."""
        path = folder / NAME
        try:
            facts: dict[str, Any] = json.loads(path.read_bytes())
            if facts.pop("format") != FORMAT:
                raise BadIndex(
                    f"the index {folder} is of another version of facedial; index the photos again"
                )
            return Manifest(
                **{
                    **facts,
                    "model": ModelStamp(**facts["model"]),
                    "parts": [Part(**one) for one in facts["parts"]],
                    "graphs": {kind: GraphFile(**one) for kind, one in facts["graphs"].items()},
                }
            )
        except FileNotFoundError as error:
            raise BadIndex(
                f"{folder} is no index: it has no {NAME}; make one with `facedial index`"
            ) from error
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise BadIndex(
                f"the index {folder} is damaged: {NAME} cannot be read; delete the folder and index "
                "the photos again"
            ) from error
