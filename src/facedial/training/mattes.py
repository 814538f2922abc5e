"""Segmentation of a head crop into person and background, by its colours alone.

No labels are needed, since a head fills the same part of every crop. From that prior, Gaussian mixtures
over colour and position of person and background are fitted in alternation with the assignment of
pixels (after Rother 2004, GrabCut; a guided filter in place of graph cuts: He 2010). The result for one
crop may be wrong; a network trained on thousands of them averages such errors.
"""

import numpy as np
from numpy.typing import NDArray

from facedial.compose.masks import box_mean
from facedial.faces.sheet import shrunk

Floats = NDArray[np.float32]
SIDE = 64
ROUNDS = 4
COMPONENTS, STEPS = 6, 7  # of a mixture; of its fitting by EM
COLOUR, POSITION = 4.0, 2.5  # scale of luma (0..1), and of position (0..1), in features
CHROMA = 1.5
NARROWEST = 2e-3  # variance
LARGEST_RATIO = 6.0  # log-likelihood ratios are clipped to this, in nats
EPSILON = 1e-3  # of the guided filter: variance of colours (0..1) of what it smooths
LARGEST_LOGIT = 12.0
LEAST_PROBABILITY = 0.02


def matte(pixels: NDArray[np.uint8], before: Floats | None = None) -> Floats:
    """Probability [64, 64] that a position of a head crop [S, S, 3] shows the person.

    `before` [64, 64]: prior probabilities, such as a network's; where None, the usual position of heads.
    """
    picture = shrunk(pixels[None], SIDE)[0].astype(np.float32) / 255
    features = _features(picture)
    known = _head_prior() if before is None else _logit(before)
    person = _sigmoid(known)
    for number in range(ROUNDS):
        rng = np.random.default_rng(number)
        share = person.reshape(-1)
        ratio = _likelihood(features, share, rng) - _likelihood(features, 1 - share, rng)
        ratio = box_mean(np.clip(ratio.reshape(SIDE, SIDE), -LARGEST_RATIO, LARGEST_RATIO), 1)
        person = np.clip(_guided_filter(picture, _sigmoid(known + ratio)), 1e-3, 1 - 1e-3)
    return person


def _logit(probability: Floats) -> Floats:
    """Log-odds, bounded so that colours can outweigh them."""
    bounded = np.clip(probability, LEAST_PROBABILITY, 1 - LEAST_PROBABILITY)
    return np.asarray(np.log(bounded / (1 - bounded)), np.float32)


def _sigmoid(odds: Floats) -> Floats:
    """Probabilities of log-odds."""
    return np.asarray(1 / (1 + np.exp(-np.clip(odds, -LARGEST_LOGIT, LARGEST_LOGIT))), np.float32)


def _head_prior() -> Floats:
    """Prior log-odds [64, 64] of the person: an ellipse for the head, larger than most, and shoulders."""
    down, across = np.mgrid[:SIDE, :SIDE] / (SIDE - 1)
    head = np.hypot((across - 0.5) / 0.30, (down - 0.47) / 0.40)
    shoulders = np.hypot((across - 0.5) / 0.62, (down - 1.25) / 0.52)
    odds = 2 * np.clip((1.15 - np.minimum(head, shoulders)) / 0.25, -1, 1)
    odds[np.hypot((across - 0.5) / 0.21, (down - 0.57) / 0.27) < 1] = 4
    edge = (down < 0.04) | ((np.abs(across - 0.5) > 0.46) & (down < 0.6))
    odds[edge] = np.minimum(odds[edge], -3)
    return np.asarray(odds, np.float32)


def _features(picture: Floats) -> Floats:
    """Luma, two colour differences and the position of each pixel, [64 * 64, 5]."""
    luma = picture @ np.array([0.3, 0.59, 0.11], np.float32)
    chroma = [CHROMA * (picture[..., channel] - luma) for channel in (0, 2)]
    down, across = np.mgrid[:SIDE, :SIDE] / (SIDE - 1)
    colours = COLOUR * np.stack([luma, *chroma], 2)
    places = POSITION * np.stack([across, down], 2)
    return np.concatenate([colours, places], 2).reshape(SIDE * SIDE, 5).astype(np.float32)


def _likelihood(features: Floats, share: Floats, rng: np.random.Generator) -> Floats:
    """Log-likelihood [N] under a mixture fitted to features [N, F] of which `share` [N] counts."""
    weight = share.astype(np.float64)
    means = features[rng.choice(len(features), COMPONENTS, p=weight / weight.sum(), replace=False)]
    variance = np.tile(features.var(0) + NARROWEST, (COMPONENTS, 1)).astype(np.float32)
    part = np.full(COMPONENTS, 1 / COMPONENTS, np.float32)
    squares = features * features
    for _ in range(STEPS):
        odds = _log_joint(features, squares, means, variance, part)
        belongs = np.exp(odds - odds.max(1, keepdims=True))
        belongs *= (share / belongs.sum(1))[:, None]
        count = belongs.sum(0) + np.float32(1e-6)
        part = count / count.sum()
        means = (belongs.T @ features) / count[:, None]
        variance = np.maximum((belongs.T @ squares) / count[:, None] - means**2, NARROWEST)
    odds = _log_joint(features, squares, means, variance, part)
    most = odds.max(1)
    return np.asarray(most + np.log(np.exp(odds - most[:, None]).sum(1)))


def _log_joint(
    features: Floats, squares: Floats, means: Floats, variance: Floats, part: Floats
) -> Floats:
    """Log of each component's weight times its density, up to a constant, [N, COMPONENTS]."""
    away = squares @ (1 / variance).T - 2 * features @ (means / variance).T
    still = (means**2 / variance).sum(1) + np.log(variance).sum(1)
    return np.asarray(np.log(part) - (away + still) / 2)


def _guided_filter(picture: Floats, values: Floats) -> Floats:
    """Values [64, 64] smoothed where the picture [64, 64, 3] is smooth."""
    total: Floats = np.zeros_like(values)
    mean = box_mean(values, 3)
    for channel in range(3):
        guide = picture[..., channel]
        middle = box_mean(guide, 3)
        variance = box_mean(guide * guide, 3) - middle * middle
        slope = (box_mean(guide * values, 3) - middle * mean) / np.asarray(
            variance + EPSILON, np.float32
        )
        total += box_mean(slope, 3) * guide + box_mean(mean - slope * middle, 3)
    return np.asarray(total / 3, np.float32)
