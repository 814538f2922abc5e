"""Five landmarks, distilled from a teacher's points in the stores, under strong augmentation."""

import logging
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from facedial import files
from facedial.data.teacher import Teacher, steady
from facedial.faces.landmarks import PATCH_TEMPLATE
from facedial.training import export, losses, networks
from facedial.training.batches import Crops, grid, labelled, pictures
from facedial.training.models import landmarks
from facedial.training.recipe import OptimConfig, Recipe, RunContext

log = logging.getLogger(__name__)

CROPS_AT_ONCE = 1000
REFINE_STRENGTH = 0.3  # factor on the ranges of augmentation, in the second pass over a face
TEMPLATE = torch.from_numpy(np.asarray(PATCH_TEMPLATE, np.float32))


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Ranges of augmentation: `rotation` in degrees, `log_scale`, `shift` in patch pixels.

    `occlusion`: fraction of patches that are partly covered; `refine_fraction`: of patches that lie as
    in the network's second pass over a face it has found. `teacher_views`: augmented views of each crop
    over which a teacher's points are averaged, where one is given. `val_images` validation crops are
    scored.
    """

    model: landmarks.Config = field(default_factory=landmarks.Config)
    optim: OptimConfig = field(default_factory=lambda: OptimConfig(batch=16, lr=2e-3))
    rotation: float = 40.0
    log_scale: float = 0.35
    shift: float = 8.0
    occlusion: float = 0.25
    refine_fraction: float = 0.5
    teacher_views: int = 3
    val_images: int = 1024


class Task:
    """Wing loss on points of patches cut around the teacher's points, disturbed at random."""

    def __init__(self, settings: Settings, context: RunContext) -> None:
        self.network = landmarks.Landmarks(settings.model).to(context.device)
        self.optim = settings.optim
        self.settings = settings
        self.device = context.device
        self.crops, self.points = labelled(context.stores, "train", "landmarks")
        val, points = labelled(context.stores, "val", "landmarks")
        chosen = val.evenly(settings.val_images)
        val.rows, points = val.rows[chosen], points[chosen]
        if settings.teacher_views:
            points = _distilled(val, points, 4 * settings.teacher_views, context, "val")
            self.points = _distilled(
                self.crops, self.points, settings.teacher_views, context, "train"
            )
        whole = pictures(val.read(np.arange(len(val))), self.device)
        generator = torch.Generator().manual_seed(1)
        self.val = self._patches(
            whole, torch.from_numpy(points), generator, torch.full((len(points),), 0.4)
        )

    def _patches(
        self, whole: Tensor, points: Tensor, generator: torch.Generator, strength: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Patches [N, 3, 64, 64] cut from crops at random around their points, and those points.

        `strength` [N]: factor on the ranges of rotation, scale and shift.
        """
        n, s = len(whole), self.settings

        def uniform(*shape: int) -> Tensor:
            return torch.rand(*shape, generator=generator) * 2 - 1

        # Most faces nearly upright, as in photos; the others over the whole range.
        wide = torch.rand(n, generator=generator) < 0.35
        gentle = torch.randn(n, generator=generator).clamp(-2, 2) * 8
        turn = torch.where(wide, uniform(n) * s.rotation, gentle) * strength * math.pi / 180
        scale = torch.exp(uniform(n) * s.log_scale * strength)
        to_crop = _similarity(TEMPLATE.expand(n, 5, 2), points)
        middle = TEMPLATE[:2].mean(0)
        cosine, sine = torch.cos(turn) / scale, torch.sin(turn) / scale
        spin = torch.stack([cosine, -sine, sine, cosine], 1).view(n, 2, 2)
        shift = uniform(n, 2) * s.shift * strength[:, None]
        # Patch pixel p is read at to_crop(spin (p - middle - shift) + middle).
        linear = to_crop[:, :, :2] @ spin
        offset = (to_crop[:, :, :2] @ middle[:, None])[..., 0] + to_crop[:, :, 2]
        offset = offset - (linear @ (middle + shift)[..., None])[..., 0]
        inverse = torch.linalg.inv(linear)
        moved = ((points - offset[:, None]) @ inverse.transpose(1, 2)).to(whole.device)
        # Twice the resolution, then a mean of four: the picture is shrunk without aliasing.
        fine = (torch.arange(2 * landmarks.PATCH) + 0.5) / 2 - 0.5
        xy = torch.stack(torch.meshgrid(fine, fine, indexing="xy"), -1).view(1, -1, 2)
        source = xy @ linear.transpose(1, 2) + offset[:, None]
        side = whole.shape[-1]
        normal = ((source + 0.5) / side * 2 - 1).view(n, len(fine), len(fine), 2)
        cut = F.grid_sample(whole, normal.to(whole), padding_mode="border", align_corners=False)
        return F.avg_pool2d(cut, 2), moved

    def _augment(self, patches: Tensor, generator: torch.Generator) -> Tensor:
        """Brightness, colour, blur, low resolution, noise and partial occlusion, each at random."""
        n = len(patches)

        def rand(*shape: int) -> Tensor:
            return torch.rand(*shape, generator=generator).to(patches)

        gray = patches.mean(1, keepdim=True)
        patches = torch.where(rand(n, 1, 1, 1) < 0.15, gray, patches)
        gain, lift = (
            0.5 + rand(n, 3, 1, 1) * 0.2 + rand(n, 1, 1, 1) * 0.9,
            rand(n, 1, 1, 1) * 0.3 - 0.15,
        )
        patches = (patches * gain + lift).clamp(0, 1) ** torch.exp(rand(n, 1, 1, 1) - 0.5)
        blurred = F.avg_pool2d(F.pad(patches, (1, 1, 1, 1), mode="replicate"), 3, 1)
        coarse = F.interpolate(F.avg_pool2d(patches, 4), scale_factor=4.0, mode="bilinear")
        kind = rand(n, 1, 1, 1)
        patches = torch.where(kind < 0.2, blurred, torch.where(kind > 0.88, coarse, patches))
        noise = torch.randn(patches.shape, generator=generator).to(patches)
        patches = patches + noise * 0.08 * rand(n, 1, 1, 1) ** 2
        line = torch.arange(landmarks.PATCH).to(patches)
        low, length = rand(n, 2, 1) * landmarks.PATCH - 8, 8 + rand(n, 2, 1) * 24
        inside = (line >= low) & (line < low + length)
        cover = (
            inside[:, 0, :, None]
            & inside[:, 1, None, :]
            & (rand(n, 1, 1) < self.settings.occlusion)
        )
        return torch.where(cover[:, None], rand(n, 3, 1, 1), patches).clamp(0, 1)

    def loss(self, network: nn.Module, batch: int, seed: int, step: int = 0) -> Tensor:
        """Wing loss on points in patch pixels, and cross-entropy of heat maps.

        With the loss on points alone heat maps stay broad, which biases points toward the middle of the
        patch; the cross-entropy's optimum is a narrow map centred on the point.
        """
        chosen = self.crops.draw(batch, seed)
        whole = pictures(self.crops.read(chosen), self.device)
        points = torch.from_numpy(self.points[chosen])
        whole[::2] = whole[::2].flip(3)
        mirrored = points[::2][:, landmarks.SWAPPED]
        mirrored[..., 0] = whole.shape[-1] - 1 - mirrored[..., 0]
        points[::2] = mirrored
        generator = torch.Generator().manual_seed(seed)
        again = torch.rand(batch, generator=generator) < self.settings.refine_fraction
        strength = torch.where(again, REFINE_STRENGTH, 1.0)
        patches, target = self._patches(whole, points, generator, strength)
        found, heat = network(self._augment(patches, generator))
        maps = landmarks.heat_of(target.to(heat))
        return losses.wing(found, target.to(found)) + losses.divergence(heat, maps)

    @torch.no_grad()
    def scores(self, network: nn.Module) -> dict[str, float]:
        """Median and 95th percentile of the eye error in percent of the eye distance.

        `score`, by which the best is kept, is 100 minus the median.
        """
        patches, target = self.val
        found = torch.cat([network(part)[0] for part in torch.split(patches, 256)])
        distance = (target[:, 0] - target[:, 1]).norm(dim=-1)
        error = (found - target)[:, :2].norm(dim=-1).mean(1) / distance * 100
        median, far = (float(torch.quantile(error, q)) for q in (0.5, 0.95))
        return {"score": 100 - median, "eye_error": median, "eye_error_95": far}

    @torch.no_grad()
    def sheet(self, network: nn.Module) -> NDArray[np.uint8]:
        """Validation patches with the points found (green) and the teacher's (red)."""
        patches, target = (value[:32].clone() for value in self.val)
        found = network(patches)[0]
        for points, colour in ((target, (1.0, 0.0, 0.0)), (found, (0.0, 1.0, 0.0))):
            for picture, five in zip(patches, points.round().long().clamp(0, 63), strict=True):
                for x, y in five.tolist():
                    picture[:, y, x] = picture.new_tensor(colour)
        large = F.interpolate(patches, scale_factor=2.0, mode="nearest")
        return grid(torch.split(large, 8))


def _distilled(
    crops: Crops, labels: NDArray[np.float32], views: int, context: RunContext, split: str
) -> NDArray[np.float32]:
    """The teacher's landmarks [N, 5, 2], means over views, of all crops; labels where it finds none.

    Computed once, and kept in the run a thousand crops at a time, so that a stopped run goes on.
    Without a teacher, and without what an earlier call wrote, the labels themselves.
    """
    path = context.run / f"taught-{split}.npy"
    known = np.load(path) if path.exists() else np.zeros((0, 5, 2), np.float32)
    if context.teacher is None:
        return np.concatenate([known, labels[len(known) :]])
    teacher = Teacher(context.teacher)
    while len(known) < len(labels):
        block = np.arange(len(known), min(len(known) + CROPS_AT_ONCE, len(labels)))
        points = labels[block].copy()
        for i, pixels in enumerate(crops.read(block)):
            rng = np.random.default_rng([context.seed, int(block[i])])
            mean = steady(teacher, pixels, labels[block[i]].astype(np.float64), rng, views)
            points[i] = points[i] if mean is None else mean
        known = np.concatenate([known, points])
        with files.atomic_write(path) as temporary, temporary.open("wb") as file:
            np.save(file, known)
        log.info("teacher landmarks of %d of %d %s crops", len(known), len(labels), split)
    return known


def _similarity(source: Tensor, target: Tensor) -> Tensor:
    """Least-squares similarities [N, 2, 3] taking source to target points [N, K, 2], unmirrored."""
    a, b = source.mean(1, keepdim=True), target.mean(1, keepdim=True)
    p, q = (
        torch.view_as_complex((source - a).contiguous()),
        torch.view_as_complex((target - b).contiguous()),
    )
    turn = (p.conj() * q).sum(1) / p.abs().square().sum(1)
    linear = torch.stack([turn.real, -turn.imag, turn.imag, turn.real], 1).view(-1, 2, 2)
    return torch.cat([linear, b.transpose(1, 2) - linear @ a.transpose(1, 2)], 2)


def start(context: RunContext, settings: Settings) -> Task:
    """A new network, or that of a bundle."""
    task = Task(settings, context)
    if context.init is not None:
        networks.load_part(task.network, context.init, "landmarks")
    return task


def finish(run: Path, settings: Settings, out: Path) -> dict[str, Any]:
    """Write `landmarks.onnx` and its golden numbers into the bundle folder `out`."""
    network = landmarks.Landmarks(settings.model)
    facts = networks.load_best(network, run)
    axes = export.quantize(network, {}, settings.optim.bits)
    generator = torch.Generator().manual_seed(0)
    patches = export.picture_like(generator, landmarks.PATCH)
    names = (["patches"], ["points"])
    export.write_one(landmarks.Locate(network), (patches,), names, out / "landmarks.onnx", axes)
    return facts


RECIPE = Recipe(
    summary="five landmarks of a face in a 64-px patch, distilled from a teacher",
    settings=Settings(),
    start=start,
    export=finish,
)
