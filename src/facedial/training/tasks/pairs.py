"""Training pairs of a distilled editor: faces, target attributes, and a bundle's flow's edits of them."""

import dataclasses
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from facedial.arrays import Floats
from facedial.changes import flow_edit, target_condition
from facedial.codes.attributes import NAMES
from facedial.editor import Editor
from facedial.errors import BadRun
from facedial.flow import Velocity
from facedial.flow.inversion import FlowEdit
from facedial.training import precision, tensors
from facedial.training.batches import Crops
from facedial.training.models.latents import SIDE

log = logging.getLogger(__name__)

AT_ONCE = 16  # people whose latents are inverted together
TARGETS = 3  # edits of each of them
WITHOUT = 0.5  # probability up to which a face is taken to lack an attribute
PAIRS = "pairs"  # beginning of the names of files
COLUMNS = ("faces", "wishes", "changes", "masks")  # names of the tensors in files


@dataclass(frozen=True, slots=True, eq=False)
class Pairs:
    """Faces' latents [N, 6, 32, 32], source and target attributes [N, 2 K], and the flow's changes.

    `masks` [N, 32, 32], by which a change is multiplied.
    """

    faces: Tensor
    conditions: Tensor
    changes: Tensor
    masks: Tensor

    def __len__(self) -> int:
        return len(self.faces)

    def at(self, rows: Tensor, device: torch.device) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Those rows as float32, masks as [N, 1, 32, 32]."""
        columns = (self.faces, self.conditions, self.changes, self.masks)
        faces, conditions, changes, masks = (column[rows].float() for column in columns)
        return (
            faces.to(device), conditions.to(device), changes.to(device), masks[:, None].to(device),
        )  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class PairMaker:
    """Makes pairs of crops, each in `steps` steps of the editor's flow, which `velocity` computes."""

    editor: Editor
    crops: Crops
    velocity: Velocity
    steps: int

    def made(self, rng: np.random.Generator) -> Iterator[tuple[Floats, Floats, Floats, Floats]]:
        """Faces, conditions, changes and masks of one round, with every setting of the edit table."""
        table = self.editor.model.edit_table
        settings: dict[tuple[float, float], list[tuple[str, bool]]] = {}
        for name in self.editor.model.directions.names:
            if name not in NAMES:
                continue
            for adds in (True, False):
                method = table.of_attribute(name)
                if not adds:
                    method = table.lowering.get(name, method)
                settings.setdefault((method.t_start, method.guidance), []).append((name, adds))
        for (t_start, guidance), edits in settings.items():
            flow = dataclasses.replace(
                flow_edit(self.editor.model, table.of_attribute(edits[0][0])),
                velocity=self.velocity, steps=self.steps, t_start=t_start, guidance=guidance,
            )  # fmt: skip
            # People in proportion to the attributes of a setting: each attribute gets as many pairs.
            for _ in range(max(1, round(len(edits) * TARGETS / AT_ONCE / 2))):
                yield from self._of_people(flow, edits, rng)

    def _of_people(
        self, flow: FlowEdit, edits: Sequence[tuple[str, bool]], rng: np.random.Generator
    ) -> Iterator[tuple[Floats, Floats, Floats, Floats]]:
        model = self.editor.model
        pixels = self.crops.read(rng.integers(0, len(self.crops), AT_ONCE))
        latents = model.to_latents(model.encode(pixels))
        predicted = model.predict_attributes(pixels)
        source = (2 * predicted - 1).astype(np.float32)
        # Attributes that a person lacks can be added, the others taken away.
        open_to = [
            [name for name, adds in edits if (row[NAMES.index(name)] <= WITHOUT) == adds]
            for row in predicted
        ]
        some = [i for i, names in enumerate(open_to) if names]
        if not some:
            return
        latents, source = latents[some], source[some]
        path = flow.path(latents, source)
        for _ in range(TARGETS):
            chosen = [open_to[i][rng.integers(0, len(open_to[i]))] for i in some]
            rows = zip(chosen, predicted[some], strict=True)
            target = np.stack([opposite(flow, name, row)[0] for name, row in rows])
            change = flow.change(path, target, source)
            masks = np.stack([attribute_mask(self.editor, name) for name in chosen])
            yield latents, np.concatenate([source, target], 1), change, masks


def collected(
    folder: Path, count: int, space: str, maker: PairMaker | None, seed: int = 0
) -> Pairs:
    """`count` pairs or a few more, from files in a run's folder; missing files are made and kept there.

    So a stopped run goes on where it was. Raises `BadRun` for pairs of another code space, and where
    pairs are missing and there is no maker.
    """
    parts: list[dict[str, Tensor]] = []
    found = 0
    while found < count:
        path = folder / f"{PAIRS}-{len(parts):04d}.safetensors"
        if not path.exists():
            if maker is None:
                raise BadRun(f"{folder} holds {found} pairs, {count} are wanted; set pairs lower")
            made = [*maker.made(np.random.default_rng([seed, len(parts)]))]
            columns = [torch.from_numpy(np.concatenate(c)).half() for c in zip(*made, strict=True)]
            tensors.save(path, dict(zip(COLUMNS, columns, strict=True)), {"space": space})
        kept, about = tensors.load(path)
        if about["space"] != space:
            raise BadRun(f"{path} was made with codes of {about['space']}; choose another folder")
        parts.append(kept)
        found += len(kept["faces"])
        log.info("%d of %d pairs", found, count)
    return Pairs(*(torch.cat([p[name] for p in parts]) for name in COLUMNS))


def attribute_mask(editor: Editor, name: str) -> Floats:
    """The mask of an attribute's changes, [32, 32], ones where it has none."""
    threshold = editor.model.edit_table.of_attribute(name).mask_threshold
    mask = editor.model.masks.mask(name, threshold)
    return np.ones((SIDE, SIDE), np.float32) if mask is None else mask


def opposite(flow: FlowEdit, name: str, predicted: Floats) -> tuple[Floats, bool]:
    """Target attributes [K] in which `name` is inverted, with those it implies; whether it is added."""
    own = dict(zip(NAMES, map(float, predicted), strict=True))
    added = own[name] <= WITHOUT
    return target_condition(flow, own, name, added)[0], added


def fastest(network: nn.Module, device: torch.device) -> Velocity:
    """The velocity that a flow computes, in the precision that is fastest here."""
    halves = precision.uses_bfloat16(device)

    @torch.no_grad()
    def velocity(*given: Floats) -> Floats:
        with torch.autocast(device.type, torch.bfloat16, enabled=halves):
            found: Tensor = network(*(torch.from_numpy(v).to(device) for v in given))
        return np.asarray(found.float().cpu().numpy())

    return velocity
