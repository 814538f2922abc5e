"""Bytes of coded faces at equal PSNR."""

import sys
from pathlib import Path

import numpy as np
import pytest

from facedial import scores
from facedial.coded import coder_of
from facedial.data.store import Store
from facedial.editor import Editor
from facedial.evaluate import coded
from facedial.evaluate._context import EvaluationContext
from facedial.evaluate._plots import Curve, curves
from facedial.evaluate._rows import Picture


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


def test_a_face_needs_fewer_bytes_the_fewer_decibels_it_has(
    labelled_store: Path, editor: Editor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first picture shown has a curve for each way to write a face."""
    monkeypatch.setattr(coded, "FORMATS", {"JPEG": {}, "WEBP": {}})
    monkeypatch.setattr(coded, "PLOTTED", 2)
    drawn = []

    def kept(title: str, found: list[Curve], axes: tuple[str, str], **facts: object) -> Picture:
        drawn.extend(found)
        return curves(title, found, axes, **facts)  # type: ignore[arg-type]

    monkeypatch.setattr(coded, "curves", kept)
    store = Store.open(labelled_store)
    context = EvaluationContext(editor=editor, stores=[store], work=labelled_store, most=3)
    first, *_ = coded.show(context)
    assert "means of 2 faces" in first.title and first.pixels.shape[1:] == (900, 3)
    assert [curve.label for curve in drawn] == ["facedial .fd", "JPEG", "WebP"]
    for curve in drawn:
        assert len(curve.x) and (np.diff(curve.x) >= 0).all()
        assert (curve.y <= coded.FINEST).all() and curve.y[-1] > curve.y[0]


def test_jpeg_xl_is_a_way_where_its_plugin_is(
    editor: Editor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pillow_jxl", None)  # as if it were not installed
    assert not coded._usable("JXL") and coded._usable("JPEG")
    monkeypatch.undo()
    pytest.importorskip("pillow_jxl")
    crop = editor.decode(editor.generate(1, seed=0, prior="gaussian"))[0]
    way = coded._ways(editor.model, coder_of(editor.model), crop)["JXL"]
    sizes = [way(level) for level in (0, 50, 100)]
    assert sizes[0][0] < sizes[1][0] < sizes[2][0]
    assert scores.psnr(crop[None], sizes[2][1][None])[0] > 40
