"""Landmarks against the teacher's: the network on disturbed boxes, and the whole finder on pictures."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from facedial.data.store import Store
from facedial.data.teacher import Points, Teacher
from facedial.errors import NoFaceFound
from facedial.evaluate._context import Context
from facedial.evaluate._figures import Goal, Row
from facedial.faces.find import BOX_BELOW_EYES, BOX_SIDE
from facedial.faces.landmarks import locate
from facedial.faces.photo import Photo

MOST_FOUND = 800
MOST_TAUGHT = 240
WHOLE = "squash128"
UNIT = "% of eye distance"

GOALS = (
    Goal("landmark_median", must=3, aim=2, lower=True),
    Goal("landmark_p95", must=7, aim=5, lower=True),
    Goal("landmark_steady_median", must=3, aim=2, lower=True),
    Goal("landmark_steady_p95", must=7, aim=5, lower=True),
)


def measure(context: Context) -> Iterator[Row]:
    """Median and 95th percentile of the eye error, in percent of the eye distance; recall.

    `landmark_*` against the labels, one look of the teacher; `landmark_steady_*` against its mean over
    many looks, where its file is given, beside what one look of the teacher is off by (`teacher`).
    """
    for store in context.stores:
        rows = context.rows(store, "unseen")
        rows = rows[~np.isnan(store.landmarks[rows]).any((1, 2))]
        if len(rows) == 0:
            continue
        rows = _spread(rows, MOST_FOUND)
        data = context.data(store, "unseen")
        labels = store.landmarks[rows].astype(np.float64)
        if store.frame == WHOLE:
            found = _by_finder(context, store, rows, labels)
            errors = np.array([_error(p, t) for p, t in zip(found, labels, strict=True)])
            # Farther off than an eye distance is another face: the teacher's was not found.
            seen = errors < 100
            yield Row(
                "finder_recall", "facedial-finder", data, float(seen.mean()), "share", len(rows)
            )
            yield from _rows("landmark", "facedial-finder", data, errors[seen])
            continue
        found = _by_network(context, store, rows, labels)
        errors = np.array([_error(p, t) for p, t in zip(found, labels, strict=True)])
        yield from _rows("landmark", "facedial", data, errors)
        if context.teacher is not None:
            teacher, rng = Teacher(context.teacher), np.random.default_rng(context.seed)
            chosen = _spread(np.arange(len(rows)), MOST_TAUGHT)
            asked = [teacher.steady(store.pixels[rows[i]], labels[i], rng) for i in chosen]
            pairs = [(i, mean) for i, mean in zip(chosen, asked, strict=True) if mean is not None]
            for model, points in (("facedial", found), ("teacher", labels)):
                off = np.array([_error(points[i], mean) for i, mean in pairs])
                yield from _rows("landmark_steady", model, data, off)


def _spread(rows: NDArray[np.int64], most: int) -> NDArray[np.int64]:
    return rows[np.linspace(0, len(rows) - 1, min(most, len(rows))).astype(np.int64)]


def _rows(metric: str, model: str, data: str, errors: NDArray[np.float64]) -> Iterator[Row]:
    for name, share in (("median", 50), ("p95", 95)):
        value = float(np.percentile(errors, share))
        yield Row(f"{metric}_{name}", model, data, value, UNIT, len(errors))


def _by_network(
    context: Context, store: Store, rows: NDArray[np.int64], labels: Points
) -> list[Points]:
    """Points found from boxes as a detector draws them: off by 10 % in place and in size."""
    rng = np.random.default_rng(context.seed)
    found = []
    for row, truth in zip(rows, labels, strict=True):
        eyes = np.linalg.norm(truth[1] - truth[0])
        side = BOX_SIDE * eyes * np.exp(rng.normal(0, 0.1))
        middle = truth[:2].mean(0) + [0, BOX_BELOW_EYES * eyes] + rng.normal(0, 0.1, 2) * eyes
        box = np.concatenate([middle - side / 2, middle + side / 2])
        found.append(locate(store.pixels[row], box, context.editor.bundle.locate))
    return found


def _by_finder(
    context: Context, store: Store, rows: NDArray[np.int64], labels: Points
) -> list[Points]:
    """Points of detector and network together on whole pictures; far away where no face was found."""
    found = []
    for row, truth in zip(rows, labels, strict=True):
        photo = Photo(store.pixels[row], store.file[row], None)
        try:
            faces = context.editor.faces(photo)
        except NoFaceFound:
            found.append(np.full((5, 2), 1e9))
            continue
        found.append(min((face.landmarks for face in faces), key=lambda p: _error(p, truth)))
    return found


def _error(points: Points, truth: Points) -> float:
    """Mean distance of the two eyes, in percent of the eye distance."""
    eyes = np.linalg.norm(truth[1] - truth[0])
    off = np.linalg.norm(points[:2] - truth[:2], axis=1).mean()
    return float(off / eyes * 100)
