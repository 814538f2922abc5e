"""Intervals of the metrics: about their values, and over people, who may have several photos."""

import math
from pathlib import Path

import numpy as np
import pytest

from facedial.data.store import Store
from facedial.editor import Editor
from facedial.evaluate import (
    comparison,
    edits,
    implied,
    interpolation,
    landmarks,
    parser,
    reconstruction,
)
from facedial.evaluate._conditional import conditional_success
from facedial.evaluate._context import EvaluationContext
from facedial.evaluate._rows import Row, Sample

REPEATED = 8  # equal photos of each person


def width(row: Row) -> float:
    assert row.low is not None and row.high is not None and row.low <= row.value <= row.high
    return row.high - row.low


def drawn(seed: int, count: int = 30) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Values of people with several equal photos; the people; and photos as if each were a person's."""
    values = np.random.default_rng(seed).random(count)
    people = np.array([f"person {i}" for i in range(count)])
    return values.repeat(REPEATED), people.repeat(REPEATED), np.arange(count * REPEATED).astype(str)


def test_a_mean_over_samples_is_that_of_their_means_and_draws_people_in_all_of_them() -> None:
    values, people, photos = drawn(0)
    by_person, by_photo = (
        Row.over("m", "f", "x", "", [Sample(values, who), Sample(values[:80] + 1, who[:80])])
        for who in (people, photos)
    )
    assert by_person.value == pytest.approx((values.mean() + values[:80].mean() + 1) / 2)
    assert by_person.n == len(values) + 80
    assert width(by_person) > 2 * width(by_photo) > 0
    # What one sample has more of, the other has less of: drawn at once, their mean is certain.
    sides = [Sample(values, people), Sample(1 - values, people)]
    assert width(Row.over("m", "f", "x", "", sides)) == pytest.approx(0)
    ratio = Row.over("m", "f", "x", "", [Sample(values, people, values + 1)])
    assert ratio.value == pytest.approx(values.mean() / (values.mean() + 1))
    assert width(ratio) > 0


def test_means_over_edits_have_intervals_where_photos_have_values() -> None:
    values, people, _ = drawn(1)
    found = [
        edits._found("edit_success", "share", Sample(values > 0.5, people)),
        edits._found("edit_success", "share", Sample(values > 0.7, people)),
    ]
    mean = edits._mean("edit_success", "facedial", "s-head/judged", found)
    assert mean.value == pytest.approx(np.mean([row.value for row, _ in found]))
    assert (mean.n, mean.unit) == (2, "mean over 2 edits") and width(mean) > 0
    sharp, sample = edits._found("edit_sharpness", "", Sample(values, people, values + 1))
    assert sample is not None and width(sharp) > 0
    without = [(Row("edit_frechet_ratio", "", "", 2.0, "", 9), None), found[0]]
    assert edits._mean("edit_frechet_ratio", "facedial", "x", without).low is None


def test_percentiles_of_landmark_errors_are_over_people() -> None:
    values, people, photos = drawn(2)
    for by_person, by_photo in zip(
        landmarks._rows("landmark", "facedial", "x", values, people),
        landmarks._rows("landmark", "facedial", "x", values, photos),
        strict=True,
    ):
        assert by_person.value == by_photo.value and width(by_person) > width(by_photo)


def test_overlaps_of_a_parser_are_over_people() -> None:
    values, people, photos = drawn(3)
    counts = np.stack([values, np.ones_like(values)], 1)[:, :, None]
    by_person, by_photo = (
        parser._row("person_iou", "facedial", "x", counts, who) for who in (people, photos)
    )
    assert width(by_person) > 2 * width(by_photo) > 0


def test_shares_of_implied_attributes_and_of_midpoints_have_intervals(
    editor: Editor, labelled_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(implied, "MIN_PHOTOS", 1)
    context = EvaluationContext(editor=editor, stores=[Store.open(labelled_store)], work=tmp_path)
    rows = list(implied.measure(context))
    assert rows and [row.value for row in rows] == sorted(row.value for row in rows)
    assert all(width(row) >= 0 for row in rows)
    monkeypatch.setattr(interpolation, "_models", lambda _: [("linear", True)])
    (midpoint,) = interpolation.measure(context)
    assert midpoint.n == 4 and width(midpoint) > 0


class Coin:
    """A judge that finds every attribute in half of the pictures."""

    def predict(self, pictures: np.ndarray) -> np.ndarray:
        return np.resize([0.0, 1.0], len(pictures))[:, None].repeat(40, 1)


def test_requested_faces_have_an_interval_over_faces(
    editor: Editor, labelled_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from facedial.evaluate import _conditional

    monkeypatch.setattr(_conditional, "REQUESTED", ("Smiling", "Male"))
    context = EvaluationContext(editor=editor, stores=[], work=tmp_path, most=8)
    monkeypatch.setattr(Editor, "generate", lambda *_, **__: [])
    monkeypatch.setattr(Editor, "decode", lambda *_: np.zeros((4, 128, 128, 3), np.uint8))
    *parts, whole = conditional_success(editor, "f", Coin(), context, "new/faces", 128)  # type: ignore[arg-type]
    assert [row.value for row in parts] == [0.5] * 4 and all(width(row) > 0 for row in parts)
    assert (whole.data, whole.value, whole.n, whole.unit) == ("new", 0.5, 16, "mean over 2")
    assert 0 < width(whole) < width(parts[0]) and not math.isnan(width(whole))


class Greys:
    """A baseline that draws every face grey."""

    def encode(self, crops: np.ndarray) -> np.ndarray:
        return np.zeros((len(crops), 1024), np.float32)

    def decode(self, codes: np.ndarray) -> np.ndarray:
        return np.full((len(codes), 128, 128, 3), 0.5, np.float32)


def test_the_drop_to_unseen_people_has_an_interval_over_both(
    editor: Editor, labelled_store: Path, tmp_path: Path
) -> None:
    context = EvaluationContext(
        editor=editor,
        stores=[Store.open(labelled_store)],
        work=tmp_path,
        _pca=Greys(),  # type: ignore[arg-type]
    )
    rows = list(reconstruction.measure(context))
    (drop,) = (row for row in rows if row.metric == "psnr_drop_to_unseen")
    train, unseen = (
        row
        for group in ("train", "unseen")
        for row in rows
        if (row.metric, row.model) == ("psnr", "facedial") and row.data.endswith(group)
    )
    assert drop.value == pytest.approx(train.value - unseen.value) and drop.n == 4 + 8
    assert max(width(train), width(unseen)) < width(drop) < width(train) + width(unseen)


def test_the_judge_has_an_interval_for_each_attribute_and_their_mean(
    editor: Editor, labelled_store: Path, tmp_path: Path
) -> None:
    store = Store.open(labelled_store)
    context = EvaluationContext(editor=editor, stores=[store], work=tmp_path)
    *parts, mean = comparison._judge_accuracy(Coin(), store, context)  # type: ignore[arg-type]
    assert len(parts) == len(comparison.REQUESTED)
    assert mean.value == pytest.approx(np.mean([row.value for row in parts]))
    assert mean.n == parts[0].n and 0 < width(mean) < max(map(width, parts))
