"""Who is person and who is background in a head crop, guessed from its colours alone.

Nobody labelled these crops, but a head fills the same part of each. From there, mixtures of colours
and places of the person and of the background are fitted in turn with who belongs to which (after
Rother 2004, GrabCut; without its cuts, smoothed along the picture's edges instead: He 2010). One
crop's guess may be wrong; a network that learns from thousands of them learns what they agree on.
"""

import numpy as np
from numpy.typing import NDArray

from facedial.faces.paste import means_around
from facedial.faces.sheet import shrunk

Floats = NDArray[np.float32]
SIDE = 64
ROUNDS = 4
KINDS, STEPS = 6, 7  # of colours in a mixture; of its fitting
COLOUR, PLACE = 4.0, 2.5  # how far a difference of 1 in luma, or of a whole side, lies apart
CHROMA = 1.5
NARROWEST = 2e-3  # variance
TRUST = 6.0  # the most that colours may say, in nats
EDGES = 1e-3  # variance of colours (0..1) from which an edge is one
FAR = 12.0
SURE = 0.02


def matte(pixels: NDArray[np.uint8], before: Floats | None = None) -> Floats:
    """How much of the person each place of a head crop [S, S, 3] shows: 0..1, [64, 64].

    `before` [64, 64]: what a network thought of it; where None, where heads are.
    """
    picture = shrunk(pixels[None], SIDE)[0].astype(np.float32) / 255
    features = _features(picture)
    known = _where_heads_are() if before is None else _odds_of(before)
    person = _chance(known)
    for number in range(ROUNDS):
        rng = np.random.default_rng(number)
        share = person.reshape(-1)
        told = _likelihood(features, share, rng) - _likelihood(features, 1 - share, rng)
        told = means_around(np.clip(told.reshape(SIDE, SIDE), -TRUST, TRUST), 1)
        person = np.clip(_along_edges(picture, _chance(known + told)), 1e-3, 1 - 1e-3)
    return person


def _odds_of(chance: Floats) -> Floats:
    """Log-odds, none of which colours could not outweigh."""
    bounded = np.clip(chance, SURE, 1 - SURE)
    return np.asarray(np.log(bounded / (1 - bounded)), np.float32)


def _chance(odds: Floats) -> Floats:
    """Of log-odds."""
    return np.asarray(1 / (1 + np.exp(-np.clip(odds, -FAR, FAR))), np.float32)


def _where_heads_are() -> Floats:
    """Log-odds [64, 64] of a person, before a picture is seen: a generous head, and shoulders."""
    down, across = np.mgrid[:SIDE, :SIDE] / (SIDE - 1)
    head = np.hypot((across - 0.5) / 0.30, (down - 0.47) / 0.40)
    shoulders = np.hypot((across - 0.5) / 0.62, (down - 1.25) / 0.52)
    odds = 2 * np.clip((1.15 - np.minimum(head, shoulders)) / 0.25, -1, 1)
    odds[np.hypot((across - 0.5) / 0.21, (down - 0.57) / 0.27) < 1] = 4
    edge = (down < 0.04) | ((np.abs(across - 0.5) > 0.46) & (down < 0.6))
    odds[edge] = np.minimum(odds[edge], -3)
    return np.asarray(odds, np.float32)


def _features(picture: Floats) -> Floats:
    """Luma, two differences of colour and the place of each pixel, [64 * 64, 5]."""
    luma = picture @ np.array([0.3, 0.59, 0.11], np.float32)
    chroma = [CHROMA * (picture[..., channel] - luma) for channel in (0, 2)]
    down, across = np.mgrid[:SIDE, :SIDE] / (SIDE - 1)
    colours = COLOUR * np.stack([luma, *chroma], 2)
    places = PLACE * np.stack([across, down], 2)
    return np.concatenate([colours, places], 2).reshape(SIDE * SIDE, 5).astype(np.float32)


def _likelihood(features: Floats, share: Floats, rng: np.random.Generator) -> Floats:
    """Log-likelihood [N] under a mixture fitted to features [N, F] of which `share` [N] counts."""
    weight = share.astype(np.float64)
    means = features[rng.choice(len(features), KINDS, p=weight / weight.sum(), replace=False)]
    spread = np.tile(features.var(0) + NARROWEST, (KINDS, 1)).astype(np.float32)
    part = np.full(KINDS, 1 / KINDS, np.float32)
    squares = features * features
    for _ in range(STEPS):
        odds = _odds(features, squares, means, spread, part)
        belongs = np.exp(odds - odds.max(1, keepdims=True))
        belongs *= (share / belongs.sum(1))[:, None]
        count = belongs.sum(0) + np.float32(1e-6)
        part = count / count.sum()
        means = (belongs.T @ features) / count[:, None]
        spread = np.maximum((belongs.T @ squares) / count[:, None] - means**2, NARROWEST)
    odds = _odds(features, squares, means, spread, part)
    most = odds.max(1)
    return np.asarray(most + np.log(np.exp(odds - most[:, None]).sum(1)))


def _odds(features: Floats, squares: Floats, means: Floats, spread: Floats, part: Floats) -> Floats:
    """Log of each kind's part times its density, but for a constant, [N, KINDS]."""
    away = squares @ (1 / spread).T - 2 * features @ (means / spread).T
    still = (means**2 / spread).sum(1) + np.log(spread).sum(1)
    return np.asarray(np.log(part) - (away + still) / 2)


def _along_edges(picture: Floats, values: Floats) -> Floats:
    """Values [64, 64] smoothed where the picture [64, 64, 3] is smooth: the guided filter."""
    total: Floats = np.zeros_like(values)
    mean = means_around(values, 3)
    for channel in range(3):
        guide = picture[..., channel]
        middle = means_around(guide, 3)
        spread = means_around(guide * guide, 3) - middle * middle
        slope = (means_around(guide * values, 3) - middle * mean) / np.asarray(
            spread + EDGES, np.float32
        )
        total += means_around(slope, 3) * guide + means_around(mean - slope * middle, 3)
    return np.asarray(total / 3, np.float32)
