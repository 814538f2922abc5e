"""Loss functions: zero at equality, mean over the batch, differentiable away from it."""

import math

import torch
from torch import Tensor


def squared(output: Tensor, target: Tensor) -> Tensor:
    """Mean squared error over everything."""
    return (output - target).square().mean()


def absolute(output: Tensor, target: Tensor) -> Tensor:
    """Mean absolute error over everything."""
    return (output - target).abs().mean()


def wing(output: Tensor, target: Tensor, width: float = 3.0, curvature: float = 0.5) -> Tensor:
    """Wing loss on distances in pixels: logarithmic below `width`, linear above (Feng 2018, eq. 5)."""
    distance = (output - target).abs()
    shift = width - width * torch.log1p(torch.tensor(width / curvature))
    near = width * torch.log1p(distance / curvature)
    loss: Tensor = torch.where(distance < width, near, distance - shift.to(distance)).mean()
    return loss


def masked_binary(logits: Tensor, targets: Tensor) -> Tensor:
    """Binary cross-entropy in nats of soft targets in 0..1; NaN targets count for nothing."""
    known = ~torch.isnan(targets)
    wanted = torch.where(known, targets, torch.zeros_like(targets))
    each = torch.nn.functional.binary_cross_entropy_with_logits(logits, wanted, reduction="none")
    # The entropy of a soft target is its floor; without it the loss is zero at equality.
    floor = torch.special.entr(wanted) + torch.special.entr(1 - wanted)
    loss: Tensor = ((each - floor) * known).sum() / known.sum().clamp_min(1)
    return loss


def divergence(logits: Tensor, target: Tensor) -> Tensor:
    """Kullback-Leibler divergence in nats of softmax(`logits`) from `target`, over the last axis."""
    floor = torch.special.entr(target).sum(-1)
    each = -(target * logits.log_softmax(-1)).sum(-1) - floor
    loss: Tensor = each.mean()
    return loss


def binary(logits: Tensor, target: Tensor) -> Tensor:
    """Binary cross-entropy in nats of `target` in 0..1, summed over everything.

    Not zero at equality: the entropy of the target is its floor.
    """
    return torch.nn.functional.binary_cross_entropy_with_logits(logits, target, reduction="sum")


def normal_divergence(mean: Tensor, log_variance: Tensor) -> Tensor:
    """KL(N(mean, exp(log_variance)) || N(0, 1)) in nats of every number (Kingma 2014, appendix B)."""
    return -0.5 * (1 + log_variance - mean.square() - log_variance.exp())


def logistic_weight(epoch: float) -> float:
    """The second source's weight of the divergence: 0.378 in the first epoch, 0.5 in the sixth.

    >>> [round(logistic_weight(e), 3) for e in (0, 5, 14)]
    [0.378, 0.5, 0.711]
    """
    return 1 / (1 + math.exp(-0.1 * (epoch - 5)))


def calibrated(output: Tensor, target: Tensor) -> Tensor:
    """Negative log-likelihood in nats per picture, of a normal whose variance is the batch's optimum.

    Up to a constant, half the numbers of a picture times the log of their mean squared error
    (Rybkin 2021, eq. 5); no weight is needed beside a divergence in nats. Not zero at equality.
    """
    numbers = output[0].numel()
    return 0.5 * numbers * squared(output, target).clamp_min(1e-8).log()
