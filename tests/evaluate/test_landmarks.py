"""Figures of landmarks, by teachers that say what the test says."""

import numpy as np

from facedial.evaluate import landmarks
from facedial.faces.crop import head_template

SIDE = 128
TRUTH = head_template(SIDE)
CROPS = np.zeros((3, SIDE, SIDE, 3), np.uint8)
CROPS[..., 0] = np.arange(3)[:, None, None]
PEOPLE = np.array(["a", "b", "c"])


def teacher(off: float, blind: int):
    """Finds each face `off` pixels of the crop to the right, but in the crop number `blind`."""

    def detect(pixels):
        inside = np.flatnonzero(pixels.any((0, 2)))
        if not len(inside) or pixels.max() == blind:
            return []
        # The copy's place and size are those of what is not black; every other one is mirrored alike.
        corner = np.array([inside[0], np.flatnonzero(pixels.any((1, 2)))[0]])
        size = len(inside) / SIDE
        return [(TRUTH + np.array([off, 0]) + 0.5) * size - 0.5 + corner]

    return detect


def test_errors_are_those_against_a_mean_of_looks_where_it_is_known() -> None:
    near = [TRUTH] * 3
    means = landmarks._means(teacher(0.0, blind=2), CROPS + 1, near, seed=0)
    assert means[1] is None and means[0] is not None
    eyes = np.linalg.norm(TRUTH[1] - TRUTH[0])
    # Mirrored copies are taken back, so that the mean is the face's middle however it was found.
    off = means[0][:, 0].mean() - TRUTH[:, 0].mean()
    assert abs(off) < 0.1 * eyes
    found = [
        points + np.array([0.1 * eyes, 0]) if points is not None else TRUTH for points in means
    ]
    rows = list(landmarks._against(means, "landmark_both", "facedial", "data", found, PEOPLE))
    assert [row.metric for row in rows] == ["landmark_both_median", "landmark_both_p95"]
    assert all(abs(row.value - 10) < 1e-6 and row.n == 2 for row in rows)
