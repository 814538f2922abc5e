"""What is made on the photo's own face, not drawn: which attributes, and how far they go there."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from facedial.arrays import Floats
from facedial.codes.code import Code
from facedial.codes.later import Later
from facedial.compose.retouch import RETOUCHED
from facedial.editing.request import Edit
from facedial.editing.table import BEST
from facedial.model import FRAME, Model

WHOLE_RANGE = 2  # of a condition, from -1 without an attribute to 1 with it
GLASSES, BALD, SMILE, OPEN = "Eyeglasses", "Bald", "Smiling", "Mouth_Slightly_Open"
BANGS, HAT = "Bangs", "Wearing_Hat"
# Attributes made on the photo's own face, not drawn: where they rise (1), fall (-1), or both (0).
NO_BEARD = "No_Beard"
BEARDS = {"Mustache": 1, "Goatee": 1, "5_o_Clock_Shadow": 1, NO_BEARD: -1}
MOUTH = {SMILE, OPEN}
COMPOSED = {
    **BEARDS,
    BALD: 1,
    BANGS: 1,
    HAT: 1,
    GLASSES: 0,
    SMILE: 0,
    OPEN: 0,
    **dict.fromkeys(RETOUCHED, 0),
}
LARGEST_BEARD = 1.3  # times the mean density of hair, which a target beyond 1 gets
CLOSED_SMILE = 0.35  # share of a smile from which on it opens the mouth
MIN_WAY = 0.25  # least distance to a target that counts, so that blond hair can become more so


@dataclass(frozen=True, slots=True)
class GlassesChange:
    """Glasses that are put on: `share` of them (0: none), of the shape that the code `drawn` shows.

    `darkness` of their lenses, or of those of the glasses that the photo shows, 0 clear..1 dark; None:
    clear lenses, and as they are in the photo's own.
    """

    share: float = 0.0
    drawn: Code | None = None
    darkness: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class MouthChange:
    """A mouth that is moved: its smile before and after, 0 none..1 whole.

    `opened`: -1 closed..1 opened as wide as usual, 0 as it is. Where the photo does not show the whole
    mouth it is drawn: by the `step` [D] of the code, `detail_replacement` as for `EditMethod`.
    """

    smile: tuple[float, float]
    opened: float
    step: Later[Floats]
    detail_replacement: float = 0.0

    def part(self, share: float) -> "MouthChange":
        """A share 0..1 of the change."""
        before, after = self.smile
        smile, step = (before, before + share * (after - before)), scaled(self.step, share)
        return dataclasses.replace(self, smile=smile, opened=share * self.opened, step=step)


@dataclass(frozen=True, slots=True, eq=False)
class PhotoChange:
    """A change that is made in the photo: a fringe that is grown, glasses that come off, a hat.

    `share`: of all of it, 0..1. Where the photo does not show what it is made of, it is drawn: `step` [D]
    and `detail_replacement` as for `MouthChange`.
    """

    share: float
    step: Later[Floats]
    detail_replacement: float = 0.0

    def part(self, share: float) -> "PhotoChange":
        """A share 0..1 of the change."""
        return dataclasses.replace(self, share=share * self.share, step=scaled(self.step, share))


def scaled(step: Later[Floats], share: float) -> Later[Floats]:
    """A share of a step [D], computed when it is needed."""
    return Later(lambda: np.float32(share) * step.value)


def recolours_hair(model: Model) -> bool:
    """Whether a model can give a photo's own hair another colour: it has a parser of head crops.

    The same models put glasses on by composition, with lenses of any darkness.
    """
    return model.frame == FRAME and model.has_parser


def is_composed(model: Model, name: str, method: str = BEST, *, lowers: bool = False) -> bool:
    """Whether an attribute, where it rises or `lowers`, is made on the photo's own face, not drawn."""
    if method != BEST or name not in COMPOSED or not recolours_hair(model):
        return False
    if name == GLASSES and lowers:
        return model.bare_eyes is not None
    if COMPOSED[name] == (1 if lowers else -1):
        return name in BEARDS and model.clean_faces is not None
    if name in BEARDS:
        return model.beards is not None
    if name == BANGS:
        return True
    if name in (BALD, HAT):
        return model.bald_heads is not None
    if name in RETOUCHED:
        return model.retouch is not None and name in model.retouch.names
    return name == GLASSES or (model.mouths is not None and SMILE in model.directions.names)


def share_of(name: str, amount: float, attributes: Mapping[str, float]) -> float:
    """Share of the way that what is composed goes: 1 where those are who have it, negative away from it.

    `amount`: by which the attribute's condition moves. A beard's share is positive where hair comes, and
    negative where it goes.
    """
    room = 1 - attributes[name] if amount > 0 else attributes[name]
    share = abs(amount) / WHOLE_RANGE / max(room, MIN_WAY)
    comes = (amount > 0) == (BEARDS.get(name, 1) > 0)
    share = min(share, LARGEST_BEARD if name in BEARDS and comes else 1.0)
    return share if comes else -share


def mouth_of(
    shares: Mapping[str, float],
    implied: Mapping[str, float],
    edit: Edit,
    smiles: float,
    step: Later[Floats],
    detail_replacement: float,
) -> MouthChange:
    """How a mouth moves that smiles by `smiles` now.

    Where nothing is asked of its opening, a smile opens it, and one that goes closes it where that is
    implied.
    """
    smile = shares.get(SMILE, 0.0)
    opened = shares.get(OPEN)
    if opened is None and smile > 0:
        stays = edit.exactly or OPEN in edit.keep
        opened = 0.0 if stays else max(0.0, (smile - CLOSED_SMILE) / (1 - CLOSED_SMILE))
    elif opened is None:
        opened = smile if OPEN in implied else 0.0
    after = smiles + smile * (1 - smiles if smile > 0 else smiles)
    return MouthChange((smiles, after), opened, step, detail_replacement)
