"""Landmarks against the teacher's: the network on disturbed boxes, and the whole finder on pictures."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from facedial.data.store import Store
from facedial.errors import NoFaceFound
from facedial.evaluate._context import Context
from facedial.evaluate._figures import Goal, Row
from facedial.faces.landmarks import locate
from facedial.faces.photo import Photo

MOST_FOUND = 800
WHOLE = "squash128"

GOALS = (
    Goal("landmark_median", must=3, aim=2, lower=True),
    Goal("landmark_p95", must=7, aim=5, lower=True),
)


def measure(context: Context) -> Iterator[Row]:
    """Median and 95th percentile of the eye error, in percent of the eye distance; recall."""
    for store in context.stores:
        rows = context.rows(store, "unseen")
        rows = rows[~np.isnan(store.landmarks[rows]).any((1, 2))]
        if len(rows) == 0:
            continue
        whole = store.frame == WHOLE
        rows = rows[np.linspace(0, len(rows) - 1, min(MOST_FOUND, len(rows))).astype(np.int64)]
        errors = _of_finder(context, store, rows) if whole else _of_network(context, store, rows)
        found = errors[np.isfinite(errors)]
        data = context.data(store, "unseen")
        model = "facedial-finder" if whole else "facedial"
        for metric, share in (("landmark_median", 50), ("landmark_p95", 95)):
            value = float(np.percentile(found, share))
            yield Row(metric, model, data, value, "% of eye distance", len(found))
        if whole:
            yield Row("finder_recall", model, data, len(found) / len(rows), "share", len(rows))


def _of_network(context: Context, store: Store, rows: NDArray[np.int64]) -> NDArray[np.float64]:
    """Errors [n] of the network, started from boxes as a detector's: off by 10 % and 10 % in size."""
    rng = np.random.default_rng(context.seed)
    errors = []
    for row in rows:
        truth = store.landmarks[row].astype(np.float64)
        eyes = np.linalg.norm(truth[1] - truth[0])
        side = 2.4 * eyes * np.exp(rng.normal(0, 0.1))
        middle = truth.mean(0) + rng.normal(0, 0.1, 2) * eyes
        box = np.concatenate([middle - side / 2, middle + side / 2])
        points = locate(store.pixels[row], box, context.editor.bundle.locate)
        errors.append(_error(points, truth))
    return np.array(errors)


def _of_finder(context: Context, store: Store, rows: NDArray[np.int64]) -> NDArray[np.float64]:
    """Errors [n] of detector and network together on whole pictures; NaN where no face was found."""
    errors = []
    for row in rows:
        truth = store.landmarks[row].astype(np.float64)
        photo = Photo(store.pixels[row], store.file[row], None)
        try:
            faces = context.editor.faces(photo)
        except NoFaceFound:
            errors.append(np.nan)
            continue
        best = min(_error(face.landmarks, truth) for face in faces)
        # Farther off than an eye distance is another face: the teacher's was not found.
        errors.append(best if best < 100 else np.nan)
    return np.array(errors)


def _error(points: NDArray[np.float64], truth: NDArray[np.float64]) -> float:
    eyes = np.linalg.norm(truth[1] - truth[0])
    off = np.linalg.norm(points[:2] - truth[:2], axis=1).mean()
    return float(off / eyes * 100)
