"""Patterns of light on many faces, of which some is hidden on each: principal components."""

import numpy as np

from facedial.arrays import Floats

ROUNDS = 12  # of filling in what is hidden, by what the patterns make of it


def fitted(light: Floats, shown: Floats, count: int) -> Floats:
    """Mean and patterns [1 + count, H, W, 3] of light [N, H, W, 3] where it is shown [N, H, W].

    Principal components of people and their mirror images, where what is hidden is what they make of it;
    each times the standard deviation of its share.
    """
    values = np.concatenate([light, light[:, :, ::-1]]).reshape(2 * len(light), -1)
    there = np.concatenate([shown, shown[:, :, ::-1]]).reshape(2 * len(light), -1)
    there = np.repeat(there > 0, 3, 1)
    mean = (values * there).sum(0) / np.maximum(there.sum(0), 1)
    values = np.where(there, values - mean, 0)
    filled = values.copy()
    basis = np.linalg.qr(np.random.default_rng(0).standard_normal((values.shape[1], count)))[0]
    for _ in range(ROUNDS):
        basis = np.linalg.qr(filled.T @ (filled @ basis))[0].astype(np.float32)
        filled = np.where(there, values, (filled @ basis) @ basis.T)
    shares = filled @ basis
    turn, spread, _ = np.linalg.svd(shares.T @ shares / len(shares))
    patterns = (basis @ turn).T * np.sqrt(spread)[:, None]
    return (
        np.concatenate([mean[None], patterns])
        .reshape(1 + count, *light.shape[1:])
        .astype(np.float32)
    )
