"""Figures by group: who belongs to which, and the gaps between them."""

import dataclasses
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest

from facedial.codes.attributes import NAMES
from facedial.data.store import Store
from facedial.editor import Editor
from facedial.evaluate import groups
from facedial.evaluate._context import EvaluationContext


def test_a_gap_is_the_largest_less_the_smallest_of_a_division(
    editor: Editor, labelled_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("LEAST", 2), ("LEAST_LABELS", 1), ("RESAMPLES", 20)):
        monkeypatch.setattr(groups, name, value)
    monkeypatch.setattr(groups, "EDITS", {"Narrow_Eyes": 1.0})
    store = Store.open(labelled_store)
    rows = store.where("test")
    labels = np.zeros_like(store.attributes)
    for name, period in (("Male", 2), ("Narrow_Eyes", 3), ("Young", 4)):
        labels[rows[::period], NAMES.index(name)] = 1
    origins = np.full(len(store), "")
    origins[rows] = np.resize(["north", "north", "south"], len(rows))
    store = dataclasses.replace(store, attributes=labels, extra={"group": origins})
    context = EvaluationContext(editor=editor, stores=[store], work=tmp_path)
    found = list(groups.measure(context))
    of: dict[tuple[str, str], list[float]] = defaultdict(list)
    for row in found:
        if row.metric.startswith("group_gap"):
            continue
        division, _, name = row.part.partition(" ")
        assert name and row.low is not None and row.high is not None
        assert row.low <= row.value <= row.high
        of[row.metric.removeprefix("group_"), division].append(row.value)
    assert {"sex", "age", "origin"} <= {division for _, division in of}
    assert {metric for metric, _ in of} == {"auc", "identity"}  # there is no judge
    gaps = {
        (row.metric.removeprefix("group_gap_"), row.part): row.value
        for row in found
        if row.metric.startswith("group_gap")
    }
    several = {key: values for key, values in of.items() if len(values) > 1}
    assert gaps == {key: pytest.approx(max(v) - min(v)) for key, v in several.items()}


def test_ages_in_years_are_bands_and_unknown_ones_none() -> None:
    assert [groups._band(years) for years in ("", "5.0", "18", "39.5", "60", "97")] == [
        "", "under 18", "18 to 39", "18 to 39", "60 and older", "60 and older",
    ]  # fmt: skip


def test_skin_is_classed_by_its_angle_and_a_wall_not_at_all(
    editor: Editor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """arctan((L - 50) / b): of L 70, b 15 it is 53 degrees, of L 30, b 15 it is -53, and of blue light
    beyond -90."""
    from facedial.compose.lab import to_rgb

    lab = np.zeros((4, 128, 128, 3), np.float32)
    lab[..., 1:] = 12, 15
    lab[1, ..., 2] = -5
    lab[:, :, :, 0] = np.array([70, 30, 30, 70], np.float32)[:, None, None]

    def parsed(_: object, pictures: np.ndarray) -> np.ndarray:
        classes = np.zeros((len(pictures), 12, 128, 128), np.float32)
        classes[:3, 1], classes[3:, 0] = 1, 1  # skin; background
        return classes

    monkeypatch.setattr(groups.parsing, "classes_drawn", parsed)
    tones = groups._tones(editor, to_rgb(lab).round().astype(np.uint8))
    assert tones.tolist() == ["light", "dark", "dark", ""]
