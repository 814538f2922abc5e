"""Bytes of coded faces at equal PSNR."""

from pathlib import Path

import numpy as np
import pytest

from facedial.data.store import Store
from facedial.editor import Editor
from facedial.evaluate import coded
from facedial.evaluate._context import EvaluationContext


def test_the_smallest_file_of_enough_decibels_is_found() -> None:
    crop = np.full((8, 8, 3), 100, np.uint8)
    asked = []

    def way(level: int) -> tuple[int, np.ndarray]:
        asked.append(level)
        error = 50 - level // 2  # 255 / 10 is 28.1 dB
        return 100 + level, crop + np.uint8(error)

    assert coded.smallest(way, crop, 28.1) == 100 + 80
    assert len(asked) < 12
    assert coded.smallest(way, crop, 20.0) == 100 + 50
    assert coded.smallest(lambda _: (9, crop + np.uint8(60)), crop, 20.0) is None


def test_faces_are_measured_beside_formats(
    labelled_store: Path, editor: Editor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(coded, "FACES", 3)
    monkeypatch.setattr(coded, "TARGETS", (14.0,))
    monkeypatch.setattr(coded, "FORMATS", {"JPEG": {}})
    context = EvaluationContext(
        editor=editor, stores=[Store.open(labelled_store)], work=labelled_store, most=3
    )
    rows = {(row.metric, row.model): row for row in coded.measure(context)}
    assert set(rows) == {
        ("coded_reached", "facedial"),
        ("coded_bytes", "facedial"),
        ("coded_bytes", "jpeg"),
    }
    assert 14 < rows["coded_bytes", "facedial"].value < rows["coded_bytes", "jpeg"].value
