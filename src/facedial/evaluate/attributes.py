"""Attribute classifier: AUC, accuracy and calibration on unseen people with manual labels."""

from collections.abc import Iterator

import numpy as np

from facedial import scores
from facedial.codes.attributes import ATTRIBUTES, NAMES
from facedial.evaluate._context import EvaluationContext, blocks
from facedial.evaluate._rows import Goal, Row

GOALS = (
    Goal("attribute_auc", must=0.91, aim=0.94),
    Goal("attribute_accuracy", must=0.89, aim=0.91),
)


def measure(context: EvaluationContext) -> Iterator[Row]:
    """`attribute_auc`, `attribute_accuracy`, `attribute_calibration` (expected calibration error).

    Means over the attributes, then AUC and calibration of each attribute. `facedial`: the
    classifier on crops; `facedial-linear`: linear prediction from codes. Only of stores whose labels
    are 0 or 1.
    """
    predictor = context.editor.model
    for store in context.head:
        rows = context.rows(store, "unseen")
        labels = store.attributes[rows]
        if len(rows) == 0 or not np.isin(labels, (0.0, 1.0)).all():
            continue
        data = context.data(store, "unseen")
        crops = list(blocks(store, rows, 64))
        predicted = np.concatenate([predictor.predict_attributes(block) for block in crops])
        codes = np.concatenate([predictor.encode(block) for block in crops])
        for model, values in (
            ("facedial", predicted),
            ("facedial-linear", context.editor.model.directions.read(codes)[:, : len(ATTRIBUTES)]),
        ):
            aucs = {
                a.name: scores.auc(values[:, k], labels[:, k] > 0.5)
                for k, a in enumerate(ATTRIBUTES)
                if 0 < labels[:, k].mean() < 1
            }
            mean = float(np.mean(list(aucs.values())))
            yield Row("attribute_auc", model, data, mean, f"mean over {len(aucs)}", len(rows))
            accuracy = float(((values > 0.5) == (labels > 0.5)).mean())
            yield Row("attribute_accuracy", model, data, accuracy, "share", len(rows))
            if model != "facedial":
                continue
            errors = {
                name: scores.calibration_error(values[:, k], labels[:, k] > 0.5)
                for k, name in enumerate(NAMES)
            }
            error = float(np.mean(list(errors.values())))
            yield Row("attribute_calibration", model, data, error, "mean error", len(rows))
            for metric, table in (("attribute_auc", aucs), ("attribute_calibration", errors)):
                for name, value in table.items():
                    yield Row(metric, model, f"{data}/{name}", float(value), "", len(rows))
