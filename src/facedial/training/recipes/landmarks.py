"""Five landmarks, distilled from the teacher's points in the stores, under strong augmentation."""

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
from facedial.data.teacher import Teacher
from facedial.faces.landmarks import PATCH_TEMPLATE
from facedial.training import export, losses, tensors
from facedial.training.batches import Crops, grid, labelled, pictures
from facedial.training.models import landmarks
from facedial.training.recipe import Context, Pace, Recipe

log = logging.getLogger(__name__)

ASKED_AT_ONCE = 1000
SECOND_LOOK = 0.3  # of the ranges, which are those of first looks
SWAPPED = [1, 0, 2, 4, 3]
TEMPLATE = torch.from_numpy(np.asarray(PATCH_TEMPLATE, np.float32))


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Ranges of augmentation: degrees, log scale, shift in patch pixels; shares of pictures.

    `second_looks`: share of patches that lie as they do when the network looks again at a face it
    has found. `looks`: how often a teacher is asked about each crop, where one is given.
    """

    model: landmarks.Config = field(default_factory=landmarks.Config)
    pace: Pace = field(default_factory=lambda: Pace(batch=16, rate=2e-3))
    turn: float = 40.0
    log_scale: float = 0.35
    shift: float = 8.0
    covered: float = 0.25
    second_looks: float = 0.5
    looks: int = 3
    judged: int = 1024


class Task:
    """Wing loss on points of patches cut around the teacher's points, disturbed at random."""

    def __init__(self, settings: Settings, context: Context) -> None:
        self.network = landmarks.Landmarks(settings.model).to(context.device)
        self.pace = settings.pace
        self.settings = settings
        self.device = context.device
        self.crops, self.points = labelled(context.stores, "train", "landmarks")
        judges, points = labelled(context.stores, "val", "landmarks")
        chosen = judges.spread(settings.judged)
        judges.rows, points = judges.rows[chosen], points[chosen]
        if settings.looks:
            points = _taught(judges, points, 4 * settings.looks, context, "val")
            self.points = _taught(self.crops, self.points, settings.looks, context, "train")
        whole = pictures(judges.read(np.arange(len(judges))), self.device)
        generator = torch.Generator().manual_seed(1)
        self.judged = self._patches(
            whole, torch.from_numpy(points), generator, torch.full((len(points),), 0.4)
        )

    def _patches(
        self, whole: Tensor, points: Tensor, generator: torch.Generator, strength: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Patches [N, 3, 64, 64] cut from crops at random around their points, and those points.

        `strength` [N]: factor on the ranges of turn, scale and shift.
        """
        n, s = len(whole), self.settings

        def uniform(*shape: int) -> Tensor:
            return torch.rand(*shape, generator=generator) * 2 - 1

        # Most faces nearly upright, as in most photos; the rest over the whole range.
        wide = torch.rand(n, generator=generator) < 0.35
        gentle = torch.randn(n, generator=generator).clamp(-2, 2) * 8
        turn = torch.where(wide, uniform(n) * s.turn, gentle) * strength * math.pi / 180
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

    def _spoil(self, patches: Tensor, generator: torch.Generator) -> Tensor:
        """Light, colour, blur, low resolution, noise and partial cover, each at random."""
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
            inside[:, 0, :, None] & inside[:, 1, None, :] & (rand(n, 1, 1) < self.settings.covered)
        )
        return torch.where(cover[:, None], rand(n, 3, 1, 1), patches).clamp(0, 1)

    def loss(self, network: nn.Module, batch: int, seed: int, step: int = 0) -> Tensor:
        """Wing loss on points in patch pixels, and cross-entropy of heat maps.

        The centre of mass alone leaves broad maps that pull points to the middle; the cross-entropy
        has its optimum where the map is narrow and its centre is the point.
        """
        chosen = self.crops.draw(batch, seed)
        whole = pictures(self.crops.read(chosen), self.device)
        points = torch.from_numpy(self.points[chosen])
        whole[::2] = whole[::2].flip(3)
        mirrored = points[::2][:, SWAPPED]
        mirrored[..., 0] = whole.shape[-1] - 1 - mirrored[..., 0]
        points[::2] = mirrored
        generator = torch.Generator().manual_seed(seed)
        again = torch.rand(batch, generator=generator) < self.settings.second_looks
        strength = torch.where(again, SECOND_LOOK, 1.0)
        patches, wanted = self._patches(whole, points, generator, strength)
        found, heat = network(self._spoil(patches, generator))
        maps = landmarks.heat_of(wanted.to(heat))
        return losses.wing(found, wanted.to(found)) + losses.divergence(heat, maps)

    @torch.no_grad()
    def scores(self, network: nn.Module) -> dict[str, float]:
        """Median and 95th percentile of the eye error in percent of the eye distance.

        `closeness`, to be raised, is 100 minus the median.
        """
        patches, wanted = self.judged
        found = torch.cat([network(part)[0] for part in torch.split(patches, 256)])
        distance = (wanted[:, 0] - wanted[:, 1]).norm(dim=-1)
        error = (found - wanted)[:, :2].norm(dim=-1).mean(1) / distance * 100
        median, far = (float(torch.quantile(error, q)) for q in (0.5, 0.95))
        return {"closeness": 100 - median, "eye_error": median, "eye_error_95": far}

    @torch.no_grad()
    def sheet(self, network: nn.Module) -> NDArray[np.uint8]:
        """Validation patches with the points found (green) and the teacher's (red)."""
        patches, wanted = (value[:32].clone() for value in self.judged)
        found = network(patches)[0]
        for points, colour in ((wanted, (1.0, 0.0, 0.0)), (found, (0.0, 1.0, 0.0))):
            for picture, five in zip(patches, points.round().long().clamp(0, 63), strict=True):
                for x, y in five.tolist():
                    picture[:, y, x] = picture.new_tensor(colour)
        large = F.interpolate(patches, scale_factor=2.0, mode="nearest")
        return grid(torch.split(large, 8))


def _taught(
    crops: Crops, labels: NDArray[np.float32], looks: int, context: Context, split: str
) -> NDArray[np.float32]:
    """The teacher's mean landmarks [N, 5, 2] of all crops, kept in the run; labels where it has none.

    Asked once, a thousand crops at a time, so that a stopped run goes on. Without a teacher, and
    without what an earlier call wrote, the labels themselves.
    """
    path = context.run / f"taught-{split}.npy"
    taught = np.load(path) if path.exists() else np.zeros((0, 5, 2), np.float32)
    if context.teacher is None:
        return np.concatenate([taught, labels[len(taught) :]])
    teacher = Teacher(context.teacher)
    while len(taught) < len(labels):
        block = np.arange(len(taught), min(len(taught) + ASKED_AT_ONCE, len(labels)))
        points = labels[block].copy()
        for i, pixels in enumerate(crops.read(block)):
            rng = np.random.default_rng([context.seed, int(block[i])])
            mean = teacher.steady(pixels, labels[block[i]].astype(np.float64), rng, looks)
            points[i] = points[i] if mean is None else mean
        taught = np.concatenate([taught, points])
        with files.atomic_write(path) as temporary, temporary.open("wb") as file:
            np.save(file, taught)
        log.info("the teacher has seen %d of %d %s crops", len(taught), len(labels), split)
    return taught


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


def start(context: Context, settings: Settings) -> Task:
    """A fresh network, or that of a bundle."""
    task = Task(settings, context)
    if context.init is not None:
        export.take_weights(task.network, context.init, "landmarks")
    return task


class _Locate(nn.Module):
    """The network on a patch and on its mirror, averaged: what it says of one side holds for both."""

    def __init__(self, network: landmarks.Landmarks) -> None:
        super().__init__()
        self.network = network

    def forward(self, patches: Tensor) -> Tensor:
        pictures = patches.permute(0, 3, 1, 2).float() / 255
        points = self.network(pictures)[0]
        mirrored = self.network(pictures.flip(3))[0][:, SWAPPED]
        turned = torch.stack([landmarks.PATCH - 1 - mirrored[..., 0], mirrored[..., 1]], -1)
        both: Tensor = (points + turned) / 2
        return both


def finish(run: Path, settings: Settings, out: Path) -> dict[str, Any]:
    """Write `landmarks.onnx` and its golden numbers into the bundle folder `out`."""
    network = landmarks.Landmarks(settings.model).eval()
    state, facts = tensors.load(run / "best.safetensors")
    network.load_state_dict(state)
    axes = export.round_network(network, {}, settings.pace.bits)
    generator = torch.Generator().manual_seed(0)
    patches = export.picture_like(generator, landmarks.PATCH)
    names = (["patches"], ["points"])
    export.write_one(_Locate(network), (patches,), names, out / "landmarks.onnx", axes)
    return facts


RECIPE = Recipe(
    summary="five landmarks of a face in a 64-px patch, distilled from a teacher",
    settings=Settings(),
    start=start,
    export=finish,
)
