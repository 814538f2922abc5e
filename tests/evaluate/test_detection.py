"""Figures of detection, by a detector that finds what the test says."""

import io
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from facedial.data.labelled_photos import split_of
from facedial.errors import NoFaceFound
from facedial.evaluate import detection
from facedial.faces.face import Face

NAMES = [name for name in (f"{i}.jpg" for i in range(40)) if split_of(name) == "test"][:4]
POINTS = np.zeros((5, 2))


def photo(colour: int) -> bytes:
    packed = io.BytesIO()
    Image.new("RGB", (200, 100), (colour,) * 3).save(packed, "PNG")
    return packed.getvalue()


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Four photos, of which the grey level is the number; two have a large face and a small one."""
    boxes = [[10.0, 10, 40, 50, 100, 10, 110, 20], [10.0, 10, 40, 50], [], []]
    webp = [photo(i) for i in range(4)]
    drawn = pa.table({"name": NAMES, "boxes": boxes, "webp": webp})
    pq.write_table(drawn, tmp_path / "detect.parquet")
    pq.write_table(drawn.select(["name", "webp"]), tmp_path / "negatives.parquet")
    return tmp_path


def context(photos: Path, faces: dict[int, list[list[float]]]) -> SimpleNamespace:
    def find(one) -> list[Face]:
        found = faces.get(int(one.pixels[0, 0, 0]), [])
        if not found:
            raise NoFaceFound("no face found")
        return [Face(np.array(box, np.float64), POINTS, 0.9) for box in found]

    editor = SimpleNamespace(faces=find)
    return SimpleNamespace(
        photos=photos, detectors=None, editor=editor, stores=[], most=100, seed=0
    )


def figures(photos: Path, faces: dict[int, list[list[float]]]) -> dict[tuple[str, str], float]:
    rows = detection.measure(context(photos, faces))  # type: ignore[arg-type]
    return {(row.metric, row.data): row.value for row in rows}


def test_recall_is_of_boxes_of_twenty_pixels_and_false_boxes_are_counted(photos: Path) -> None:
    found = {0: [[12, 12, 42, 52], [100, 10, 110, 20]], 2: [[0, 0, 30, 30]]}
    rows = figures(photos, found)
    # Two faces are large enough, one of them was found; three boxes in four photos.
    assert rows["detection_recall", "detect/unseen"] == pytest.approx(1 / 2)
    assert rows["detection_false", "negatives/unseen"] == pytest.approx(3 / 4)


def test_one_box_finds_one_face_and_boxes_end_with_the_photo(photos: Path) -> None:
    rows = figures(photos, {0: [[-30, 10, 40, 50]], 1: [[10, 10, 40, 30]]})
    # The first box is cut to 0..40 of which 10..40 is the face; the second is but half of a face.
    assert rows["detection_recall", "detect/unseen"] == pytest.approx(1)
    rows = figures(photos, {1: [[60, 10, 90, 50]]})
    assert rows["detection_recall", "detect/unseen"] == pytest.approx(0)


def test_without_photos_nothing_is_measured() -> None:
    assert list(detection.measure(SimpleNamespace(photos=None))) == []  # type: ignore[arg-type]


def test_the_kinds_of_composites_are_harder_than_plain_ones() -> None:
    plain = detection.KINDS["plain"]
    assert plain.turned == plain.cover == plain.dark == plain.blur == 0
    assert detection.KINDS["turned"].turned == 1 and detection.KINDS["covered"].cover == 1
    sizes = {(kind.pasted_from, kind.largest * kind.side) for kind in detection.KINDS.values()}
    assert sizes == {(20, 400)}
