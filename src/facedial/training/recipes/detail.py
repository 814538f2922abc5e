"""The detail network: what a picture enlarged from 128 to 256 pixels lacks, learnt from sharp crops."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from facedial import scores as measures
from facedial.data.store import Store
from facedial.errors import BadRequest, BadStore
from facedial.faces.sheet import as_bytes
from facedial.model import Model
from facedial.training import composites, edited_crops, export, networks
from facedial.training.batches import grid, pictures
from facedial.training.composites import Batch, Draws
from facedial.training.decoded_crops import DecodedCrops, decoded
from facedial.training.models import perceptual
from facedial.training.models.detail import (
    FACTOR,
    NOISE,
    SIDE,
    Config,
    DetailNetwork,
    DetailTraining,
    Restore,
)
from facedial.training.models.discriminators import Discriminators, feature_distance
from facedial.training.models.perceptual import SQUEEZENET
from facedial.training.recipe import OptimConfig, Recipe, RunContext, Terms

log = logging.getLogger(__name__)
FRAME = "head"
KEPT, EDITED = "decoded", "edits"  # folders in a run
MIRRORED = 0.5
PREFIX = "detail."  # of the network's weights in a run
AT_ONCE = 8
SHOWN = 8
MEASURED = 64  # photos by which the scales of feature maps are measured
# Golden numbers are of every seventh row and column: not a multiple of 4, so that all pixels of a cell of
# the pixel shuffle occur.
GOLDEN_STEP = 7
KINDS = ("shrunk", "decoded")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Draws of the training, and weights of the terms: `absolute` error, `perceptual`, `g_loss`.

    `features`, `features_file`: the frozen network (vgg16, vgg19, squeezenet) of discriminators and
    perceptual distance. `warmup_steps`: at first, in which `g_loss` does not count. `decoded`: folder of
    the decoded faces (empty: in the run's). `train_images`, `val_images`: maximum number of crops of
    training and of validation people of each store.
    `edits`: edits of training people of each store, made by the bundle that the run starts from, of
    which a batch has the share `edited` and which are judged by the discriminators alone; `kept`: weight
    of the change of their coarse picture; `edits_from`: folder of the edits (empty: in the run's).
    """

    model: Config = field(default_factory=Config)
    absolute: float = 4.0
    perceptual: float = 1.0
    g_loss: float = 0.06
    features: str = SQUEEZENET
    features_file: str = ""
    warmup_steps: int = 200
    decoded: str = ""
    train_images: int = 5000
    val_images: int = 24
    draws: Draws = field(default_factory=Draws)
    edits: int = 0
    edited: float = 0.5
    kept: float = 4.0
    edits_from: str = ""
    optim: OptimConfig = field(
        default_factory=lambda: OptimConfig(
            batch=8,
            lr=3e-4,
            betas=(0.5, 0.99),
            ema_steps=1000,
            lr_factors=(("discriminators.", 1.33),),
        )
    )

    def __post_init__(self) -> None:
        if min(self.absolute, self.perceptual, self.g_loss, self.kept) < 0:
            raise BadRequest("weights of terms must be 0 or more")
        if min(self.train_images, self.val_images) < 1:
            raise BadRequest("train_images and val_images must be numbers of at least 1")
        if not 0 < self.edited < 1 or self.edits < 0:
            raise BadRequest(
                f"edits is a number from 0 on and edited a share between 0 and 1, got {self.edits} "
                f"and {self.edited}"
            )


class Task:
    """The network and its discriminators at once, on crops of training people and their mirror images."""

    def __init__(self, settings: Settings, context: RunContext) -> None:
        for store in context.stores:
            _check(store)
        self.settings = settings
        self.optim = settings.optim
        self.device = context.device
        path = Path(settings.features_file) if settings.features_file else None
        self.features = perceptual.features(settings.features, path).to(context.device)
        self.train, self.val = _decoded(context, settings)
        with torch.no_grad():
            some = self.train.pixels(_evenly(len(self.train), MEASURED))
            maps = self.features(pictures(some, context.device))
        scales = [float(one.float().square().mean().sqrt()) for one in maps]
        self.network = DetailTraining(
            DetailNetwork(settings.model),
            Discriminators([one.shape[1] for one in maps], scales),
        ).to(context.device)
        self.scales = torch.tensor(scales, device=context.device)
        self.edits = None
        if settings.edits:
            folder = Path(settings.edits_from) if settings.edits_from else context.run / EDITED
            found = (context.stores, "train", settings.edits, folder, context.init)
            self.edits = edited_crops.edited(*found)
            log.info("%d edits", len(self.edits))
        log.info("%d training crops, %d for validation", len(self.train), len(self.val))

    def loss(self, network: nn.Module, batch: int, seed: int, step: int = 0) -> Terms:
        """The network's terms and `d_loss`; the discriminators' judgement counts after the warm-up."""
        s = self.settings
        rng = np.random.default_rng(seed)
        share = s.edited if self.edits else 0.0
        of_edits = min(round(share * batch), batch - 1)
        chosen = rng.integers(0, len(self.train), batch - of_edits)
        from_code = rng.random(batch - of_edits) < s.draws.decoded
        given = composites.drawn(s.draws, self.train, chosen, from_code, rng, self.device)
        edits = self._edits(of_edits, rng) if of_edits else None
        raw = network(
            given.composites, given.regions, given.noise, given.photos, self.features, edits
        )
        weights = {
            "absolute": s.absolute,
            "perceptual": s.perceptual,
            "kept": s.kept,
            "g_loss": s.g_loss if step >= s.warmup_steps else 0.0,
        }
        return Terms(raw, weights)

    def _edits(self, count: int, rng: np.random.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """Composites, regions and noise of random edits, half of them mirrored."""
        assert self.edits is not None
        pixels, regions = self.edits.at(rng.integers(0, len(self.edits), count))
        flips = rng.random(count) < MIRRORED
        pixels[flips], regions[flips] = pixels[flips, :, ::-1], regions[flips, :, ::-1]
        inside = torch.from_numpy(regions[:, None].astype(np.float32) / 255).to(self.device)
        return pictures(pixels, self.device), inside, composites.noise(count, rng).to(self.device)

    def _fixed(self, kind: str) -> list[Batch]:
        """Validation people with the same regions and noise every time, shrunk or decoded."""
        batches = []
        for start in range(0, len(self.val), AT_ONCE):
            chosen = np.arange(start, min(start + AT_ONCE, len(self.val)))
            from_code = np.full(len(chosen), kind == "decoded")
            rng = np.random.default_rng(start)
            given = (self.settings.draws, self.val, chosen, from_code, rng, self.device)
            batches.append(composites.drawn(*given, mirrored=0))
        return batches

    @torch.no_grad()
    def scores(self, network: nn.Module) -> dict[str, float]:
        """Figures of validation people; `score` is minus the mean of both feature ratios.

        `feature_ratio`, `feature_ratio_decoded`: feature distance of restored crops over that of the
        enlarged 128-px pictures, for shrunk crops and for decoded faces. `sharpness`,
        `sharpness_decoded`: variance of the Laplacian inside the region over the photo's. `psnr`, and
        `psnr_enlarged` of the network's input: dB inside the region, of shrunk crops.
        """
        assert isinstance(network, DetailTraining)
        found = {kind: self._measured(network.detail, kind) for kind in KINDS}
        shrunk, faces = found["shrunk"], found["decoded"]
        return {
            "score": -(shrunk["ratio"] + faces["ratio"]) / 2,
            "feature_ratio": shrunk["ratio"],
            "feature_ratio_decoded": faces["ratio"],
            "sharpness": shrunk["sharpness"],
            "sharpness_decoded": faces["sharpness"],
            "psnr": shrunk["psnr"],
            "psnr_enlarged": shrunk["psnr_enlarged"],
        }

    def _measured(self, detail: DetailNetwork, kind: str) -> Mapping[str, float]:
        distances, sharp, decibels = [], [], []
        for given in self._fixed(kind):
            drawn = detail.restored(given.composites, given.regions, given.noise).clamp(0, 1)
            real = self.features(given.photos)
            both = (drawn, given.composites)
            found = [feature_distance(self.features(one), real, self.scales) for one in both]
            distances.append(len(drawn) * torch.stack(found))
            where = given.regions[:, 0].cpu().numpy()
            sharp.append([measures.sharpness(_bytes(one), where) for one in (drawn, given.photos)])
            decibels.append(torch.stack([_psnr(one, given) for one in both]))
        restored, enlarged = torch.stack(distances).sum(0).tolist()
        own, theirs = np.nanmean(np.concatenate(sharp, 1), 1)
        psnr, before = torch.cat(decibels, 1).mean(1).tolist()
        return {
            "ratio": restored / enlarged,
            "sharpness": float(own / theirs),
            "psnr": psnr,
            "psnr_enlarged": before,
        }

    @torch.no_grad()
    def sheet(self, network: nn.Module) -> NDArray[np.uint8]:
        """Validation people: photo; 128 px enlarged, restored; the decoded face enlarged, restored."""
        assert isinstance(network, DetailTraining)
        chosen = _evenly(len(self.val), SHOWN)
        photos = pictures(self.val.pixels(chosen), self.device)
        known = np.stack([self.val.known(int(i)) for i in chosen])[:, None]
        inside = torch.from_numpy(known.astype(np.float32)).to(self.device)
        shape = (len(chosen), NOISE, SIDE // FACTOR, SIDE // FACTOR)
        noise = torch.randn(shape, generator=torch.Generator().manual_seed(0)).to(self.device)
        rows = [photos]
        for small in (F.avg_pool2d(photos, 2), pictures(self.val.faces(chosen), self.device)):
            enlarged = composites.composited(photos, small, inside)
            rows += [enlarged, network.detail.restored(enlarged, inside, noise)]
        return grid(rows)


def _evenly(length: int, count: int) -> NDArray[np.int64]:
    """At most `count` of 0..length-1, evenly spaced."""
    return np.unique(np.linspace(0, length - 1, min(count, length)).astype(np.int64))


def _psnr(drawn: Tensor, given: Batch) -> Tensor:
    """Peak signal-to-noise ratio in dB inside the region, of each picture [N]."""
    errors = (drawn - given.photos).square().mean(1, keepdim=True) * given.regions
    mean = errors.sum((1, 2, 3)) / given.regions.sum((1, 2, 3)).clamp_min(1)
    return -10 * torch.log10(mean + 1e-9)


def _bytes(drawn: Tensor) -> NDArray[np.uint8]:
    return as_bytes(255 * drawn.permute(0, 2, 3, 1).cpu().numpy())


def _decoded(context: RunContext, settings: Settings) -> tuple[DecodedCrops, DecodedCrops]:
    """Crops of training and of validation people, decoded by the bundle that the run starts from."""
    folder = Path(settings.decoded) if settings.decoded else context.run / KEPT
    model = Model.open(context.init)
    try:
        if model.frame != FRAME or model.side * 2 != SIDE or model.needs_attributes:
            raise BadRequest(
                f"the model {model.name} codes {model.side}-px crops of the frame {model.frame}; the "
                f"detail network needs {SIDE // 2}-px crops of {FRAME}"
            )
        parts = [
            [decoded(store, split, most, folder, model) for store in context.stores]
            for split, most in (("train", settings.train_images), ("val", settings.val_images))
        ]
    finally:
        model.close()
    return DecodedCrops.of(parts[0], "training"), DecodedCrops.of(parts[1], "validation")


def _check(store: Store) -> None:
    if store.frame != FRAME or store.size != SIDE:
        raise BadStore(
            f"{store.path} has {store.size}-px crops of the frame {store.frame}; the detail network "
            f"needs {SIDE}-px crops of {FRAME}: prepare it again with --size {SIDE}"
        )


def start(context: RunContext, settings: Settings) -> Task:
    """A new network, or that of a bundle."""
    task = Task(settings, context)
    if context.init is not None and (context.init / "detail.onnx").exists():
        networks.load_part(task.network.detail, context.init, "detail")
    return task


def finish(run: Path, settings: Settings, out: Path) -> dict[str, Any]:
    """Write `detail.onnx` and its golden numbers into the bundle folder `out`."""
    network = DetailNetwork(settings.model)
    facts = networks.load_best(network, run, PREFIX)
    axes = export.quantize(network, {}, settings.optim.bits)
    generator = torch.Generator().manual_seed(0)
    # Flat cells and whole numbers, so that the golden file is small.
    pixels = export.picture_like(generator, SIDE)
    regions = export.picture_like(generator, SIDE)[..., 0].float().div(64).floor() / 3
    shape = (2, NOISE, SIDE // FACTOR, SIDE // FACTOR)
    noise = torch.randint(-2, 3, shape, generator=generator).float()
    names = (["composites", "regions", "noise"], ["pixels"])
    given = (pixels, regions, noise)
    golden = export.write(Restore(network), given, names, out / "detail.onnx", axes)
    drawn = golden["detail.pixels"][:, ::GOLDEN_STEP, ::GOLDEN_STEP]
    golden["detail.pixels"] = np.ascontiguousarray(drawn)
    export.save_golden(out / "detail-golden.npz", golden)
    return facts


RECIPE = Recipe(
    summary="detail at 256 px inside a region that was drawn at 128 px, from sharp crops",
    settings=Settings(),
    start=start,
    export=finish,
)
