import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from numpy.typing import NDArray

from facedial import scores

UInt8 = NDArray[Any]


def pictures(seed: int, count: int = 3, height: int = 24, width: int = 17) -> UInt8:
    rng = np.random.default_rng(seed)
    smooth = rng.integers(0, 256, (count, 4, 4, 3)).repeat(8, axis=1).repeat(8, axis=2)
    noise = rng.integers(-20, 21, (count, height, width, 3))
    return np.asarray(np.clip(smooth[:, :height, :width] + noise, 0, 255).astype(np.uint8))


def test_a_pair_of_equal_pictures_is_perfect() -> None:
    same = pictures(0)
    assert np.all(scores.psnr(same, same) == math.inf)
    assert_allclose(scores.ssim(same, same), 1, atol=1e-12)


@pytest.mark.parametrize("metric", [scores.psnr, scores.ssim])
def test_pair_metrics_are_symmetric_and_do_not_mind_batches_and_order(metric: object) -> None:
    assert callable(metric)
    one, other = pictures(1, 70), pictures(2, 70)
    whole = metric(one, other)
    assert whole.shape == (70,)
    assert_allclose(metric(other, one), whole, rtol=1e-12)
    assert_allclose(np.concatenate([metric(one[:1], other[:1]), metric(one[1:], other[1:])]), whole)
    assert_allclose(metric(one[::-1], other[::-1]), whole[::-1])
    assert metric(one[:0], other[:0]).shape == (0,)


def test_psnr_by_hand() -> None:
    black = np.zeros((1, 2, 2, 3), np.uint8)
    assert scores.psnr(black, black + 255)[0] == pytest.approx(0)
    one_off = black.copy()
    one_off[0, 0, 0, 0] = 255  # mean squared error 255^2 / 12
    assert scores.psnr(black, one_off)[0] == pytest.approx(10 * math.log10(12))
    assert scores.psnr(black, black + 1)[0] == pytest.approx(20 * math.log10(255))


@pytest.mark.parametrize("shape", [(24, 17), (11, 11), (64, 40)])
def test_ssim_is_scikit_images(shape: tuple[int, int]) -> None:
    from skimage.metrics import structural_similarity

    rng = np.random.default_rng(3)
    one = rng.integers(0, 256, (3, *shape, 3)).astype(np.uint8)
    noise = rng.normal(0, [[[[5]]], [[[40]]], [[[90]]]], one.shape)
    other = np.clip(one + noise, 0, 255).astype(np.uint8)
    reference = [
        structural_similarity(  # type: ignore[no-untyped-call]
            a,
            b,
            data_range=255,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
        )
        for a, b in zip(scores.luma(one), scores.luma(other), strict=True)
    ]
    assert_allclose(scores.ssim(one, other), reference, atol=1e-9)


def test_psnr_is_scikit_images() -> None:
    from skimage.metrics import peak_signal_noise_ratio

    one, other = pictures(1), pictures(2)
    reference = [
        peak_signal_noise_ratio(a, b)  # type: ignore[no-untyped-call]
        for a, b in zip(one, other, strict=True)
    ]
    assert_allclose(scores.psnr(one, other), reference, rtol=1e-12)


def test_pairs_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="expected two uint8"):
        scores.psnr(pictures(0, 2), pictures(0, 3))
    with pytest.raises(ValueError, match="expected uint8"):
        scores.psnr(pictures(0), pictures(0).astype(np.float32))
    with pytest.raises(ValueError, match="11 or more"):
        scores.ssim(pictures(0, height=10), pictures(0, height=10))


def test_sharpness_by_hand_and_under_blur() -> None:
    flat = np.full((1, 8, 8, 3), 90, np.uint8)
    assert scores.sharpness(flat)[0] == pytest.approx(0, abs=1e-20)
    dot = np.zeros((1, 5, 5, 3), np.uint8)
    dot[0, 2, 2] = 255  # Laplacian -4 at the dot, 1 at its four neighbours, 0 at four corners
    assert scores.sharpness(dot)[0] == pytest.approx((16 + 4) / 9)
    rough = pictures(4)
    blurred = ((rough[:, 1:].astype(int) + rough[:, :-1]) // 2).astype(np.uint8)
    assert (scores.sharpness(blurred) < scores.sharpness(rough)).all()
    # Where all places count alike it is the same; where none does, there is nothing to say.
    everywhere = np.ones(rough.shape[:3])
    np.testing.assert_allclose(scores.sharpness(rough, 3 * everywhere), scores.sharpness(rough))
    left = everywhere * (np.arange(rough.shape[2]) < rough.shape[2] // 2)
    np.testing.assert_allclose(
        scores.sharpness(rough, left), scores.sharpness(rough[:, :, : rough.shape[2] // 2 + 1])
    )
    assert np.isnan(scores.sharpness(rough, 0 * everywhere)).all()


readings = st.lists(st.tuples(st.integers(-3, 3), st.booleans()), min_size=2, max_size=30).filter(
    lambda rows: len({truth for _, truth in rows}) == 2
)


@given(readings)
def test_auc_is_the_share_of_pairs_in_order_ties_half(rows: list[tuple[int, bool]]) -> None:
    ups = [v for v, truth in rows if truth]
    downs = [v for v, truth in rows if not truth]
    pairs = [(u > d) + 0.5 * (u == d) for u in ups for d in downs]
    values, truth = np.array([v for v, _ in rows]), np.array([t for _, t in rows])
    expected = sum(pairs) / len(pairs)
    assert scores.auc(values, truth) == pytest.approx(expected)
    assert scores.auc(-values, truth) == pytest.approx(1 - expected)
    assert scores.auc(np.exp(values), truth) == pytest.approx(expected)  # ranks alone count
    assert scores.auc(values[::-1], truth[::-1]) == pytest.approx(expected)


def test_auc_known_values() -> None:
    truth = [False, False, True, True]
    assert scores.auc([1, 2, 3, 4], truth) == 1
    assert scores.auc([5, 5, 5, 5], truth) == 0.5
    with pytest.raises(ValueError, match="both classes"):
        scores.auc([1, 2], [True, True])


def test_interval_of_a_mean_has_the_normal_width() -> None:
    values = np.random.default_rng(0).normal(7, 2, 2000)
    low, high = scores.mean_interval(values)
    width = 2 * 1.96 * 2 / np.sqrt(2000)
    assert low < values.mean() < high
    assert high - low == pytest.approx(width, rel=0.1)
    assert scores.mean_interval(values) == (low, high)
    assert scores.mean_interval(values, seed=1) != (low, high)
    general = scores.interval(lambda rows: float(values[rows].mean()), len(values))
    assert general == pytest.approx((low, high), abs=0.02)


def test_pictures_of_one_person_count_as_one_person() -> None:
    people = np.random.default_rng(0).normal(0, 1, 400)
    values, owners = people.repeat(5), np.arange(400).repeat(5)
    alone = scores.mean_interval(people)
    assert scores.mean_interval(values, owners) == pytest.approx(alone, abs=1e-12)
    low, high = scores.mean_interval(values)
    assert high - low < 0.6 * (alone[1] - alone[0])  # pretending they were 2,000 people


def test_interval_leaves_out_draws_that_are_not_defined() -> None:
    truth, values = np.array([True, False, False]), np.array([0.9, 0.1, 0.2])

    def statistic(rows: NDArray[np.int64]) -> float:
        drawn = truth[rows]
        return scores.auc(values[rows], drawn) if 0 < drawn.sum() < 3 else math.nan

    assert scores.interval(statistic, 3, resamples=100) == (1, 1)


def test_calibration_error_by_hand() -> None:
    read = [0.95, 0.95, 0.15, 0.15]
    assert scores.calibration_error(read, [1, 1, 0, 0]) == pytest.approx(0.5 * 0.05 + 0.5 * 0.15)
    assert scores.calibration_error(read, [0, 0, 1, 1]) == pytest.approx(0.5 * 0.95 + 0.5 * 0.85)
    assert scores.calibration_error([1.0, 0.0], [1, 0]) == 0
    rng = np.random.default_rng(0)
    honest = rng.random(40_000)
    assert scores.calibration_error(honest, rng.random(40_000) < honest) < 0.01


def test_frechet_distance_has_its_closed_form() -> None:
    rng = np.random.default_rng(0)
    one = rng.standard_normal((500, 6)) @ rng.standard_normal((6, 6))
    assert scores.frechet(one, one) == pytest.approx(0, abs=1e-8)
    assert scores.frechet(one, one + 2) == pytest.approx(6 * 4)
    # Where covariances commute it is the squared difference of their roots.
    assert scores.frechet(one - one.mean(0), 3 * (one - one.mean(0))) == pytest.approx(
        4 * np.trace(np.cov(one.T))
    )
    other = rng.standard_normal((400, 6)) @ rng.standard_normal((6, 6))
    assert scores.frechet(one, other) == pytest.approx(scores.frechet(other, one))
    from scipy.linalg import sqrtm  # type: ignore[import-untyped]

    a, b = np.cov(one.T), np.cov(other.T)
    shift = np.square(one.mean(0) - other.mean(0)).sum()
    slow = shift + np.trace(a + b - 2 * np.real(sqrtm(a @ b)))
    assert scores.frechet(one, other) == pytest.approx(slow, rel=1e-6)


def test_average_precision_by_hand() -> None:
    """Of three faces two are found, first and third of the detections: precision 1 and 2/3."""
    hits, order = np.array([False, True, True]), np.array([0.5, 0.9, 0.1])
    assert scores.average_precision(order, hits, 3) == pytest.approx((1 + 2 / 3) / 3)
    assert scores.average_precision(order, np.ones(3, bool), 3) == 1
    assert scores.average_precision(np.zeros(0), np.zeros(0, bool), 3) == 0


def test_an_auc_of_weights_is_that_of_repeated_rows() -> None:
    rng = np.random.default_rng(0)
    values, truth = rng.integers(0, 6, 40) / 6, rng.random(40) < 0.4  # ties among them
    weights = rng.integers(0, 4, (7, 40)).astype(float)
    slow = [
        scores.auc(np.repeat(values, own.astype(int)), np.repeat(truth, own.astype(int)))
        for own in weights
    ]
    assert_allclose(scores.weighted_auc(values, truth, weights), slow, rtol=1e-12)
    assert_allclose(scores.weighted_auc(values, truth, np.ones((1, 40))), scores.auc(values, truth))
    assert np.isnan(scores.weighted_auc(values, truth, np.where(truth, 1.0, 0)[None])).all()


def test_a_calibration_error_of_weights_is_that_of_repeated_rows() -> None:
    rng = np.random.default_rng(1)
    values, truth = rng.random(50), rng.random(50) < 0.3
    weights = rng.integers(0, 3, (5, 50)).astype(float)
    slow = [
        scores.calibration_error(
            np.repeat(values, own.astype(int)), np.repeat(truth, own.astype(int))
        )
        for own in weights
    ]
    assert_allclose(scores.weighted_calibration_error(values, truth, weights), slow)


def test_a_bootstrap_draws_people_with_all_their_photos() -> None:
    people = ["a", "b", "b", "c", "a"]
    weights = scores.bootstrap_weights(people, resamples=50)
    assert weights.shape == (50, 5)
    assert (weights[:, 0] == weights[:, 4]).all() and (weights[:, 1] == weights[:, 2]).all()
    assert (weights[:, [0, 1, 3]].sum(1) == 3).all()
    seen = []
    scores.interval(lambda rows: seen.append(np.bincount(rows, minlength=5)) or 0.0, 5, people)
    counts = np.array(seen)
    assert (counts[:, 0] == counts[:, 4]).all() and (counts[:, [0, 1, 3]].sum(1) == 3).all()


def test_intervals_are_wider_by_person_where_photos_repeat() -> None:
    """Ten photos of each person that are all alike hold no more than one."""
    rng = np.random.default_rng(2)
    own = rng.random(30)
    values, people = np.repeat(own, 10), np.repeat(np.arange(30), 10)

    def median(rows: UInt8) -> float:
        return float(np.median(values[rows]))

    ones = np.ones(300)
    for by_photo, by_person in (
        (scores.mean_interval(values), scores.mean_interval(values, people)),
        (scores.interval(median, 300), scores.interval(median, 300, people)),
        (
            scores.ratio_interval(values, ones, np.arange(300)),
            scores.ratio_interval(values, ones, people),
        ),
    ):
        assert by_person[1] - by_person[0] > 2 * (by_photo[1] - by_photo[0])
        assert by_person[0] < values.mean() < by_person[1]


def test_a_ratio_has_an_interval_as_its_mean_has() -> None:
    rng = np.random.default_rng(3)
    values, people = rng.random(200), np.arange(200) // 2
    plain = scores.mean_interval(values, people)
    assert_allclose(scores.ratio_interval(values, np.ones(200), people), plain, atol=0.01)
    # A ratio that is the same for everybody is certain.
    assert_allclose(scores.ratio_interval(3 * values, values, people), 3)
    # The mean over two parts: each is certain, whatever their sizes.
    parts = np.arange(200) < 20
    assert_allclose(scores.ratio_interval(np.where(parts, 1, 3), np.ones(200), people, parts), 2)
    assert all(map(math.isnan, scores.percentiles(np.full(3, math.nan))))
