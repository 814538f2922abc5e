"""Attribute classifier: AUC, accuracy and calibration on unseen people with manual labels."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from facedial import scores
from facedial.arrays import Floats
from facedial.codes.attributes import ATTRIBUTES, NAMES
from facedial.data.store import Store
from facedial.evaluate._context import EvaluationContext, blocks
from facedial.evaluate._plots import Reliability, reliability
from facedial.evaluate._rows import Goal, Picture, Row

Bools = NDArray[np.bool_]
Doubles = NDArray[np.float64]

RESAMPLES = 200
BINS = 10  # of the reliability diagram
WORST = 3  # attributes drawn by themselves
LEAST = 10  # predictions in a bin that is drawn

GOALS = (
    Goal("attribute_auc", must=0.91, aim=0.94),
    Goal("attribute_accuracy", must=0.89, aim=0.91),
)


def measure(context: EvaluationContext) -> Iterator[Row]:
    """`attribute_auc`, `attribute_accuracy`, `attribute_calibration` (expected calibration error).

    Means over the attributes, then AUC and calibration of each attribute. `facedial`: the
    classifier on crops; `facedial-linear`: linear prediction from codes. Only of stores whose labels
    are 0 or 1. Intervals by bootstrap over people; those of calibration errors are shifted so that
    their draws have the value as their mean, since resampling alone raises such an error.
    """
    model_of = context.editor.model
    for store in _labelled(context):
        rows, data = context.rows(store, "unseen"), context.data(store, "unseen")
        truth = store.attributes[rows] > 0.5
        people = store.person[rows]
        weights = scores.bootstrap_weights(people, seed=context.seed, resamples=RESAMPLES)
        codes = np.concatenate([model_of.encode(block) for block in blocks(store, rows, 64)])
        for model, values in (
            ("facedial", context.predicted(store)),
            ("facedial-linear", model_of.directions.read(codes)[:, : len(ATTRIBUTES)]),
        ):
            both = [k for k in range(len(NAMES)) if 0 < truth[:, k].mean() < 1]
            aucs = np.array([scores.auc(values[:, k], truth[:, k]) for k in both])
            drawn = [scores.weighted_auc(values[:, k], truth[:, k], weights) for k in both]
            yield _mean("attribute_auc", model, data, aucs, drawn, len(rows))
            right = ((values > 0.5) == truth).mean(1)
            yield Row.of("attribute_accuracy", model, data, right, "share", people)
            if model != "facedial":
                continue
            errors, of_draws = _calibration(values, truth, weights)
            yield _mean("attribute_calibration", model, data, errors, of_draws, len(rows))
            for metric, columns, points, draws in (
                ("attribute_auc", both, aucs, drawn),
                ("attribute_calibration", range(len(NAMES)), errors, of_draws),
            ):
                for k, value, again in zip(columns, points, draws, strict=True):
                    low, high = scores.percentiles(again)
                    on = f"{data}/{NAMES[k]}"
                    yield Row(metric, model, on, float(value), "", len(rows), low, high)


def _labelled(context: EvaluationContext) -> Iterator[Store]:
    """Head stores with unseen people whose labels are 0 or 1."""
    for store in context.head:
        rows = context.rows(store, "unseen")
        if len(rows) and np.isin(store.attributes[rows], (0.0, 1.0)).all():
            yield store


def _mean(
    metric: str, model: str, data: str, values: Doubles, drawn: list[Doubles], count: int
) -> Row:
    """Mean over attributes of `values` [K], with the interval of the mean of their draws K x [R]."""
    unit = "mean error" if metric == "attribute_calibration" else f"mean over {len(values)}"
    # A draw in which an attribute has one class only has no mean.
    low, high = scores.percentiles(np.mean(drawn, axis=0))
    return Row(metric, model, data, float(values.mean()), unit, count, low, high)


def _calibration(values: Floats, truth: Bools, weights: Doubles) -> tuple[Doubles, list[Doubles]]:
    """Calibration error [K] of each attribute, and its draws K x [R] about it, none below 0."""
    errors, drawn = [], []
    for k in range(truth.shape[1]):
        errors.append(scores.calibration_error(values[:, k], truth[:, k]))
        again = scores.weighted_calibration_error(values[:, k], truth[:, k], weights)
        drawn.append(np.maximum(again - again.mean() + errors[-1], 0))
    return np.array(errors), drawn


def show(context: EvaluationContext) -> Iterator[Picture]:
    """Reliability diagram of the classifier: over all attributes, and of the three worst calibrated."""
    for store in _labelled(context):
        rows, values = context.rows(store, "unseen"), context.predicted(store)
        truth = store.attributes[rows] > 0.5
        errors = [scores.calibration_error(values[:, k], truth[:, k]) for k in range(len(NAMES))]
        worst = np.argsort(errors)[::-1][:WORST]
        weights = scores.bootstrap_weights(
            store.person[rows], seed=context.seed, resamples=RESAMPLES
        )
        title = (
            f"{context.data(store, 'unseen')}: predicted probabilities beside labels, calibration"
        )
        yield reliability(
            title,
            bins("all 40 attributes, 95 % interval", values, truth, weights),
            [
                bins(
                    f"{NAMES[k]}, calibration error {errors[k]:.3f}", values[:, [k]], truth[:, [k]]
                )
                for k in worst
            ],
        )


def bins(label: str, values: Floats, truth: Bools, weights: Doubles | None = None) -> Reliability:
    """Bins of probabilities `values` and labels `truth` [N, K]; intervals by `weights` [R, N].

    NaN in bins of fewer than 10 predictions.
    """
    index = np.minimum((values * BINS).astype(int), BINS - 1)
    inside = [index == k for k in range(BINS)]
    counts = np.array([own.sum() for own in inside])
    enough = counts >= LEAST

    def mean(of: NDArray[np.float64]) -> Doubles:
        sums = np.array([of[own].sum() for own in inside])
        return np.where(enough, sums / np.maximum(counts, 1), np.nan)

    low = high = None
    if weights is not None:
        each = np.stack([own.sum(1) for own in inside], 1)
        hits = np.stack([(own & truth).sum(1) for own in inside], 1)
        totals = weights @ each
        shares = np.where(totals > 0, weights @ hits / np.maximum(totals, 1), np.nan)
        ends = np.array([scores.percentiles(column) for column in shares.T])
        low, high = (np.where(enough, end, np.nan) for end in ends.T)
    predicted, observed = mean(values.astype(np.float64)), mean(truth.astype(np.float64))
    return Reliability(label, predicted, observed, counts, low, high)
