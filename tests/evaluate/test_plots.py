"""Plots of the report: of one size, drawn from the figures, and different for different figures."""

import dataclasses
from pathlib import Path

import numpy as np

from facedial.data.store import Store
from facedial.editor import Editor
from facedial.evaluate import attributes, groups
from facedial.evaluate._context import EvaluationContext
from facedial.evaluate._plots import Curve, curves, reliability
from facedial.evaluate._rows import Figures, Row

DOCS = Path(__file__).parents[2] / "docs"


def test_curves_are_of_their_points() -> None:
    x = np.array([100.0, 200, 400])
    one, same, other = (
        curves("t", [Curve("a", x, y)], ("size, bytes", "PSNR, dB"), levels=[(24, "24 dB")])
        for y in (x / 20, x / 20, x / 21)
    )
    assert one.pixels.dtype == np.uint8 and one.pixels.shape == (540, 900, 3) and one.title == "t"
    assert np.array_equal(one.pixels, same.pixels)
    assert not np.array_equal(one.pixels, other.pixels)


def test_bins_of_probabilities_are_by_hand() -> None:
    """Twenty predictions of 0.05 and twelve of 0.95; nine of 0.55 are too few."""
    values = np.repeat([0.05, 0.95, 0.55], [20, 12, 9]).astype(np.float32)[:, None]
    truth = np.repeat([True, False, True, True], [5, 15, 12, 9])[:, None]
    found = attributes.bins("x", values, truth, np.ones((3, len(values))))
    assert found.counts.tolist() == [20, 0, 0, 0, 0, 9, 0, 0, 0, 12]
    np.testing.assert_allclose(found.predicted[[0, 9]], [0.05, 0.95], rtol=1e-6)
    np.testing.assert_allclose(found.observed[[0, 9]], [0.25, 1])
    assert np.isnan(found.observed[1:9]).all()
    assert found.low is not None and found.low[0] == found.observed[0]
    drawn = reliability("t", found, [attributes.bins("y", values, ~truth)])
    assert drawn.pixels.shape == (720, 900, 3)


def test_the_classifier_is_predicted_once_for_figures_and_plot(
    editor: Editor, labelled_store: Path, tmp_path: Path
) -> None:
    context = EvaluationContext(editor=editor, stores=[Store.open(labelled_store)], work=tmp_path)
    rows = list(attributes.measure(context))
    kept = context.predicted(context.stores[0])
    (picture,) = attributes.show(context)
    assert context.predicted(context.stores[0]) is kept and len(kept) == 8
    assert picture.pixels.shape == (720, 900, 3) and "drawn-head/unseen" in picture.title
    for row in rows:
        assert row.low is not None and row.high is not None and row.low <= row.value <= row.high


def test_published_figures_by_group_are_drawn_from_their_rows() -> None:
    rows = Figures.load(DOCS / "figures.json").every
    data = {row.data.rpartition("/")[0] for row in rows if row.metric == "group_identity"}
    pictures = list(groups.plots(rows))
    assert len(pictures) == len(data) > 0
    for picture in pictures:
        assert any(picture.title.startswith(one) for one in data)
        assert picture.pixels.shape[1:] == (900, 3) and picture.pixels.min() < 80
    changed = [
        dataclasses.replace(row, value=row.value - 0.1) if "/skin" in row.data else row
        for row in rows
    ]
    for one, other in zip(pictures, groups.plots(changed), strict=True):
        assert one.pixels.shape == other.pixels.shape
        assert not np.array_equal(one.pixels, other.pixels)
    assert not list(groups.plots([row for row in rows if not row.metric.startswith("group_")]))


def test_groups_are_in_the_order_of_their_division() -> None:
    names = ["skin dark", "origin b", "age 60 and older", "skin light", "age under 18", "origin a"]
    ordered = sorted((tuple(name.split(" ", 1)) for name in names), key=lambda g: groups._order(*g))
    assert [" ".join(group) for group in ordered] == [
        "age under 18", "age 60 and older", "origin a", "origin b", "skin light", "skin dark",
    ]  # fmt: skip
    row = Row("group_auc", "facedial", "s-head/unseen/skin very light", 0.9, "", 20)
    assert groups._group_of(row) == ("skin", "very light")
    assert len(list(groups.plots([row]))) == 1  # without an interval
