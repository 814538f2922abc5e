"""Loss of the detector: which cells are to find which face, and how far off they are.

Faces are assigned to cells by the present predictions (dynamic k of SimOTA: Ge et al. 2021, arXiv
2107.08430). The score's target is the overlap of the predicted box with the face's (generalised focal
loss: Li et al. 2020, arXiv 2006.04388); boxes are fitted by distance-IoU (Zheng et al. 2020, arXiv
1911.08287), landmarks by smooth L1.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from facedial.faces.detector import UNIT

CENTRE = 0.35  # cells within this share of a face's sides from its middle may find it, ...
NEAREST = 1.5  # ... and those within so many strides
CANDIDATES = 10  # whose overlaps' sum is the number of cells that find a face
BOX_COST, FAR = 3.0, 1e4
BETA = 2.0  # exponent of the focal loss
LANDMARK_BETA = 0.02  # of the smooth L1 loss, in shares of the box's size


@dataclass(frozen=True, slots=True)
class Targets:
    """Faces of N pictures, padded to G each.

    `boxes` [N, G, 4]; `landmarks` [N, G, 5, 2], NaN unknown; `there`, `sure` [N, G]: is a face, and one
    to be learnt. A face that is not sure gives its box's cells no loss.
    """

    boxes: Tensor
    landmarks: Tensor
    there: Tensor
    sure: Tensor


def decode(predictions: Tensor, middles: Tensor, strides: Tensor) -> tuple[Tensor, Tensor]:
    """Boxes [N, A, 4] and landmarks [N, A, 5, 2] in pixels from `Detector`'s predictions [N, A, 15]."""
    unit = UNIT * strides[:, None]
    middle = middles + predictions[..., 1:3] * unit
    half = torch.exp(predictions[..., 3:5].clamp(-5, 5)) * unit / 2
    points = predictions[..., 5:].reshape(*predictions.shape[:-1], 5, 2)
    points = points * unit[:, None] + middles[:, None]
    return torch.cat([middle + 0.5 - half, middle + 0.5 + half], -1), points


def terms(
    predictions: Tensor, targets: Targets, middles: Tensor, strides: Tensor
) -> dict[str, Tensor]:
    """`score`, `box` and `landmarks`: sums over cells and faces, by the number of cells that find one."""
    boxes, points = decode(predictions, middles, strides)
    logits = predictions[..., 0]
    with torch.no_grad():
        chosen, face, overlap = assign(logits, boxes, targets, middles, strides)
        ignored = _inside(targets.boxes, middles) & (targets.there & ~targets.sure)[..., None]
        ignored = ignored.any(1) & ~chosen
    count = chosen.sum().clamp_min(1)
    quality = torch.where(chosen, overlap, 0.0)
    score = F.binary_cross_entropy_with_logits(logits, quality, reduction="none")
    score = score * (quality - logits.sigmoid()).abs() ** BETA
    picture = torch.arange(len(boxes), device=boxes.device)[:, None].expand_as(face)[chosen]
    wanted = targets.boxes[picture, face[chosen]]
    distance = 1 - _distance_iou(boxes[chosen], wanted)
    size = (wanted[:, 2:] - wanted[:, :2]).prod(1).sqrt()[:, None, None]
    aims = targets.landmarks[picture, face[chosen]]
    known = torch.isfinite(aims).all(-1, keepdim=True)
    off = (points[chosen] - torch.nan_to_num(aims)) / size * known
    landmarks = F.smooth_l1_loss(off, torch.zeros_like(off), reduction="sum", beta=LANDMARK_BETA)
    return {
        "score": (score * ~ignored).sum() / count,
        "box": distance.sum() / count,
        "landmarks": landmarks / 10 / count,
    }


def assign(
    logits: Tensor, boxes: Tensor, targets: Targets, middles: Tensor, strides: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Which cells find a face [N, A], which one [N, A], and the overlap of its box with theirs [N, A]."""
    overlap = pairwise_iou(targets.boxes, boxes)  # [N, G, A]
    sides = targets.boxes[..., 2:] - targets.boxes[..., :2]
    centre = (targets.boxes[..., 2:] + targets.boxes[..., :2] - 1) / 2
    apart = (middles - centre[:, :, None]).abs()
    near = (apart < CENTRE * sides[:, :, None]).all(-1)
    near |= (apart < NEAREST * strides[:, None]).all(-1) & _inside(targets.boxes, middles)
    allowed = near & (targets.there & targets.sure)[..., None]
    scores = logits.sigmoid()[:, None]
    cost = -torch.log(scores.clamp_min(1e-4)) - BOX_COST * torch.log(overlap.clamp_min(1e-4))
    cost = torch.where(allowed, cost, FAR)
    wanted = torch.where(allowed, overlap, 0.0).topk(CANDIDATES, -1).values.sum(-1)
    wanted = wanted.int().clamp(1, CANDIDATES)
    best, cells = cost.topk(CANDIDATES, -1, largest=False)
    rank = torch.arange(CANDIDATES, device=cost.device)
    taken = (rank < wanted[..., None]) & (best < FAR)
    match = torch.zeros_like(allowed).scatter_(2, cells, taken)
    # A cell that several faces want finds the one of the least cost.
    face = torch.where(match, cost, 2 * FAR).argmin(1)
    chosen = match.any(1)
    return chosen, face, overlap.gather(1, face[:, None])[:, 0]


def pairwise_iou(a: Tensor, b: Tensor) -> Tensor:
    """Intersection over union of boxes [N, G, 4] and [N, A, 4]: [N, G, A]."""
    low = torch.maximum(a[:, :, None, :2], b[:, None, :, :2])
    high = torch.minimum(a[:, :, None, 2:], b[:, None, :, 2:])
    both = (high - low).clamp_min(0).prod(-1)
    areas = [(one[..., 2:] - one[..., :2]).clamp_min(0).prod(-1) for one in (a, b)]
    return both / (areas[0][:, :, None] + areas[1][:, None] - both).clamp_min(1e-6)


def _inside(boxes: Tensor, middles: Tensor) -> Tensor:
    """Whether each cell's middle [A, 2] is in each box [N, G, 4]: [N, G, A]."""
    low = (middles >= boxes[:, :, None, :2]).all(-1)
    return low & (middles <= boxes[:, :, None, 2:] - 1).all(-1)


def _distance_iou(found: Tensor, wanted: Tensor) -> Tensor:
    """IoU of boxes [K, 4] less their middles' squared distance in squared diagonals of both's hull."""
    both = torch.minimum(found[:, 2:], wanted[:, 2:]) - torch.maximum(found[:, :2], wanted[:, :2])
    common = both.clamp_min(0).prod(1)
    areas = [(one[:, 2:] - one[:, :2]).prod(1) for one in (found, wanted)]
    hull = torch.maximum(found[:, 2:], wanted[:, 2:]) - torch.minimum(found[:, :2], wanted[:, :2])
    apart = (found[:, :2] + found[:, 2:] - wanted[:, :2] - wanted[:, 2:]) / 2
    penalty = apart.square().sum(1) / hull.square().sum(1).clamp_min(1e-6)
    return common / (areas[0] + areas[1] - common).clamp_min(1e-6) - penalty
