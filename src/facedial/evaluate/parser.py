"""The parser against hand-made masks of test people, beside its teacher of classes."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facedial.data.parse_teacher import ParseTeacher
from facedial.data.store import Store
from facedial.evaluate._context import UNSEEN, EvaluationContext, evenly
from facedial.evaluate._rows import Goal, Row
from facedial.faces.parse import (
    BACKGROUND,
    CLASSES,
    HAIR,
    SIDE,
    UNKNOWN,
    class_overlap,
    from_ids,
    mask_overlap,
    mean_iou,
)
from facedial.scores import interval

Bytes = NDArray[np.uint8]
Doubles = NDArray[np.float64]
Parse = Callable[[Bytes], Bytes]
# Metric -> mask of the store, and the class that it is (hair) or is the complement of (background).
TWO_CLASSES = {"person_iou": ("person_mask", BACKGROUND), "hair_iou": ("hair", HAIR)}

GOALS = (Goal("parser_iou", must=0.70, aim=0.76), Goal("person_iou", must=0.95, aim=0.97))


def measure(context: EvaluationContext) -> Iterator[Row]:
    """Intersection over union of the pixels of all test people together.

    `parser_iou`: mean over the 12 classes, and each class; `person_iou`; `hair_iou`. Pixels outside
    the photo do not count. With the context's `parse_teachers` also of the teacher (model `teacher`).
    """
    for store in context.stores:
        if store.size != SIDE or not store.masks:
            continue
        data = f"{store.path.name}/unseen"
        for model, parse in _models(context, store.frame).items():
            rows = evenly(_masked(store, "parts"), context.most)
            counts = [class_overlap(parse(store.pixels[row]), _parts(store, row)) for row in rows]
            if counts:
                yield from _class_rows(np.array(counts), model, data, store.person[rows])
            for metric, (mask, kind) in TWO_CLASSES.items():
                rows = evenly(_masked(store, mask), context.most)
                counts = [_two(parse(store.pixels[row]), store, row, mask, kind) for row in rows]
                if counts:
                    yield _row(metric, model, data, np.array(counts), store.person[rows])


def _models(context: EvaluationContext, frame: str) -> dict[str, Parse]:
    model, models = context.editor.model, {}
    if model.has_parser:
        models["facedial"] = lambda crop: model.parse(crop[None])[0][0].argmax(0).astype(np.uint8)
    if context.parse_teachers is not None:
        models["teacher"] = _teacher(context.parse_teachers, frame)
    return models


def _teacher(folder: Path, frame: str) -> Parse:
    teacher = ParseTeacher(folder)
    return lambda crop: teacher(crop, frame)[0]


def _masked(store: Store, mask: str) -> NDArray[np.int64]:
    """Rows of test people with a mask."""
    masks = store.masks.get(mask, [None] * len(store))
    return np.array([row for row in store.where(UNSEEN) if masks[row] is not None], np.int64)


def _parts(store: Store, row: int) -> Bytes:
    ids = store.mask("parts", row)
    assert ids is not None
    return np.where(store.known(row), from_ids(ids), UNKNOWN).astype(np.uint8)


def _two(classes: Bytes, store: Store, row: int, mask: str, kind: int) -> Doubles:
    """Overlap [2, 1] of the store's mask with a class, or with the complement of the background."""
    truth = store.mask(mask, row)
    assert truth is not None
    found = classes == kind if kind != BACKGROUND else classes != BACKGROUND
    return mask_overlap(found, truth > 0, store.known(row))[:, None]


def _class_rows(counts: Doubles, model: str, data: str, people: NDArray[np.str_]) -> Iterator[Row]:
    yield _row("parser_iou", model, data, counts, people)
    for k in np.flatnonzero(counts[:, 1].sum(0)):
        yield _row("parser_iou", model, f"{data}/{CLASSES[k]}", counts[:, :, k : k + 1], people)


def _row(metric: str, model: str, data: str, counts: Doubles, people: NDArray[np.str_]) -> Row:
    """Mean over classes of pixel counts [N, 2, C], with its bootstrap interval over people [N]."""

    def mean(rows: NDArray[np.int64]) -> float:
        return mean_iou(counts[rows].sum(0))

    value = mean(np.arange(len(counts)))
    low, high = interval(mean, len(counts), people)
    return Row(metric, model, data, value, "share", len(counts), low, high)
