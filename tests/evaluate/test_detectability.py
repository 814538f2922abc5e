"""Telling edited photos from real ones, on pictures whose difference is known."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from facedial.codes.attributes import NAMES
from facedial.data.store import Store
from facedial.editor import Editor
from facedial.evaluate import detectability
from facedial.evaluate._context import EvaluationContext
from facedial.evaluate.detectability import Discriminant, features, told_apart

SIDE = 128


def noisy(count: int, seed: int, level: float = 12.0) -> np.ndarray:
    """Smooth pictures with a camera's noise, uint8 [N, 128, 128, 3]."""
    rng = np.random.default_rng(seed)
    down, across = np.mgrid[:SIDE, :SIDE] / SIDE
    slopes = rng.uniform(-60, 60, (count, 2, 1, 1, 1))
    smooth = 128 + slopes[:, 0] * down[..., None] + slopes[:, 1] * across[..., None]
    return np.clip(smooth + rng.normal(0, level, (count, SIDE, SIDE, 3)), 0, 255).astype(np.uint8)


def test_pictures_of_one_kind_cannot_be_told_apart() -> None:
    pictures = features(noisy(120, 0))
    auc, low, high = told_apart(pictures[::2], pictures[1::2])
    assert low < 0.5 < high and 0.3 < auc < 0.7


@pytest.mark.parametrize("edit", ["smoother", "repeated", "colourless"])
def test_a_trace_of_an_edit_in_a_part_of_the_picture_is_found(edit: str) -> None:
    real, fake = noisy(40, 1), noisy(40, 2)
    part = fake[:, 80:112, 40:88]
    if edit == "smoother":
        part[:] = part.reshape(40, 16, 2, 24, 2, 3).mean((2, 4)).repeat(2, 1).repeat(2, 2)
    elif edit == "repeated":
        part[:, :, 1::2] = part[:, :, ::2]
    else:
        part[:] = part.mean(3, keepdims=True)
    auc, low, _ = told_apart(features(fake), features(real))
    assert auc > 0.9 and low > 0.8


def test_it_is_deterministic_and_takes_flat_and_large_pictures() -> None:
    rows = features(noisy(24, 3))
    assert told_apart(rows[:12], rows[12:]) == told_apart(rows[:12], rows[12:])
    flat = np.full((2, 256, 256, 3), 7, np.uint8)
    found = features(flat)
    assert found.shape == (2, rows.shape[1]) and np.isfinite(found).all()
    assert np.array_equal(found[0], found[1])


def test_people_of_one_half_are_scored_by_the_other_alone() -> None:
    """What marks one half's fakes is of no use for the other's: there, scores are by chance."""
    rng = np.random.default_rng(0)
    fakes, reals = rng.normal(size=(2, 80, 30))
    fakes[::2, 0] += 9
    auc, *_ = told_apart(fakes, reals)
    both = fakes.copy()
    both[:, 0] = reals[:, 0] + 9
    assert told_apart(both, reals)[0] > 0.95 > auc


def test_the_discriminant_does_not_depend_on_units_and_ranks_what_it_was_fitted_to() -> None:
    rng = np.random.default_rng(4)
    fakes, reals = rng.normal(0.6, 1, (60, 8)), rng.normal(0, 1, (60, 8))
    units = np.array([1e-3, 1, 1, 1, 1e3, 1, 1, 1])
    one, other = Discriminant(fakes, reals), Discriminant(fakes * units, reals * units)
    new = rng.normal(0, 1, (20, 8))
    assert np.allclose(one(new), other(new * units))
    assert one(fakes).mean() > one(reals).mean() + 0.5


def test_edited_people_are_none_of_the_real_ones_and_the_mean_is_that_of_the_edits(
    editor: Editor, labelled_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(detectability, "LEAST", 3)
    edits = {("Narrow_Eyes", 1.0): "Narrow_Eyes+", ("Big_Nose", 0.0): "Big_Nose-"}
    monkeypatch.setattr(detectability, "EDITS", edits)
    store = Store.open(labelled_store)
    labels = np.zeros_like(store.attributes)
    rows_of_test = store.where("test")
    labels[rows_of_test[::2], NAMES.index("Narrow_Eyes")] = 1
    labels[rows_of_test[:6], NAMES.index("Big_Nose")] = 1  # only two people without
    store = dataclasses.replace(store, attributes=labels)
    context = EvaluationContext(editor=editor, stores=[store], work=tmp_path)
    rows = list(detectability.measure(context))
    each = [r for r in rows if r.metric == "detectability" and r.part]
    (mean,) = [r for r in rows if r.metric == "detectability" and not r.part]
    assert [r.part for r in each] == ["Narrow_Eyes+"]  # the other has too few people
    assert mean.value == pytest.approx(np.mean([r.value for r in each])) and mean.n == len(each)
    for row in each:
        assert row.low is not None and row.high is not None
        assert 0 <= row.low <= row.value <= row.high <= 1
        assert row.n == len(rows_of_test)  # four people on each side


def test_both_sides_have_as_many_of_each_kind() -> None:
    kinds = dict(enumerate("aaaabbbbbbccaabbbbcd"))
    one, other = detectability.matched(np.arange(12), np.arange(12, 20), kinds, 100)
    assert [kinds[i] for i in one] == [kinds[i] for i in other] == list("aabbbbc")
    assert set(one) <= set(range(12)) and set(other) <= set(range(12, 20))
    few, others = detectability.matched(np.arange(12), np.arange(12, 20), kinds, 3)
    assert [kinds[i] for i in few] == [kinds[i] for i in others] and len(few) == 3
    nothing, _ = detectability.matched(np.arange(0), np.arange(12, 20), kinds, 3)
    assert len(nothing) == 0


def test_attributes_are_those_of_labels_and_else_of_the_classifier(
    editor: Editor, labelled_store: Path
) -> None:
    store = Store.open(labelled_store)
    rows = store.where("test")
    found = detectability.has_attributes(editor, store, rows)
    assert np.array_equal(found, store.attributes[rows])
    unlabelled = dataclasses.replace(store, attributes=np.full_like(store.attributes, np.nan))
    predicted = editor.model.predict_attributes(store.pixels[rows]) > 0.5
    assert np.array_equal(detectability.has_attributes(editor, unlabelled, rows), predicted)
