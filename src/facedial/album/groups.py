"""Which photos of an album show the same people at the same moment."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image

from facedial.album.measures import FaceMeasures
from facedial.arrays import Floats
from facedial.faces.photo import Photo

SAME_PERSON = 0.45  # cosine of embeddings of two faces of one person, in photos taken together
SHARED = 0.5  # share of the people of two photos that must be the same
APART_S = 120.0  # between photos of one moment, where cameras say when they were taken
ALIKE = (
    0.8  # correlation of two pictures of one moment, at `SMALL` pixels a side, where they do not
)
SMALL = 16
NEIGHBOURS = (
    60  # photos before and after, in time or by name, among which near-duplicates are looked for
)


@dataclass(frozen=True, slots=True, eq=False)
class Shot:
    """A photo of an album: its faces, largest first, when it was taken, and a small grey picture."""

    path: Path
    faces: tuple[FaceMeasures, ...]
    taken: datetime | None
    small: Floats

    @staticmethod
    def of(path: Path, photo: Photo, faces: Sequence[FaceMeasures]) -> "Shot":
        """The shot of a photo; nothing of its size is kept."""
        grey = (
            Image.fromarray(photo.flattened)
            .convert("L")
            .resize((SMALL, SMALL), Image.Resampling.BOX)
        )
        values = np.asarray(grey, np.float32)
        return Shot(
            path, tuple(faces), _taken(photo), (values - values.mean()) / (values.std() + 1e-6)
        )


def people_of(shots: Sequence[Shot]) -> list[list[int | None]]:
    """For each shot and person of a group, the index of that person's face; None where it is not found.

    Faces are matched by the cosine of their embeddings, the best pair first; who is in fewer than half
    of the shots (a passer-by) is left out.
    """
    means: list[list[Floats]] = []
    found: list[list[int | None]] = []
    for number, shot in enumerate(shots):
        row: list[int | None] = [None] * len(means)
        pairs = sorted(
            (
                (max(_cosine(face.embedding, one) for one in known), i, person)
                for i, face in enumerate(shot.faces)
                for person, known in enumerate(means)
            ),
            key=lambda pair: -pair[0],
        )
        taken: set[int] = set()
        for cosine, i, person in pairs:
            if cosine >= SAME_PERSON and i not in taken and row[person] is None:
                row[person] = i
                taken.add(i)
        for i, face in enumerate(shot.faces):
            if i not in taken and face.embedding is not None:
                means.append([])
                row.append(i)
                for earlier in found:
                    earlier.append(None)
        for person, chosen in enumerate(row):
            if chosen is not None:
                embedding = shot.faces[chosen].embedding
                if embedding is not None:
                    means[person].append(embedding)
        found.append(row)
        assert number + 1 == len(found)
    often = [
        person
        for person in range(len(means))
        if 2 * sum(row[person] is not None for row in found) >= len(shots)
    ]
    return [[row[person] for person in often] for row in found]


def grouped(shots: Sequence[Shot]) -> list[list[Shot]]:
    """Shots of one moment together, in the order in which they were taken, or of their names.

    Two shots are linked where at least half of their people are the same and they were taken within
    two minutes or, where that is not known, look alike; a group is what links connect.
    """
    ordered = sorted(shots, key=lambda one: (one.taken or datetime.min, one.path.as_posix()))
    group = list(range(len(ordered)))

    def root(i: int) -> int:
        while group[i] != i:
            group[i] = group[group[i]]
            i = group[i]
        return i

    for i, one in enumerate(ordered):
        for j in range(i + 1, min(len(ordered), i + 1 + NEIGHBOURS)):
            if root(i) != root(j) and _together(one, ordered[j]):
                group[root(j)] = root(i)
    groups: dict[int, list[Shot]] = {}
    for i, one in enumerate(ordered):
        groups.setdefault(root(i), []).append(one)
    return list(groups.values())


def _together(one: Shot, other: Shot) -> bool:
    if one.taken is not None and other.taken is not None:
        near = abs((one.taken - other.taken).total_seconds()) <= APART_S
    else:
        near = float((one.small * other.small).mean()) >= ALIKE
    if not near:
        return False
    rows = people_of([one, other])
    both = sum(row is not None and last is not None for row, last in zip(*rows, strict=True))
    return both >= SHARED * max(len(one.faces), len(other.faces), 1)


def _cosine(one: Floats | None, other: Floats) -> float:
    return -1.0 if one is None else float(one @ other)


def _taken(photo: Photo) -> datetime | None:
    """When the photo was taken, by its EXIF data."""
    if photo.exif is None:
        return None
    exif = Image.Exif()
    exif.load(photo.exif)
    own = exif.get_ifd(ExifTags.IFD.Exif)
    text = own.get(ExifTags.Base.DateTimeOriginal) or exif.get(ExifTags.Base.DateTime)
    try:
        return datetime.strptime(str(text).strip("\0 "), "%Y:%m:%d %H:%M:%S")
    except ValueError:
        return None
