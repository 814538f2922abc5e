"""The parser: 12 classes and a soft hair matte of a head, distilled, and trained on hand-made masks."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from facedial.data.store import Store
from facedial.errors import BadRequest, BadStore
from facedial.faces.parse import (
    BACKGROUND,
    CLASSES,
    HAIR,
    SIDE,
    UNKNOWN,
    class_overlap,
    coloured,
    mask_overlap,
    mean_iou,
)
from facedial.training import augment, export, networks
from facedial.training.augment import Augmentation
from facedial.training.batches import pictures
from facedial.training.models.parser import Config, Parse, Parser
from facedial.training.parse_labels import EXCLUDED, LabelledCrops, teacher_labels
from facedial.training.recipe import OptimConfig, Recipe, RunContext, Terms

log = logging.getLogger(__name__)
FRAMES = ("head", "portrait")
LABELS = "parse-labels"
AT_ONCE = 16
SHOWN = 16
# Golden numbers are of every seventh row and column: not a multiple of 4, so that all pixels of a cell of
# the pixel shuffle occur.
GOLDEN_STEP = 7
UInt8 = NDArray[np.uint8]
Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Labels, augmentation and loss.

    `teachers`: folder of the teacher networks, needed until all labels are computed. `labels`: folder
    of the teachers' labels (empty: `parse-labels` in the run's). `train_images`, `val_images`: maximum
    number of crops of training and of validation people, one for all stores or one for each.
    `mask_fraction`: probability that a hand-made mask replaces the teachers' labels of a crop that has
    one. `class_weights`: of the cross-entropy, in the order of `CLASSES`. `dice`: weight of the soft
    Dice loss.
    """

    model: Config = field(default_factory=Config)
    optim: OptimConfig = field(
        default_factory=lambda: OptimConfig(lr=6e-3, optimizer="muon", bits=5, qat_from=0.85)
    )
    teachers: str = ""
    labels: str = ""
    train_images: tuple[int, ...] = (5000,)
    val_images: tuple[int, ...] = (500,)
    mask_fraction: float = 0.7
    augmentation: Augmentation = field(default_factory=Augmentation)
    class_weights: tuple[float, ...] = (
        0.6, 0.6, 2.0, 2.5, 2.0, 1.5, 2.0, 1.5, 0.8, 0.8, 0.8, 1.2,
    )  # fmt: skip
    dice: float = 1.5

    def __post_init__(self) -> None:
        if min(*self.train_images, *self.val_images) < 1:
            raise BadRequest("train_images and val_images must be numbers of at least 1")
        if len(self.class_weights) != len(CLASSES):
            raise BadRequest(
                f"class_weights must be {len(CLASSES)} numbers, got {len(self.class_weights)}"
            )


class Task:
    """Cross-entropy and soft Dice of the classes, cross-entropy of the matte, on augmented crops."""

    def __init__(self, settings: Settings, context: RunContext) -> None:
        for store in context.stores:
            _check(store)
        self.network = Parser(settings.model).to(context.device)
        self.optim = settings.optim
        self.settings = settings
        self.device = context.device
        self.train = _labelled(context, settings, "train", settings.train_images)
        self.val = _labelled(context, settings, "val", settings.val_images)
        self.weights = torch.tensor(settings.class_weights, device=context.device)
        log.info(
            "%d training crops, %d of them with masks; %d and %d for validation",
            len(self.train), len(self.train.masks), len(self.val), len(self.val.masks),
        )  # fmt: skip

    def loss(self, network: nn.Module, batch: int, seed: int, step: int = 0) -> Terms:
        """Nats per pixel, but for `dice`, a share."""
        rng = np.random.default_rng(seed)
        seen, classes, hair, phase = self.batch(batch, rng)
        found = network(seen, phase)
        logits, matte = found[:, :-1], found[:, -1]
        known = classes != UNKNOWN
        certain = torch.where(classes < len(CLASSES), classes, UNKNOWN)
        terms = {
            "classes": F.cross_entropy(logits, certain, self.weights, ignore_index=UNKNOWN),
            "excluded": _excluded(logits, classes),
        }
        error = F.binary_cross_entropy_with_logits(matte, hair, reduction="none")
        terms["hair"] = (error * known).sum() / known.sum().clamp_min(1)
        if self.settings.dice:
            terms["dice"] = _dice(logits, certain)
        return Terms(terms, {"dice": self.settings.dice})

    def batch(
        self, count: int, rng: np.random.Generator
    ) -> tuple[Tensor, Tensor, Tensor, tuple[int, int]]:
        """Augmented crops [N, 3, S, S]; classes and matte [N, S/2, S/2] of their pixels [i::2, j::2].

        The phase (i, j) is the last value returned.
        """
        chosen = rng.choice(len(self.train), count, p=self.train.probability)
        masked = rng.random(count) < self.settings.mask_fraction
        both = [self.train.label(i, bool(m)) for i, m in zip(chosen, masked, strict=True)]
        classes, hair = (
            torch.from_numpy(np.stack(part)).to(self.device) for part in zip(*both, strict=True)
        )
        wide = np.array([self.train.frame(i) == "portrait" for i in chosen])
        config = self.settings.augmentation
        grid, scale = augment.sampling_grid(config, rng, wide, SIDE)
        grid = grid.to(self.device)
        phase = (int(rng.integers(2)), int(rng.integers(2)))
        part = grid[:, phase[0] :: 2, phase[1] :: 2]
        target = augment.classes(classes, part, UNKNOWN)
        matte = F.grid_sample(hair[:, None].float() / 255, part, "bilinear", "border", False)[:, 0]
        crops = pictures(self.train.pixels(chosen), self.device)
        return augment.images(config, rng, crops, grid, scale), target, matte, phase

    @torch.no_grad()
    def scores(self, network: nn.Module) -> dict[str, float]:
        """Intersection over union on validation people, and the matte's mean absolute error.

        `iou`: mean over the classes, against masks of all classes, or the teacher where there are none;
        `person_iou`, `hair_iou`: against masks of these; `teacher_iou`, `portrait_iou`: against the
        teacher, in crops of the frames `head` and `portrait`; `iou_CLASS`: of each class;
        `hair_error`: against the teachers' matte.
        """
        network.eval()
        counts = {name: np.zeros((2, len(CLASSES))) for name in ("masks", "teacher", "portrait")}
        two = {"person": np.zeros(2), "hair": np.zeros(2)}
        errors: list[float] = []
        for i, classes, matte in self._found(network):
            own, label = self.val.labels[self.val.address[i, 0]], self.val.address[i, 1]
            truth, hair = self.val.label(i, from_mask=False)
            counts["portrait" if own.store.frame == "portrait" else "teacher"] += class_overlap(
                classes, truth
            )
            errors.append(float(np.abs(matte - hair / 255.0)[truth != UNKNOWN].mean()))
            if i not in self.val.masks:
                continue
            row = int(own.rows[label])
            known = own.store.known(row)
            person, locks = own.store.mask("person_mask", row), own.store.mask("hair", row)
            if person is not None:
                two["person"] += mask_overlap(classes != BACKGROUND, person > 0, known)
            elif locks is not None:
                two["hair"] += mask_overlap(classes == HAIR, locks > 0, known)
            else:
                counts["masks"] += class_overlap(classes, self.val.masks[i][0])
        main = counts["masks"] if counts["masks"].any() else counts["teacher"]
        scores = {"iou": mean_iou(main)}
        others = {name: counts[name] for name in ("teacher", "portrait")}
        others |= {name: overlap[:, None] for name, overlap in two.items()}
        scores |= {f"{name}_iou": mean_iou(o) for name, o in others.items() if o.any()}
        scores["hair_error"] = float(np.mean(errors))
        each = main[0] / np.maximum(main[1], 1)
        return scores | {f"iou_{n}": float(v) for n, v in zip(CLASSES, each, strict=True)}

    def _found(self, network: nn.Module) -> Iterator[tuple[int, UInt8, Floats]]:
        """Index, classes [S, S] and matte [S, S] of each crop of validation people."""
        for start in range(0, len(self.val), AT_ONCE):
            chosen = np.arange(start, min(start + AT_ONCE, len(self.val)))
            found = self._parse(network, self.val.pixels(chosen))
            yield from zip(chosen.tolist(), *found, strict=True)

    def _parse(self, network: nn.Module, pixels: UInt8) -> tuple[UInt8, Floats]:
        found = network(pictures(pixels, self.device))
        classes = found[:, :-1].argmax(1).to(torch.uint8)
        return classes.cpu().numpy(), found[:, -1].sigmoid().cpu().numpy()

    @torch.no_grad()
    def sheet(self, network: nn.Module) -> UInt8:
        """Validation people: photo, labels over it, the network's classes over it, and its hair matte."""
        network.eval()
        masked = np.array(sorted(self.val.masks), np.int64)
        wide = [i for i in range(len(self.val)) if self.val.frame(i) == "portrait"]
        chosen = np.concatenate(
            [_evenly(masked, SHOWN * 5 // 8), _evenly(np.array(wide, np.int64), SHOWN * 3 // 8)]
        )
        if not len(chosen):
            chosen = _evenly(np.arange(len(self.val)), SHOWN)
        pixels = self.val.pixels(chosen)
        classes, matte = self._parse(network, pixels)
        truth = np.stack([self.val.label(int(i), from_mask=True)[0] for i in chosen])
        truth = np.where(truth < len(CLASSES), truth, UNKNOWN).astype(np.uint8)
        grey = np.repeat(np.rint(255 * matte).astype(np.uint8)[..., None], 3, 3)
        lines = np.stack([pixels, coloured(pixels, truth), coloured(pixels, classes), grey], 1)
        across = [np.concatenate(list(line), 1) for line in lines]
        half = -(-len(across) // 2)
        blank = [np.zeros_like(across[0])] * (2 * half - len(across))
        columns = [across[:half], across[half:] + blank]
        return np.concatenate([np.concatenate(column, 0) for column in columns], 1)


def _excluded(logits: Tensor, classes: Tensor) -> Tensor:
    """-log of the probability of all classes but the excluded one, over the number of known pixels."""
    total = logits.new_zeros(())
    for label, excluded in EXCLUDED.items():
        some = logits.permute(0, 2, 3, 1)[classes == label]
        others = torch.cat([some[:, :excluded], some[:, excluded + 1 :]], 1)
        total = total + (some.logsumexp(1) - others.logsumexp(1)).sum()
    return total / (classes != UNKNOWN).sum().clamp_min(1)


def _dice(logits: Tensor, classes: Tensor) -> Tensor:
    """One minus the mean soft Dice coefficient of the classes in the batch (Milletari 2016)."""
    known = (classes != UNKNOWN)[:, None]
    found = logits.softmax(1) * known
    one_hot = F.one_hot(torch.where(known[:, 0], classes, 0), len(CLASSES)).permute(0, 3, 1, 2)
    truth = one_hot * known
    both, sizes = (found * truth).sum((0, 2, 3)), (found + truth).sum((0, 2, 3))
    there = truth.sum((0, 2, 3)) > 0
    return 1 - (2 * both / sizes.clamp_min(1))[there].mean()


def _labelled(
    context: RunContext, settings: Settings, split: str, most: tuple[int, ...]
) -> LabelledCrops:
    stores = context.stores
    if len(most) not in (1, len(stores)):
        raise BadRequest(
            f"train_images and val_images must be one number or {len(stores)}, one for each store, "
            f"got {list(most)}"
        )
    folder = Path(settings.labels) if settings.labels else context.run / LABELS
    teachers = Path(settings.teachers) if settings.teachers else None
    counts = most * len(stores) if len(most) == 1 else most
    return LabelledCrops.of(
        [
            teacher_labels(store, split, count, folder, teachers)
            for store, count in zip(stores, counts, strict=True)
        ]
    )


def _evenly(numbers: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    places = np.linspace(0, len(numbers) - 1, min(count, len(numbers)))
    return numbers[places.astype(np.int64)]


def _check(store: Store) -> None:
    if store.frame not in FRAMES or store.size != SIDE:
        raise BadStore(
            f"{store.path} has {store.size}-px crops of the frame {store.frame}; the parser needs "
            f"{SIDE}-px crops of {' or '.join(FRAMES)}: prepare it again with --size {SIDE}"
        )


def start(context: RunContext, settings: Settings) -> Task:
    """A new network, or that of a bundle."""
    task = Task(settings, context)
    if context.init is not None:
        networks.load_part(task.network, context.init, "parser")
    return task


def finish(run: Path, settings: Settings, out: Path) -> dict[str, Any]:
    """Write `parser.onnx` and its golden numbers into the bundle folder `out`."""
    network = Parser(settings.model)
    facts = networks.load_best(network, run)
    axes = export.quantize(network, {}, settings.optim.bits)
    pixels = export.picture_like(torch.Generator().manual_seed(0), SIDE)
    names = (["pixels"], ["classes", "hair"])
    golden = export.write(Parse(network), (pixels,), names, out / "parser.onnx", axes)
    for name in names[1]:
        key = f"parser.{name}"
        golden[key] = np.ascontiguousarray(golden[key][..., ::GOLDEN_STEP, ::GOLDEN_STEP])
    export.save_golden(out / "parser-golden.npz", golden)
    return {**facts, "classes": list(CLASSES)}


RECIPE = Recipe(
    summary="12 classes and a soft hair matte of a head, from two teachers and hand-made masks",
    settings=Settings(),
    start=start,
    export=finish,
)
