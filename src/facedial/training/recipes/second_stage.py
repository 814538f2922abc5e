"""The detector's second stage, trained on what the first proposes: faces, and what looks like them."""

import logging
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from facedial.data.candidates import Candidates
from facedial.data.scenes import SceneConfig
from facedial.faces.detector import NetworkDetector
from facedial.faces.second_stage import PATCH, joined
from facedial.faces.sheet import grid
from facedial.model import Model
from facedial.scores import average_precision
from facedial.training import export, networks
from facedial.training.batches import pictures
from facedial.training.models.second_stage import Config, Look, SecondStage
from facedial.training.recipe import OptimConfig, Recipe, RunContext
from facedial.training.tasks.scenes import labels_folder, scenes_of

log = logging.getLogger(__name__)

SEEDS = {"train": 0, "val": 1}
CERTAIN = 0.98  # of a label: some are wrong
MOST_FALSE = 0.55  # first score; of what scores more and is no face `recall` keeps as many
SHOWN = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How the second stage is trained.

    `photos`, `teachers`, `labels`: see `tasks.scenes.Sources`; candidates are kept in `labels` too.
    `candidates`, `val_candidates`: how many are collected, of detections that score `min_score`.
    `rotation` (degrees), `log_scale`, `shift` (of the side): standard deviations of augmentation.
    """

    model: Config = field(default_factory=Config)
    scenes: SceneConfig = field(default_factory=SceneConfig)
    optim: OptimConfig = field(default_factory=lambda: OptimConfig(batch=128, lr=2e-3, bits=6))
    photos: str = ""
    teachers: str = ""
    labels: str = ""
    candidates: int = 90000
    val_candidates: int = 10000
    min_score: float = 0.12
    rotation: float = 9.0
    log_scale: float = 0.1
    shift: float = 0.03


class Task:
    """Cross-entropy on as many faces as others; those others are drawn by their first scores."""

    def __init__(self, settings: Settings, context: RunContext) -> None:
        self.network = SecondStage(settings.model).to(context.device)
        self.optim, self.settings, self.device = settings.optim, settings, context.device
        self.train = _candidates(settings, context, "train", settings.candidates)
        self.val = _candidates(settings, context, "val", settings.val_candidates)
        self.faces = np.flatnonzero(self.train.faces)
        self.others = np.flatnonzero(~self.train.faces)
        weights = self.train.scores[self.others].astype(np.float64)
        self.weights = weights / weights.sum()

    def loss(self, network: nn.Module, batch: int, seed: int, step: int = 0) -> Tensor:
        """Cross-entropy of `batch` patches."""
        rng = np.random.default_rng(seed)
        half = batch // 2
        rows = np.concatenate(
            [
                rng.choice(self.faces, half),
                rng.choice(self.others, batch - half, p=self.weights),
            ]
        )
        patches = pictures(self.train.patches[rows], self.device)
        generator = torch.Generator().manual_seed(seed)
        truth = torch.from_numpy(self.train.faces[rows]).to(patches)
        odds = network(self._augment(patches, generator))
        return F.binary_cross_entropy_with_logits(odds, truth * (2 * CERTAIN - 1) + (1 - CERTAIN))

    def _augment(self, patches: Tensor, generator: torch.Generator) -> Tensor:
        """Turned, scaled, moved, mirrored, in other light and colours, each at random."""
        n, s = len(patches), self.settings

        def normal(*shape: int) -> Tensor:
            return torch.randn(*shape, generator=generator)

        def share(*shape: int) -> Tensor:
            return torch.rand(*shape, generator=generator)

        turn, scale = normal(n) * np.deg2rad(s.rotation), torch.exp(normal(n) * s.log_scale)
        side = torch.where(share(n) < 0.5, -1.0, 1.0)
        cosine, sine = torch.cos(turn) * scale, torch.sin(turn) * scale
        linear = torch.stack([cosine * side, -sine, sine * side, cosine], 1).view(n, 2, 2)
        moved = torch.cat([linear, 2 * s.shift * normal(n, 2, 1)], 2).to(patches)
        places = F.affine_grid(moved, list(patches.shape), align_corners=False)
        patches = F.grid_sample(patches, places, padding_mode="border", align_corners=False)
        light = torch.exp(normal(n, 1, 1, 1) * 0.15 + normal(n, 3, 1, 1) * 0.08).to(patches)
        patches = patches * light + (normal(n, 1, 1, 1) * 0.04).to(patches)
        grey = (share(n, 1, 1, 1) < 0.2).to(patches.device)
        return torch.where(grey, patches.mean(1, keepdim=True), patches).clamp(0, 1)

    @torch.no_grad()
    def scores(self, network: nn.Module) -> dict[str, float]:
        """`ap`: average precision among validation candidates by both stages; the best is kept by it.

        `recall`: share of the faces found with as many false ones as the first stage has alone at a
        score of 0.55; `recall_first`: share that it finds then.
        """
        odds = self._odds(network)
        faces, first = self.val.faces, self.val.scores.astype(np.float64)
        allowed = int((~faces & (first >= MOST_FALSE)).sum())
        others = np.sort(odds[~faces])[::-1]
        least = others[allowed] if allowed < len(others) else -np.inf
        return {
            "ap": average_precision(odds, faces, int(faces.sum())),
            "recall": float((odds[faces] > least).mean()),
            "recall_first": float((first[faces] >= MOST_FALSE).mean()),
            "ap_first": average_precision(first, faces, int(faces.sum())),
        }

    def _odds(self, network: nn.Module) -> NDArray[np.float64]:
        network.eval()
        graph = Look(network)  # type: ignore[arg-type]
        parts = [
            graph(torch.from_numpy(self.val.patches[i : i + 256]).to(self.device)).cpu().numpy()
            for i in range(0, len(self.val), 256)
        ]
        return joined(np.concatenate(parts), self.val.scores)

    @torch.no_grad()
    def sheet(self, network: nn.Module) -> NDArray[np.uint8]:
        """Validation patches: faces with the lowest odds above, others with the highest below."""
        odds = self._odds(network)
        faces, others = np.flatnonzero(self.val.faces), np.flatnonzero(~self.val.faces)
        worst = faces[np.argsort(odds[faces])[:SHOWN]]
        best = others[np.argsort(-odds[others])[:SHOWN]]
        return grid(list(self.val.patches[np.concatenate([worst, best])]), SHOWN // 2)


def _candidates(settings: Settings, context: RunContext, split: str, count: int) -> Candidates:
    """The candidates of a split, collected once for all runs with the same folder of labels."""
    path = labels_folder(settings, context) / f"candidates-{split}-{PATCH}.npz"
    if path.exists():
        return Candidates.load(path)
    scenes = scenes_of(settings, settings.scenes, context, split)
    detector = NetworkDetector(Model.open(context.init).detect, settings.min_score)
    rng = np.random.default_rng([context.seed, SEEDS[split]])
    log.info("collecting %d %s candidates", count, split)
    found = Candidates.collected(scenes, detector, count, rng)
    found.save(path)
    return found


def start(context: RunContext, settings: Settings) -> Task:
    """A new network, or that of a bundle."""
    task = Task(settings, context)
    if context.init is not None:
        networks.load_part(task.network, context.init, "second_stage")
    return task


def finish(run: Path, settings: Settings, out: Path) -> dict[str, Any]:
    """Write `second_stage.onnx` and its golden numbers into the bundle folder `out`."""
    network = SecondStage(settings.model)
    facts = networks.load_best(network, run)
    axes = export.quantize(network, {}, settings.optim.bits)
    patches = export.picture_like(torch.Generator().manual_seed(0), PATCH)
    names = (["patches"], ["odds"])
    export.write_one(Look(network), (patches,), names, out / "second_stage.onnx", axes)
    return facts


RECIPE = Recipe(
    summary="whether what the detector proposes is a face: its second stage",
    settings=Settings(),
    start=start,
    export=finish,
)
