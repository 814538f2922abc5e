"""Implied attributes (`editing.implied`): share of people with an attribute for whom the rule holds."""

from collections.abc import Iterator

import numpy as np

from facedial.codes.attributes import NAMES
from facedial.editing.implied import IMPLIED_WITH, IMPLIED_WITHOUT
from facedial.evaluate._context import EvaluationContext
from facedial.evaluate._rows import Row

MIN_PHOTOS = 30  # with the attribute; a share of fewer is too noisy


def measure(context: EvaluationContext) -> Iterator[Row]:
    """`implied_holds`: share of labelled training photos with `cause` in which `implied` is so too.

    One row for each rule, `cause=1, implied=0`, the lowest share first. Only of stores whose labels
    are 0 or 1.
    """
    for store in context.stores:
        rows = store.where("train")
        labels, people = store.attributes[rows], store.person[rows]
        if len(labels) == 0 or not np.isin(labels, (0.0, 1.0)).all():
            continue
        found, data = [], context.data(store, "train")
        for table, value in ((IMPLIED_WITH, 1.0), (IMPLIED_WITHOUT, 0.0)):
            for name, implied in table.items():
                chosen = labels[:, NAMES.index(name)] == value
                if chosen.sum() < MIN_PHOTOS:
                    continue
                for other, target in implied.items():
                    holds = labels[chosen, NAMES.index(other)] == target
                    on = f"{data}/{name}={value:g}, {other}={target:g}"
                    found.append(
                        Row.of("implied_holds", "labels", on, holds, "share", people[chosen])
                    )
        yield from sorted(found, key=lambda row: (row.value, row.data))
