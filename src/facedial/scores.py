"""Image quality and classification metrics, each with its source, and bootstrap intervals."""

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

Bytes = NDArray[np.uint8]
Doubles = NDArray[np.float64]

LUMA = np.array([0.299, 0.587, 0.114])  # BT.601
WINDOW, SIGMA = 11, 1.5
RESAMPLES = 1000
BLOCK = 32  # pictures at once, so that their float64 maps fit the processor's cache


def psnr(one: Bytes, other: Bytes) -> Doubles:
    """Peak signal-to-noise ratio in dB of each pair, over all pixels and channels, peak 255.

    `one`, `other`: uint8 [N, H, W, 3]. Returns [N]; infinite for equal pairs.
    """
    _check_pairs(one, other)
    errors = np.array(
        [((a.astype(np.float64) - b) ** 2).mean() for a, b in zip(one, other, strict=True)]
    )
    with np.errstate(divide="ignore"):
        return np.asarray(10 * np.log10(255.0**2 / errors.reshape(len(one))))


def luma(pictures: Bytes) -> Doubles:
    """BT.601 luma float64 [N, H, W] in 0..255, not rounded, of uint8 [N, H, W, 3]."""
    return np.asarray(pictures @ LUMA)


def ssim(one: Bytes, other: Bytes) -> Doubles:
    """Structural similarity of each pair, on luma; 1 for equal pairs.

    `one`, `other`: uint8 [N, H, W, 3], sides of 11 or more. Returns [N]. Gaussian window 11x11,
    sigma 1.5, population moments, mean over windows that lie inside. Wang et al. 2004, eq. 13.
    """
    _check_pairs(one, other)
    blocks = [
        _ssim(luma(one[start : start + BLOCK]), luma(other[start : start + BLOCK]))
        for start in range(0, len(one), BLOCK)
    ]
    return np.concatenate(blocks) if blocks else np.zeros(0)


def sharpness(pictures: Bytes, where: ArrayLike | None = None) -> Doubles:
    """Variance of the Laplacian (4 neighbours) of luma in 0..1, for each picture.

    `pictures`: uint8 [N, H, W, 3]. `where` [N, H, W]: weight of each pixel, equal if None; NaN for a
    picture whose weights are all zero. Returns [N]. Pech-Pacheco et al. 2000. Noise and edges both
    raise it, so report it only relative to real pictures.
    """
    values = []
    for i, picture in enumerate(pictures):
        y = luma(picture) / 255
        bend = y[:-2, 1:-1] + y[2:, 1:-1] + y[1:-1, :-2] + y[1:-1, 2:] - 4 * y[1:-1, 1:-1]
        if where is None:
            values.append(bend.var())
            continue
        weight = np.asarray(where, np.float64)[i, 1:-1, 1:-1]
        total = weight.sum()
        if total == 0:
            values.append(math.nan)
            continue
        mean = (weight * bend).sum() / total
        values.append((weight * np.square(bend - mean)).sum() / total)
    return np.array(values, np.float64)


def auc(values: ArrayLike, truth: ArrayLike) -> float:
    """Area under the ROC curve: probability that a positive ranks above a negative, ties half.

    `values`: [N], higher = more likely; `truth`: bool [N]. Mann and Whitney 1947, by mean ranks.
    Raises `ValueError` if one class is missing.
    """
    values, truth = np.asarray(values), np.asarray(truth, bool)
    positives = int(truth.sum())
    negatives = len(truth) - positives
    if not positives or not negatives:
        raise ValueError(f"an AUC needs both classes, found {positives} of {len(truth)} positive")
    _, place, count = np.unique(values, return_inverse=True, return_counts=True)
    rank = count.cumsum() - (count - 1) / 2  # mean rank of each distinct value, starting at 1
    wins = rank[place][truth].sum() - positives * (positives + 1) / 2
    return float(wins / (positives * negatives))


def rate_at_false_rate(
    values: ArrayLike, truth: ArrayLike, false_rate: float
) -> tuple[float, float]:
    """Share of positives above the value that `false_rate` of the negatives exceed, and that value.

    `values`: [N], higher = more likely; `truth`: bool [N]. For pairs of photos, the true accept rate at
    a false accept rate, and its threshold. Raises `ValueError` if one class is missing.

    >>> rate_at_false_rate([0.1, 0.2, 0.3, 0.9, 0.25, 0.8], [0, 0, 0, 0, 1, 1], 0.25)
    (0.5, 0.3)
    """
    values, truth = np.asarray(values, np.float64), np.asarray(truth, bool)
    if truth.all() or not truth.any():
        raise ValueError("a rate at a false rate needs both classes")
    negatives = np.sort(values[~truth])[::-1]
    threshold = negatives[min(int(false_rate * len(negatives)), len(negatives) - 1)]
    return float((values[truth] > threshold).mean()), float(threshold)


def calibration_error(probabilities: ArrayLike, truth: ArrayLike, bins: int = 15) -> float:
    """Expected calibration error, 0..1: mean absolute gap between probability and frequency.

    Over `bins` of equal width, weighted by their counts (Naeini 2015; Guo 2017, eq. 3).

    >>> calibration_error([0.75, 0.75, 0.75, 0.75], [1, 1, 1, 0])
    0.0
    """
    predicted, true = np.asarray(probabilities, np.float64), np.asarray(truth, np.float64)
    index = np.minimum((predicted * bins).astype(int), bins - 1)
    gaps = np.bincount(index, predicted - true, bins)
    return float(np.abs(gaps).sum() / len(predicted))


def weighted_auc(values: ArrayLike, truth: ArrayLike, weights: Doubles) -> Doubles:
    """`auc` for each of several weightings of the rows; NaN where one class has no weight.

    `values`: [N]; `truth`: bool [N]; `weights` [R, N], 0 or more: how often a row counts. Returns [R].

    >>> weighted_auc([1, 2, 3], [False, True, False], np.array([[1.0, 1, 1], [1, 1, 3]]))
    array([0.5 , 0.25])
    """
    values, truth = np.asarray(values), np.asarray(truth, bool)
    distinct, place = np.unique(values, return_inverse=True)
    mass = np.zeros((2, len(weights), len(distinct)))
    order = np.argsort(place, kind="stable")
    starts = np.searchsorted(place[order], np.arange(len(distinct)))
    for side in (0, 1):
        own = np.where(truth == bool(side), weights, 0.0)[:, order]
        mass[side] = np.add.reduceat(own, starts, axis=1)
    negatives, positives = mass
    below = negatives.cumsum(1) - negatives / 2
    pairs = negatives.sum(1) * positives.sum(1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray((positives * below).sum(1) / pairs)


def weighted_calibration_error(
    probabilities: ArrayLike, truth: ArrayLike, weights: Doubles, bins: int = 15
) -> Doubles:
    """`calibration_error` [R] for each of several weightings `weights` [R, N] of the rows."""
    predicted, true = np.asarray(probabilities, np.float64), np.asarray(truth, np.float64)
    index = np.minimum((predicted * bins).astype(int), bins - 1)
    gaps = np.zeros((len(predicted), bins))
    gaps[np.arange(len(predicted)), index] = predicted - true
    return np.asarray(np.abs(weights @ gaps).sum(1) / weights.sum(1))


def frechet(one: Doubles, other: Doubles) -> float:
    """Frechet distance of two sets of features [N, F], each modelled as normal (Heusel 2017, eq. 6).

    |m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2)); 0 for equal moments. Biased upwards for few rows, so
    compare values only for sets of equal size.
    """
    means = [np.asarray(x, np.float64).mean(0) for x in (one, other)]
    covariances = [np.cov(np.asarray(x, np.float64), rowvar=False) for x in (one, other)]
    values, axes = np.linalg.eigh(covariances[0])
    root = (axes * np.sqrt(np.maximum(values, 0))) @ axes.T
    # C1 C2 has the eigenvalues of the symmetric C1^(1/2) C2 C1^(1/2).
    crossed = np.linalg.eigvalsh(root @ covariances[1] @ root)
    trace = sum(float(np.trace(c)) for c in covariances)
    shift = float(np.square(means[0] - means[1]).sum())
    return max(0.0, shift + trace - 2 * float(np.sqrt(np.maximum(crossed, 0)).sum()))


def interval(
    statistic: Callable[[NDArray[np.int64]], float],
    count: int,
    groups: ArrayLike | None = None,
    *,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> tuple[float, float]:
    """95 % interval of `statistic` over `count` rows: percentiles of a bootstrap (Efron 1979).

    `statistic` takes row indices, drawn with replacement. `groups` [count]: the group (person) of each
    row; groups are then drawn, each with all its rows. It may return NaN if it is undefined (an AUC of
    one class); those draws are left out. Deterministic for a `seed`.
    """
    rng = np.random.default_rng(seed)
    if groups is None:
        drawn = [statistic(rng.integers(0, count, count)) for _ in range(resamples)]
    else:
        _, places = np.unique(np.asarray(groups), return_inverse=True)
        order = np.argsort(places, kind="stable")
        own = np.split(order, np.bincount(places).cumsum()[:-1])
        drawn = [
            statistic(np.concatenate([own[i] for i in rng.integers(0, len(own), len(own))]))
            for _ in range(resamples)
        ]
    return percentiles(np.array(drawn))


def percentiles(drawn: Doubles) -> tuple[float, float]:
    """Ends of the 95 % interval of bootstrap values [R]; NaN values are left out."""
    known = drawn[~np.isnan(drawn)]
    if not len(known):
        return math.nan, math.nan
    low, high = np.percentile(known, [2.5, 97.5])
    return float(low), float(high)


def bootstrap_weights(
    groups: ArrayLike, *, seed: int = 0, resamples: int = RESAMPLES
) -> NDArray[np.float64]:
    """How often each row counts [R, N] in each of `resamples` draws of groups with replacement.

    `groups` [N]: the group (person) of each row. For statistics of many columns that take weights.
    """
    _, places = np.unique(np.asarray(groups), return_inverse=True)
    count = int(places.max()) + 1
    rng = np.random.default_rng(seed)
    times = rng.multinomial(count, np.full(count, 1 / count), resamples)
    return times[:, places].astype(np.float64)


def ratio_interval(
    values: ArrayLike,
    bases: ArrayLike,
    groups: ArrayLike,
    parts: ArrayLike | None = None,
    *,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> tuple[float, float]:
    """95 % bootstrap interval of the sum of `values` [N] over that of `bases` [N], by `groups` [N].

    `parts` [N]: the mean of the ratios of each part instead, a group drawn in all of them at once. With
    bases of 1 it is the mean over parts of their means. A part that a draw leaves empty is left out.
    """
    values, bases = np.asarray(values, np.float64), np.asarray(bases, np.float64)
    _, group = np.unique(np.asarray(groups), return_inverse=True)
    named = np.zeros(len(values)) if parts is None else np.asarray(parts)
    names, part = np.unique(named, return_inverse=True)
    shape = int(group.max()) + 1, len(names)
    sums, counts = np.zeros(shape), np.zeros(shape)
    np.add.at(sums, (group, part), values)
    np.add.at(counts, (group, part), bases)
    rng = np.random.default_rng(seed)
    times = rng.multinomial(len(sums), np.full(len(sums), 1 / len(sums)), resamples)
    totals = np.ma.masked_equal(times @ counts, 0)
    return percentiles(np.ma.filled((times @ sums / totals).mean(1), np.nan))


def mean_interval(
    values: ArrayLike,
    groups: ArrayLike | None = None,
    *,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> tuple[float, float]:
    """95 % bootstrap interval of the mean of `values` [N]: the ends of `mean_draws`."""
    return percentiles(mean_draws(values, groups, seed=seed, resamples=resamples))


def mean_draws(
    values: ArrayLike,
    groups: ArrayLike | None = None,
    *,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> Doubles:
    """Means [R] of `values` [N] drawn with replacement, R being `resamples`.

    `groups` [N]: the group (person) of each value; groups are then resampled instead of values,
    because the pictures of one person are not independent.
    """
    values = np.asarray(values, np.float64)
    places = np.arange(len(values))
    if groups is not None:
        _, places = np.unique(np.asarray(groups), return_inverse=True)
    counts = np.bincount(places).astype(np.float64)
    sums = np.bincount(places, weights=values)
    rng = np.random.default_rng(seed)
    means = np.empty(resamples)
    for i in range(resamples):
        times = np.bincount(rng.integers(0, len(sums), len(sums)), minlength=len(sums))
        means[i] = (times @ sums) / (times @ counts)
    return means


def _check_pairs(one: Bytes, other: Bytes) -> None:
    if one.shape != other.shape or one.ndim != 4 or one.shape[-1] != 3:
        raise ValueError(f"expected two uint8 [N, H, W, 3], found {one.shape} and {other.shape}")
    if one.dtype != np.uint8 or other.dtype != np.uint8:
        raise ValueError(f"expected uint8 pictures, found {one.dtype} and {other.dtype}")


def _ssim(a: Doubles, b: Doubles) -> Doubles:
    stable_mean, stable_variance = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    mean_a, mean_b = _smooth(a), _smooth(b)
    var_a = _smooth(a * a) - mean_a**2
    var_b = _smooth(b * b) - mean_b**2
    covariance = _smooth(a * b) - mean_a * mean_b
    similarity = (2 * mean_a * mean_b + stable_mean) * (2 * covariance + stable_variance)
    scale = (mean_a**2 + mean_b**2 + stable_mean) * (var_a + var_b + stable_variance)
    return np.asarray((similarity / scale).mean(axis=(1, 2)))


def _smooth(values: Doubles) -> Doubles:
    """Valid convolution of [N, H, W] with the Gaussian window: [N, H - 10, W - 10]."""
    offsets = np.arange(WINDOW) - WINDOW // 2
    weights = np.exp(-0.5 * (offsets / SIGMA) ** 2)
    weights /= weights.sum()
    height, width = (side - WINDOW + 1 for side in values.shape[1:])
    if min(height, width) < 1:
        raise ValueError(f"SSIM needs sides of {WINDOW} or more, found {values.shape[1:]}")
    down = sum(w * values[:, i : i + height] for i, w in enumerate(weights))
    return np.asarray(sum(w * down[:, :, i : i + width] for i, w in enumerate(weights)))


def average_precision(scores: Doubles, hits: NDArray[np.bool_], total: int) -> float:
    """Area under precision over recall, precision made non-increasing (Pascal VOC 2010), 0..1.

    `scores` [K] of detections; `hits` [K]: which of them are right; `total`: how many there are to find.
    """
    if total == 0 or not len(scores):
        return 0.0
    order = np.argsort(-scores, kind="stable")
    right = np.cumsum(hits[order])
    precision = right / np.arange(1, len(right) + 1)
    best = np.maximum.accumulate(precision[::-1])[::-1]
    return float((best * hits[order]).sum() / total)
