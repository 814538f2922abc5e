"""The identity network: embeddings of faces by which two photos count as one person's or not."""

import logging
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from facedial.errors import BadRequest, BadStore
from facedial.model import FRAME
from facedial.scores import auc, rate_at_false_rate
from facedial.training import augment, export, networks
from facedial.training.augment import Augmentation
from facedial.training.batches import Crops, grid, pictures
from facedial.training.models import identity
from facedial.training.models.identity import CROP, SIDE, Config, Embed, Embedding, Identity
from facedial.training.recipe import OptimConfig, Recipe, RunContext, Terms

log = logging.getLogger(__name__)
AT_ONCE = 128
SHOWN = 10
FALSE_RATE = 1e-2  # of pairs of different people that count as one person's, for `threshold`
LEAST_PHOTOS = 2  # of a training person: with one alone, there is nothing to recognise
UInt8 = NDArray[np.uint8]
Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The loss and the augmentation.

    `scale` and `margin` of the losses (`models.identity`); the margin grows from 0 in the first
    `margin_steps` steps. `contrast`: weight of the loss of pairs beside that of centres, which alone
    learns nothing for the first hundreds of steps. `hidden`: probability that a rectangle of the face
    is grey, up to half of its side long. `val_people`: maximum number of validation people, of whom all
    pairs of photos are compared.
    """

    model: Config = field(default_factory=Config)
    optim: OptimConfig = field(
        default_factory=lambda: OptimConfig(batch=128, lr=4e-3, optimizer="muon", qat_from=0.85)
    )
    augmentation: Augmentation = field(
        default_factory=lambda: Augmentation(
            rotation=5.0, log_scale=0.06, shift=0.02, other_frame=0.0, degraded=0.15
        )
    )
    scale: float = 16.0
    margin: float = 0.2
    margin_steps: int = 1000
    contrast: float = 1.0
    hidden: float = 0.15
    val_people: int = 500

    def __post_init__(self) -> None:
        if self.scale <= 0 or not 0 <= self.margin < 1 or self.margin_steps < 0:
            raise BadRequest("scale must be above 0, margin in 0..1 and margin_steps 0 or more")
        if self.contrast < 0:
            raise BadRequest(f"contrast must be 0 or more, got {self.contrast:g}")
        if self.optim.batch < 4:
            raise BadRequest("optim.batch must be 4 or more: two photos each of two people")
        if not 0 <= self.hidden <= 1:
            raise BadRequest(f"hidden must lie in 0..1, got {self.hidden:g}")


class Task:
    """CosFace on the training people with two photos or more; verification of validation people."""

    def __init__(self, settings: Settings, context: RunContext) -> None:
        for store in context.stores:
            if store.frame != FRAME:
                raise BadStore(
                    f"{store.path} has crops of the frame {store.frame}; the identity network needs "
                    f"the frame {FRAME}: prepare it again with --frame {FRAME}"
                )
        self.settings = settings
        self.optim = settings.optim
        self.device = context.device
        self.crops, self.people = _people(context, "train")
        count = int(self.people.max()) + 1
        # Addresses person after person, and where each begins.
        self.order = np.argsort(self.people, kind="stable")
        self.starts = np.append(0, np.bincount(self.people).cumsum())
        self.network = Identity(settings.model, count).to(context.device)
        val, people = _people(context, "val")
        chosen = np.flatnonzero(people < settings.val_people)
        self.val, self.val_people = val.read(chosen), people[chosen]
        log.info(
            "%d crops of %d training people, %d of %d validation people",
            len(self.crops), count, len(self.val), len(set(self.val_people.tolist())),
        )  # fmt: skip

    def loss(self, network: nn.Module, batch: int, seed: int, step: int = 0) -> Terms:
        """Nats."""
        rng = np.random.default_rng(seed)
        chosen = self.pairs(batch, rng)
        faces = self.augmented(self.crops.read(chosen), rng)
        people = torch.from_numpy(self.people[chosen]).to(self.device)
        scale = self.settings.scale
        margin = self.settings.margin * min(1.0, step / max(self.settings.margin_steps, 1))
        found, cosines = network(faces)
        terms = {
            "cosface": identity.cosface(cosines, people, scale, margin),
            "contrast": identity.contrast(found, scale, margin),
            # A share, not a part of the loss.
            "recognised": (cosines.detach().argmax(1) == people).float().mean(),
        }
        return Terms(terms, {"contrast": self.settings.contrast, "recognised": 0.0})

    def pairs(self, batch: int, rng: np.random.Generator) -> NDArray[np.int64]:
        """Addresses of one photo each of `batch` / 2 people, then of another photo of each."""
        count = min(batch // 2, len(self.starts) - 1)
        people = rng.choice(len(self.starts) - 1, count, replace=False)
        sizes = np.diff(self.starts)[people]
        first = rng.integers(0, sizes)
        second = (first + rng.integers(1, sizes)) % sizes
        places = np.concatenate([self.starts[people] + one for one in (first, second)])
        return np.asarray(self.order[places])

    def augmented(self, pixels: UInt8, rng: np.random.Generator) -> Tensor:
        """Inner faces [N, 3, 72, 72] of head crops, moved, coloured, degraded and partly hidden."""
        config = self.settings.augmentation
        whole, scale = augment.sampling_grid(config, rng, np.zeros(len(pixels), bool), CROP)
        inner = whole[:, identity.TOP : identity.TOP + SIDE, identity.LEFT : identity.LEFT + SIDE]
        crops = pictures(pixels, self.device)
        faces = augment.images(config, rng, crops, inner.to(self.device), scale)
        for i in np.flatnonzero(rng.random(len(faces)) < self.settings.hidden):
            y, x = rng.integers(0, SIDE, 2)
            h, w = rng.integers(SIDE // 8, SIDE // 2, 2)
            faces[i, :, y : y + h, x : x + w] = float(rng.uniform(0.2, 0.8))
        return faces

    @torch.no_grad()
    def scores(self, network: nn.Module) -> dict[str, float]:
        """Verification of validation people, over all pairs of their photos.

        `auc`: of the cosine, one person's photos against two persons'. `tar`: share of the pairs of one
        person above `threshold`, the cosine that 1 in 100 pairs of different people exceed.
        """
        found = self._embedded(network)
        first, second = np.triu_indices(len(found), 1)
        cosines = (found @ found.T)[first, second]
        same = self.val_people[first] == self.val_people[second]
        tar, threshold = rate_at_false_rate(cosines, same, FALSE_RATE)
        return {"auc": auc(cosines, same), "tar": tar, "threshold": threshold}

    def _embedded(self, network: nn.Module) -> Floats:
        """Embeddings [N, D] of the validation crops, as the exported graph computes them."""
        assert isinstance(network, Identity)
        embed = Embed(network.embedding).eval()
        parts = [
            embed(torch.from_numpy(self.val[i : i + AT_ONCE]).to(self.device)).float().cpu()
            for i in range(0, len(self.val), AT_ONCE)
        ]
        return np.asarray(torch.cat(parts).numpy())

    @torch.no_grad()
    def sheet(self, network: nn.Module) -> UInt8:
        """Validation people: pairs of one person with the lowest cosines, of two with the highest.

        The photos of a pair lie under one another.
        """
        found = self._embedded(network)
        cosines = found @ found.T
        same = self.val_people[:, None] == self.val_people
        upper = np.triu(np.ones_like(same), 1)
        rows = []
        for values in (np.where(same & upper, cosines, 2), np.where(~same & upper, -cosines, 2)):
            count = min(SHOWN, int((values < 2).sum()))
            first = np.argpartition(values, count, axis=None)[:count]  # of millions
            order = first[np.argsort(values.flat[first])]
            pairs = np.stack(np.unravel_index(order, values.shape))
            rows += [pictures(self.val[chosen], torch.device("cpu")) for chosen in pairs]
        return grid(rows)


def _people(context: RunContext, split: str) -> tuple[Crops, NDArray[np.int64]]:
    """Crops of the people of a split of whom there are several photos, and their numbers 0..P-1."""
    crops = Crops(context.stores, [split], CROP)
    names = [f"{store}/{context.stores[store].person[row]}" for store, row in crops.rows]
    _, number, count = np.unique(names, return_inverse=True, return_counts=True)
    several = count[number] >= LEAST_PHOTOS
    if len(set(number[several].tolist())) < LEAST_PHOTOS:
        raise BadStore(
            f"the stores hold no two {split} people with several photos each, which an identity "
            "network is trained on; prepare them with labels that name the person of each photo"
        )
    crops.rows = crops.rows[several]
    return crops, np.unique(number[several], return_inverse=True)[1].astype(np.int64)


def start(context: RunContext, settings: Settings) -> Task:
    """A new network, or that of a bundle with new centres."""
    task = Task(settings, context)
    if context.init is not None:
        networks.load_part(task.network.embedding, context.init, "identity")
    return task


def finish(run: Path, settings: Settings, out: Path) -> dict[str, Any]:
    """Write `identity.onnx` and its golden numbers into the bundle folder `out`."""
    network = Embedding(settings.model)
    facts = networks.load_best(network, run, "embedding.")
    axes = export.quantize(network, {}, settings.optim.bits)
    pixels = export.picture_like(torch.Generator().manual_seed(0), CROP)
    names = (["pixels"], ["embeddings"])
    export.write_one(Embed(network), (pixels,), names, out / "identity.onnx", axes)
    return facts


RECIPE = Recipe(
    summary="unit embeddings of faces, to tell whether two photos show one person",
    settings=Settings(),
    start=start,
    export=finish,
)
