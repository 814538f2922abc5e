"""The forty attributes of CelebA: their names, where the page groups them and how it calls them."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from facedial.errors import UnknownName
from facedial.folder import nearest


@dataclass(frozen=True, slots=True)
class Attribute:
    """One attribute: `name` as CelebA spells it, `group` and `label` as a person reads them."""

    name: str
    group: str
    label: str


# In CelebA's order: the columns of label arrays [N, 40] follow it.
ATTRIBUTES: tuple[Attribute, ...] = (
    Attribute("5_o_Clock_Shadow", "beard", "Five o'clock shadow"),
    Attribute("Arched_Eyebrows", "eyes", "Arched eyebrows"),
    Attribute("Attractive", "person", "Attractive (as labelled)"),
    Attribute("Bags_Under_Eyes", "eyes", "Bags under the eyes"),
    Attribute("Bald", "hair", "Bald"),
    Attribute("Bangs", "hair", "Fringe"),
    Attribute("Big_Lips", "mouth", "Full lips"),
    Attribute("Big_Nose", "shape", "Big nose"),
    Attribute("Black_Hair", "hair", "Black hair"),
    Attribute("Blond_Hair", "hair", "Blond hair"),
    Attribute("Blurry", "picture", "Blurry picture"),
    Attribute("Brown_Hair", "hair", "Brown hair"),
    Attribute("Bushy_Eyebrows", "eyes", "Bushy eyebrows"),
    Attribute("Chubby", "shape", "Chubby"),
    Attribute("Double_Chin", "shape", "Double chin"),
    Attribute("Eyeglasses", "worn", "Glasses"),
    Attribute("Goatee", "beard", "Goatee"),
    Attribute("Gray_Hair", "hair", "Grey hair"),
    Attribute("Heavy_Makeup", "worn", "Heavy make-up"),
    Attribute("High_Cheekbones", "shape", "High cheekbones"),
    Attribute("Male", "person", "Male"),
    Attribute("Mouth_Slightly_Open", "mouth", "Mouth slightly open"),
    Attribute("Mustache", "beard", "Moustache"),
    Attribute("Narrow_Eyes", "eyes", "Narrow eyes"),
    Attribute("No_Beard", "beard", "No beard"),
    Attribute("Oval_Face", "shape", "Oval face"),
    Attribute("Pale_Skin", "skin", "Pale skin"),
    Attribute("Pointy_Nose", "shape", "Pointed nose"),
    Attribute("Receding_Hairline", "hair", "Receding hairline"),
    Attribute("Rosy_Cheeks", "skin", "Rosy cheeks"),
    Attribute("Sideburns", "beard", "Sideburns"),
    Attribute("Smiling", "mouth", "Smile"),
    Attribute("Straight_Hair", "hair", "Straight hair"),
    Attribute("Wavy_Hair", "hair", "Wavy hair"),
    Attribute("Wearing_Earrings", "worn", "Earrings"),
    Attribute("Wearing_Hat", "worn", "Hat"),
    Attribute("Wearing_Lipstick", "worn", "Lipstick"),
    Attribute("Wearing_Necklace", "worn", "Necklace"),
    Attribute("Wearing_Necktie", "worn", "Necktie"),
    Attribute("Young", "person", "Young"),
)
NAMES: tuple[str, ...] = tuple(attribute.name for attribute in ATTRIBUTES)


# Readings whose AUC on validation people lies below are flagged wherever they appear.
WEAK = 0.8


def is_weak(auc: float | None) -> bool:
    """Whether a reading of this AUC, None where it is not known, is not to be relied on."""
    return (auc or 0) < WEAK


@lru_cache(1024)
def key(name: str) -> str:
    """`name` as names are compared: case, underscores, hyphens and spaces ignored."""
    return name.lower().replace("_", "").replace("-", "").replace(" ", "")


def match(name: str, known: Iterable[str]) -> str:
    """The one of `known` that is `name` when case, underscores, hyphens and spaces are ignored.

    Raises `UnknownName` with the nearest name.

    >>> match("no beard", ["Male", "No_Beard"])
    'No_Beard'
    """
    known = list(known)
    table = {key(k): k for k in known}
    if key(name) not in table:
        raise UnknownName(nearest(name, known, "attribute"))
    return table[key(name)]


def find(name: str) -> Attribute:
    """The CelebA attribute called `name`; case, underscores, hyphens and spaces are ignored.

    Raises `UnknownName` with the nearest name.

    >>> find("wavy-hair").name
    'Wavy_Hair'
    """
    return _TABLE[match(name, _TABLE)]


_TABLE = {a.name: a for a in ATTRIBUTES}
