"""Heads cut out of the crops of stores: with a soft edge, to be pasted into other pictures."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facedial.data.store import Store, read_facts
from facedial.errors import BadStore
from facedial.faces.parse import BACKGROUND, SIDE

log = logging.getLogger(__name__)

UInt8 = NDArray[np.uint8]
Floats = NDArray[np.float32]
# Crops uint8 [N, 256, 256, 3] -> logits of the classes [N, 12, 256, 256], hair matte [N, 256, 256].
Parse = Callable[[UInt8], tuple[Floats, Floats]]

ALPHA_SIDE = 128
BATCH = 8
FRAME = "head"
RIM = 0.09  # width of the soft edge along the crop's own border, as a share of its side


@dataclass(frozen=True, slots=True)
class Heads:
    """Crops of the frame `head`, 256 px, with the opacity of their heads.

    `address`: [N, 2], number of the store and row in it. `alpha`: for each store, row of it -> uint8
    [128, 128], 0 where the background is.
    """

    stores: Sequence[Store]
    address: NDArray[np.int64]
    alpha: Sequence[UInt8 | Mapping[int, UInt8]]

    def __len__(self) -> int:
        return len(self.address)

    def pixels(self, number: int) -> UInt8:
        """uint8 [256, 256, 3]."""
        store, row = self.address[number]
        picked: UInt8 = self.stores[store].pixels[row]
        return picked

    def opacity(self, number: int) -> UInt8:
        """uint8 [128, 128]: opaque on the person, soft at its edge and at the crop's border."""
        store, row = self.address[number]
        return np.minimum(self.alpha[int(store)][int(row)], _BORDER)

    def landmarks(self, number: int) -> Floats:
        """[5, 2] in crop pixels."""
        store, row = self.address[number]
        points: Floats = self.stores[store].landmarks[row]
        return points


def cut_out(stores: Sequence[Store], split: str, parse: Parse, folder: Path) -> Heads:
    """The heads of a split of all stores with 256-px crops of the frame `head`.

    Opacities of all crops of a store are computed once, and kept in `folder`. Raises `BadStore` where
    no store has such crops.
    """
    usable = _usable(stores)
    alpha = [_opacities(store, parse, folder) for store in usable]
    return Heads(usable, _address([_rows(store, split) for store in usable]), alpha)


def cut_out_some(stores: Sequence[Store], split: str, parse: Parse, most: int) -> Heads:
    """As `cut_out`, of at most `most` evenly spaced crops of each store, and nothing is kept."""
    usable, rows, alpha = _usable(stores), [], []
    for store in usable:
        every = _rows(store, split)
        chosen = every[np.linspace(0, len(every) - 1, min(most, len(every))).astype(np.int64)]
        rows.append(chosen)
        masks: dict[int, UInt8] = {}
        for start in range(0, len(chosen), BATCH):
            part = chosen[start : start + BATCH]
            found = _opacity(*parse(np.asarray(store.pixels[part])))
            masks |= dict(zip(part.tolist(), found, strict=True))
        alpha.append(masks)
    return Heads(usable, _address(rows), alpha)


def _usable(stores: Sequence[Store]) -> list[Store]:
    usable = [store for store in stores if store.frame == FRAME and store.size == SIDE]
    if not usable:
        raise BadStore(
            f"heads are cut out of {SIDE}-px crops of the frame {FRAME}; give such a store"
        )
    return usable


def _rows(store: Store, split: str) -> NDArray[np.int64]:
    """Rows of a split with landmarks."""
    rows = store.where(split)
    return rows[np.isfinite(store.landmarks[rows]).all((1, 2))]


def _address(rows: Sequence[NDArray[np.int64]]) -> NDArray[np.int64]:
    return np.concatenate(
        [np.stack([np.full(len(own), number), own], 1) for number, own in enumerate(rows)]
    )


def _opacities(store: Store, parse: Parse, folder: Path) -> UInt8:
    """uint8 [N, 128, 128] of all crops of a store; an interrupted call is resumed by the next one."""
    plan = str(read_facts(store.path)["plan"])
    path = folder / f"opacity-{store.path.resolve().name}-{plan[:10]}.u8"
    folder.mkdir(parents=True, exist_ok=True)
    size = ALPHA_SIDE**2
    done = path.stat().st_size // size if path.exists() else 0
    with path.open("ab") as file:
        file.truncate(done * size)
        for start in range(done, len(store), BATCH):
            crops = np.asarray(store.pixels[start : start + BATCH])
            file.write(_opacity(*parse(crops)).tobytes())
            if start % (50 * BATCH) == 0:
                log.info("opacity of %d of %d heads of %s", start, len(store), store.path.name)
    return np.memmap(path, np.uint8, "r", shape=(len(store), ALPHA_SIDE, ALPHA_SIDE))


def _opacity(classes: Floats, hair: Floats) -> UInt8:
    """Opacity uint8 [N, 128, 128] from logits of classes, and the matte where that is higher."""
    blocks = (len(hair), ALPHA_SIDE, SIDE // ALPHA_SIDE, ALPHA_SIDE, SIDE // ALPHA_SIDE)
    others = np.delete(classes, BACKGROUND, 1)
    top = others.max(1)
    margin = top + np.log(np.exp(others - top[:, None]).sum(1)) - classes[:, BACKGROUND]
    person = np.maximum(1 / (1 + np.exp(-np.clip(margin, -30, 30))), hair)
    opacity: UInt8 = np.rint(255 * person.reshape(blocks).mean((2, 4))).astype(np.uint8)
    return opacity


def _border() -> UInt8:
    """Opacity of a crop's border, uint8 [128, 128]: its corners are rounded."""
    line = (np.arange(ALPHA_SIDE) + 0.5) / ALPHA_SIDE * 2 - 1
    radius = (np.abs(line[:, None]) ** 6 + np.abs(line[None]) ** 6) ** (1 / 6)
    opacity: UInt8 = np.rint(255 * np.clip((1 - radius) / (2 * RIM), 0, 1)).astype(np.uint8)
    return opacity


_BORDER = _border()
_BORDER.flags.writeable = False
