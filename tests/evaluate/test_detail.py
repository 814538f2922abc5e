"""Figures of detail at 256 px, on new faces of the packaged model."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from facedial.data.prepare import prepare
from facedial.data.sources import open_source
from facedial.data.store import Store
from facedial.editor import Editor
from facedial.evaluate import detail
from facedial.evaluate._context import EvaluationContext

COUNT = 3


@pytest.fixture(scope="module")
def context(editor: Editor, tmp_path_factory: pytest.TempPathFactory) -> EvaluationContext:
    """Three test people at 256 px."""
    folder = tmp_path_factory.mktemp("crops")
    codes = editor.generate(COUNT, seed=1, prior="gaussian")
    lines = ["file,person,split"]
    for i, picture in enumerate(editor.decode(codes, size=256)):
        Image.fromarray(picture).save(folder / f"{i}.png")
        lines.append(f"{i}.png,person-{i},test")
    (folder / "labels.csv").write_text("\n".join(lines) + "\n")
    out = tmp_path_factory.mktemp("stores") / "large"
    source = open_source([folder], labels=folder / "labels.csv", ready=True)
    prepare(source, out, size=256, processes=1)
    return EvaluationContext(editor=editor, stores=[Store.open(out)], work=folder)


def test_edits_and_restored_crops_are_measured_with_detail_and_without(
    context: EvaluationContext,
) -> None:
    rows = {(row.metric, row.data, row.model): row.value for row in detail.measure(context)}
    data = "large-head/unseen"
    assert {(metric, model) for metric, _, model in rows} == {
        (metric, model)
        for metric in ("sharpness_256", "restored_psnr")
        for model in ("facedial", "facedial 128")
    }
    fine, coarse = (rows["sharpness_256", data, model] for model in ("facedial", "facedial 128"))
    assert fine > 0 and coarse > 0 and abs(fine / coarse - 1) > 0.01
    # What is drawn anew costs squared error.
    enlarged = rows["restored_psnr", data, "facedial 128"]
    assert 20 < rows["restored_psnr", data, "facedial"] < enlarged


def test_stores_of_other_sizes_have_no_rows(labelled_store: Path, editor: Editor) -> None:
    stores = [Store.open(labelled_store)]
    given = EvaluationContext(editor=editor, stores=stores, work=labelled_store)
    assert list(detail.measure(given)) == []


def test_quarters_are_those_of_the_picture() -> None:
    pictures = np.random.default_rng(0).integers(0, 256, (2, 256, 256, 3), np.uint8)
    found = detail._quarters(pictures)
    assert found.shape == (8, 128, 128, 3)
    assert np.array_equal(found[5], pictures[1, :128, 128:])
    assert np.array_equal(found[2], pictures[0, 128:, :128])


@pytest.mark.usefixtures("few_steps")
def test_pictures_show_each_person_twice(
    context: EvaluationContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(detail, "SHOWN_EDITS", detail.SHOWN_EDITS[:2])
    monkeypatch.setattr(detail, "SHOWN", 9)  # two rows, as of sixty-four
    first, sheet = detail.show(context)
    assert first.pixels.shape[:2] == (2 * 258 - 2, 8 * 258 - 2)
    across = len(detail.SHOWN_EDITS) + 1
    assert sheet.pixels.shape[:2] == (2 * COUNT * 258 - 2, across * 258 - 2)
