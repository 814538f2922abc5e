"""Pairs to learn edits from: faces, wishes, and what a bundle's flow makes of them."""

import dataclasses
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from facedial.codes.attributes import NAMES
from facedial.codes.code import Floats
from facedial.codes.flow import FlowMove, Velocity
from facedial.codes.moves import Manner
from facedial.editor import Editor
from facedial.errors import BadRun
from facedial.training import loop, tensors
from facedial.training.batches import Crops
from facedial.training.models import flow

log = logging.getLogger(__name__)

AT_ONCE = 16  # people carried back together
WISHES = 3  # of each of them
PAIRS = "pairs"
COLUMNS = ("faces", "wishes", "changes", "masks")


@dataclass(frozen=True, slots=True, eq=False)
class Pairs:
    """Faces' planes [N, 6, 32, 32], wishes now and then [N, 2 K], and the flow's changes, as planes.

    `masks` [N, 32, 32]: what of a change is used.
    """

    faces: Tensor
    wishes: Tensor
    changes: Tensor
    masks: Tensor

    def __len__(self) -> int:
        return len(self.faces)

    def at(self, rows: Tensor, device: torch.device) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Those rows in single precision, masks as [N, 1, 32, 32]."""
        faces, wishes, changes, masks = (getattr(self, name)[rows].float() for name in COLUMNS)
        return faces.to(device), wishes.to(device), changes.to(device), masks[:, None].to(device)


@dataclass(frozen=True, slots=True, eq=False)
class Maker:
    """Makes pairs of crops, each in `steps` steps of the editor's flow, which `velocity` computes."""

    editor: Editor
    crops: Crops
    velocity: Velocity
    steps: int

    def made(self, rng: np.random.Generator) -> Iterator[tuple[Floats, Floats, Floats, Floats]]:
        """Faces, wishes, changes and masks of one round: people of each manner there is."""
        editor = self.editor
        manners: dict[tuple[float, float], list[str]] = {}
        for name in editor.directions.names:
            if name in NAMES:
                manner = editor.manners.table.get(name, Manner())
                manners.setdefault((manner.turning, manner.guidance), []).append(name)
        for names in manners.values():
            manner = editor.manners.table.get(names[0], Manner())
            mover = dataclasses.replace(
                editor.flow_move(manner), velocity=self.velocity, steps=self.steps
            )
            # As many people as the manner has attributes, so that each attribute is learnt alike.
            for _ in range(max(1, round(len(names) * WISHES / AT_ONCE))):
                yield from self._of_people(mover, names, rng)

    def _of_people(
        self, mover: FlowMove, names: Sequence[str], rng: np.random.Generator
    ) -> Iterator[tuple[Floats, Floats, Floats, Floats]]:
        bundle = self.editor.bundle
        pixels = self.crops.read(rng.integers(0, len(self.crops), AT_ONCE))
        planes = bundle.planes_of(bundle.encode(pixels))
        read = bundle.read(pixels)
        now = (2 * read - 1).astype(np.float32)
        turned = mover.back(planes, now)
        still = mover.still(turned, now)
        for _ in range(WISHES):
            chosen = [names[i] for i in rng.integers(0, len(names), AT_ONCE)]
            then = np.stack(
                [other_side(mover, name, row)[0] for name, row in zip(chosen, read, strict=True)]
            )
            change = mover.forth(turned, then, now) - still
            masks = np.stack([used(self.editor, name) for name in chosen])
            yield planes, np.concatenate([now, then], 1), change, masks


def collected(folder: Path, wanted: int, space: str, maker: Maker | None, seed: int = 0) -> Pairs:
    """`wanted` pairs and a few, part by part from a run's folder; what it lacks is made and kept there.

    So a stopped run goes on where it was. Raises `BadRun` for pairs of another code space, or where
    some are missing and nobody makes them.
    """
    parts: list[dict[str, Tensor]] = []
    count = 0
    while count < wanted:
        path = folder / f"{PAIRS}-{len(parts):04d}.safetensors"
        if not path.exists():
            if maker is None:
                raise BadRun(f"{folder} holds {count} pairs, {wanted} are wanted; set pairs lower")
            made = [*maker.made(np.random.default_rng([seed, len(parts)]))]
            columns = [torch.from_numpy(np.concatenate(c)).half() for c in zip(*made, strict=True)]
            tensors.save(path, dict(zip(COLUMNS, columns, strict=True)), {"space": space})
        kept, about = tensors.load(path)
        if about["space"] != space:
            raise BadRun(f"{path} was made with codes of {about['space']}; choose another -o")
        parts.append(kept)
        count += len(kept["faces"])
        log.info("%d of %d pairs", count, wanted)
    return Pairs(*(torch.cat([p[name] for p in parts]) for name in COLUMNS))


def used(editor: Editor, name: str) -> Floats:
    """What of a change of an attribute is used, [32, 32]."""
    mask = editor.places.mask(name, editor.manners.table.get(name, Manner()).place)
    return np.ones((flow.SIDE, flow.SIDE), np.float32) if mask is None else mask


def other_side(mover: FlowMove, name: str, read: Floats) -> tuple[Floats, bool]:
    """The wish for a person's other side of an attribute, with what goes with it; whether it comes."""
    own = dict(zip(NAMES, map(float, read), strict=True))
    comes = own[name] <= 0.5
    return mover.then(own, name, 1 if comes else -1)[0], comes


def fastest(teacher: nn.Module, device: torch.device) -> Velocity:
    """The flow's velocity, in the precision that is fastest here."""
    halves = loop.fastest_precision(device) == "bf16-mixed"

    @torch.no_grad()
    def velocity(*given: Floats) -> Floats:
        with torch.autocast(device.type, torch.bfloat16, enabled=halves):
            found: Tensor = teacher(*(torch.from_numpy(v).to(device) for v in given))
        return np.asarray(found.float().cpu().numpy())

    return velocity
