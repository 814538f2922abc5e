"""The recipe that measures how each attribute is best changed."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from facedial.changes import flow_edit
from facedial.editing.masks import ATTRIBUTE_MASKS, AttributeMasks
from facedial.editing.request import Edit
from facedial.editing.table import FLOW, EditMethod
from facedial.editor import Editor
from facedial.errors import BadBundle, BadRequest, BadRun
from facedial.flow.inversion import condition_of
from facedial.training import publish, start
from facedial.training.recipes import edit_table

from .tiny import order

FEW = (
    "people=8",
    "flow_steps=1",
    "t_starts=[0.2]",
    "guidances=[2]",
    "gains=[1, 1.5]",
    "mask_thresholds=[0, 0.5]",
    'attributes=["Smiling", "Male"]',
)


@pytest.fixture
def flowing(with_flow: Path, tmp_path: Path) -> Path:
    """A bundle with a flow that has learnt next to nothing, to be written into."""
    return shutil.copytree(with_flow / "bundle", tmp_path / "flowing")


def measure(store: Path, run: Path, init: Path, *more: str) -> None:
    start.run(order(store, run, recipe="edit-table", assignments=(*FEW, *more), init=init))


def test_the_best_method_of_the_table_is_what_an_edit_uses(
    store: Path, flowing: Path, drawn: np.ndarray, tmp_path: Path
) -> None:
    run = tmp_path / "moves"
    measure(store, run, flowing)
    table = json.loads((run / edit_table.TABLE).read_text())["table"]
    assert set(table) == {"Smiling", "Male"}
    for row in table.values():
        assert row["score"] >= row["direction"]["score"]  # the best of all, this one among them
        assert row["score"] == pytest.approx(row["target_probability"] - row["collateral"])
        assert 0 <= row["target_probability"] <= 1
        assert 0 <= row["success"] <= 1 and row["collateral"] >= 0
        assert row["direction"]["collateral"] > 0
    measured = (run / edit_table.TABLE).stat().st_mtime_ns
    measure(store, run, flowing)
    assert (run / edit_table.TABLE).stat().st_mtime_ns == measured  # done once

    table["Smiling"] |= {
        "move": FLOW, "turning": 0.3, "fresh": 1.0, "place": 0.5, "gain": 1.5,
    }  # fmt: skip
    table["Male"] |= {"move": "direction"}
    (run / edit_table.TABLE).write_text(
        json.dumps(
            {"space": json.loads((run / edit_table.TABLE).read_text())["space"], "table": table}
        )
    )
    publish.publish([run], flowing)
    with Editor.open(flowing) as editor:
        pixels = drawn[0]
        portrait = editor.reader.of_crop(pixels)
        code = portrait.code
        both = editor.change(portrait, Edit({"Smiling": 1.0, "Male": 1.0}, exactly=True))
        smile = editor.change(portrait, Edit({"Smiling": 1.0}, exactly=True), "flow")
        assert len(portrait.cache)  # of this face, and gone with it
        man = editor.change(portrait, Edit({"Male": 1.0}, exactly=True), "direction")
        sum_of_both = smile.after.values + man.after.values - code.values
        np.testing.assert_allclose(both.after.values, sum_of_both, atol=1e-5)
        assert both.mouth is not None and both.mouth.detail_replacement == 1.0
        assert smile.before is code
        wide = flow_edit(editor.model, EditMethod(method=FLOW, t_start=0.3, guidance=2.0))
        source = condition_of(wide.names, editor.predict_attributes(portrait))
        assert wide.step(code.values, source, "Smiling", 2.0, {}).any()
        # Nothing asked, nothing changed: the very pixels.
        assert editor.render(portrait, Edit({"Smiling": 1.0}, strength=0)) is portrait.photo
        whole, some = (
            editor.render(portrait, Edit({"Smiling": 1.0}, strength=s)).pixels.astype(int)
            for s in (1.0, 1e-3)
        )
        assert np.abs(some - pixels).mean() <= np.abs(whole - pixels).mean()
        assert np.abs(some - pixels).max() <= 2  # little asked is little changed, shapes or not


def test_attributes_that_are_not_measured_again_keep_their_rows(
    store: Path, flowing: Path, tmp_path: Path
) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    measure(store, first, flowing)
    publish.publish([first], flowing)
    measure(store, second, flowing, 'attributes=["Male"]', "collateral=2")
    before, after = (
        json.loads((run / edit_table.TABLE).read_text())["table"] for run in (first, second)
    )
    assert set(after) == {"Smiling", "Male"}
    assert after["Smiling"] == before["Smiling"]
    male = after["Male"]
    assert male["score"] == pytest.approx(male["target_probability"] - 2 * male["collateral"])
    # A map beside no other attribute's would be another one.
    one, other = (AttributeMasks.load(run / ATTRIBUTE_MASKS).maps for run in (first, second))
    assert set(one) == set(other)
    assert all(np.array_equal(one[name], other[name]) for name in one)


def test_what_cannot_be_measured_is_refused(store: Path, published: Path, tmp_path: Path) -> None:
    plain = shutil.copytree(published / "bundle", tmp_path / "plain")
    with pytest.raises(BadBundle, match="has no flow"):
        measure(store, tmp_path / "none", plain)
    with pytest.raises(BadRequest, match="no such attribute"):
        edit_table.Settings(attributes=("Grinning",))
    with pytest.raises(BadRequest, match="2 people or more"):
        edit_table.Settings(people=1)
    with pytest.raises(BadRun, match=r"has no moves\.json"):
        publish.publish([tmp_path / "none"], plain)
    (tmp_path / "none" / edit_table.TABLE).write_text(
        json.dumps({"space": "fd-other", "table": {}})
    )
    with pytest.raises(BadRun, match="measured edits of codes of fd-other"):
        publish.publish([tmp_path / "none"], plain)
