"""Whether what a wish brings along (`codes.wishes`) is so in people: share of those for whom it holds."""

from collections.abc import Iterator

import numpy as np

from facedial.codes.attributes import NAMES
from facedial.codes.wishes import WITH, WITHOUT
from facedial.evaluate._context import Context
from facedial.evaluate._figures import Row

FEWEST = 30  # photos with the attribute: fewer say nothing of what goes with it


def measure(context: Context) -> Iterator[Row]:
    """`wish_holds`: among training photos labelled by people, companions that are as the table says.

    A row for each rule, `cause=1, companion=0`; the least first.
    """
    for store in context.stores:
        labels = store.attributes[store.where("train")]
        if len(labels) == 0 or not np.isin(labels, (0.0, 1.0)).all():
            continue
        shares = []
        for table, value in ((WITH, 1.0), (WITHOUT, 0.0)):
            for name, brought in table.items():
                some = labels[:, NAMES.index(name)] == value
                if some.sum() < FEWEST:
                    continue
                for other, there in brought.items():
                    share = float((labels[some, NAMES.index(other)] == there).mean())
                    rule = f"{name}={value:g}, {other}={there:g}"
                    shares.append((share, rule, int(some.sum())))
        data = context.data(store, "train")
        for share, rule, count in sorted(shares):
            yield Row("wish_holds", "labels", f"{data}/{rule}", share, "share", count)
