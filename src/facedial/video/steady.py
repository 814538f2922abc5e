"""What flickers from frame to frame is held steady: codes, parses, colours of hair, shapes of glasses."""

from collections.abc import Hashable
from dataclasses import dataclass, field

import numpy as np

from facedial import beards, fringe, glasses, hair, parsing
from facedial.arrays import Floats
from facedial.changes import Change
from facedial.composing import recolours_hair
from facedial.model import Model
from facedial.portrait import Portrait

NEW = 0.35  # weight of a frame in the running mean of the maps: about three frames long


def steady_codes(codes: Floats) -> Floats:
    """Codes [T, D] of consecutive frames, each a mean over it and its neighbours, weights 1 2 1."""
    padded = np.concatenate([codes[:1], codes, codes[-1:]])
    return np.asarray((padded[:-2] + 2 * padded[1:-1] + padded[2:]) / 4, np.float32)


@dataclass(slots=True, eq=False)
class Steady:
    """What the frames of one person share. `colours`: `hair.colours` for the whole clip."""

    colours: Floats | None = None
    _maps: dict[str, Floats] = field(default_factory=dict)
    _shapes: dict[Hashable, Floats] = field(default_factory=dict)

    @property
    def has_begun(self) -> bool:
        """Whether a frame was prepared."""
        return bool(self._maps)

    def prepare(self, model: Model, portrait: Portrait, change: Change) -> None:
        """Put into a portrait's cache what its frame shares with those before it, in their order.

        Parses and mattes are running means in the coordinates of the crop, which follow the face.
        """
        if not recolours_hair(model):
            return
        found = {
            parsing.PARSE: parsing.classes_of(model, portrait),
            parsing.HEAD_HAIR: parsing.head_hair(model, portrait),
        }
        if change.recolour:
            found[parsing.WIDE_HAIR] = parsing.wide_hair(model, portrait)
        if change.fringe is not None:
            found[fringe.COLUMNS] = fringe.columns(model, portrait)
        for key, now in found.items():
            before = self._maps.get(key, now)
            if before.shape != now.shape:  # none is seen in one of them
                now = before = max(now, before, key=len)
            self._maps[key] = before + np.float32(NEW) * (now - before)
            portrait.cache.put(key, self._maps[key])
        if self.colours is not None:
            portrait.cache.put(hair.COLOURS, self.colours)
            portrait.cache.put(hair.MOVES, np.ones(1, np.float32))
        for shape, values in self._shapes.items():
            portrait.cache.put(shape, values)

    def keep(self, portrait: Portrait) -> None:
        """Keep from the first portrait that was rendered what stays: glasses' shape, a beard's colour."""
        for key in (*portrait.cache.keys(glasses.SHAPE), beards.COLOUR):
            values = portrait.cache.peek(key)
            if values is not None:
                self._shapes.setdefault(key, values)
