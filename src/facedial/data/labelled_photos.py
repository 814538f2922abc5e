"""Photos with the boxes of all their faces: hand-drawn ones, completed by detectors of others."""

import hashlib
import io
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from facedial.arrays import load_arrays
from facedial.data import tables
from facedial.data.detection_teachers import Scrfd, YuNet
from facedial.data.store import Store, read_facts
from facedial.errors import BadRequest
from facedial.faces.face import Detection, ious
from facedial.faces.face_boxes import FaceBoxes

log = logging.getLogger(__name__)

UInt8 = NDArray[np.uint8]
Doubles = NDArray[np.float64]

DETECT, NEGATIVES = "detect.parquet", "negatives.parquet"
SPLIT_RULE = "facedial-photos-1"
MATCHED = 0.3  # least overlap of two boxes of one face
# Scores of a detector from which a face is possible, and taken for one.
POSSIBLE, CERTAIN = 0.3, 0.6
# A hand-drawn box begins and ends lower than the face's ellipse, a detector's higher: shares of height.
HAND_UP, TEACHER_DOWN, TEACHER_LOWER = 0.075, 0.07, 0.95
PORTRAIT = "portrait"


@dataclass(frozen=True)
class LabelledPhoto:
    """Pixels uint8 [H, W, 3] and the faces in them."""

    pixels: UInt8
    faces: FaceBoxes

    @property
    def image(self) -> Image.Image:
        """The pixels as Pillow's; kept, unless they lie in a store."""
        mapped = isinstance(self.pixels, np.memmap)
        return Image.fromarray(self.pixels) if mapped else self._image

    @cached_property
    def _image(self) -> Image.Image:
        return Image.fromarray(self.pixels)


@dataclass(frozen=True, slots=True)
class HandDrawn:
    """A photo as `detect.parquet` has it: its name, its picture's bytes, hand-drawn boxes [K, 4]."""

    name: str
    picture: bytes
    boxes: Doubles

    @property
    def pixels(self) -> UInt8:
        """uint8 [H, W, 3]."""
        return np.asarray(Image.open(io.BytesIO(self.picture)).convert("RGB"))


def split_of(name: str) -> str:
    """Split of a photo by a hash of its name: 60 % train, 10 % val, 30 % test.

    >>> split_of("neg-0524.jpg"), split_of("maksssksksss0.jpg")
    ('train', 'train')
    """
    digest = hashlib.blake2b(f"{SPLIT_RULE}:{name}".encode(), digest_size=8).digest()
    share = int.from_bytes(digest, "big") / 2**64
    return "train" if share < 0.6 else "val" if share < 0.7 else "test"


def hand_drawn(path: Path, split: str) -> list[HandDrawn]:
    """The photos of a split of a Parquet file; `boxes` is empty where the file has no such column."""
    names = tables.column_names(path)
    if not {"name", "webp"} <= set(names):
        raise BadRequest(f"{path} has no columns name and webp, so it is no file of photos")
    columns = tables.read_parquet(path, [n for n in ("name", "boxes", "webp") if n in names])
    count = len(columns["name"])
    boxes: list[Any] = columns.get("boxes", [None] * count)
    return [
        HandDrawn(name, webp, np.array(box or [], np.float64).reshape(-1, 4))
        for name, box, webp in zip(columns["name"], boxes, columns["webp"], strict=True)
        if split_of(name) == split
    ]


def groups(
    path: Path, split: str, teachers: Sequence[YuNet | Scrfd], folder: Path
) -> list[LabelledPhoto]:
    """Photos of a split with hand-drawn boxes; what `teachers` find in them is kept in `folder`."""
    photos = hand_drawn(path, split)
    pixels = [photo.pixels for photo in photos]
    known = _kept(folder / f"groups-{path.stem}-{split}.npz", pixels, teachers)
    found = [_joined(photo.boxes, found) for photo, found in zip(photos, known, strict=True)]
    return [LabelledPhoto(p, faces) for p, faces in zip(pixels, found, strict=True)]


def negatives(path: Path, split: str) -> list[LabelledPhoto]:
    """Photos of a split without any face."""
    return [LabelledPhoto(one.pixels, FaceBoxes.none()) for one in hand_drawn(path, split)]


def portraits(
    store: Store, split: str, teachers: Sequence[YuNet | Scrfd], folder: Path
) -> list[LabelledPhoto]:
    """Crops of the frame `portrait`: the face by its landmarks, and the others that `teachers` find."""
    rows = store.where(split)
    rows = rows[np.isfinite(store.landmarks[rows]).all((1, 2))]
    plan = str(read_facts(store.path)["plan"])
    name = f"others-{store.path.resolve().name}-{plan[:10]}-{split}.npz"
    known = _kept(folder / name, [store.pixels[row] for row in rows], teachers)
    photos = []
    for row, found in zip(rows, known, strict=True):
        own = FaceBoxes.of_landmarks(store.landmarks[row][None].astype(np.float64))
        apart = [one for one in found if ious(one.box, own.boxes)[0] < MATCHED]
        others = _joined(np.zeros((0, 4)), apart)
        photos.append(LabelledPhoto(store.pixels[row], own.and_also(others)))
    return photos


def _kept(
    path: Path, pictures: Sequence[UInt8], teachers: Sequence[YuNet | Scrfd]
) -> list[list[Detection]]:
    """What the teachers find in each picture, the first teacher's first; computed once."""
    if not path.exists():
        rows = []
        for i, picture in enumerate(pictures):
            for teacher in teachers:
                for one in teacher(picture):
                    assert one.landmarks is not None
                    rows.append([i, one.score, *one.box, *one.landmarks.reshape(-1)])
            if i % 500 == 0:
                log.info("%s: faces of %d of %d photos", path.name, i, len(pictures))
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez_compressed(path, found=np.array(rows, np.float32).reshape(-1, 16))
    found = load_arrays(path, "found")["found"].astype(np.float64)
    several: list[list[Detection]] = [[] for _ in pictures]
    for row in found:
        one = Detection(row[2:6], float(row[1]), landmarks=row[6:].reshape(5, 2))
        several[int(row[0])].append(one)
    return several


def _joined(drawn: Doubles, found: Sequence[Detection]) -> FaceBoxes:
    """One face for each hand-drawn box and each other detection, the less certain of which not sure.

    A box that both see is the mean of both; its landmarks are those of the first teacher to see it.
    """
    boxes, points, sure = [], [], []
    taken = np.zeros(len(found), np.bool_)
    unknown = np.full((5, 2), np.nan)
    all_found = np.array([one.box for one in found], np.float64).reshape(-1, 4)
    for box in drawn:
        overlap = ious(box, all_found)
        same = np.flatnonzero((overlap >= MATCHED) & ~taken)
        # Two teachers see one face: the first in order gives the landmarks, all are used up.
        taken[same] = True
        height = box[3] - box[1]
        if len(same):
            first = found[int(same[0])]
            boxes.append((box + first.box) / 2)
            points.append(first.landmarks if first.score >= 0.5 else unknown)
        else:
            boxes.append(box - np.array([0, HAND_UP * height, 0, HAND_UP * height]))
            points.append(unknown)
        sure.append(True)
    for i, one in enumerate(found):
        if taken[i]:
            continue
        same = np.flatnonzero((ious(one.box, all_found) >= MATCHED) & ~taken)
        taken[same] = True
        best = found[int(max(same, key=lambda j: found[int(j)].score))]
        height = best.box[3] - best.box[1]
        box = best.box + np.array([0.0, TEACHER_DOWN, 0.0, TEACHER_DOWN]) * height
        box[3] = box[1] + TEACHER_LOWER * height
        boxes.append(box)
        points.append(best.landmarks if best.landmarks is not None else unknown)
        sure.append(best.score >= CERTAIN)
    return FaceBoxes.of_boxes(
        np.array(boxes).reshape(-1, 4),
        np.array(points, np.float64).reshape(-1, 5, 2),
        np.array(sure, np.bool_),
    )
