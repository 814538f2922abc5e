"""What a thing on a head hides, which is drawn anew where the thing comes off."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np

from facedial import parsing
from facedial.arrays import Doubles, Floats
from facedial.changes import lowers
from facedial.composing import BANGS, GLASSES, HAT, recolours_hair
from facedial.editing.request import Edit
from facedial.faces.parse import SIDE, Bools, dilated, head_distance
from facedial.model import Model
from facedial.portrait import Portrait

CELLS = 32  # along the side of the flow's latents
# Share of a cell that a thing covers, from which on it is surely there, and beside that is drawn anew.
SURELY, PART = 0.5, 0.12
MOST = 0.7  # of a cell that is drawn anew beside it
# Of a forehead: its width in eye distances, its height in halves of that from mouth to eyes.
WIDE, HIGH = 1.7, 1.6
AROUND = 2  # cells around it: its shadow, its rim, and what the encoder took from it


@dataclass(frozen=True, slots=True)
class Thing:
    """Classes of the parse that hide what is behind them, and those that are drawn anew beside them.

    `clear`: whether one may see through them. `forehead`: whether only what lies before the forehead
    comes off.
    """

    classes: frozenset[str]
    beside: frozenset[str]
    clear: bool = False
    forehead: bool = False


THINGS: Mapping[str, Thing] = {
    # Half an eyebrow is no eyebrow.
    GLASSES: Thing(frozenset({"glasses"}), frozenset({"skin", "brows", "eyes"}), clear=True),
    BANGS: Thing(frozenset({"hair"}), frozenset({"skin", "brows", "hair"}), forehead=True),
    # Hair under a hat is pressed flat, and its brim throws a shadow.
    HAT: Thing(frozenset({"hat"}), frozenset({"skin", "brows", "hair", "background"})),
}


def hidden(
    model: Model, portrait: Portrait, edit: Edit, unseen: Collection[str]
) -> dict[str, Floats]:
    """Attribute -> what is to be drawn anew where an edit takes the thing off: 0 or 1, [32, 32].

    `unseen`: attributes whose things one does not see through in this photo.
    """
    found: dict[str, Floats] = {}
    off = [
        name
        for name, thing in THINGS.items()
        if lowers(edit, name) and (name in unseen or not thing.clear)
    ]
    if not (off and model.has_flow and recolours_hair(model)):
        return found
    classes, own = parsing.classes_of(model, portrait), _own(model, portrait)
    for name in off:
        thing = THINGS[name]
        share = _cells(parsing.share(classes, thing.classes))
        covers = (share > PART) & dilated(share > SURELY, AROUND) & own
        if thing.forehead:
            covers &= _forehead(parsing.landmarks_of(model, portrait))
        if covers.any():
            beside = dilated(covers, AROUND) & own
            beside &= _cells(parsing.share(classes, thing.beside)) > MOST
            found[name] = (covers | beside).astype(np.float32)
    return found


def _own(model: Model, portrait: Portrait) -> Bools:
    """Cells that are nearer to a portrait's own head than to those of others [32, 32]."""
    side = portrait.crop.pixels.shape[0]
    eyes = parsing.landmarks_of(model, portrait)[:2] * side / SIDE
    own = np.array([*eyes.mean(0), np.linalg.norm(eyes[1] - eyes[0])])
    places = _places() * side / SIDE
    distance = head_distance(places, own)
    nearer = np.ones(distance.shape, np.bool_)
    for other in portrait.others:
        nearer &= distance <= head_distance(places, other)
    return nearer


def _places() -> Doubles:
    """Middles of the cells, in pixels of the parse [32, 32, 2]."""
    middles = (np.arange(CELLS) + 0.5) * SIDE / CELLS
    return np.stack(np.meshgrid(middles, middles), -1)


def _forehead(landmarks: Doubles) -> Bools:
    """Cells of a face's forehead [32, 32], by its landmarks in pixels of its parse [5, 2]."""
    eyes, mouth = landmarks[:2].mean(0), landmarks[3:].mean(0)
    across = (landmarks[1] - landmarks[0]) / 2
    up = (eyes - mouth) / 2
    places = _places() - eyes
    along = places @ across / (across @ across)
    above = places @ up / (up @ up)
    return np.asarray((np.abs(along) < WIDE) & (above > 0) & (above < HIGH))


def _cells(share: Floats) -> Floats:
    """Means of a plane [S, S] over the cells of the latents, [32, 32]."""
    block = len(share) // CELLS
    return np.asarray(share.reshape(CELLS, block, CELLS, block).mean((1, 3)), np.float32)
