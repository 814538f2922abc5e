"""Landmark error: of the network on perturbed boxes, and of detector and network on whole pictures."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from facedial.data.detection_teachers import SCRFD, Scrfd
from facedial.data.store import Store
from facedial.data.teacher import Detect, Points, Teacher, UInt8, steady
from facedial.errors import NoFaceFound
from facedial.evaluate._context import EvaluationContext, evenly
from facedial.evaluate._rows import Goal, Row
from facedial.faces.face_boxes import FaceBoxes
from facedial.faces.landmarks import locate
from facedial.faces.photo import Photo
from facedial.scores import interval

MAX_ROWS = 800
MAX_TTA_ROWS = 240
WHOLE = "squash128"
UNIT = "% of eye distance"

Doubles = NDArray[np.float64]

GOALS = (
    Goal("landmark_median", must=3, aim=2, lower=True),
    Goal("landmark_p95", must=7, aim=5, lower=True),
    Goal("landmark_tta_median", must=3, aim=2, lower=True),
    Goal("landmark_tta_p95", must=7, aim=5, lower=True),
    Goal("landmark_both_median", must=3, aim=2, lower=True),
    Goal("landmark_both_p95", must=7, aim=5, lower=True),
)


def measure(context: EvaluationContext) -> Iterator[Row]:
    """`landmark_median`, `landmark_p95`: error of the eyes, % of the eye distance; `detector_recall`.

    `landmark_*` against the stores' labels, single predictions of the teacher (YuNet).
    `landmark_tta_*`, if the teacher's file is given: against its mean over augmented copies
    (test-time augmentation), beside the error of the labels themselves (`teacher`).
    Where SCRFD's file lies beside it, from which the landmark network learnt nothing: SCRFD's mean over
    copies (`scrfd`) against that mean, which says how exact such labels are, and `landmark_both_*`,
    against the mean of both.
    """
    for store in context.stores:
        rows = context.rows(store, "unseen")
        rows = rows[~np.isnan(store.landmarks[rows]).any((1, 2))]
        if len(rows) == 0:
            continue
        rows = evenly(rows, MAX_ROWS)
        data = context.data(store, "unseen")
        labels, people = store.landmarks[rows].astype(np.float64), store.person[rows]
        if store.frame == WHOLE:
            found = _by_detector(context, store, rows, labels)
            errors = np.array([_error(p, t) for p, t in zip(found, labels, strict=True)])
            # An error above the eye distance means another face; the labelled one was not found.
            seen = errors < 100
            yield Row.of("detector_recall", "facedial-detector", data, seen, "share", people)
            yield from _rows("landmark", "facedial-detector", data, errors[seen], people[seen])
            continue
        found = _by_network(context, store, rows, labels)
        errors = np.array([_error(p, t) for p, t in zip(found, labels, strict=True)])
        yield from _rows("landmark", "facedial", data, errors, people)
        if context.teacher is not None:
            chosen = evenly(np.arange(len(rows)), MAX_TTA_ROWS)
            crops, near = store.pixels[rows[chosen]], list(labels[chosen])
            own, whose = [found[i] for i in chosen], people[chosen]
            means = _means(Teacher(context.teacher), crops, near, context.seed)
            yield from _against(means, "landmark_tta", "facedial", data, own, whose)
            yield from _against(means, "landmark_tta", "teacher", data, near, whose)
            other = context.teacher.parent / SCRFD
            if other.is_file():
                others = _means(_points_of(Scrfd(other)), crops, near, context.seed)
                both = [
                    None if a is None or b is None else (a + b) / 2
                    for a, b in zip(means, others, strict=True)
                ]
                yield from _against(means, "landmark_tta", "scrfd", data, others, whose)
                yield from _against(both, "landmark_both", "facedial", data, own, whose)


def _means(detect: Detect, crops: UInt8, near: Sequence[Points], seed: int) -> list[Points | None]:
    """A detector's mean landmarks over copies of each crop; None where it finds the face in too few."""
    rng = np.random.default_rng(seed)
    return [steady(detect, crop, points, rng) for crop, points in zip(crops, near, strict=True)]


def _points_of(scrfd: Scrfd) -> Detect:
    def detect(pixels: UInt8) -> list[Points]:
        return [one.landmarks for one in scrfd(pixels) if one.landmarks is not None]

    return detect


def _against(
    truth: Sequence[Points | None],
    metric: str,
    model: str,
    data: str,
    found: Sequence[Points | None],
    people: NDArray[np.str_],
) -> Iterator[Row]:
    """Rows of the faces for which both are known."""
    pairs = zip(found, truth, strict=True)
    errors = np.array([np.nan if a is None or b is None else _error(a, b) for a, b in pairs])
    known = ~np.isnan(errors)
    yield from _rows(metric, model, data, errors[known], people[known])


def _rows(
    metric: str, model: str, data: str, errors: Doubles, people: NDArray[np.str_]
) -> Iterator[Row]:
    """Median and 95th percentile of the errors [N] of photos of `people` [N]."""
    for name, share in (("median", 50), ("p95", 95)):

        def percentile(rows: NDArray[np.int64], share: float = share) -> float:
            return float(np.percentile(errors[rows], share))

        count = len(errors)
        value = percentile(np.arange(count))
        low, high = interval(percentile, count, people)
        yield Row(f"{metric}_{name}", model, data, value, UNIT, count, low, high)


def _by_network(
    context: EvaluationContext, store: Store, rows: NDArray[np.int64], labels: Points
) -> list[Points]:
    """Landmarks from boxes with 10 % noise (s.d.) in position and size, as a detector's have."""
    rng = np.random.default_rng(context.seed)
    found = []
    for row, truth in zip(rows, labels, strict=True):
        eyes = np.linalg.norm(truth[1] - truth[0])
        own = FaceBoxes.of_landmarks(truth[None]).boxes[0]
        half = (own[2:] - own[:2]) / 2 * np.exp(rng.normal(0, 0.1))
        middle = (own[:2] + own[2:]) / 2 + rng.normal(0, 0.1, 2) * eyes
        box = np.concatenate([middle - half, middle + half])
        found.append(locate(store.pixels[row], box, context.editor.model.locate_landmarks))
    return found


def _by_detector(
    context: EvaluationContext, store: Store, rows: NDArray[np.int64], labels: Points
) -> list[Points]:
    """Landmarks of detector and network on whole pictures; 1e9 where no face was found."""
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
    """Mean error of the two eyes, in percent of the eye distance."""
    eyes = np.linalg.norm(truth[1] - truth[0])
    off = np.linalg.norm(points[:2] - truth[:2], axis=1).mean()
    return float(off / eyes * 100)
