"""Crops of several stores as one collection, and batches drawn from it by seed alone."""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from facedial.data.store import Store
from facedial.errors import BadStore
from facedial.faces.sheet import shrunk


class Crops:
    """All pictures of the chosen splits in several stores, addressed 0..n-1.

    `size`: pixels along the side of what is read; larger crops are shrunk to it by area.
    """

    def __init__(self, stores: Sequence[Store], splits: Sequence[str], size: int = 128) -> None:
        self.stores = list(stores)
        self.size = size
        rows = []
        for number, store in enumerate(self.stores):
            if store.size % size:
                raise BadStore(
                    f"{store.path} holds {store.size}-px crops, this recipe needs {size} or a "
                    f"multiple; prepare it again at size {size}"
                )
            inside = np.flatnonzero(np.isin(store.split, list(splits)))
            rows.append(np.stack([np.full(len(inside), number), inside], 1))
        self.rows: NDArray[np.int64] = np.concatenate(rows) if rows else np.zeros((0, 2), np.int64)
        if len(self.rows) == 0:
            raise BadStore(f"the stores hold no pictures of the split {' or '.join(splits)}")

    def __len__(self) -> int:
        return len(self.rows)

    def read(self, chosen: NDArray[np.int64]) -> NDArray[np.uint8]:
        """uint8 [n, S, S, 3] of the addressed pictures."""
        return shrunk(np.stack([self._pixels(s, i) for s, i in self.rows[chosen]]), self.size)

    def _pixels(self, store: int, row: int) -> NDArray[np.uint8]:
        pixels: NDArray[np.uint8] = self.stores[store].pixels[row]
        # Stores of several sizes can be read together.
        return pixels if len(self.stores) == 1 else shrunk(pixels[None], self.size)[0]

    @property
    def frame(self) -> str:
        """The frame of the crops; raises `BadStore` when the stores differ in it."""
        frames = {store.path: store.frame for store in self.stores}
        if len(set(frames.values())) > 1:
            listing = ", ".join(f"{path} {frame}" for path, frame in frames.items())
            raise BadStore(
                f"the stores hold crops of different frames: {listing}; give stores of one frame"
            )
        return self.stores[0].frame

    def gather(self, name: str) -> NDArray[np.float32]:
        """Column `attributes` [n, 40] or `landmarks` [n, 5, 2] of all pictures, in their order."""
        tables = [getattr(store, name) for store in self.stores]
        # Rows lie store after store.
        parts = [table[self.rows[self.rows[:, 0] == i, 1]] for i, table in enumerate(tables)]
        return np.concatenate(parts).astype(np.float32)

    def draw(self, count: int, seed: int) -> NDArray[np.int64]:
        """`count` addresses, uniformly, by `seed` alone."""
        return np.random.default_rng(seed).integers(0, len(self), count)

    def evenly(self, count: int) -> NDArray[np.int64]:
        """At most `count` addresses, evenly spaced over the collection: the same ones every time."""
        return np.unique(np.linspace(0, len(self) - 1, min(count, len(self))).astype(np.int64))

    def blocks(self, size: int = 512) -> Iterator[NDArray[np.int64]]:
        """All addresses in order, in blocks."""
        for start in range(0, len(self), size):
            yield np.arange(start, min(start + size, len(self)))


def labelled(
    stores: Sequence[Store], split: str, name: str, size: int = 128
) -> tuple[Crops, NDArray[np.float32]]:
    """Crops of a split whose column `name` is known at least in part, and that column.

    Raises `BadStore` when there are none.
    """
    crops = Crops(stores, [split], size)
    return known(crops, name, f"{split} people")


def known(crops: Crops, name: str, whose: str) -> tuple[Crops, NDArray[np.float32]]:
    """`crops` without those whose column `name` is unknown, and that column.

    Raises `BadStore` when none is left; `whose` names the people for its message.
    """
    values = crops.gather(name)
    there = ~np.isnan(values).reshape(len(values), -1).all(1)
    if not there.any():
        raise BadStore(
            f"the stores hold no {name} of {whose}; prepare them with labels that have {name}"
        )
    crops.rows = crops.rows[there]
    return crops, values[there]


def pictures(pixels: NDArray[np.uint8], device: torch.device) -> Tensor:
    """uint8 [N, S, S, 3] -> float32 [N, 3, S, S] in 0..1."""
    return torch.from_numpy(pixels).to(device).permute(0, 3, 1, 2).float() / 255


def grid(rows: Sequence[Tensor]) -> NDArray[np.uint8]:
    """Rows of pictures, each [n, 3, S, S] in 0..1, as one picture uint8 [H, W, 3]."""
    lines = [torch.cat(list(row.clamp(0, 1)), 2) for row in rows]
    whole = torch.cat(lines, 1).permute(1, 2, 0)
    return (whole * 255).round().byte().cpu().numpy()
