"""Test-time augmentation of the landmark teacher, with a detector of known bias as the network."""

import numpy as np

from facedial.data.teacher import LOOKS, Teacher, steady

FACE = np.array([[50.0, 60.0], [78.0, 60.0], [64.0, 76.0], [52.0, 90.0], [76.0, 90.0]])
SWAP = [1, 0, 2, 4, 3]


class Bright(Teacher):
    """Finds five points in the picture itself: the brightest pixel of five shades of green."""

    def __init__(self, off: float = 0.0, misses: int = 0) -> None:
        self.off, self.misses, self.asked = off, misses, 0

    def __call__(self, pixels: np.ndarray) -> list[np.ndarray]:
        self.asked += 1
        if self.asked <= self.misses:
            return []
        # Red is a ramp from left to right and blue from top to bottom, so colours tell places.
        held = pixels[..., 1] > 100
        ys, xs = np.nonzero(held)
        red, blue = (pixels[ys, xs, c].astype(float) for c in (0, 2))
        to_x, to_y = (np.polyfit(v, p, 1) for v, p in ((red, xs), (blue, ys)))
        points = np.stack([np.polyval(to_x, FACE[:, 0]), np.polyval(to_y, FACE[:, 1])], 1)
        if to_x[0] < 0:  # a mirrored look: its left eye is the right one
            points = points[SWAP]
        return [points + self.off, points + 500]


def ramps() -> np.ndarray:
    line = np.arange(128, dtype=np.uint8)
    return np.stack(np.broadcast_arrays(line[None], np.uint8(200), line[:, None]), -1)


def test_looks_are_brought_back_to_the_crop() -> None:
    """Enlarged, moved and mirrored looks of a picture that tells its own coordinates agree."""
    mean = steady(Bright(), ramps(), FACE, np.random.default_rng(0))
    assert mean is not None
    np.testing.assert_allclose(mean, FACE, atol=0.1)


def test_a_bias_of_the_teacher_is_undone_by_mirrored_looks_only_across() -> None:
    """What is always to the right of the truth is to the left of it in the mirror."""
    mean = steady(Bright(off=2.0), ramps(), FACE, np.random.default_rng(0))
    assert mean is not None
    assert np.abs((mean - FACE)[:, 0]).max() < 0.4
    assert (mean - FACE)[:, 1].min() > 0.5


def test_a_face_that_is_often_missed_has_no_mean() -> None:
    rng = np.random.default_rng(0)
    assert steady(Bright(misses=LOOKS // 3), ramps(), FACE, rng) is not None
    assert steady(Bright(misses=LOOKS // 3 + 1), ramps(), FACE, rng) is None
    assert steady(Bright(misses=2), ramps(), FACE, rng, looks=3) is None
    assert steady(Bright(misses=1), ramps(), FACE, rng, looks=3) is not None


def test_findings_of_one_face_are_one() -> None:
    class Many(Teacher):
        def __init__(self) -> None: ...

        def __call__(self, pixels: np.ndarray) -> list[np.ndarray]:
            return [FACE, FACE + 3, FACE + np.array([200, 0]), FACE - 2, FACE + np.array([203, 1])]

    assert len(Many().apart(ramps())) == 2
